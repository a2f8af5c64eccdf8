"""Chunks: batches of any length cut anew, so that sums over them do not depend on who read the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def together(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return arrays of shape (n,) one behind the other; pieces of one array that lie so already are not copied.

    >>> whole = np.arange(5.0)
    >>> together([whole[:2], whole[2:4]]).base is whole
    True
    """
    parts = [part for part in parts if len(part)] or parts[:1]  # an empty piece lies anywhere
    first, whole = parts[0], parts[0].base
    if not isinstance(whole, np.ndarray) or whole.ndim != 1 or whole.dtype != first.dtype:
        return first if len(parts) == 1 else np.concatenate(parts)
    end = _address(first)
    for part in parts:
        if part.base is not whole or part.strides != whole.strides or _address(part) != end:
            return np.concatenate(parts)
        end += len(part) * part.strides[0]
    begin = (_address(first) - _address(whole)) // first.strides[0]
    found = whole[begin : begin + sum(map(len, parts))]
    found.flags.writeable = all(part.flags.writeable for part in parts)
    return found


def _address(array: npt.NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]
