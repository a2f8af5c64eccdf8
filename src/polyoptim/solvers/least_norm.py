"""The least coefficients that fit rows best, where the rows leave some of them open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyoptim.losses import Loss
from polyoptim.solvers.robust import Robust, minimize

Array = npt.NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Least:
    """Coefficients and what is known of them.

    Parameters
    ----------
    coef : of the columns, shape (m,).
    level : what is added to the columns' sum; 0 where no constant is free.
    rank : directions that the rows determine, that of the level among them.
    robust : how another loss than the squared one was made least; None for that.
    """

    coef: Array
    level: float
    rank: int
    robust: Robust | None


def least_norm(
    columns: Array,
    y: Array,
    weight: Array | None,
    loss: Loss,
    options: Mapping[str, float],
    *,
    constant: bool,
    ridge: float = 0.0,
) -> Least:
    """Return the coefficients with the least sum of weight · loss, and of these the ones with the least squares.

    With a ridge the squares of the coefficients, times it, are added to the squared loss. The constant is left out of
    the squares: it follows from the (weighted) means, so that another origin of y changes nothing else. For the squared
    loss this is the limit of a ridge that goes to 0.

    Parameters
    ----------
    columns : shape (n, m).
    y, weight : shape (n,), the weights positive.
    constant : whether a constant is free beside the columns.

    Notes
    -----
    Singular values up to max(n, m) eps of the size of the columns count as zero. Cost O(n m min(n, m)).
    """
    w = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(w)
    center = (w @ columns) / w.sum() if constant else np.zeros(columns.shape[1])
    scale = float(np.linalg.norm(root[:, None] * columns))
    left, sizes, right = np.linalg.svd(root[:, None] * (columns - center), full_matrices=False)
    kept = sizes > max(columns.shape) * EPS * scale
    left, sizes, right = left[:, kept], sizes[kept], right[kept]
    rank = len(sizes) + constant
    if loss.name == "squared":
        middle = float(w @ y / w.sum()) if constant else 0.0
        coef = right.T @ (sizes / (sizes**2 + ridge) * (left.T @ (root * (y - middle))))
        return Least(coef, float(middle - center @ coef), rank, None)
    seen = left / root[:, None]
    if constant:
        seen = np.column_stack([np.ones(len(y)), seen])
    found = minimize(seen, y, weight, loss, options)
    coef = right.T @ (found.coef[int(constant) :] / sizes)
    return Least(coef, float((found.coef[0] if constant else 0.0) - center @ coef), rank, found)
