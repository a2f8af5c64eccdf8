"""Rows that repeat each other, as one row with their weights added."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyoptim.targets.samples import Samples

Array = npt.NDArray[np.float64]


def merged(samples: Samples) -> Samples:
    """Return the rows, sorted, without those of weight 0, equal ones as one with the sum of their weights.

    Any weighted sum over the rows is the same. As the order in which rows come no longer matters, nor whether one is
    repeated or has an integer weight, whatever is computed from them is the same to the last bit.

    Examples
    --------
    >>> found = merged(Samples(np.array([2.0, 1.0, 2.0]), np.array([5.0, 3.0, 5.0])))
    >>> found.x.tolist(), found.y.tolist(), found.weight.tolist()
    ([1.0, 2.0], [3.0, 5.0], [1.0, 2.0])
    """
    x = samples.x.reshape(len(samples), -1)
    rows = np.column_stack([x, samples.y]) + 0.0  # -0.0 is 0.0
    weight = np.ones(len(rows)) if samples.weight is None else samples.weight
    rows, weight = rows[weight > 0], weight[weight > 0]
    rows, places = np.unique(rows, axis=0, return_inverse=True)
    total = np.bincount(places, weights=weight).astype(np.float64)
    kept = rows[:, 0] if samples.x.ndim == 1 else np.ascontiguousarray(rows[:, :-1])
    return Samples(np.ascontiguousarray(kept), np.ascontiguousarray(rows[:, -1]), total if (total != 1).any() else None)
