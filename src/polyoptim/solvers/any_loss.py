"""A table fitted by any loss: the rows in memory, and columns that any shape of polynomial leaves free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, DataError
from polyoptim.losses import Loss
from polyoptim.moments import Frame
from polyoptim.solvers.normal_equations import Shape, Solved, System, allowed, fraction
from polyoptim.solvers.robust import Robust, minimize
from polyoptim.solvers.squared import Fitted, measure
from polyoptim.targets.partitions import Local, Part, Partitions, joined

Array = npt.NDArray[np.float64]
MOST_NUMBERS = 100_000_000  # rows times columns, which are held in memory


@dataclass(frozen=True)
class Found:
    """A fit by any loss.

    Parameters
    ----------
    fitted : coefficients and their covariance; the sum in place of the squares' is that of the loss.
    robust : how it was found, and what it says of the rows.
    row_weight : of each row in the order of the table, shape (rows,); a row of weight 0 has none, nan.
    """

    fitted: Fitted
    robust: Robust
    row_weight: Array


def fit_loss(rows: Partitions, degree: int, shape: Shape, loss: Loss, options: Mapping[str, float]) -> Found:
    """Return the polynomial of that shape with the least sum of weight · loss.

    Unlike the squared loss, others are summed in float64, so that the order of the rows may change last bits.

    Raises
    ------
    ArgumentError
        Where the rows do not fit into memory, or a ridge is asked for.
    """
    if shape.ridge:
        raise ArgumentError(f"ridge belongs to the squared loss, got loss {loss.name!r}. Leave one of them out.")
    if not isinstance(rows, Local):
        raise ArgumentError(f"loss {loss.name!r} holds the rows in memory. Leave scheduler out.")
    frame, count = measure(rows, degree)
    if count * len(frame.columns) > MOST_NUMBERS:
        raise ArgumentError(
            f"loss {loss.name!r} holds {count} rows of {len(frame.columns)} columns in memory, at most "
            f"{MOST_NUMBERS} numbers. Use loss='squared', a lower degree, or a sample of the rows."
        )
    whole = joined(list(rows.parts()))
    system = System(frame.columns, frame.maps(), {}, [], arb(0), count)
    with ctx.workprec(system.precision):
        to_power, start, directions = allowed(system, shape)
        if directions is None:
            raise ArgumentError("nothing is left to be fitted: fixed coefficients and points determine the curve.")
        first, free = _floats(start)[:, 0], _floats(directions)
        kept = np.ones(len(whole.y), dtype=bool) if whole.weight is None else whole.weight > 0
        seen = whole if kept.all() else whole.rows(kept)
        columns = chebyshev(frame, seen)
        _check_determined(columns @ free)
        found = minimize(columns @ free, seen.y - columns @ first, seen.weight, loss, options)
        if found.covariance is not None and not np.isfinite(found.covariance).all():  # it has the unit of y²
            found = replace(found, covariance=None)
        coef = start + directions * _balls(found.coef[:, None])
        size = len(found.coef)
        unit = np.zeros((size, size)) if found.covariance is None else found.covariance
        covariance = directions * _balls(unit) * directions.transpose()
        solved = Solved(
            coef, covariance, arb(found.value), float(size), arb_mat(to_power), shape.has_constant(len(frame.lows))
        )
    row_weight = np.full(len(whole.y), np.nan)
    row_weight[kept] = found.row_weight
    return Found(Fitted(frame, system, solved), found, row_weight)


def chebyshev(frame: Frame, part: Part) -> Array:
    """Return the basis at rows in float64, shape (n, terms)."""
    family = FAMILIES["chebyshev"]
    parts = []
    for low, high, x in zip(frame.lows, frame.highs, part.x, strict=True):
        u = np.zeros_like(x) if low == high else Domain(low, high, family.window).map(x)
        parts.append(family.columns(u, frame.degree))
    found = np.ones((len(part.y), len(frame.columns)))
    for place, index in enumerate(frame.columns):
        for values, power in zip(parts, index, strict=True):
            found[:, place] *= values[power]
    return found


def _check_determined(columns: Array) -> None:
    """Raise DataError where the samples do not determine the coefficients; the columns are far from parallel."""
    if len(columns) < columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise DataError(
            f"the samples do not determine {columns.shape[1]} coefficients: "
            "too few different values of x for them. Use a lower degree."
        )


def _floats(matrix: arb_mat) -> Array:
    rows, columns = matrix.nrows(), matrix.ncols()
    return np.array([[float(fraction(matrix[i, j])) for j in range(columns)] for i in range(rows)])


def _balls(values: Array) -> arb_mat:
    return arb_mat([[arb(value) for value in row] for row in values.tolist()])
