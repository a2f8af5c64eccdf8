"""A table fitted by any loss: the rows in memory, and columns that any shape of polynomial leaves free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat, ctx

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError
from polyoptim.losses import Loss
from polyoptim.moments import Frame
from polyoptim.solvers.found import Found, low_rows, nothing_free
from polyoptim.solvers.normal_equations import Shape, Solved, System, allowed, check_terms, fraction, undetermined
from polyoptim.solvers.robust import minimize
from polyoptim.solvers.squared import Fitted, measure
from polyoptim.solvers.summed_loss import fit_summed
from polyoptim.targets.partitions import Local, Part, Partitions, joined

Array = npt.NDArray[np.float64]
MOST_NUMBERS = 100_000_000  # rows times columns, which are held in memory


def fit_loss(rows: Partitions, degree: int, shape: Shape, loss: Loss, options: Mapping[str, float]) -> Found:
    """Return the polynomial of that shape with the least sum of weight · loss.

    Unlike the squared loss, others are summed in float64, so that the order of the rows may change last bits. Rows that
    are elsewhere, or too many for memory, are left to `summed_loss`.

    Raises
    ------
    ArgumentError
        Where a ridge is asked for, or nothing is left to be fitted.
    """
    if shape.ridge:
        raise ArgumentError(f"ridge belongs to the squared loss, got loss {loss.name!r}. Leave one of them out.")
    frame, count = measure(rows, degree)
    check_terms(count, len(frame.lows), degree, shape, ridge=False)
    if not isinstance(rows, Local) or count * len(frame.columns) > MOST_NUMBERS:
        return fit_summed(rows, frame, count, shape, loss, options)
    whole = joined(list(rows.parts()))
    system = System(frame.columns, frame.maps(), {}, [], arb(0), count)
    with ctx.workprec(system.precision):
        to_power, start, directions = allowed(system, shape)
        if directions is None:
            raise nothing_free()
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
    assert found.row_weight is not None  # noqa: S101 - the rows are here
    return Found(Fitted(frame, system, solved), found, low_rows(found.row_weight, np.flatnonzero(kept)))


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
    """Raise RankError where the samples do not determine the coefficients; the columns are far from parallel."""
    if len(columns) < columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise undetermined(columns.shape[1], ridge=False)


def _floats(matrix: arb_mat) -> Array:
    rows, columns = matrix.nrows(), matrix.ncols()
    return np.array([[float(fraction(matrix[i, j])) for j in range(columns)] for i in range(rows)])


def _balls(values: Array) -> arb_mat:
    return arb_mat([[arb(value) for value in row] for row in values.tolist()])
