"""The weighted error of polynomials at points, exact to many digits below the least error.

A target and its weight are evaluated once a point, in ball arithmetic. From there on everything is an integer over a
power of two, in which sums are exact: errors of 1e-20 of polynomials with coefficients near 1 lose nothing.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq, fmpz_mat

Array = npt.NDArray[np.float64]
Sample = Callable[[arb], tuple[arb, arb]]  # the target and its weight at x

PLACES = 40  # bits of a point's place in its interval
PRECISIONS = 3  # how often the precision is doubled for a ball that is too wide
GUARD = 64  # bits beyond those of the grid in ball arithmetic
TOLERATED = 16  # bits of a value, of `bits`, that its ball may leave open
PEAK = 0.9  # of the largest error: from here a point between two of the grid may hold the largest
HIGH = 0.8  # of the largest error: peaks from here on are watched


@dataclass(frozen=True, order=True)
class Row:
    """One point: the weighted powers of x and the weighted error of 0, as integers over ``2**bits``."""

    piece: int
    x: Fraction
    powers: tuple[int, ...]
    offset: int


class Grid:
    """Points of some intervals, at which ``weight * (p - target)`` is known for every polynomial p.

    Parameters
    ----------
    sample : the target and its weight as balls at a point, in the precision of flint's context. Where one is not finite
        the point is left out: the weight of relative errors has poles, and its neighbours stand in.
    pieces : the intervals.
    powers : of x, whose coefficients are free.
    fixed : the coefficients of other powers.
    bits : of a value after the binary point.
    orders : at some points Taylor coefficients of these orders stand for the values of polynomials, as they do in what
        `sample` returns: at a zero of both they are where a relative error tends to.
    """

    def __init__(
        self,
        sample: Sample,
        pieces: Sequence[tuple[Fraction, Fraction]],
        powers: Sequence[int],
        fixed: Mapping[int, Fraction],
        bits: int,
        orders: Mapping[Fraction, int] | None = None,
    ) -> None:
        self.sample = sample
        self.orders = dict(orders or {})
        self.pieces = tuple(pieces)
        self.powers = tuple(powers)
        self.fixed = dict(fixed)
        self.bits = bits
        self.rows: list[Row] = []
        self._known: set[tuple[int, Fraction]] = set()
        self._matrix: fmpz_mat | None = None

    def fill(self, count: int) -> None:
        """Add Chebyshev points and the ends to every interval."""
        places = [(1 - math.cos(math.pi * k / (count - 1))) / 2 for k in range(count)]
        self.add((piece, place) for piece in range(len(self.pieces)) for place in places)

    def add(self, places: Iterable[tuple[int, float]]) -> None:
        """Add points: the number of an interval and a place in it from 0 to 1."""
        for piece, place in places:
            a, b = self.pieces[piece]
            self._take(piece, a + (b - a) * Fraction(round(place * 2**PLACES), 2**PLACES))

    def add_points(self, points: Iterable[Fraction]) -> None:
        """Add points of the intervals as they are."""
        for x in points:
            for piece, (low, high) in enumerate(self.pieces):
                if low <= x <= high:
                    self._take(piece, x)

    def _take(self, piece: int, x: Fraction) -> None:
        if (piece, x) not in self._known:
            self._known.add((piece, x))
            order = self.orders.get(x, 0)
            row = row_at(self.sample, piece, x, self.powers, self.fixed, self.bits, order)
            if row is not None:
                insort(self.rows, row)
                self._matrix = None

    @property
    def matrix(self) -> fmpz_mat:
        """The weighted powers of x, one row a point, over ``2**bits``."""
        if self._matrix is None:
            self._matrix = matrix_of(self.rows)
        return self._matrix

    def errors(self, coef: Sequence[Fraction]) -> Array:
        """Return the weighted errors of a polynomial, shape (points,)."""
        return errors_at(self.rows, self.matrix, coef, self.bits)

    def peaks(self, errors: Array) -> list[int]:
        """Return where the size of the error is larger than at the points beside it."""
        size, piece = np.abs(errors), np.array([row.piece for row in self.rows])
        apart = np.concatenate([[True], piece[1:] != piece[:-1], [True]])
        left = np.concatenate([[-1.0], size[:-1]])
        right = np.concatenate([size[1:], [-1.0]])
        left[apart[:-1]] = right[apart[1:]] = -1.0
        return [int(place) for place in np.flatnonzero((size >= left) & (size > right))]

    def refine(self, errors: Array) -> None:
        """Add the tops of the parabolas through each high peak and its neighbours."""
        size, found = np.abs(errors), []
        highest = size.max(initial=0.0)
        for k in self.peaks(errors):
            if size[k] < PEAK * highest or not 0 < k < len(size) - 1:
                continue
            rows = self.rows[k - 1 : k + 2]
            if len({row.piece for row in rows}) == 1:
                found.append((rows[1].piece, self._top(rows, size[k - 1 : k + 2])))
        self.add(found)

    def _top(self, rows: Sequence[Row], size: Array) -> float:
        a, b = self.pieces[rows[0].piece]
        left, middle, right = (float((row.x - a) / (b - a)) for row in rows)
        if not left < middle < right:  # points that a float does not tell apart
            return middle
        rise, fall = (size[1] - size[0]) / (middle - left), (size[1] - size[2]) / (right - middle)
        if not rise + fall > 0:
            return middle
        top = middle + (rise * (right - middle) - fall * (middle - left)) / (2 * (rise + fall))
        return float(min(max(top, left), right))


class Watched:
    """The points of a grid that programs see: few, and those at which some polynomial has a large error.

    Parameters
    ----------
    grid : where they are from.
    bits : values are handed out over ``2**bits``; those of the grid are over ``2**grid.bits``.
    """

    def __init__(self, grid: Grid, bits: int) -> None:
        self.grid = grid
        self.bits = bits
        self._rows: dict[tuple[int, Fraction], Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[Row]:
        """The points, in the order in which they came."""
        return list(self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Watch some points, once each."""
        self._rows.update({(row.piece, row.x): row for row in rows})

    def add_peaks(self, errors: Array) -> None:
        """Watch where errors on the whole grid have high peaks."""
        high = HIGH * np.abs(errors).max()
        self.add(self.grid.rows[k] for k in self.grid.peaks(errors) if abs(errors[k]) >= high)

    def errors(self, coef: Sequence[Fraction]) -> Array:
        """Return the weighted errors of a polynomial, shape (points,)."""
        return errors_at(self.rows, matrix_of(self.rows), coef, self.bits)


def row_at(
    sample: Sample,
    piece: int,
    x: Fraction,
    powers: Sequence[int],
    fixed: Mapping[int, Fraction],
    bits: int,
    order: int = 0,
) -> Row | None:
    """Return what is known at a point of an interval; None where target or weight have no value there.

    With an order Taylor coefficients of it stand for the values; see `Grid`.
    """
    found = _sampled(sample, x, fixed, bits, order)
    if found is None:
        return None
    offset, weight = found
    point, power = (x.numerator << bits) // x.denominator, 1 << bits
    columns = []
    for k in range(order, max(powers) + 1):
        if k in powers:
            columns.append((weight * power * math.comb(k, order)) >> bits)
        power = (power * point) >> bits
    columns = [0] * (len(powers) - len(columns)) + columns
    return Row(piece, x, tuple(columns), offset)


def _sampled(
    sample: Sample, x: Fraction, fixed: Mapping[int, Fraction], bits: int, order: int
) -> tuple[int, int] | None:
    """Return the weighted error of the fixed part and the weight; None where they have no value."""
    precision = bits + GUARD
    for _ in range(PRECISIONS):
        with ctx.workprec(precision):
            ball = arb(fmpq(x.numerator, x.denominator))
            value, weight = sample(ball)
            parts = ((c * math.comb(k, order), k - order) for k, c in fixed.items() if k >= order)
            constant = sum((ball**power * fmpq(c.numerator, c.denominator) for c, power in parts), arb(0))
            offset = weight * (constant - value)
            if not (offset.is_finite() and weight.is_finite()):
                return None
            open_bits = arb(2) ** (TOLERATED - bits)
            if offset.rad() < open_bits and weight.rad() < open_bits * weight.max(arb(1)):
                return scaled(offset, bits), scaled(weight, bits)
        precision *= 2
    return None


def matrix_of(rows: Sequence[Row]) -> fmpz_mat:
    """Return the weighted powers of some rows."""
    return fmpz_mat(len(rows), len(rows[0].powers), [value for row in rows for value in row.powers])


def errors_at(rows: Sequence[Row], matrix: fmpz_mat, coef: Sequence[Fraction], bits: int) -> Array:
    """Return the weighted errors of a polynomial at some rows, whose `matrix_of` is given, shape (rows,)."""
    scale = math.lcm(*(c.denominator for c in coef))
    products = (matrix * fmpz_mat(len(coef), 1, [int(c * scale) for c in coef])).entries()
    return as_floats([int(v) // scale + row.offset for v, row in zip(products, rows, strict=True)], bits)


def scaled(ball: arb, bits: int) -> int:
    """Return the midpoint of a ball times ``2**bits``, rounded down."""
    mantissa, power = ball.mid().man_exp()
    shift = int(power) + bits
    return int(mantissa) << shift if shift >= 0 else int(mantissa) >> -shift


def as_floats(values: Sequence[int], bits: int) -> Array:
    """Return integers over ``2**bits`` as float64."""
    one = 1 << bits  # Python divides whole numbers of any length, and rounds once
    return np.array([value / one for value in values], dtype=np.float64)
