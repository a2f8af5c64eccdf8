"""Minimax: the polynomial with the least largest weighted error, with a lower bound that no other is below.

A linear program on points finds where the error is largest; then the points move to the extrema of the error and the
errors there are levelled, as E. Remez did (1934). Coefficients are rational numbers and the error is evaluated in many
digits, so that everything that floats do is to improve on it, at errors of 1e-30 as at 1e-3. The program needs no Haar
condition: any set of powers, fixed coefficients, given points and weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from scipy.optimize import linprog

from polyoptim.errors import DataError
from polyoptim.solvers.normal_equations import nearest
from polyoptim.solvers.sought import Sought
from polyoptim.solvers.space import Space, added
from polyoptim.targets.balls import rational

Array = npt.NDArray[np.float64]
Points = list[Fraction]

POINTS, POINTS_A_COLUMN = 320, 12  # on which the first program stands
BITS, BITS_A_DEGREE = 200, 5  # of the coefficients
ROUNDS = 40
LEVEL = 1e-11  # the largest error may be above the level of the others by so much, relative
SOLVER = 1e-7  # what a linear program in floats is exact to
FEW_ROUNDS = 3
ZERO = 2.0**-900


@dataclass(frozen=True)
class Condition:
    """A linear condition on the polynomial: its derivative of an order at x has a value."""

    x: Fraction
    value: Fraction
    order: int = 0

    def of_power(self, power: int) -> Fraction:
        """Return what a power of x contributes."""
        if power < self.order:
            return Fraction(0)
        factor = 1
        for k in range(self.order):
            factor *= power - k
        return factor * self.x ** (power - self.order)

    def of(self, coef: Mapping[int, Fraction]) -> Fraction:
        """Return what a polynomial has there."""
        return sum((value * self.of_power(power) for power, value in coef.items()), Fraction(0))


@dataclass(frozen=True)
class Minimax:
    """The best polynomial that was found.

    Parameters
    ----------
    coef : of every power, free and fixed.
    error : the largest weighted error at its extrema, in floats.
    lower : no such polynomial has less: the bound of de la Vallée-Poussin for the `reference`, in balls.
    reference : the points on which that bound stands.
    rounds : how often the points were moved.
    """

    coef: dict[int, Fraction]
    error: float
    lower: float
    reference: Points
    rounds: int


def minimax(
    sought: Sought,
    space: Space,
    fixed: Mapping[int, Fraction],
    domains: Sequence[tuple[Fraction, Fraction]],
    conditions: Sequence[Condition] = (),
) -> Minimax:
    """Return the polynomial of least largest weighted error.

    Raises
    ------
    DataError
        Where the conditions contradict each other, or the target has no values to speak of.
    """
    points = sought.usable(_grid(domains, max(POINTS, POINTS_A_COLUMN * space.size)))
    if len(points) <= space.size:
        raise DataError("the target has a finite value at too few points of the domain. Choose another domain.")
    coef = {**dict.fromkeys(space.powers, Fraction(0)), **fixed}
    bits = BITS + BITS_A_DEGREE * max(space.powers) + _smallness(sought, points)
    best: tuple[float, dict[int, Fraction]] | None = None
    reference: Points = []
    for turn in range(ROUNDS):
        errors = sought.errors(coef, points)
        change, level, reference = _program(sought, space, coef, conditions, points, errors)
        coef = added(coef, space.in_powers(change), bits, space.size_of_x)
        extrema, heights = _extrema(sought, coef, domains, points)
        largest = float(np.abs(heights).max(initial=0.0))
        if best is None or largest < best[0]:
            best = largest, coef
        if largest <= level * (1 + SOLVER) or largest < ZERO:
            break
        if turn >= FEW_ROUNDS:  # from here on levelling alone is faster, where it is possible
            error, tried, own = _levelled(sought, space, (*best, reference), domains, conditions, points, bits)
            if error < best[0] * (1 - SOLVER):
                best, reference = (error, tried), own
                break
        points = sorted({*points, *extrema, *reference})
    assert best is not None  # noqa: S101 - there was a round
    error, coef, own = _levelled(sought, space, (*best, reference), domains, conditions, points, bits)
    coef = _meeting(coef, space.powers, conditions)
    bounds = {lower_bound(sought, space, coef, conditions, some): some for some in (reference, own)}
    lower = max(bounds)
    return Minimax(coef, error, lower, bounds[lower], turn + 1)


def _smallness(sought: Sought, points: Points) -> int:
    """Return how many bits a target lies below 1."""
    with ctx.workprec(64):
        largest = max((abs(sought.value(point)).upper() for point in points), default=arb(1))
        return max(-int(float((largest.log() / arb.const_log2()).floor())), 0) if largest > 0 else 0


def _meeting(coef: dict[int, Fraction], powers: Sequence[int], conditions: Sequence[Condition]) -> dict[int, Fraction]:
    """Return coefficients that meet the conditions exactly, where they have met them to rounding."""
    if not conditions:
        return coef
    rows = [[_rational(one.of_power(power)) for power in powers] for one in conditions]
    missing = [_rational(one.value - one.of(coef)) for one in conditions]
    reduced, rank = fmpq_mat([[*row, value] for row, value in zip(rows, missing, strict=True)]).rref()
    found = dict(coef)
    for row in range(rank):
        pivot = next(place for place in range(len(powers) + 1) if reduced[row, place] != 0)
        value = reduced[row, len(powers)]
        found[powers[pivot]] += Fraction(int(value.p), int(value.q))
    return found


def _rational(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def _levelled(
    sought: Sought,
    space: Space,
    found: tuple[float, dict[int, Fraction], Points],
    domains: Sequence[tuple[Fraction, Fraction]],
    conditions: Sequence[Condition],
    points: Points,
    bits: int,
) -> tuple[float, dict[int, Fraction], Points]:
    """Return the polynomial whose error has the same size at all its extrema, where they are as many as it needs."""
    error, coef, reference = found
    wanted = space.size - len(conditions) + 1
    points = sorted({*points, *reference})
    for _ in range(ROUNDS):
        extrema, heights = _extrema(sought, coef, domains, points)
        sizes = np.abs(heights)
        chosen = _alternating(heights, wanted)
        if len(chosen) != wanted or sizes.max() == 0:
            break
        reference = [extrema[place] for place in chosen]
        if sizes.max() <= error * (1 + SOLVER):
            error = float(sizes.max())
            found = error, coef, reference
        if sizes.max() <= sizes[chosen].min() * (1 + LEVEL):
            break
        errors = heights[chosen] / sizes.max()
        columns = space.columns(reference) * sought.weights(reference)[:, None]
        scale = np.abs(columns).max(axis=0)
        equal = np.array([[_of_column(one, column) for column in space.table] for one in conditions])
        system = np.hstack([columns / scale, np.sign(errors)[:, None]])
        if len(conditions):
            system = np.vstack([system, np.hstack([equal / scale, np.zeros((len(conditions), 1))])])
            errors = np.r_[errors, [float(one.value - one.of(coef)) / sizes.max() for one in conditions]]
        try:
            change = np.linalg.solve(system, errors)[:-1] / scale
        except np.linalg.LinAlgError:
            break
        coef = added(coef, space.in_powers(float(sizes.max()) * change), bits, space.size_of_x)
        points = sorted({*points, *reference})
    return found


def _alternating(heights: Array, wanted: int) -> npt.NDArray[np.int64]:
    """Return places of so many extrema with alternating signs, of those in a row the largest; fewer where there are."""
    kept: list[int] = []
    for place in range(len(heights)):
        if kept and np.sign(heights[place]) == np.sign(heights[kept[-1]]):
            if abs(heights[place]) > abs(heights[kept[-1]]):
                kept[-1] = place
        else:
            kept.append(place)
    while len(kept) > wanted:
        sizes = np.abs(heights[kept])
        if len(kept) == wanted + 1:
            kept.pop(0 if sizes[0] < sizes[-1] else -1)
            continue
        pairs = np.maximum(sizes[:-1], sizes[1:])  # two neighbours go, so that the others alternate
        place = int(np.argmin(pairs))
        ends = {0: sizes[0], len(kept) - 1: sizes[-1]}
        end = min(ends, key=lambda one: ends[one])
        if ends[end] <= pairs[place]:
            kept.pop(end)
        else:
            del kept[place : place + 2]
    return np.array(kept, dtype=np.int64)


def _grid(domains: Sequence[tuple[Fraction, Fraction]], count: int) -> Points:
    """Return Chebyshev points of each interval, with its ends, as short rational numbers."""
    found: set[Fraction] = set()
    each = max(count // len(domains), 16)
    for low, high in domains:
        if low == high:
            found.add(low)
            continue
        unit = Fraction(2) ** (_exponent(high - low) - 40)
        for place in np.cos(np.linspace(np.pi, 0, each)).tolist():
            x = (low + high) / 2 + (high - low) / 2 * Fraction(place)
            found.add(min(max(round(x / unit) * unit, low), high))
    return sorted(found)


def _exponent(size: Fraction) -> int:
    return size.numerator.bit_length() - size.denominator.bit_length()


def _program(
    sought: Sought,
    space: Space,
    coef: Mapping[int, Fraction],
    conditions: Sequence[Condition],
    points: Points,
    errors: Array,
) -> tuple[Array, float, Points]:
    """Return the change of columns that makes the largest of these errors least, that error, and where it stands."""
    weighted = space.columns(points) * sought.weights(points)[:, None]
    scale = np.abs(weighted).max(axis=0)
    scale[scale == 0] = 1.0
    weighted = weighted / scale
    count, size = weighted.shape
    ones = -np.ones((count, 1))
    above = np.vstack([np.hstack([-weighted, ones]), np.hstack([weighted, ones])])
    equal = np.array([[_of_column(one, column) for column in space.table] for one in conditions]).reshape(-1, size)
    wanted = np.array([float(one.value - one.of(coef)) for one in conditions])
    unit = float(np.abs(errors).max()) or 1.0
    found = linprog(
        np.r_[np.zeros(size), 1.0],
        A_ub=above,
        b_ub=np.r_[-errors, errors] / unit,
        A_eq=np.hstack([equal / scale, np.zeros((len(equal), 1))]) if len(equal) else None,
        b_eq=wanted / unit if len(equal) else None,
        bounds=[(None, None)] * size + [(0, None)],
        method="highs",
    )
    if found.status == 2:
        raise DataError("no polynomial meets all conditions: they contradict each other, or leave too few powers.")
    if found.x is None:
        raise DataError(f"the linear program was not solved: {found.message}")
    pull = np.abs(found.ineqlin.marginals).reshape(2, count).sum(axis=0)
    reference = [points[place] for place in np.flatnonzero(pull > 1e-12)]
    return unit * found.x[:-1] / scale, unit * float(found.x[-1]), reference


def _of_column(condition: Condition, column: Mapping[int, Fraction]) -> float:
    return float(condition.of(column))


def _extrema(
    sought: Sought, coef: Mapping[int, Fraction], domains: Sequence[tuple[Fraction, Fraction]], points: Points
) -> tuple[Points, Array]:
    """Return the local maxima of the abs of the error near the points, moved to where they are, and their errors."""
    found: Points = []
    for low, high in domains:
        own = [point for point in points if low <= point <= high]
        sizes = np.abs(sought.errors(coef, own))
        padded = np.r_[-1.0, sizes, -1.0]
        peaks = np.flatnonzero((sizes >= padded[:-2]) & (sizes >= padded[2:]))
        for place in peaks.tolist():
            near = own[max(place - 1, 0) : place + 2]
            found.append(_climbed(sought, coef, near, sizes[max(place - 1, 0) : place + 2]))
    return found, sought.errors(coef, found)


def _climbed(sought: Sought, coef: Mapping[int, Fraction], near: Points, sizes: Array) -> Fraction:
    """Return the top of a parabola through three points, a few times; the end itself where the error still rises."""
    if len(near) < 3:
        return near[int(np.argmax(sizes))]
    a, b, c = near
    best, height = b, float(sizes[1])
    for _ in range(3):
        x = np.array([float(a - b), 0.0, float(c - b)])
        y = np.asarray(sizes, dtype=float) / (height or 1.0)
        left, right = (y[0] - y[1]) / x[0], (y[2] - y[1]) / x[2]
        curve = (right - left) / (x[2] - x[0])
        if not curve < 0:
            break
        top = b + Fraction(float(np.clip(-(left - curve * x[0]) / (2 * curve), 0.9 * x[0], 0.9 * x[2])))
        unit = Fraction(2) ** (_exponent(c - a) - 40)
        top = round(top / unit) * unit
        if top in (a, b, c):
            break
        value = float(abs(sought.errors(coef, [top])[0])) if sought.usable([top]) else -1.0
        if value <= height:
            break
        nearer = (max(a, b) if top > b else a, c if top > b else b)
        best, height = top, value
        a, b, c = nearer[0], top, nearer[1]
        sizes = np.abs(sought.errors(coef, [a, b, c]))
    return best


def lower_bound(
    sought: Sought, space: Space, coef: Mapping[int, Fraction], conditions: Sequence[Condition], reference: Points
) -> float:
    """Return what no polynomial of the space with these conditions is below, from a few points.

    With numbers v such that sum v_j q(x_j) = 0 for every q that may be added, sum v_j (f - p)(x_j) is the same for all
    polynomials, and abs of it is at most the largest weighted error times sum abs(v_j) / w_j. In balls, rounded down.
    """
    if len(reference) < 2:
        return 0.0
    chosen = _spread(reference, space.size - len(conditions) + 1)
    with ctx.workprec(max(sought.bits, BITS) + 4 * max(space.powers)):
        columns = [[rational(point**power) for power in space.powers] for point in chosen]
        columns += [[rational(one.of_power(power)) for power in space.powers] for one in conditions]
        last = len(chosen) - 1
        rest = columns[:last] + columns[last + 1 :]
        try:
            solved = arb_mat(rest).transpose().solve(arb_mat([[-value] for value in columns[last]]))
        except ZeroDivisionError:
            return 0.0
        numbers = [solved[place, 0] for place in range(last)] + [arb(1)]
        errors = sizes = arb(0)
        for v, point in zip(numbers, chosen, strict=True):
            f, w = sought.at(point)
            errors += v * (f - rational(Condition(point, Fraction(0)).of(coef)))
            sizes += abs(v) / w
        for place, one in enumerate(conditions):  # what rounding of the coefficients leaves of them
            errors += solved[last + place, 0] * rational(one.value - one.of(coef))
        return max(nearest((abs(errors) / sizes).lower()) * (1 - 2.0**-50), 0.0)


def _spread(reference: Points, count: int) -> Points:
    """Return so many points: those of the reference, thinned, or with others between them."""
    points = sorted(reference)
    while len(points) > count:
        gaps = [b - a for a, b in itertools.pairwise(points)]
        points.pop(int(np.argmin([float(gap) for gap in gaps])))
    while len(points) < count:
        gaps = [b - a for a, b in itertools.pairwise(points)]
        place = int(np.argmax([float(gap) for gap in gaps]))
        points.insert(place + 1, points[place] + gaps[place] / 2)
    return points
