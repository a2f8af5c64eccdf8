"""Lattices of coefficients: all that stand on given spacings and satisfy given equations, in a short basis.

A. K. Lenstra, H. W. Lenstra, L. Lovász, Factoring polynomials with rational coefficients, Math. Ann. 261, 515-534,
1982, doi:10.1007/BF01457454; for coefficients of polynomials: N. Brisebarre, S. Chevillard, Efficient polynomial
L-infinity-approximations, ARITH-18, 169-176, 2007, doi:10.1109/ARITH.2007.17.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat, fmpz, fmpz_mat

from polyoptim.solvers.weighted_grid import Array, Row, as_floats, matrix_of

Equation = tuple[Sequence[Fraction], Fraction]  # factors of the coefficients, and the sum they must have

DIGITS = 100  # bits of the shortest given vector that are reduced; short combinations need many


@dataclass(frozen=True)
class Lattice:
    """The points ``(base + basis g) / scale`` for whole g.

    Parameters
    ----------
    base : n integers.
    basis : shape (n, m).
    scale : a positive integer.
    """

    base: tuple[int, ...]
    basis: fmpz_mat
    scale: int

    @property
    def width(self) -> int:
        """How many numbers g has."""
        return self.basis.ncols()

    def moved(self, g: Sequence[int]) -> Lattice:
        """Return the same lattice counted from its point g."""
        step = (self.basis * fmpz_mat(len(g), 1, list(g))).entries()
        return Lattice(tuple(a + int(b) for a, b in zip(self.base, step, strict=True)), self.basis, self.scale)

    def origin(self) -> tuple[Fraction, ...]:
        """Return the point at g = 0."""
        return tuple(Fraction(value, self.scale) for value in self.base)

    def columns(self, rows: Sequence[Row], bits: int) -> Array:
        """Return how the weighted values at some rows of a grid change with g, shape (rows, m)."""
        products = (matrix_of(rows) * self.basis).entries()
        values = as_floats([int(value) // self.scale for value in products], bits)
        return values.reshape(len(rows), self.width)

    def steps(self) -> Array:
        """Return how the coefficients change with g, shape (n, m)."""
        values = [int(value) / self.scale for value in self.basis.entries()]
        return np.array(values, dtype=np.float64).reshape(len(self.base), self.width)

    def reduced(self, rows: Sequence[Row]) -> Lattice:
        """Return the same lattice in a basis whose vectors are short in the values at some rows, the shortest first."""
        if self.width < 2:
            return self
        values = (matrix_of(rows) * self.basis).transpose()
        length = min(max(abs(int(v)).bit_length() for v in vector) for vector in values.tolist())
        shift = max(0, length - DIGITS)
        short = fmpz_mat([[int(v) >> shift for v in vector] for vector in values.tolist()])
        _, transform = short.lll(True)
        return Lattice(self.base, self.basis * transform.transpose(), self.scale)


def lengths(columns: Array) -> Array:
    """Return the largest size in each column, 1 for a column of zeros."""
    found: Array = np.abs(columns).max(axis=0)
    return np.where(found > 0, found, 1.0)


def nearest_plane(columns: Array, offset: Array) -> list[int]:
    """Return whole g with small ``offset + columns @ g``, by Babai's rounding from the longest vector to the shortest.

    L. Babai, On Lovász' lattice reduction and the nearest lattice point problem, Combinatorica 6, 1-13, 1986,
    doi:10.1007/BF02579403.
    """
    sizes = lengths(columns)
    q, r = np.linalg.qr(columns / sizes)
    left, g = q.T @ -offset, [0] * len(sizes)
    for k in reversed(range(len(sizes))):
        g[k] = round(float(left[k] / r[k, k] / sizes[k])) if r[k, k] else 0
        left = left - r[:, k] * (g[k] * sizes[k])
    return g


def spaced(exponents: Sequence[int]) -> Lattice:
    """Return the lattice of coefficients that are whole multiples of powers of two, counted from 0.

    Parameters
    ----------
    exponents : the binary logarithms of the spacings, n of them.
    """
    count = range(len(exponents))
    return _scaled(
        [Fraction(0) for _ in count], [[Fraction(2) ** exponents[j] * (j == k) for k in count] for j in count]
    )


def solving(equations: Sequence[Equation], exponents: Sequence[int], reals: Sequence[bool]) -> Lattice | None:
    """Return the coefficients that satisfy equations and are whole multiples of powers of two.

    Parameters
    ----------
    equations : all of which must hold exactly.
    exponents : the binary logarithms of the spacings, n of them.
    reals : which coefficients need not be such multiples where an equation asks for something else.

    Returns
    -------
    Lattice or None
        None where there are none.
    """
    spacing = [Fraction(2) ** power for power in exponents]
    # Reals first, so that each equation that can be is solved by a real coefficient.
    order = sorted(range(len(reals)), key=lambda k: not reals[k])
    rows, pivots = _solved([[row[k] for k in order] + [total] for row, total in equations])
    if len(order) in pivots:
        return None
    bound = {order[pivot]: row for pivot, row in zip(pivots, rows, strict=True) if reals[order[pivot]]}
    free = [k for k in order if k not in bound]
    place = {k: order.index(k) for k in free}
    whole = [row for pivot, row in zip(pivots, rows, strict=True) if not reals[order[pivot]]]
    counted = _integer_solutions([[row[place[k]] * spacing[k] for k in free] + [row[-1]] for row in whole], len(free))
    if counted is None:
        return None
    start, directions = counted
    points = []
    for vector, inhomogeneous in [(start, 1), *((direction, 0) for direction in directions)]:
        point = {k: vector[j] * spacing[k] for j, k in enumerate(free)}
        for k, row in bound.items():
            point[k] = inhomogeneous * row[-1] - sum((row[place[j]] * point[j] for j in free), Fraction(0))
        points.append([point[k] for k in range(len(order))])
    return _scaled(points[0], points[1:])


def _scaled(base: Sequence[Fraction], directions: Sequence[Sequence[Fraction]]) -> Lattice:
    scale = math.lcm(*(value.denominator for vector in [base, *directions] for value in vector))
    turned = [int(direction[k] * scale) for k in range(len(base)) for direction in directions]
    return Lattice(tuple(int(v * scale) for v in base), fmpz_mat(len(base), len(directions), turned), scale)


def _solved(rows: Sequence[Sequence[Fraction]]) -> tuple[list[list[Fraction]], list[int]]:
    """Return the reduced echelon form without rows of zeros, and the place of the leading one in each row."""
    flat = [fmpq(value.numerator, value.denominator) for row in rows for value in row]
    form, rank = fmpq_mat(len(rows), len(rows[0]), flat).rref()
    found = [[Fraction(int(v.p), int(v.q)) for v in row] for row in form.tolist()[:rank]]
    return found, [next(k for k, value in enumerate(row) if value) for row in found]


def _integer_solutions(rows: Sequence[Sequence[Fraction]], width: int) -> tuple[list[int], list[list[int]]] | None:
    """Return a whole solution of rows (factors and sum), and a basis of those with sums 0; None where there is none."""
    factors, sums = [], []
    for row in rows:
        scale = math.lcm(*(value.denominator for value in row))
        factors.append([int(value * scale) for value in row[:-1]])
        sums.append(int(row[-1] * scale))
    if not rows:
        return [0] * width, [[int(j == k) for k in range(width)] for j in range(width)]
    form, transform = fmpz_mat(factors).transpose().hnf(True)
    start, left, kernel = [0] * width, list(sums), []
    for vector, combination in zip(form.tolist(), transform.tolist(), strict=True):
        lead = next((k for k, value in enumerate(vector) if value), None)
        if lead is None:
            kernel.append([int(value) for value in combination])
            continue
        times, rest = divmod(fmpz(left[lead]), vector[lead])
        if rest:
            return None
        left = [int(a - times * b) for a, b in zip(left, vector, strict=True)]
        start = [int(a + times * b) for a, b in zip(start, combination, strict=True)]
    return None if any(left) else (start, kernel)
