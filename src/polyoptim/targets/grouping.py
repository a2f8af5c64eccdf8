"""Grouping: which rows of a table belong together, found from a label in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.compiler import compiled
from polyoptim.targets.chunks import together

Integers = npt.NDArray[np.int64]

AT_ONCE = 1 << 15  # labels that stay in a processor's cache
DENSE = 4  # labels that span at most so many times the rows are counted rather than compared
MANY = 1 << 20  # rows from which a compiled loop pays

PLACE = """\
import numba


@numba.njit("void(int64[::1], int64, int64[::1], int64[::1])", nogil=True, cache=CACHE)
def place(labels, low, following, order):
    for row in range(labels.size):
        k = labels[row] - low
        order[following[k]] = row
        following[k] += 1
"""


@dataclass(frozen=True)
class Grouping:
    """Groups of rows.

    Parameters
    ----------
    labels : one for each group, integers before text, each ascending; shape (groups,).
    starts, counts : where the rows of a group begin in `order`, and how many there are, shape (groups,).
    order : the rows, group by group, shape (rows,); None where they stand so already.

    Examples
    --------
    >>> found = group([np.array([7, 3, 7])])
    >>> found.labels.tolist(), found.rows(0).tolist(), found.rows(1).tolist()
    ([3, 7], [1], [0, 2])
    """

    labels: npt.NDArray[Any]
    starts: Integers
    counts: Integers
    order: Integers | None

    def rows(self, place: int) -> Integers:
        """Return the rows of a group, ascending."""
        first, last = self.starts[place], self.starts[place] + self.counts[place]
        return np.arange(first, last) if self.order is None else np.sort(self.order[first:last])


def group(chunks: Iterable[npt.NDArray[Any]]) -> Grouping:
    """Return the groups of rows with equal labels, in any number of parts: integers, or objects (str and int)."""
    parts = list(chunks)
    if all(part.dtype.kind == "i" for part in parts):
        return _of_integers(parts)
    codes: dict[Any, int] = {}
    coded = [np.fromiter((codes.setdefault(label, len(codes)) for label in part.tolist()), np.int64) for part in parts]
    ranked = sorted(codes, key=lambda label: (isinstance(label, str), label))
    rank = np.empty(len(codes), dtype=np.int64)
    rank[[codes[label] for label in ranked]] = np.arange(len(codes))
    found = _of_integers([rank[part] for part in coded])
    labels = np.array(ranked) if len({type(label) for label in ranked}) == 1 else np.array(ranked, dtype=object)
    return Grouping(labels, found.starts, found.counts, found.order)


def _of_integers(parts: Sequence[Integers]) -> Grouping:
    count = sum(map(len, parts))
    found = _runs(parts)
    if found is not None:
        starts, labels = found
        return Grouping(labels, starts, np.diff(starts, append=count), None)
    whole = together(parts)
    low = int(whole.min())
    if int(whole.max()) - low > DENSE * count:
        order = np.argsort(whole)
        ascending = whole[order]
        starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
        return Grouping(ascending[starts], starts, np.diff(starts, append=count), order)
    counts = np.bincount(whole - low)
    starts = np.cumsum(counts) - counts
    order = np.argsort(whole) if count < MANY else _placed(whole, low, starts.copy())
    some = np.flatnonzero(counts)
    return Grouping(some + low, starts[some], counts[some], order)


def _runs(parts: Sequence[Integers]) -> tuple[Integers, Integers] | None:
    """Return where each label begins, and the label; None where they are not ascending."""
    starts: list[Integers] = []
    labels: list[Integers] = []
    before, last = 0, None
    for part in parts:
        for begin in range(0, len(part), AT_ONCE):
            piece = part[begin : begin + AT_ONCE]
            edges = np.flatnonzero(piece[1:] != piece[:-1]) + 1
            if (last is not None and piece[0] < last) or (piece[edges] < piece[edges - 1]).any():
                return None
            if last is None or piece[0] != last:
                edges = np.concatenate([[0], edges])
            starts.append(edges + (before + begin))
            labels.append(piece[edges])
            last = piece[-1]
        before += len(part)
    return np.concatenate(starts), np.concatenate(labels)


def _placed(labels: Integers, low: int, following: Integers) -> Integers:
    order = np.empty(len(labels), dtype=np.int64)
    compiled(PLACE).module.place(labels, low, following, order)
    return order
