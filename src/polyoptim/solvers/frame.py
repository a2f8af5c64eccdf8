"""Frame: polynomials that meet given conditions, in coordinates in which the integral of the squared error is a sphere.

With the polynomial of least integral in the middle and orthonormal polynomials as directions, the integral of the
squared weighted error is that of the middle plus the squares of the coordinates. The Gram matrix of the powers of x is
an integer, and Cholesky's factor of it a ball, so that no degree is too high for the digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx, fmpz_mat

from polyoptim.errors import DataError
from polyoptim.solvers.reduction import Equation, Lattice, solving, spaced
from polyoptim.solvers.weighted_grid import Row, matrix_of, scaled

Array = npt.NDArray[np.float64]

WEIGHT_BITS = 160  # of the weights of points, which narrow panels make small
METRIC_BITS = 120  # of a metric's numbers after the binary point
GUARD = 100
ATTEMPTS = 4  # of more digits for Cholesky's factor


@dataclass(frozen=True)
class Frame:
    """Coordinates t of polynomials.

    Parameters
    ----------
    centre : the coefficients at t = 0.
    basis : integers over `scale`, shape (coefficients, coordinates): changes that keep the conditions.
    turn : integers over ``2**bits``, shape (coordinates, coordinates): orthonormal combinations of them.
    readings : integers over ``2**bits``, shape (coordinates, coefficients): how t follows from coefficients.
    scale, bits : see there.
    """

    centre: tuple[Fraction, ...]
    basis: fmpz_mat
    turn: fmpz_mat
    readings: fmpz_mat
    scale: int
    bits: int

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return self.basis.ncols()

    def rows(self, centre: Sequence[Fraction], metric: Array) -> list[Row]:
        """Return what makes coordinates of coefficients as rows of a grid, whose "errors" they are.

        Parameters
        ----------
        centre : where the coordinates are 0.
        metric : a matrix that multiplies the coordinates, shape (coordinates, coordinates).
        """
        scale = [[round(value * 2.0**METRIC_BITS) for value in row] for row in metric.tolist()]
        product = (fmpz_mat(scale) * self.readings).tolist() if scale else []
        rows = [[int(value) >> METRIC_BITS for value in row] for row in product]
        offsets = [-sum((c * value for c, value in zip(centre, row, strict=True)), Fraction(0)) for row in rows]
        return [
            Row(0, Fraction(place), tuple(row), round(offset))
            for place, (row, offset) in enumerate(zip(rows, offsets, strict=True))
        ]

    def coordinates(self, coefs: Sequence[Sequence[Fraction]]) -> Array:
        """Return t of polynomials whose coefficients meet the conditions, shape (polynomials, coordinates)."""
        if not self.size:
            return np.zeros((len(coefs), 0))
        changes = [[value - middle for value, middle in zip(coef, self.centre, strict=True)] for coef in coefs]
        scale = math.lcm(*(value.denominator for change in changes for value in change))
        whole = fmpz_mat([[int(value * scale) for value in change] for change in changes])
        one = scale << self.bits
        values = [int(value) / one for value in (whole * self.readings.transpose()).entries()]
        return np.array(values, dtype=np.float64).reshape(len(coefs), self.size)

    def coef(self, t: Sequence[float]) -> tuple[Fraction, ...]:
        """Return the coefficients at t, which meet the conditions exactly."""
        moves = [Fraction(value) for value in t]
        turned = [
            round(sum((move * int(part) for move, part in zip(moves, row, strict=True)), Fraction(0)))
            for row in self.turn.tolist()
        ]
        steps = (self.basis * fmpz_mat(self.size, 1, turned)).entries()
        one = self.scale << self.bits
        return tuple(c + Fraction(int(step), one) for c, step in zip(self.centre, steps, strict=True))

    def spread(self) -> Array:
        """Return how the coefficients change with t, shape (coefficients, coordinates)."""
        one = self.scale << self.bits
        values = np.array([int(value) / one for value in (self.basis * self.turn).entries()], dtype=np.float64)
        return values.reshape(len(self.centre), self.size)


def frame(rows: Sequence[Row], weights: Array, equations: Sequence[Equation], bits: int) -> Frame:
    """Return the frame for some points and their weights in the integral.

    Parameters
    ----------
    rows : weighted powers of x and the weighted error of 0, over ``2**bits``.
    weights : shape (rows,), positive.
    equations : what all coefficients must satisfy.

    Raises
    ------
    DataError
        Where equations contradict each other, or the weight is zero at too many points.
    """
    count = len(rows[0].powers)
    space = solving(equations, [0] * count, [True] * count) if equations else spaced([0] * count)
    if space is None:
        raise DataError("no polynomial meets all conditions: they contradict each other, or leave too few powers.")
    matrix = matrix_of(rows)
    offsets = fmpz_mat(len(rows), 1, [row.offset for row in rows])
    shares = [int(value) for value in np.ldexp(weights, WEIGHT_BITS)]
    heavy = fmpz_mat([[value * share for value in row.powers] for row, share in zip(rows, shares, strict=True)])
    turned = heavy.transpose()
    gram, pull = turned * matrix, turned * offsets
    for attempt in range(ATTEMPTS):
        with ctx.workprec((2 * bits + WEIGHT_BITS + GUARD) << attempt):
            found = _factored(space, gram, pull, bits)
        if found is not None:
            return found
    raise DataError("the weight of the error is zero at almost all points, or the domain is too short. Choose another.")


def _factored(space: Lattice, gram: fmpz_mat, pull: fmpz_mat, bits: int) -> Frame | None:
    """Return the frame in flint's precision, None where that does not suffice."""
    count, width = len(space.base), space.width
    unit = arb(2) ** (-2 * bits - WEIGHT_BITS)
    basis = space.basis
    base = fmpz_mat(count, 1, list(space.base))
    if not width:
        return Frame(space.origin(), basis, fmpz_mat(0, 0), basis.transpose(), 1, bits)
    # The coefficients are (base + basis g) / scale.
    inner = arb_mat(basis.transpose() * gram * basis) * (unit / space.scale**2)
    slope = arb_mat(basis.transpose() * (gram * base + pull * space.scale)) * (unit / space.scale**2)
    inverse = _inverse_factor(inner)
    if inverse is None:
        return None
    digits = bits + max(abs(_exponent(inverse[place, place])) for place in range(width))
    least = inverse * (inverse.transpose() * slope) * -1
    readings = (inverse.transpose() * arb_mat(basis.transpose() * gram)) * (unit / space.scale)
    move = fmpz_mat(width, 1, [scaled(value, digits) for value in least.entries()])
    turn = fmpz_mat(width, width, [scaled(value, digits) for value in inverse.entries()])
    steps = [int(value) for value in (basis * move).entries()]
    one = space.scale << digits
    centre = tuple(Fraction(b, space.scale) + Fraction(step, one) for b, step in zip(space.base, steps, strict=True))
    read = fmpz_mat(width, count, [scaled(value, digits) for value in readings.entries()])
    return Frame(centre, basis, turn, read, space.scale, digits)


def _inverse_factor(inner: arb_mat) -> arb_mat | None:
    """Return the upper triangular T with ``T T' inner = 1``, None where the balls are too wide.

    From Cholesky's factor L of `inner` by columns, T' L = 1.
    """
    size = inner.nrows()
    lower = [[arb(0)] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            value = inner[row, column]
            for k in range(column):
                value -= lower[row][k] * lower[column][k]
            if row == column:
                if not value > 0:
                    return None
                lower[row][row] = value.sqrt()
            else:
                lower[row][column] = value / lower[column][column]
    found = arb_mat(size, size)
    for column in range(size):
        for row in range(column, size):
            value = arb(row == column)
            for k in range(column, row):
                value -= lower[row][k] * found[column, k]
            found[column, row] = value / lower[row][row]
    # The balls must be narrower than what is rounded away.
    if any(found[place, place].rel_accuracy_bits() < GUARD for place in range(size)):
        return None
    return found


def _exponent(value: arb) -> int:
    mantissa, power = value.mid().man_exp()
    return int(power) + int(mantissa).bit_length()
