"""The least squares fit of a table: range, moments, solution, and where little is left, the residuals themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
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

Array = npt.NDArray[np.float64]

# Rows that are summed at a time, by one thread.
CHUNK = 1 << 17
MANY = 1 << 18  # rows from which threads pay
# Bits of the sum of squares that the moments have to leave; a standard error then has 15 digits.
BITS_LEFT = 55
# Residuals below this share of the largest y are what sums of 93 bits leave, not what samples of 53 bits have.
NOISE = 2.0**-86


@dataclass(frozen=True)
class Part:
    """Some rows: x, one array of shape (n,) for each column; y and weight of shape (n,)."""

    x: Sequence[Array]
    y: Array
    weight: Array | None = None

    def rows(self, chosen: Any) -> Part:
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[chosen]
        return Part([column[chosen] for column in self.x], self.y[chosen], weight)


# Returns the rows again each time it is called.
Rows = Callable[[], Iterable[Part]]


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


def measure(rows: Rows, degree: int) -> tuple[Frame, int]:
    """Return the frame of rows, and how many there are; those of weight 0 do not count."""
    lows: list[float] = []
    highs: list[float] = []
    y_largest = weight_largest = 0.0
    count = 0
    for part in rows():
        seen = part if part.weight is None or part.weight.all() else part.rows(part.weight > 0)
        if not len(seen.y):
            continue
        count += len(seen.y)
        low, high = [float(x.min()) for x in seen.x], [float(x.max()) for x in seen.x]
        lows = [min(pair) for pair in zip(lows, low, strict=True)] if lows else low
        highs = [max(pair) for pair in zip(highs, high, strict=True)] if highs else high
        y_largest = max(y_largest, float(seen.y.max()), -float(seen.y.min()))
        weight_largest = max(weight_largest, 1.0 if seen.weight is None else float(seen.weight.max()))
    if not count:
        raise DataError("all weights are zero, so nothing would be fitted. Give at least one weight > 0.")
    return Frame(degree, tuple(lows), tuple(highs), exponent_of(y_largest), exponent_of(weight_largest)), count


def frame_of(degree: int, extent: tuple[Sequence[tuple[float, float]], tuple[float, float], int]) -> tuple[Frame, int]:
    """Return what `measure` would, from the ranges of x and of y and the number of rows, without weights."""
    x, y, count = extent
    largest = max(abs(end) for end in y)
    return Frame(degree, tuple(low for low, _ in x), tuple(high for _, high in x), exponent_of(largest), 0), count


def sums(frame: Frame, count: int, rows: Rows, threads: int = 1) -> Moments:
    """Return the moments of all rows, about `count`; the number of threads changes the time only."""
    found: Moments | None = None
    threads = threads if count >= MANY else 1

    def one(part: Part) -> Moments:
        if part.weight is not None:  # a row of weight 0 may lie outside the range
            part = part if part.weight.all() else part.rows(part.weight > 0)
        return moments_of(frame, part.x, part.y, part.weight, rows=count)

    chunks = (piece for part in rows() for piece in pieces(part))
    if threads == 1:
        for piece in chunks:
            found = one(piece) if found is None else found + one(piece)
    else:
        with ThreadPoolExecutor(threads) as pool:
            waiting: list[Any] = []
            for piece in chunks:
                waiting.append(pool.submit(one, piece))
                if len(waiting) > 2 * threads:
                    made = waiting.pop(0).result()
                    found = made if found is None else found + made
            for future in waiting:
                found = future.result() if found is None else found + future.result()
    assert found is not None  # noqa: S101 - `measure` has found rows
    return found


def pieces(part: Part, size: int = CHUNK) -> Iterable[Part]:
    """Yield the rows in pieces of a size."""
    for begin in range(0, len(part.y), size):
        yield part if len(part.y) <= size else part.rows(slice(begin, begin + size))


def fit_squared(
    rows: Rows, degree: int, shape: Shape, threads: int = 1, known: tuple[Frame, int] | None = None
) -> Fitted:
    """Return the polynomial of that shape with the least weighted sum of squares.

    One pass finds the range, unless it is `known`, one the moments. Where the residuals are so small that their squares
    cancel in the moments, they are fitted themselves in two more passes: their sum of squares has all digits, and so
    has what the first solution lacked.
    """
    frame, count = known or measure(rows, degree)
    check_terms(count, len(frame.lows), degree, shape)
    system = system_of(sums(frame, count, rows, threads))
    solved = solve(system, shape)
    if solved.rss.rel_accuracy_bits() >= BITS_LEFT:
        return Fitted(frame, system, solved)
    rest, frame_left = _residuals(frame, solved, rows)
    if frame_left is None:
        return Fitted(frame, system, replace(solved, rss=arb(0)))
    again = solve(system_of(sums(frame_left, count, rest, threads)), shape.homogeneous())
    with ctx.workprec(system.precision):
        coef = solved.coef.mid() + again.coef
        zero = replace(solved, coef=coef, rss=again.rss)
    return Fitted(frame, system, zero)


def _residuals(frame: Frame, solved: Solved, rows: Rows) -> tuple[Rows, Frame | None]:
    """Return the rows with y - p(x) for y, and their frame: None where all are zero."""
    coef = [pair_of(fraction(solved.coef[place, 0])) for place in range(solved.coef.nrows())]
    size = max(2.0**frame.y_exponent, sum(abs(high) for high, _ in coef))
    noise = NOISE * len(coef) ** 2 * size
    largest = 0.0

    def left() -> Iterable[Part]:
        for part in rows():
            for piece in pieces(part):
                residual = residuals(frame, coef, piece)
                yield Part(piece.x, np.where(np.abs(residual) > noise, residual, 0.0), piece.weight)

    for part in left():
        values = part.y if part.weight is None else part.y[part.weight > 0]
        largest = max(largest, float(np.abs(values).max(initial=0.0)))
    return left, replace(frame, y_exponent=exponent_of(largest)) if largest else None


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
