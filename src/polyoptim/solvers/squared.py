"""The least squares fit of a table: range, moments, solution, and where little is left, the residuals themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.doubled import Pair, difference, pair_of, scaled, total
from polyoptim.errors import DataError
from polyoptim.moments import Frame, Moments, chebyshev_columns, exponent_of, moments_of
from polyoptim.solvers.normal_equations import (
    Shape,
    Solved,
    System,
    check_terms,
    fraction,
    in_powers,
    nearest,
    solve,
    system_of,
)
from polyoptim.targets.partitions import Part, Partitions

Array = npt.NDArray[np.float64]

# Bits of the sum of squares that the moments have to leave; a standard error then has 15 digits.
BITS_LEFT = 55
# Residuals below this share of the largest y are what sums of 93 bits leave, not what samples of 53 bits have.
NOISE = 2.0**-86


@dataclass(frozen=True)
class Fitted:
    """A least squares fit.

    Parameters
    ----------
    frame, system : the range of the samples, and the sums that it came from.
    solved : coefficients, covariance and sum of squares, as balls.
    """

    frame: Frame
    system: System
    solved: Solved


@dataclass(frozen=True)
class Extent:
    """The ranges of rows with a weight > 0, and how many there are.

    ``extent_of(a) + extent_of(b)`` is the extent of both.

    Parameters
    ----------
    ends : (least, largest) of each column of x; None where no row counts.
    y, weight : the largest sizes.
    count : rows with a weight > 0.
    """

    ends: tuple[tuple[float, float], ...] | None
    y: float
    weight: float
    count: int

    def __add__(self, other: Extent) -> Extent:
        if self.ends is None or other.ends is None:
            return self if other.ends is None else other
        ends = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(self.ends, other.ends, strict=True))
        return Extent(ends, max(self.y, other.y), max(self.weight, other.weight), self.count + other.count)


def extent_of(part: Part) -> Extent:
    """Return the extent of some rows."""
    seen = part.counted()
    if not len(seen.y):
        return Extent(None, 0.0, 0.0, 0)
    ends = tuple((float(x.min()), float(x.max())) for x in seen.x)
    largest = max(float(seen.y.max()), -float(seen.y.min()))
    return Extent(ends, largest, 1.0 if seen.weight is None else float(seen.weight.max()), len(seen.y))


def measure(rows: Partitions, degree: int) -> tuple[Frame, int]:
    """Return the frame of rows, and how many there are; those of weight 0 do not count."""
    found = rows.total(extent_of)
    if found.ends is None:
        raise DataError("all weights are zero, so nothing would be fitted. Give at least one weight > 0.")
    lows, highs = tuple(low for low, _ in found.ends), tuple(high for _, high in found.ends)
    return Frame(degree, lows, highs, exponent_of(found.y), exponent_of(found.weight)), found.count


def frame_of(degree: int, extent: tuple[Sequence[tuple[float, float]], tuple[float, float], int]) -> tuple[Frame, int]:
    """Return what `measure` would, from the ranges of x and of y and the number of rows, without weights."""
    x, y, count = extent
    largest = max(abs(end) for end in y)
    return Frame(degree, tuple(low for low, _ in x), tuple(high for _, high in x), exponent_of(largest), 0), count


def sums(frame: Frame, count: int, rows: Partitions) -> Moments:
    """Return the moments of all rows, about `count`."""
    return rows.total(partial(summed, frame, count))


def summed(frame: Frame, count: int, part: Part) -> Moments:
    """Return the moments of a part of a table with about `count` rows."""
    part = part.counted()  # a row of weight 0 may lie outside the range
    return moments_of(frame, part.x, part.y, part.weight, rows=count)


def fit_squared(rows: Partitions, degree: int, shape: Shape, known: tuple[Frame, int] | None = None) -> Fitted:
    """Return the polynomial of that shape with the least weighted sum of squares.

    One pass finds the range, unless it is `known`, one the moments. Where the residuals are so small that their squares
    cancel in the moments, they are fitted themselves in two more passes: their sum of squares has all digits, and so
    has what the first solution lacked.
    """
    frame, count = known or measure(rows, degree)
    check_terms(count, len(frame.lows), degree, shape)
    system = system_of(sums(frame, count, rows))
    solved = solve(system, shape)
    if solved.rss.rel_accuracy_bits() >= BITS_LEFT:
        return Fitted(frame, system, solved)
    rest, frame_left = _residuals(frame, solved, rows)
    if frame_left is None:
        return Fitted(frame, system, replace(solved, rss=arb(0)))
    again = solve(system_of(sums(frame_left, count, rest)), shape.homogeneous())
    with ctx.workprec(system.precision):
        coef = solved.coef.mid() + again.coef
        zero = replace(solved, coef=coef, rss=again.rss)
    return Fitted(frame, system, zero)


def _residuals(frame: Frame, solved: Solved, rows: Partitions) -> tuple[Partitions, Frame | None]:
    """Return the rows with y - p(x) for y, and their frame: None where all are zero."""
    coef = [pair_of(fraction(solved.coef[place, 0])) for place in range(solved.coef.nrows())]
    size = max(2.0**frame.y_exponent, sum(abs(high) for high, _ in coef))
    left = rows.through(partial(_left, frame, coef, NOISE * len(coef) ** 2 * size))
    largest = left.total(extent_of).y
    return left, replace(frame, y_exponent=exponent_of(largest)) if largest else None


def _left(frame: Frame, coef: Sequence[Pair], noise: float, part: Part) -> Part:
    """Return the rows with y - p(x) for y, and 0 for what is noise."""
    residual = residuals(frame, coef, part)
    return replace(part, y=np.where(np.abs(residual) > noise, residual, 0.0))


def residuals(frame: Frame, coef: Sequence[Pair], part: Part) -> Array:
    """Return y - p(x), computed in double-double and rounded, shape (n,)."""
    values = chebyshev_columns(frame, part.x)
    found: Pair = (np.zeros_like(part.y), np.zeros_like(part.y))
    for value, (high, low) in zip(values, coef, strict=True):
        term = scaled(value, high)
        found = total(found, (term[0], term[1] + low * value[0]))
    result: Array = difference((part.y, np.zeros_like(part.y)), found)[0]
    return result


def unit_covariance(fitted: Fitted, power: bool) -> Any:
    """Return the covariance of the coefficients for residuals of variance 1 / weight, in powers of x or in T_k(u)."""
    solved = fitted.solved
    with ctx.workprec(fitted.system.precision):
        # A product of balls is not computed beyond their radius, which a change to powers far from 0 makes immense.
        unit = solved.covariance.mid()
        return solved.to_power * unit * solved.to_power.transpose() if power else unit


def fit_rationals(system: System, shape: Shape) -> Fitted:
    """Return the fit of a system without rounding; its balls hold the exact solution."""
    ends = [(float(center - half), float(center + half)) for center, half in system.maps]
    frame = Frame(max(map(sum, system.columns)), tuple(a for a, _ in ends), tuple(b for _, b in ends), 0)
    return Fitted(frame, system, solve(system, shape))


def in_basis(fitted: Fitted, family: Family, domain: Domain) -> list[float]:
    """Return the coefficients of a fit with one column of x in another basis, as the nearest floats.

    The change is exact: u is the map of `domain` in the floats that it has.
    """
    degree = fitted.frame.degree
    scale, center = Fraction(domain.scale), Fraction(domain.center)
    u = (Fraction(domain.offset) - center * scale, scale) if domain.window else (Fraction(0), Fraction(1))
    rows = [row + [fmpq(0)] * (degree + 1 - len(row)) for row in in_powers(family, degree, *u)]
    with ctx.workprec(fitted.system.precision):
        coef = arb_mat(fmpq_mat(rows).transpose()).solve(power_coef(fitted))
        return [nearest(coef[k, 0]) for k in range(degree + 1)]


def power_coef(fitted: Fitted) -> Any:
    """Return the coefficients in powers of x, shape (m, 1)."""
    with ctx.workprec(fitted.system.precision):
        return fitted.solved.to_power * fitted.solved.coef.mid()


def total_squares(system: System, centered: bool) -> Any:
    """Return the weighted sum of the squares of y, or of y minus its weighted mean."""
    with ctx.workprec(system.precision):
        none = tuple(0 for _ in system.columns[0])
        if not centered:
            return system.squares
        return system.squares - system.right[0] * system.right[0] / system.gram[none]
