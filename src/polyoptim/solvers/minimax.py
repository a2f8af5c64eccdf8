"""Minimax: the polynomial with the least largest weighted error, with a lower bound that no other is below.

Points at which the error has its extrema are exchanged for better ones, and the errors there levelled, as E. Remez did
(1934). Where that ends without a proof, as it may for powers, weights and domains without Haar's condition, a linear
program on points says where the error is largest, and the points move to the extrema of its answer. Coefficients are
rational numbers and the error is evaluated in many digits, so that everything that floats do is to improve on it, at
errors of 1e-30 as at 1e-3.

Conditions on the polynomial are solved for exactly before: what is left are the combinations of columns that meet them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, arb_poly, ctx, fmpq, fmpq_mat
from scipy.optimize import linprog

from polyoptim.errors import DataError
from polyoptim.solvers.extrema import extrema_of
from polyoptim.solvers.normal_equations import nearest
from polyoptim.solvers.sought import Sought, taylor
from polyoptim.solvers.space import Space, Subspace, added, near_power
from polyoptim.targets.balls import rational

Array = npt.NDArray[np.float64]
Points = list[Fraction]

POINTS, POINTS_A_COLUMN = 320, 12  # among which extrema are looked for
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
    points = sought.usable(grid(domains, space.size))
    if len(points) <= space.size:
        raise DataError("the target has a finite value at too few points of the domain. Choose another domain.")
    start = _meeting({**dict.fromkeys(space.powers, Fraction(0)), **fixed}, space.powers, conditions)
    if not np.isfinite(sought.errors(start, points)).all():
        raise DataError("the target or its error has values beyond the largest float, 1.8e308. Scale the target.")
    bits = BITS + BITS_A_DEGREE * max(space.powers) + _smallness(sought, points)
    free = space.meeting([[one.of_power(power) for power in space.powers] for one in conditions])
    search = _Search(sought, free, domains, bits)
    if not search.space.table:
        error = float(np.abs(sought.errors(start, points)).max())
        return Minimax(start, error, 0.0, [], 0)
    found = search.exchanged(Found(start, math.inf, _places(points, search.space.count + 1)), points)
    lower = lower_bound(sought, search.space, found.coef, found.reference)
    if not found.error <= lower * (1 + SOLVER):
        found, lower = search.programmed(start, points)
    coef = _meeting(found.coef, space.powers, conditions)
    return Minimax(coef, found.error, lower, found.reference, found.rounds)


def _smallness(sought: Sought, points: Points) -> int:
    """Return how many bits a target lies below 1."""
    with ctx.workprec(64):
        largest = max((abs(sought.value(point)).upper() for point in points), default=arb(1))
        return max(-int(float((largest.log() / arb.const_log2()).floor())), 0) if largest > 0 else 0


def _meeting(coef: dict[int, Fraction], powers: Sequence[int], conditions: Sequence[Condition]) -> dict[int, Fraction]:
    """Return coefficients that meet the conditions exactly; those of the lowest powers are changed."""
    if not conditions:
        return coef
    rows = [[_rational(one.of_power(power)) for power in powers] for one in conditions]
    missing = [_rational(one.value - one.of(coef)) for one in conditions]
    reduced, rank = fmpq_mat([[*row, value] for row, value in zip(rows, missing, strict=True)]).rref()
    found = dict(coef)
    for row in range(rank):
        pivot = next(place for place in range(len(powers) + 1) if reduced[row, place] != 0)
        if pivot == len(powers):
            raise DataError("no polynomial meets all conditions: they contradict each other, or leave too few powers.")
        value = reduced[row, len(powers)]
        found[powers[pivot]] += Fraction(int(value.p), int(value.q))
    return found


def _rational(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


@dataclass(frozen=True)
class Found:
    """A polynomial, its largest error, and the points on which it was found."""

    coef: dict[int, Fraction]
    error: float
    reference: Points
    rounds: int = 0


@dataclass(frozen=True)
class _Search:
    """Where the best polynomial is looked for.

    Parameters
    ----------
    sought : target and weight.
    space : what may be added.
    domains : intervals.
    bits : of coefficients.
    """

    sought: Sought
    space: Subspace
    domains: Sequence[tuple[Fraction, Fraction]]
    bits: int

    def exchanged(self, found: Found, points: Points) -> Found:
        """Return the polynomial whose error is level at its extrema, where exchanging points leads to one."""
        best, coef, reference = found, found.coef, found.reference
        wanted = self.space.count + 1
        for turn in range(ROUNDS):
            if len(reference) != wanted:
                break
            change = self.levelling(coef, reference)
            if change is None:
                break
            coef = self.changed(coef, change)
            extrema, heights = extrema_of(self.sought, coef, self.domains, sorted({*points, *reference}))
            largest = float(np.abs(heights).max(initial=0.0))
            if largest < best.error or turn == 0:
                best = Found(coef, largest, reference, turn + 1)
            chosen = _alternating(heights, wanted)
            if largest < ZERO or len(chosen) < wanted or largest <= np.abs(heights[chosen]).min() * (1 + LEVEL):
                break
            reference = [extrema[place] for place in chosen]
        return best

    def levelling(self, coef: Mapping[int, Fraction], reference: Points) -> Array | None:
        """Return the change of columns after which errors at some points have one size, and alternate."""
        errors = self.sought.errors(coef, reference)
        unit = float(np.abs(errors).max())
        columns = _columns(self.sought, self.space, reference)
        scale = np.abs(columns).max(axis=0)
        scale[scale == 0] = 1.0
        signs = (-1.0) ** np.arange(len(reference))
        if not unit > 0:
            return None
        try:
            solved = np.linalg.solve(np.hstack([columns / scale, signs[:, None]]), errors / unit)
        except np.linalg.LinAlgError:
            return None
        change: Array = unit * solved[:-1] / scale
        return change if np.isfinite(change).all() else None

    def changed(self, coef: Mapping[int, Fraction], change: Array) -> dict[int, Fraction]:
        """Return coefficients after a change of columns."""
        return added(coef, self.space.in_powers(change), self.bits, self.space.size_of_x)

    def programmed(self, coef: dict[int, Fraction], points: Points) -> tuple[Found, float]:
        """Return the polynomial that linear programs find on more and more points, levelled, and a lower bound."""
        best: Found | None = None
        for turn in range(ROUNDS):
            change, level, reference = _program(self.sought, self.space, points, self.sought.errors(coef, points))
            coef = self.changed(coef, change)
            extrema, heights = extrema_of(self.sought, coef, self.domains, points)
            largest = float(np.abs(heights).max(initial=0.0))
            if best is None or largest < best.error:
                best = Found(coef, largest, reference, turn + 1)
            if largest <= level * (1 + SOLVER) or largest < ZERO:
                break
            if turn >= FEW_ROUNDS:  # from here on exchanging alone is faster, where it is possible
                tried = self.exchanged(replace(best, reference=_spread(reference, self.space.count + 1)), points)
                if tried.error < best.error * (1 - SOLVER):
                    best = tried
                    break
            points = sorted({*points, *extrema, *reference})
        assert best is not None  # noqa: S101 - there was a round
        own = self.exchanged(replace(best, reference=_spread(best.reference, self.space.count + 1)), points)
        bounds = [lower_bound(self.sought, self.space, one.coef, one.reference) for one in (best, own)]
        return own if own.error < best.error else best, max(bounds)


def _places(points: Points, count: int) -> Points:
    """Return so many of some points, evenly."""
    chosen = np.unique(np.linspace(0, len(points) - 1, count).round().astype(int))
    return [points[place] for place in chosen]


def _columns(sought: Sought, space: Subspace, points: Points) -> Array:
    """Return the weighted columns at points."""
    found = space.columns(points)
    for place, x in enumerate(points):
        if order := sought.orders.get(x):
            one = Condition(x, Fraction(0), order)
            found[place] = [float(one.of(column) / math.factorial(order)) for column in space.table]
    weighted: Array = found * sought.weights(points)[:, None]
    return weighted


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


def grid(domains: Sequence[tuple[Fraction, Fraction]], size: int) -> Points:
    """Return Chebyshev points of each interval, with its ends, as short rational numbers: enough for `size` columns."""
    found: set[Fraction] = set()
    count = max(POINTS, POINTS_A_COLUMN * size)
    each = max(count // len(domains), 16)
    for low, high in domains:
        if low == high:
            found.add(low)
            continue
        unit = Fraction(2) ** (near_power(high - low) - 40)
        for place in np.cos(np.linspace(np.pi, 0, each)).tolist():
            x = (low + high) / 2 + (high - low) / 2 * Fraction(place)
            found.add(min(max(round(x / unit) * unit, low), high))
    return sorted(found)


def _program(sought: Sought, space: Subspace, points: Points, errors: Array) -> tuple[Array, float, Points]:
    """Return the change of columns that makes the largest of these errors least, that error, and where it stands."""
    weighted = _columns(sought, space, points)
    scale = np.abs(weighted).max(axis=0)
    scale[scale == 0] = 1.0
    weighted = weighted / scale
    count, size = weighted.shape
    ones = -np.ones((count, 1))
    unit = float(np.abs(errors).max()) or 1.0
    found = linprog(
        np.r_[np.zeros(size), 1.0],
        A_ub=np.vstack([np.hstack([-weighted, ones]), np.hstack([weighted, ones])]),
        b_ub=np.r_[-errors, errors] / unit,
        bounds=[(None, None)] * size + [(0, None)],
        method="highs",
    )
    if found.x is None:
        raise DataError(f"the linear program was not solved: {found.message}")
    pull = np.abs(found.ineqlin.marginals).reshape(2, count).sum(axis=0)
    reference = [points[place] for place in np.flatnonzero(pull > 1e-12)]
    return unit * found.x[:-1] / scale, unit * float(found.x[-1]), reference


def lower_bound(sought: Sought, space: Subspace, coef: Mapping[int, Fraction], reference: Points) -> float:
    """Return what no polynomial is below that differs from one by a polynomial of the space, from a few points.

    With numbers v such that sum v_j q(x_j) = 0 for every q of the space, sum v_j (f - p)(x_j) is the same for all these
    polynomials, and abs of it is at most the largest weighted error times sum abs(v_j) / w_j. In balls, rounded down.
    """
    if len(reference) < 2:
        return 0.0
    chosen = _spread(reference, space.count + 1)
    with ctx.workprec(max(sought.bits, BITS) + 4 * max(space.powers)):
        polynomials = [_dense(column) for column in space.table]
        rows = [[taylor(one, x, sought.orders.get(x, 0)) for one in polynomials] for x in chosen]
        try:
            solved = arb_mat(rows[:-1]).transpose().solve(arb_mat([[-value] for value in rows[-1]]))
        except ZeroDivisionError:
            return 0.0
        numbers = [solved[place, 0] for place in range(len(chosen) - 1)] + [arb(1)]
        polynomial, errors, sizes = _dense(coef), arb(0), arb(0)
        for v, point in zip(numbers, chosen, strict=True):
            f, w = sought.at(point)
            errors += v * (f - taylor(polynomial, point, sought.orders.get(point, 0)))
            sizes += abs(v) / w
        return max(nearest((abs(errors) / sizes).lower()) * (1 - 2.0**-50), 0.0)


def _dense(coef: Mapping[int, Fraction]) -> arb_poly:
    return arb_poly([rational(coef.get(power, Fraction(0))) for power in range(max(coef, default=0) + 1)])


def _spread(reference: Points, count: int) -> Points:
    """Return so many points: those of the reference, thinned, or with others between them; one is left as it is."""
    points = sorted(reference)
    if len(points) < 2:
        return points
    while len(points) > count:
        gaps = [b - a for a, b in itertools.pairwise(points)]
        points.pop(int(np.argmin([float(gap) for gap in gaps])))
    while len(points) < count:
        gaps = [b - a for a, b in itertools.pairwise(points)]
        place = int(np.argmax([float(gap) for gap in gaps]))
        points.insert(place + 1, points[place] + gaps[place] / 2)
    return points
