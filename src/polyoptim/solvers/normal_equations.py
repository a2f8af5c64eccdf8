"""The least squares polynomial from exact sums: the normal equations, solved with more digits than they can lose.

A Gram matrix squares the condition number, which is why it is avoided in float64. Here its entries are known to 2^-93
and solved in ball arithmetic of several hundred bits (python-flint), so that what is left is the condition of the
problem; the radius of a ball says how many digits that is.

F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comput. 66, 1281-1292,
2017, arXiv:1611.02831.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from polyoptim.bases.chebyshev import CHEBYSHEV
from polyoptim.bases.family import Family
from polyoptim.errors import ArgumentError, RankError
from polyoptim.lane_operations import BITS
from polyoptim.moments import Index, Moments, indices

# Terms of a polynomial from exact sums: as many take half a minute.
MOST_TERMS = 501
# Bits of the ball arithmetic beside what a change to powers of x can cancel.
WORKING_BITS = 400


@dataclass(frozen=True)
class System:
    """The sums of a problem as balls, in the units of y and of the weights.

    Parameters
    ----------
    columns : the basis, products of T_k(u).
    maps : (center, half width) of each column of x.
    gram : sums of w T_k(u) for each product of two of the basis.
    right : sums of w y T_k(u).
    squares : the sum of w y².
    count : samples with a weight > 0.
    exact : whether the balls are points.
    """

    columns: list[Index]
    maps: list[tuple[Fraction, Fraction]]
    gram: Mapping[Index, Any]
    right: list[Any]
    squares: Any
    count: int
    exact: bool = False

    @property
    def precision(self) -> int:
        """Bits to compute with."""
        degree = max(sum(index) for index in self.columns)
        far = sum(math.log2(2 + abs(center) / half) for center, half in self.maps)
        return WORKING_BITS + 4 * math.ceil(degree * (1 + far)) + (2000 if self.exact else 0)

    def matrix(self) -> Any:
        """Return the Gram matrix of the basis."""
        return arb_mat([[self._entry(a, b) for b in self.columns] for a in self.columns])

    def _entry(self, a: Index, b: Index) -> Any:
        """Return the sum of w T_a T_b: in each column the mean of T_{i+j} and T_{|i-j|}."""
        products: list[Index] = [()]
        for i, j in zip(a, b, strict=True):
            both = (i + j, abs(i - j)) if i and j else (i + j,)
            products = [(*index, k) for index in products for k in both]
        return sum((self.gram[index] for index in products), arb(0)) / len(products)


@dataclass(frozen=True)
class Shape:
    """Which of the polynomials are allowed, in powers of x.

    Parameters
    ----------
    powers : those that may appear; None for all.
    fixed : coefficients that are given.
    through : points of the curve, (x of each column, y).
    ridge : what the squares of the coefficients in the Chebyshev basis, all but the constant's, are multiplied by and
        added to the sum of squares.
    """

    powers: Sequence[Index] | None = None
    fixed: Mapping[Index, Fraction] = field(default_factory=dict)
    through: Sequence[tuple[Sequence[Fraction], Fraction]] = ()
    ridge: Fraction = Fraction(0)

    def given(self, index: Index) -> Fraction | None:
        """Return the coefficient of a power of x where it is not free."""
        left_out = self.powers is not None and index not in self.powers
        return self.fixed.get(index, Fraction(0) if left_out else None)

    def has_constant(self, width: int) -> bool:
        """Tell whether a constant may be added to the polynomial."""
        none = (0,) * width
        return none not in self.fixed and not self.through and (self.powers is None or none in self.powers)

    def homogeneous(self) -> Shape:
        """Return the shape of a difference of two such polynomials."""
        return Shape(
            self.powers, dict.fromkeys(self.fixed, Fraction(0)), [(x, Fraction(0)) for x, _ in self.through], self.ridge
        )


@dataclass(frozen=True)
class Solved:
    """What is known of the least squares polynomial; all numbers are balls.

    Parameters
    ----------
    coef : in the Chebyshev basis, shape (m, 1).
    covariance : of `coef`, for residuals of variance 1 / weight, shape (m, m).
    rss : the sum of squares of the residuals.
    free : coefficients that were free, with a ridge the trace of the hat matrix.
    to_power : turns `coef` into coefficients of powers of x.
    has_constant : whether a constant may be added to the polynomial.
    """

    coef: Any
    covariance: Any
    rss: Any
    free: float
    to_power: Any
    has_constant: bool


def system_of(moments: Moments) -> System:
    """Return the system of moments; each sum may be wrong by 2^-93 of its bound for each sample."""
    frame = moments.frame
    y, w = arb(2) ** frame.y_exponent, arb(2) ** frame.weight_exponent
    with ctx.workprec(BITS + 200):
        noise = arb(0, arb(moments.count) / arb(2) ** BITS)

        def ball(value: int, unit: Any) -> Any:
            return (arb(value) / arb(2) ** BITS + noise) * unit

        return System(
            frame.columns,
            frame.maps(),
            {index: ball(value, w) for index, value in zip(frame.sums, moments.gram, strict=True)},
            [ball(value, w * y) for value in moments.right],
            ball(moments.squares, w * y * y),
            moments.count,
        )


def system_of_rationals(
    degree: int,
    x: Sequence[Sequence[Fraction]],
    y: Sequence[Fraction],
    weight: Sequence[Fraction] | None,
    shape: Shape,
) -> System:
    """Return the system of samples that are rational numbers, without any rounding.

    Parameters
    ----------
    x : one list for each column.
    shape : of the polynomial that is looked for; `check_terms` has to allow it.
    """
    check_terms(len(y) if weight is None else sum(w > 0 for w in weight), len(x), degree, shape)
    maps = [((min(column) + max(column)) / 2, (max(column) - min(column)) / 2 or Fraction(1)) for column in x]
    sums, columns = indices(len(x), 2 * degree), indices(len(x), degree)
    gram: dict[Index, Fraction] = dict.fromkeys(sums, Fraction(0))
    right, squares, count = [Fraction(0)] * len(columns), Fraction(0), 0
    for row, value in enumerate(y):
        w = Fraction(1) if weight is None else weight[row]
        count += w > 0
        parts = []
        for column, (center, half) in zip(x, maps, strict=True):
            u = (column[row] - center) / half
            values = [Fraction(1), u]
            while len(values) <= 2 * degree:
                values.append(2 * u * values[-1] - values[-2])
            parts.append(values)
        for index in sums:
            gram[index] += w * math.prod((part[k] for part, k in zip(parts, index, strict=True)), start=Fraction(1))
        for place, index in enumerate(columns):
            own = math.prod((part[k] for part, k in zip(parts, index, strict=True)), start=Fraction(1))
            right[place] += w * value * own
        squares += w * value * value
    system = System(columns, maps, {}, [], None, count, exact=True)
    with ctx.workprec(system.precision):
        balls = {index: arb(_rational(value)) for index, value in gram.items()}
        sides = [arb(_rational(value)) for value in right]
        return System(columns, maps, balls, sides, arb(_rational(squares)), count, exact=True)


def solve(system: System, shape: Shape) -> Solved:
    """Return the polynomial of that shape with the least sum of squares.

    Raises
    ------
    ArgumentError
        Where no polynomial has the shape.
    RankError
        Where the samples do not determine it.
    """
    with ctx.workprec(system.precision):
        to_power, start, directions = allowed(system, shape)
        constant = shape.has_constant(len(system.maps))
        gram, right = system.matrix(), arb_mat([[value] for value in system.right])
        if directions is None:
            size = len(system.columns)
            rss = _rss(system, gram, right, start)
            return Solved(start, arb_mat(size, size), rss, 0.0, arb_mat(to_power), constant)
        across = directions.transpose()
        plain = across * gram * directions
        ridged = gram
        if shape.ridge:
            ridged = gram + _ridge(system.columns, shape.ridge)
        try:
            inverse = (across * ridged * directions).inv()
        except ZeroDivisionError:
            raise undetermined(directions.ncols(), ridge=True) from None
        steps = inverse * (across * (right - ridged * start))
        coef = start + directions * steps
        covariance = directions * (inverse * plain * inverse if shape.ridge else inverse) * across
        free = float((inverse * plain).trace()) if shape.ridge else float(directions.ncols())
        return Solved(coef, covariance, _rss(system, gram, right, coef.mid()), free, arb_mat(to_power), constant)


def undetermined(terms: int, *, ridge: bool) -> RankError:
    """Return the error for samples that leave coefficients open; whether a ridge would determine them is said."""
    way = ", or ridge > 0" if ridge else ""
    return RankError(
        f"the samples do not determine {terms} coefficients: "
        f"too few different values of x for them. Use a lower degree{way}."
    )


def check_terms(count: int, width: int, degree: int, shape: Shape, *, ridge: bool = True) -> None:
    """Raise an error where a fit is known to be impossible, or too large, from numbers alone, before any work.

    Parameters
    ----------
    count : samples with a weight > 0.
    width : columns of x.
    ridge : whether the fit takes one.
    """
    terms = math.comb(width + degree, degree)
    wanted = terms if shape.powers is None else len(shape.powers)
    free = wanted - len(shape.fixed) - len(shape.through)
    if count < free and not (shape.ridge and terms <= MOST_TERMS):
        raise undetermined(free, ridge=ridge and terms <= MOST_TERMS)
    if terms > MOST_TERMS:
        raise ArgumentError(
            f"degree {degree} in {width} columns of x has {terms} terms, more than {MOST_TERMS}. "
            "Use a lower degree or fewer columns."
        )


def squares_of(system: System, solved: Solved) -> Any:
    """Return the sum of the squares of the residuals of a solution on the samples of a system, maybe of others."""
    with ctx.workprec(system.precision):
        right = arb_mat([[value] for value in system.right])
        return _rss(system, system.matrix(), right, solved.coef.mid())


def _ridge(columns: Sequence[Index], ridge: Fraction) -> Any:
    size = arb(_rational(ridge))
    return arb_mat([[size if a == b and any(a) else arb(0) for b in columns] for a in columns])


def _rss(system: System, gram: Any, right: Any, coef: Any) -> Any:
    cross = (right.transpose() * coef)[0, 0]
    return system.squares - 2 * cross + (coef.transpose() * gram * coef)[0, 0]


def allowed(system: System, shape: Shape) -> tuple[Any, Any, Any]:
    """Return what turns coefficients into those of powers of x, a polynomial of that shape, and how it may be changed.

    The directions are None where there are none.
    """
    to_power = _to_power(tuple(system.columns), tuple(system.maps))
    return (to_power, *_allowed(system, shape, to_power))


def _allowed(system: System, shape: Shape, to_power: Any) -> tuple[Any, Any]:
    size = len(system.columns)
    rows, wanted = [], []
    for place, index in enumerate(system.columns):
        if (value := shape.given(index)) is not None:
            rows.append([to_power[place, k] for k in range(size)])
            wanted.append(_rational(value))
    for x, y in shape.through:
        rows.append([_rational(value) for value in _row(system, x)])
        wanted.append(_rational(y))
    if not rows:
        return arb_mat(size, 1), arb_mat([[int(a == b) for b in range(size)] for a in range(size)])
    reduced, rank = fmpq_mat([[*row, value] for row, value in zip(rows, wanted, strict=True)]).rref()
    pivots = [next(k for k in range(size + 1) if reduced[row, k] != 0) for row in range(rank)]
    if size in pivots:
        raise ArgumentError("no polynomial of this degree has these fixed coefficients and goes through these points.")
    free = [k for k in range(size) if k not in pivots]
    start = [fmpq(0)] * size
    for row, pivot in enumerate(pivots):
        start[pivot] = reduced[row, size]
    if not free:
        return arb_mat([[arb(value)] for value in start]), None
    table = [[fmpq(0)] * len(free) for _ in range(size)]
    for place, k in enumerate(free):
        table[k][place] = fmpq(1)
        for row, pivot in enumerate(pivots):
            table[pivot][place] = -reduced[row, k]
    directions = arb_mat([[arb(value) for value in row] for row in table])
    if not system.exact:  # with orthonormal directions the balls stay small
        directions = _orthonormal(directions)
    return arb_mat([[arb(value)] for value in start]), directions


def _orthonormal(directions: Any) -> Any:
    """Return orthonormal columns with the same span, by Gram and Schmidt in many bits, as points."""
    found: list[list[Any]] = []
    for place in range(directions.ncols()):
        column = [directions[row, place] for row in range(directions.nrows())]
        for other in found:
            size = sum((a * b for a, b in zip(column, other, strict=True)), arb(0))
            column = [a - size * b for a, b in zip(column, other, strict=True)]
        length = sum((a * a for a in column), arb(0)).sqrt()
        found.append([(a / length).mid() for a in column])
    return arb_mat(found).transpose()


def _row(system: System, x: Sequence[Fraction]) -> list[Fraction]:
    """Return the basis at a point."""
    parts = []
    degree = max(sum(index) for index in system.columns)
    for value, (center, half) in zip(x, system.maps, strict=True):
        u = (value - center) / half
        found = [Fraction(1), u]
        while len(found) <= degree:
            found.append(2 * u * found[-1] - found[-2])
        parts.append(found)
    return [
        math.prod((part[k] for part, k in zip(parts, index, strict=True)), start=Fraction(1))
        for index in system.columns
    ]


@lru_cache(maxsize=8)
def _to_power(columns: tuple[Index, ...], maps: tuple[tuple[Fraction, Fraction], ...]) -> Any:
    """Return the matrix that turns coefficients of T_k(u) into those of powers of x, exactly."""
    degree = max(sum(index) for index in columns)
    tables = [in_powers(CHEBYSHEV, degree, -center / half, 1 / half) for center, half in maps]
    rows = []
    for power in columns:
        row = []
        for index in columns:
            entry = fmpq(1)
            for table, k, j in zip(tables, power, index, strict=True):
                entry = entry * (table[j][k] if k <= j else fmpq(0))
            row.append(entry)
        rows.append(row)
    return fmpq_mat(rows)


def in_powers(family: Family, degree: int, shift: Fraction, scale: Fraction) -> list[list[Any]]:
    """Return for each P_k(u), u = shift + scale x, its coefficients in powers of x."""
    offset, factor = _rational(shift), _rational(scale)
    before: list[Any] = []
    found = [[fmpq(1)]]
    for k in range(degree):
        a, b, c = (_rational(Fraction(part)) for part in family.recurrence(Fraction(k)))
        constant, linear = a * offset + b, a * factor
        following = [constant * value for value in found[-1]] + [fmpq(0)]
        for power, value in enumerate(found[-1]):
            following[power + 1] += linear * value
        for power, value in enumerate(before):
            following[power] -= c * value
        before = found[-1]
        found.append(following)
    return found


def _rational(value: Fraction) -> Any:
    return fmpq(value.numerator, value.denominator)


def nearest(ball: Any) -> float:
    """Return the float64 nearest to the midpoint of a ball; infinite beyond their range."""
    return float(ball)


def fraction(ball: Any) -> Fraction:
    """Return the midpoint of a ball."""
    return Fraction(*_ratio(ball.mid()))


def _ratio(point: Any) -> tuple[int, int]:
    mantissa, exponent = point.man_exp()
    mantissa, exponent = int(mantissa), int(exponent)
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)
