"""Approximation: from a function to coefficients in a format, by degree or tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from flint import arb, ctx

from polyoptim.errors import ArgumentError, DataError
from polyoptim.formats import FORMATS, Format
from polyoptim.solvers.extrema import extrema_of
from polyoptim.solvers.integrals import MeanTask
from polyoptim.solvers.lattice import RoundingProblem, round_polynomial
from polyoptim.solvers.mean_error import POWER, largest_error, least_mean
from polyoptim.solvers.minimax import Condition, Minimax, grid, minimax
from polyoptim.solvers.normal_equations import fraction
from polyoptim.solvers.sought import Sought
from polyoptim.solvers.space import Space
from polyoptim.targets.balls import expand, rational
from polyoptim.targets.nodes import Node

Pieces = tuple[tuple[Fraction, Fraction], ...]

LARGEST_DEGREE = 120  # that is tried for a tolerance
MORE_DEGREES = 4  # that rounding to a format may take
PROBES = (0.137, 0.331, 0.579, 0.823, 0.951)  # of a half domain, where a function is compared with its mirror image
MOST_ZEROS = 8  # multiplicity of a zero of the target
ZERO_BITS = 400
SAMPLES = 1000  # steps through an interval where nothing is proved
ROUNDS = 5  # of roundings, each with the points at which the one before has its largest errors
CLOSE, HIGH = 1e-6, 0.9  # of the largest error: what is as near, and what is one of the largest
FLOATS = 2.0**-48  # relative, what the values of a function of floats leave open
ZERO_GRID, ROOT_STEPS = 64, 120  # in which zeros are looked for, and halvings of such an interval


@dataclass(frozen=True)
class Asked:
    """What is to be approximated, and by which polynomials.

    Parameters
    ----------
    target : an expression, or a function of floats.
    weight : "absolute", "relative" or an expression that multiplies the error.
    pieces : intervals of x, ascending and apart.
    powers : those that may appear, with those in `fixed`.
    fixed : coefficients that keep their value.
    formats : of the coefficient of each of `powers`.
    through : points at which the polynomial has the value of the target.
    objective : "minimax" for the least largest error, "l2" and "l1" for the least integral of its square or its abs.
    """

    target: Node | Callable[[float], float]
    weight: str | Node
    pieces: Pieces
    powers: tuple[int, ...]
    formats: tuple[Format, ...]
    fixed: Mapping[int, Fraction] = field(default_factory=dict)
    through: tuple[Fraction, ...] = ()
    objective: str = "minimax"

    @property
    def free(self) -> tuple[int, ...]:
        """The powers whose coefficients are looked for."""
        return tuple(power for power in self.powers if power not in self.fixed)

    @property
    def is_real(self) -> bool:
        """Whether nothing is rounded."""
        return all(each.finest is None for each in self.formats)


@dataclass(frozen=True)
class Approximated:
    """The polynomial that was found.

    Parameters
    ----------
    asked : with the powers that were taken.
    coef : exact, by power.
    error : the largest weighted error, in floats.
    loss : the value of the objective.
    lower : no coefficients of the formats have less of it; for the largest error, where nothing is rounded, proved.
    """

    asked: Asked
    coef: dict[int, Fraction]
    error: float
    loss: float
    lower: float


def parity(target: Node | Callable[[float], float], pieces: Pieces) -> int | None:
    """Return 0 for an even function on a symmetric domain, 1 for an odd one, else None; seen at some points."""
    mirrored = sorted((-high, -low) for low, high in pieces)
    if mirrored != sorted(pieces):
        return None
    sought = Sought(target)
    high = max(high for _, high in pieces)
    points = [high * Fraction(probe).limit_denominator(1 << 20) for probe in PROBES]
    inside = [x for x in points if any(low <= x <= top for low, top in pieces)]
    with ctx.workprec(sought.bits):
        pairs = [(sought.value(x), sought.value(-x)) for x in inside]
        if not pairs or any(not (a.is_finite() and b.is_finite()) for a, b in pairs):
            return None
        if all(_alike(a, b) for a, b in pairs):
            return 0
        return 1 if all(_alike(a, -b) for a, b in pairs) else None


def _alike(a: arb, b: arb) -> bool:
    return abs(a - b) <= abs(a) * arb(2) ** -100 or (a - b).contains(0)


def approximate_function(asked: Asked) -> Approximated:
    """Return the polynomial of least objective with coefficients in the formats."""
    zeros = zeros_of(asked) if asked.weight == "relative" else []
    orders = {one.x: one.order + 1 for one in zeros if isinstance(asked.target, Node)}
    sought = Sought(asked.target, asked.weight, orders=orders)
    asked, conditions = _settled(asked, [*zeros, *(_through(asked, x) for x in asked.through)])
    pieces = _half(asked) if not conditions or all(one.x == 0 for one in conditions) else asked.pieces
    if not asked.free:
        raise ArgumentError("nothing is left to be found: all powers are fixed. Free one, or raise degree.")
    conditions = [one for one in conditions if not _met_anyway(one, asked)]
    if asked.objective != "minimax":
        return _least_mean(asked, pieces, conditions, [one.x for one in zeros])
    space = Space(asked.free, min(low for low, _ in pieces), max(high for _, high in pieces))
    real = minimax(sought, space, asked.fixed, pieces, conditions)
    if asked.is_real:
        return Approximated(asked, real.coef, real.error, real.error, real.lower)
    formats = _free_formats(asked)
    if any(one.order for one in conditions):
        raise ArgumentError(
            "the target has a multiple zero, which a relative error takes for a condition on derivatives; that is "
            "solved for format='real' only. Use powers that have that zero, or error='absolute'."
        )

    def sample(x: arb) -> tuple[arb, arb]:
        return sought.at(fraction(x))

    through = tuple((one.x, one.value) for one in conditions)
    problem = RoundingProblem(sample, pieces, asked.free, formats, asked.fixed, through, orders)
    return _rounded(sought, asked, problem, real)


def _rounded(sought: Sought, asked: Asked, problem: RoundingProblem, real: Minimax) -> Approximated:
    """Return the best coefficients in the formats; again with more points, where the error is larger between them."""
    points, more = sought.usable(grid(problem.pieces, len(asked.free))), set(real.reference)
    for _ in range(ROUNDS):
        rounded = round_polynomial(replace(problem, points=tuple(sorted(more))), [real.coef[k] for k in asked.free])
        coef = {**asked.fixed, **dict(zip(asked.free, rounded.coef, strict=True))}
        tops, heights = extrema_of(sought, coef, problem.pieces, sorted({*points, *more}))
        error = max(rounded.error, float(abs(heights).max(initial=0.0)))
        if error <= rounded.error * (1 + CLOSE):
            break
        more |= {x for x, height in zip(tops, heights.tolist(), strict=True) if abs(height) > HIGH * error}
    lower = max(min(rounded.bound, error), min(real.lower, error))
    return Approximated(asked, coef, error, error, lower)


def _free_formats(asked: Asked) -> tuple[Format, ...]:
    return tuple(each for power, each in zip(asked.powers, asked.formats, strict=True) if power in asked.free)


def _least_mean(
    asked: Asked, pieces: Pieces, conditions: Sequence[Condition], zeros: Sequence[Fraction]
) -> Approximated:
    """Return the polynomial with the least integral of its error, on a half of the domain where that decides."""
    sought = Sought(asked.target, asked.weight)

    def sample(x: arb) -> tuple[arb, arb]:
        return sought.at(fraction(x))

    equations = [([one.of_power(power) for power in asked.free], one.value - one.of(asked.fixed)) for one in conditions]
    noise = 0.0 if isinstance(asked.target, Node) else FLOATS
    task = MeanTask(sample, pieces, asked.free, asked.fixed, tuple(equations), tuple(zeros), noise)
    found = least_mean(task, _free_formats(asked), asked.objective)
    coef = {**asked.fixed, **dict(zip(asked.free, found.coef, strict=True))}
    whole, half = (sum((high - low for low, high in each), Fraction(0)) for each in (asked.pieces, pieces))
    times = float(whole / half) ** (1 / POWER[asked.objective])
    return Approximated(
        asked, coef, largest_error(task, found.coef, found.loss), times * found.loss, times * found.bound
    )


def _settled(asked: Asked, conditions: list[Condition]) -> tuple[Asked, list[Condition]]:
    """Return conditions at 0 as fixed coefficients, where the formats hold them, and the other conditions.

    Raises
    ------
    DataError
        Where a coefficient is fixed to something else.
    """
    fixed, rest = dict(asked.fixed), []
    formats = dict(zip(asked.powers, asked.formats, strict=True))
    for one in conditions:
        value = one.value / math.factorial(one.order)
        if one.x != 0:
            rest.append(one)
        elif one.order not in formats or one.order in asked.fixed:
            if fixed.get(one.order, Fraction(0)) != value:
                raise DataError(
                    f"the coefficient of power {one.order} must be {float(value)!r} for the values that the polynomial "
                    "has to have at 0. Let that power be free."
                )
        elif formats[one.order].holds(value):
            fixed[one.order] = value
        else:
            rest.append(one)
    return replace(asked, fixed=fixed), rest


def _half(asked: Asked) -> Pieces:
    """Return the half of a symmetric domain that decides, where target and polynomials are both odd, or both even."""
    side = {power % 2 for power in asked.powers}
    plain = not isinstance(asked.weight, Node) or parity(asked.weight, asked.pieces) == 0
    if len(side) > 1 or not plain or parity(asked.target, asked.pieces) not in side:
        return asked.pieces
    return tuple((max(low, Fraction(0)), high) for low, high in asked.pieces if high > 0)


def _met_anyway(one: Condition, asked: Asked) -> bool:
    """Tell whether every polynomial of the space meets a condition, as odd ones do at 0."""
    return all(one.of_power(power) == 0 for power in asked.free) and one.value == one.of(asked.fixed)


def _through(asked: Asked, x: Fraction) -> Condition:
    sought = Sought(asked.target, "absolute", ZERO_BITS)
    with ctx.workprec(ZERO_BITS):
        value = sought.value(x)
        if not value.is_finite():
            raise DataError(f"the target has no finite value at {float(x)!r}, where the polynomial is to go through.")
        near = fraction(value)
        simple = near.limit_denominator(1 << 30)
        alike = (value - rational(simple)).contains(0)
    return Condition(x, simple if alike else near)


def zeros_of(asked: Asked) -> list[Condition]:
    """Return what a polynomial has to have where the target is 0, so that a relative error is finite.

    Raises
    ------
    DataError
        For a zero that is no rational number, where no polynomial with rational coefficients has one.
    """
    sought = Sought(asked.target, "absolute", ZERO_BITS)
    found: list[Condition] = []
    for low, high in asked.pieces:
        places = [low, high, *([Fraction(0)] if low < 0 < high else [])]
        grid = [low + (high - low) * Fraction(step, ZERO_GRID) for step in range(ZERO_GRID + 1)]
        with ctx.workprec(ZERO_BITS):
            values = [sought.value(x) for x in grid]
            for a, b, left, right in zip(grid, grid[1:], values, values[1:], strict=False):
                if (left > 0 and right < 0) or (left < 0 and right > 0):
                    places.append(_root(sought, a, b, bool(left > 0)))
            for x in sorted(set(places)):
                value = sought.value(x)
                if value.is_finite() and value.contains(0):
                    found += [Condition(x, Fraction(0), order) for order in range(_multiplicity(asked.target, x))]
    return found


def _root(sought: Sought, a: Fraction, b: Fraction, falls: bool) -> Fraction:
    """Return the place where a target changes its sign: 0 there, or a pole."""
    for _ in range(ROOT_STEPS):
        middle = (a + b) / 2
        simple = middle.limit_denominator(1 << 20)
        for x in (simple, middle):
            value = sought.value(x)
            if a < x < b and value.is_finite() and value.contains(0):
                return x
        if (value > 0) == falls:
            a = middle
        else:
            b = middle
    near = float((a + b) / 2)
    if not abs(sought.value((a + b) / 2)) < 1:
        return (a + b) / 2  # a pole, which the proof will name
    raise DataError(
        f"the target is 0 near x = {near!r}, where a relative error is infinite: no polynomial with rational "
        "coefficients has that zero. Leave that point out of the domain, or use error='absolute'."
    )


def _multiplicity(target: Node | Callable[[float], float], x: Fraction) -> int:
    if not isinstance(target, Node):
        return 1
    try:
        series = expand(target, rational(x), MOST_ZEROS + 1)
    except (ArithmeticError, ValueError):  # a corner; ValueError: flint's word for a quotient that is no series
        return 1
    if not all(one.is_finite() for one in series):
        return 1
    return next((order for order, one in enumerate(series) if not one.contains(0)), 0) or 0


def sampled_error(asked: Asked, coef: Mapping[int, Fraction]) -> tuple[float, int]:
    """Return the largest weighted error at evenly spaced points, in floats, and how many points there were."""
    sought = Sought(asked.target, asked.weight)
    steps = [Fraction(step, SAMPLES) for step in range(SAMPLES + 1)]
    points = sought.usable([low + (high - low) * step for low, high in asked.pieces for step in steps])
    return float(abs(sought.errors(coef, points)).max(initial=0.0)), len(points)


def smallest_degree(make: Callable[[int], Asked], tolerance: float, first: int) -> Approximated:
    """Return the approximation of lowest degree whose error is at most a tolerance.

    The degree is looked for with real coefficients; a few more are allowed for those in the formats.

    Raises
    ------
    ArgumentError
        Where no degree up to 120 reaches it, or rounding to the formats does not allow it.
    """
    low, high = first - 1, first
    while not _reaches(make(high), tolerance):
        if high >= LARGEST_DEGREE:
            raise ArgumentError(
                f"tolerance {tolerance!r} is not reached by degree {LARGEST_DEGREE}. Divide the domain, or allow more."
            )
        low, high = high, min(high + max(1, high // 3), LARGEST_DEGREE)
    while high - low > 1:
        middle = (low + high) // 2
        if _reaches(make(middle), tolerance):
            high = middle
        else:
            low = middle
    best: Approximated | None = None
    tried: set[tuple[int, ...]] = set()
    for degree in range(high, high + MORE_DEGREES):
        asked = make(degree)
        if asked.powers in tried:  # of an odd or even function
            continue
        tried.add(asked.powers)
        found = approximate_function(asked)
        if found.error <= tolerance:
            return found
        best = found if best is None or found.error < best.error else best
    assert best is not None  # noqa: S101 - one degree was tried
    raise ArgumentError(
        f"tolerance {tolerance!r} is reached by real coefficients of degree {high}, but not by numbers of the format: "
        f"the best error up to degree {high + MORE_DEGREES - 1} is {best.error:.3g}. Take a finer format."
    )


def _reaches(asked: Asked, tolerance: float) -> bool:
    """Tell whether real coefficients reach a tolerance."""
    real = replace(asked, formats=(FORMATS["real"],) * len(asked.powers))
    if not real.free:
        return False
    try:
        return approximate_function(real).error <= tolerance
    except (ArgumentError, DataError):
        if not asked.through and asked.weight != "relative":
            raise
        return False  # too few powers for the conditions, or none left
