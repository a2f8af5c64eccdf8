"""Quadrature: Gauss points on panels of a domain, on each of which what is integrated is a polynomial to many digits.

Values at Gauss points give the Legendre coefficients of a panel; where the last of them are not small, the panel is
halved: towards corners, jumps and roots at an end, as often as it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from polyoptim.errors import DataError
from polyoptim.solvers.weighted_grid import Row, Sample, row_at

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

POINTS = 24  # on a panel, an even number: none is in the middle, where formulas are 0 / 0
TAIL = 4  # Legendre coefficients by which a panel is judged
PIECES = 4  # panels to begin with, of each interval
DEEPEST, MOST_PANELS = 110, 1500
FINE = 1e-13  # what a panel may leave open, beside what is integrated


@cache
def points() -> tuple[Array, Array]:
    """Return the Gauss points of [-1, 1] and their weights, shape (POINTS,) each."""
    return legendre.leggauss(POINTS)


@cache
def to_legendre() -> Array:
    """Return the matrix that makes Legendre coefficients of values at the points."""
    x, weights = points()
    degrees = np.arange(POINTS)
    found: Array = (legendre.legvander(x, POINTS - 1) * weights[:, None]).T * (degrees[:, None] + 0.5)
    return found


@dataclass(frozen=True)
class Panel:
    """A part of an interval with what is known at its Gauss points, ascending."""

    low: Fraction
    high: Fraction
    depth: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Ruler:
    """Makes panels: reads a target and its weight at Gauss points.

    Parameters
    ----------
    sample : the target and its weight as balls at a point.
    powers : of x, whose coefficients are free.
    fixed : the coefficients of other powers.
    bits : of a value after the binary point.
    """

    sample: Sample
    powers: tuple[int, ...]
    fixed: Mapping[int, Fraction]
    bits: int

    def begin(self, pieces: Sequence[tuple[Fraction, Fraction]], cuts: Sequence[Fraction]) -> list[Panel]:
        """Return the first panels of some intervals, which end at the cuts."""
        found = []
        for low, high in pieces:
            ends = [low, *sorted({cut for cut in cuts if low < cut < high}), high]
            for a, b in pairwise(ends):
                steps = [a + (b - a) * Fraction(step, PIECES) for step in range(PIECES + 1)]
                found += [self.panel(c, d, 0) for c, d in pairwise(steps)]
        return found

    def panel(self, low: Fraction, high: Fraction, depth: int) -> Panel:
        """Return a panel.

        Raises
        ------
        DataError
            Where the target or its weight has no finite value at a point, or panels become too narrow.
        """
        if depth > DEEPEST:
            raise DataError(
                f"the integral of the error seems to be infinite near x = {float(low)!r}: a pole. Leave that point "
                "out of the domain, or use objective='minimax'."
            )
        half, middle = (high - low) / 2, (low + high) / 2
        rows = []
        for place in points()[0].tolist():
            x = middle + half * Fraction(place)
            row = row_at(self.sample, 0, x, self.powers, self.fixed, self.bits)
            if row is None:
                raise DataError(
                    f"the target or its weight has no finite value at x = {float(x)!r}, where an integral needs one. "
                    "Choose another domain."
                )
            rows.append(row)
        return Panel(low, high, depth, tuple(rows))

    def halved(self, panels: Sequence[Panel], rough: Mask) -> list[Panel]:
        """Return the halves of the panels that are rough.

        Raises
        ------
        DataError
            Where panels become too many, or see `panel`.
        """
        chosen = [one for one, is_rough in zip(panels, rough.tolist(), strict=True) if is_rough]
        if len(panels) + len(chosen) > MOST_PANELS:
            raise DataError(
                f"the error cannot be integrated to enough digits near x = {float(chosen[0].low)!r}: it has too many "
                "corners or turns. Divide the domain, or use objective='minimax'."
            )
        found: list[Panel] = []
        for one in chosen:
            middle = (one.low + one.high) / 2
            found += [self.panel(one.low, middle, one.depth + 1), self.panel(middle, one.high, one.depth + 1)]
        return found


def widths(panels: Sequence[Panel]) -> Array:
    """Return how wide panels are."""
    return np.array([float(one.high - one.low) for one in panels])


def weights(panels: Sequence[Panel]) -> Array:
    """Return the weights of their points in an integral, shape (panels, POINTS)."""
    found: Array = widths(panels)[:, None] / 2 * points()[1]
    return found


def rough(values: Array, width: Array, power: int, noise: Array) -> Mask:
    """Tell on which panels functions are not yet polynomials.

    Parameters
    ----------
    values : of the functions at the points, shape (panels, POINTS, functions).
    width : of the panels.
    power : 1 where abs of the functions is integrated, 2 where their square is as well.
    noise : of the values, shape (functions,); tails as small say nothing.
    """
    tails = np.abs(np.einsum("kp,npf->nkf", to_legendre()[-TAIL:], values)).max(axis=1)
    share = width / width.sum()
    size = np.einsum("n,p,npf->f", share, points()[1] / 2, np.abs(values) ** power) ** (1 / power)
    tails = np.where(tails <= noise, 0.0, tails / np.where(size > 0, size, 1.0))
    left = tails * share[:, None]
    if power == 2:
        left = np.maximum(left, tails**2 * share[:, None])
    found: Mask = (left > FINE).any(axis=1)
    return found
