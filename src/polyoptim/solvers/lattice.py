"""Coefficients in number formats: the polynomial whose coefficients the formats hold and whose error is least.

Between two powers of two the numbers of a format are the multiples of one spacing, so that polynomials are the points
of a lattice. In a reduced basis of it a mixed-integer program finds the best point and a bound that none is below.
Where spacings change within reach, the lattice of the finest one holds all polynomials and more, and ranges of
coefficients are split at powers of two.

N. Brisebarre, J.-M. Muller, A. Tisserand, Computing machine-efficient polynomial approximations, ACM Trans. Math.
Softw. 32, 236-256, 2006, doi:10.1145/1141885.1141890, search a polytope for its integer points; N. Brisebarre,
S. Chevillard, Efficient polynomial L-infinity-approximations, ARITH-18, 169-176, 2007, doi:10.1109/ARITH.2007.17, take
a close point of the reduced lattice as it is (Sollya's fpminimax). Here the close point is where the program starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

import numpy as np

from polyoptim.arguments import Arguments
from polyoptim.errors import ArgumentError
from polyoptim.formats import Format
from polyoptim.solvers.boxes import Coef
from polyoptim.solvers.branching import Search
from polyoptim.solvers.reduction import Equation
from polyoptim.solvers.weighted_grid import Grid, Sample

BITS, DIGITS = 192, 100  # of values on the grid, and at least of the error
MOST_BITS = 1200  # where there is no error at all: a float64 is never below 2**-1074
POINTS = 24  # of the grid, for each coefficient and two more; tops between points are found by parabolas


@dataclass(frozen=True)
class RoundingProblem:
    """What is approximated, how errors are weighed, and in which numbers.

    Parameters
    ----------
    sample : the target and its weight as balls at a ball x, in the precision of flint's context: the weight is 1 for
        absolute errors, 1 / abs(target) for relative ones.
    pieces : intervals of x.
    powers, formats : the free powers of x, and the format of the coefficient of each.
    fixed : coefficients of other powers.
    through : points (x, y) on the curve, exactly.
    orders : at some points `sample` returns Taylor coefficients of these orders; see `Grid`.
    points : of the intervals, at which errors are looked at besides those of a grid, such as corners of the target.
    """

    sample: Sample
    pieces: tuple[tuple[Fraction, Fraction], ...]
    powers: tuple[int, ...]
    formats: tuple[Format, ...]
    fixed: Mapping[int, Fraction] = field(default_factory=dict)
    through: tuple[tuple[Fraction, Fraction], ...] = ()
    orders: Mapping[Fraction, int] = field(default_factory=dict)
    points: tuple[Fraction, ...] = ()

    def equations(self) -> list[Equation]:
        """Return what the free coefficients must satisfy for the curve to go through its points."""
        return [
            ([x**power for power in self.powers], y - sum((c * x**k for k, c in self.fixed.items()), Fraction(0)))
            for x, y in self.through
        ]


@dataclass(frozen=True)
class Rounded:
    """The best coefficients that were found.

    Parameters
    ----------
    coef : of the free powers, each a number of its format.
    error : the largest weighted error, on a grid and at the tops between its points.
    bound : no coefficients in the formats have a smaller error, to HiGHS' tolerance of 1e-6, relative.
    nearest : the error with each real coefficient rounded by itself; None where that misses the given points.
    boxes : how many boxes of coefficients were searched.
    """

    coef: Coef
    error: float
    bound: float
    nearest: float | None
    boxes: int

    @property
    def gap(self) -> float:
        """How far the error is above the bound, relative."""
        return self.error / self.bound - 1 if self.bound > 0 else math.inf if self.error > 0 else 0.0


def round_polynomial(problem: RoundingProblem, minimax: Sequence[Fraction]) -> Rounded:
    """Return coefficients in the formats with the least largest error.

    Parameters
    ----------
    problem : target, weight, intervals, powers, formats and conditions.
    minimax : the real coefficients of the free powers with the least error; from them the search starts.

    Returns
    -------
    Rounded
        Never worse than rounding each coefficient, and with a lower bound for what any coefficients in the formats can
        reach. Where all formats are "real", the coefficients come back as they are, and their error is the bound.

    Notes
    -----
    Some tens of milliseconds for up to eight coefficients, a second for a dozen. The work of HiGHS is limited, to
    tens of seconds, by counts and not by a clock: the answer is the same each time, and where the search is cut short
    the gap says what is left open.

    Raises
    ------
    ArgumentError
        Where a coefficient is beyond the range of its format, or no polynomial in the formats near the best one goes
        through the given points.
    """
    rounded = _round_each(problem, minimax)
    grid = _grid(problem, rounded)
    search = Search(grid, problem.formats, problem.equations(), minimax)
    nearest = search.offer(rounded)
    if nearest is not None and all(known.finest is None for known in problem.formats):
        return Rounded(rounded, search.error, search.error, nearest, 0)
    search.run()
    if search.best is None:
        raise ArgumentError(_no_way(problem))
    best = search.best
    error = float(np.abs(grid.errors(best)).max())  # the grid has grown since it was measured
    if nearest is not None:
        nearest = float(np.abs(grid.errors(rounded)).max())
        best, error = (rounded, nearest) if nearest < error else (best, error)
    return Rounded(best, error, min(search.bound, error), nearest, search.boxes)


def _round_each(problem: RoundingProblem, minimax: Sequence[Fraction]) -> Coef:
    check = Arguments()
    rounded = [
        check(partial(_rounded, power, known, value))
        for power, known, value in zip(problem.powers, problem.formats, minimax, strict=True)
    ]
    check.done()
    return tuple(rounded)


def _rounded(power: int, known: Format, value: Fraction) -> Fraction:
    try:
        return known.round(value)
    except ArgumentError as error:
        raise ArgumentError(f"coefficient of x**{power}: {error}") from None


def _grid(problem: RoundingProblem, coef: Coef) -> Grid:
    """Return a grid with enough bits for errors of the size of those of some coefficients."""
    bits = BITS
    while True:
        grid = Grid(problem.sample, problem.pieces, problem.powers, problem.fixed, bits, problem.orders)
        grid.fill(POINTS * (len(coef) + 2))
        grid.add_points(problem.points)
        if not grid.rows:
            raise ArgumentError("the target or its weight has a finite value at no point. Choose another domain.")
        error = float(np.abs(grid.errors(coef)).max())
        lowest = math.frexp(error)[1] if error > 0 else -MOST_BITS
        if bits >= min(DIGITS - lowest, MOST_BITS):
            return grid
        bits = min(DIGITS - lowest, MOST_BITS)


def _no_way(problem: RoundingProblem) -> str:
    points = ", ".join(f"({x}, {y})" for x, y in problem.through)
    names = ", ".join(dict.fromkeys(known.name for known in problem.formats))
    return (
        f"no polynomial near the best one with coefficients in {names} goes through {points} exactly. "
        "Give one coefficient a finer format, or move a point to where the sums come out even."
    )
