"""Chunks: batches of any length cut anew, so that sums over them do not depend on who read the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.targets.reader import Batch


def recut(batches: Iterable[Batch], rows: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Yield the rows of batches, `rows` at a time, in new arrays; the last has the rest.

    >>> batches = [{"x": np.arange(4.0)}, {"x": np.arange(4.0, 7.0)}]
    >>> [chunk["x"].tolist() for chunk in recut(batches, 3)]
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0]]
    """
    waiting: list[Batch] = []
    count = 0
    for batch in batches:
        length = _length(batch)
        place = 0
        while count + length - place >= rows:
            end = place + rows - count
            yield _together([*waiting, _part(batch, place, end)])
            waiting, count, place = [], 0, end
        if place < length:
            waiting.append(_part(batch, place, length))
            count += length - place
    if count:
        yield _together(waiting)


def _length(batch: Batch) -> int:
    return len(next(iter(batch.values()), ()))


def _part(batch: Batch, start: int, stop: int) -> Batch:
    return {role: values[start:stop] for role, values in batch.items()}


def _together(parts: list[Batch]) -> dict[str, npt.NDArray[Any]]:
    """Return the parts as one batch; concatenating copies even one, so that the arrays are new and can be written."""
    return {role: np.concatenate([part[role] for part in parts]) for role in parts[0]}
