"""Which degree: cross-validation on exact sums, and the simplest polynomial within one standard error of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError
from polyoptim.moments import Frame, Moments
from polyoptim.solvers.normal_equations import Shape, nearest, solve, squares_of, system_of
from polyoptim.solvers.squared import measure, summed
from polyoptim.targets.partitions import Part, Partitions

FOLDS = 10
HIGHEST = 12  # the degree that is tried last
MOST_TRIED = 200  # terms of a degree that is tried with several columns of x: each is fitted eleven times
# Odd numbers that spread the bits of a float (the golden ratio, and primes of Richard Brent's).
SPREAD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@dataclass(frozen=True)
class Tried:
    """A degree that was tried.

    Parameters
    ----------
    degree : of the polynomial.
    error : the mean squared error on rows that were left out of the fit.
    spread : the standard error of that mean, from the folds.
    aicc, bic : of the fit to all rows, see `criteria`; None where they have no value.
    """

    degree: int
    error: float
    spread: float
    aicc: float | None = None
    bic: float | None = None


def criteria(rss: float, rows: int, free: float, absolute: bool) -> tuple[float | None, float | None]:
    """Return AICc and BIC of Gaussian errors, up to a constant of the samples; None where they have no value.

    Parameters
    ----------
    absolute : whether the variances are known; one that is estimated counts as a parameter.
    """
    count = free if absolute else free + 1
    if not (rss > 0 and math.isfinite(rss)) or rows - count - 1 <= 0:
        return None, None
    fit = rss if absolute else rows * (math.log(2 * math.pi * rss / rows) + 1)
    return fit + 2 * count + 2 * count * (count + 1) / (rows - count - 1), fit + count * math.log(rows)


def choose_degree(rows: Partitions, shape: Shape, absolute: bool = False) -> tuple[int, list[Tried]]:
    """Return the lowest degree whose error on left-out rows is within one standard error of the least, and all tried.

    The rows are divided into ten folds by the bits of their numbers, so that their order does not matter; equal rows
    share a fold. The moments of a fold are subtracted from those of all rows, so that ten fits of each degree take one
    pass over the data. Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2009, section 7.10.

    Parameters
    ----------
    absolute : whether weights are 1 / variance, for the criteria beside the errors.

    Raises
    ------
    DataError
        Where there are too few rows for any comparison.
    """
    frame, count = measure(rows, 0)
    highest = max(k for k in range(HIGHEST + 1) if math.comb(len(frame.lows) + k, k) <= MOST_TRIED)
    frame = replace(frame, degree=highest)
    folds = [part for part in rows.total(partial(_folds, frame, count)).folds if part is not None]
    if len(folds) < 3:
        raise DataError("there are too few different rows to choose a degree by leaving some out. Give a degree.")
    whole = sum(folds[1:], start=folds[0])
    tried: list[Tried] = []
    for degree in range(highest + 1):
        if degree > 0 and frame.lows == frame.highs:
            break
        found = _tried(degree, whole.truncated(degree), [fold.truncated(degree) for fold in folds], shape, absolute)
        if found is None:
            break
        tried.append(found)
    if not tried:
        raise DataError("the samples do not determine a constant, so no degree can be chosen. Give a degree.")
    best = min(tried, key=lambda one: one.error)
    simplest = next(one for one in tried if one.error <= best.error + best.spread)
    return simplest.degree, tried


def _tried(degree: int, whole: Moments, folds: Sequence[Moments], shape: Shape, absolute: bool) -> Tried | None:
    """Return the errors of a degree, or None where a fold leaves too little to fit it."""
    if any(sum(index) > degree for index in shape.fixed):
        return Tried(degree, math.inf, 0.0)
    errors, weights = [], []
    for fold in folds:
        try:
            solved = solve(system_of(whole - fold), shape)
        except DataError:
            return None
        left = system_of(fold)
        none = tuple(0 for _ in left.columns[0])
        weight = nearest(left.gram[none])
        errors.append(max(nearest(squares_of(left, solved)), 0.0) / weight)
        weights.append(weight)
    share = np.array(weights) / sum(weights)
    mean = float(share @ errors)
    variance = float(share @ (np.array(errors) - mean) ** 2) / (len(folds) - 1)
    solved = solve(system_of(whole), shape)
    said = criteria(nearest(solved.rss), whole.count, solved.free, absolute)
    return Tried(degree, mean, math.sqrt(variance), *said)


@dataclass(frozen=True)
class Folds:
    """The moments of each fold, None for one without rows."""

    folds: tuple[Moments | None, ...]

    def __add__(self, other: Folds) -> Folds:
        pairs = zip(self.folds, other.folds, strict=True)
        return Folds(tuple(a if b is None else b if a is None else a + b for a, b in pairs))


def _folds(frame: Frame, count: int, part: Part) -> Folds:
    """Return the folds of a part of a table with `count` rows."""
    part = part.counted()
    own = fold_of(part)
    places = [np.flatnonzero(own == fold) for fold in range(FOLDS)]
    return Folds(tuple(summed(frame, count // FOLDS, part.rows(chosen)) if len(chosen) else None for chosen in places))


def fold_of(part: Part) -> npt.NDArray[np.int64]:
    """Return the fold of each row, from the bits of its x and y."""
    mixed = np.zeros(len(part.y), dtype=np.uint64)
    for column in (*part.x, part.y):
        mixed = (mixed ^ np.ascontiguousarray(column + 0.0).view(np.uint64)) * np.uint64(SPREAD[0])
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(SPREAD[1])
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(SPREAD[2])
    return (mixed >> np.uint64(33)).astype(np.int64) % FOLDS
