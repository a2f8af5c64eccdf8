"""Programs: the real coefficients with the least largest error, room left for roundings, or the least sum of errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

Array = npt.NDArray[np.float64]

OPTIMAL = 0


def least_largest(errors: Array, columns: Array, high: Array, low: Array) -> Array | None:
    """Return g with the least t such that ``errors + columns @ g`` stays between ``low - t`` and ``t - high``.

    Parameters
    ----------
    errors, columns : at points, shapes (points,) and (points, n).
    high, low : what rounding adds to an error at most and at least, shape (points,); low is not above 0.

    Returns
    -------
    array or None
        Shape (n,); None where the program finds none.
    """
    sizes = np.abs(columns).max(axis=0)
    scaled = columns / sizes
    ones = np.ones((len(errors), 1))
    matrix = np.vstack([np.hstack([scaled, -ones]), np.hstack([-scaled, -ones])])
    bound = np.concatenate([-errors - high, errors + low])
    cost = np.zeros(columns.shape[1] + 1)
    cost[-1] = 1.0
    solved = linprog(cost, matrix, bound, bounds=(None, None))
    return None if solved.status != OPTIMAL else solved.x[:-1] / sizes


def least_sum(errors: Array, columns: Array, weights: Array) -> Array | None:
    """Return g with the least sum of weighted ``abs(errors + columns @ g)``; None where the program finds none."""
    sizes = np.abs(columns).max(axis=0)
    scaled = columns / sizes
    count, width = scaled.shape
    # In its dual: maximise errors @ y where abs(y) <= weights and columns.T @ y = 0; g are the multipliers.
    solved = linprog(
        -errors / weights.max(),
        A_eq=scaled.T,
        b_eq=np.zeros(width),
        bounds=np.stack([-weights, weights], axis=-1) / weights.max(),
    )
    if solved.status != OPTIMAL or count <= width:
        return None
    return solved.eqlin.marginals * weights.max() / sizes * 1.0  # type: ignore[no-any-return]
