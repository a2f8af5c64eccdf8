"""A loss with many local minima: the best that Newton's method finds from several starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyoptim.solvers.newton import Descent, descend
from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import Array, Rows

SUBSETS, SEEN = 200, 2000  # fits through as many rows as columns; rows on which they are compared
FOLLOWED = 5  # starts that are followed to their end


def best_found(rows: Rows, penalty: Penalty, length: float, starts: Sequence[Array]) -> Descent:
    """Return the lowest end of several descents.

    Besides the starts that are given, fits through random rows are tried, as for the least median of squares, because
    some of them see no outlier: P. J. Rousseeuw (1984), Least median of squares regression, J. Amer. Statist. Assoc.
    79, 871-880, doi:10.1080/01621459.1984.10477105. The random numbers are always the same.
    """
    tried = [*starts, *_through_rows(rows)]
    generator = np.random.default_rng(1)
    seen = generator.choice(len(rows.y), SEEN, replace=False) if len(rows.y) > SEEN else slice(None)
    root, y, q = rows.root[seen], rows.y[seen], rows.q[seen]
    losses = [float(np.sum(root * root * penalty.value(((q @ z) / root - y) / length))) for z in tried]
    order = np.argsort(losses, kind="stable")[:FOLLOWED]
    ends = [
        descend(rows, penalty, length, tried[place]) for place in dict.fromkeys([*range(len(starts)), *order.tolist()])
    ]
    return min(ends, key=lambda end: end.values[-1])


def _through_rows(rows: Rows) -> list[Array]:
    """Return the coefficients that meet some rows, chosen at random."""
    count, m = rows.q.shape
    if count <= m:
        return []
    places = np.random.default_rng(0).integers(0, count, (SUBSETS, m))
    square = rows.q[places]
    wanted = (rows.root * rows.y)[places]
    free = np.abs(np.linalg.det(square / np.linalg.norm(square, axis=2, keepdims=True).clip(min=1e-300))) > 1e-12
    return list(np.linalg.solve(square[free], wanted[free][..., None])[..., 0])
