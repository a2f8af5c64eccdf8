"""Spans: a CSV file in pieces that end where a row ends, found without reading it from its beginning.

Whether a line end stands within quotes depends on all quotes before it. So each range of bytes is looked at by itself
under both suppositions, that it begins inside of quotes and outside; the counts of the ranges before it tell which one
holds.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from polyoptim.targets.csv_blocks import COMMA, CR, LF, QUOTE

EDGES = np.frombuffer(COMMA + CR + LF + QUOTE, np.uint8)


@dataclass(frozen=True)
class Span:
    """Whole rows of a file: from byte `start`, where line `line` begins, up to byte `stop`."""

    start: int
    stop: int
    line: int


@dataclass(frozen=True)
class Looked:
    """What is known of a range of bytes; pairs are for a beginning outside and inside of quotes.

    Parameters
    ----------
    begin : the first byte.
    quotes, lines : how many quotes and line ends there are.
    ends : where the first row ends, and how many line ends there are up to there; None where none does.
    plain : whether every CSV reader would find the same cells.
    """

    begin: int
    quotes: int
    lines: int
    ends: tuple[tuple[int, int] | None, tuple[int, int] | None]
    plain: tuple[bool, bool]


def ranges(begin: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Return the bytes from `begin` to `stop` in ranges of a size."""
    return [(start, min(start + size, stop)) for start in range(begin, stop, size)]


def look(path: Path, begin: int, stop: int) -> Looked:
    """Return what a range of bytes says, with the byte before it and the one after it in view."""
    with path.open("rb") as file:
        file.seek(max(begin - 1, 0))
        data = file.read(stop - max(begin - 1, 0) + 1)
    data = data if begin else LF + data
    letters = np.frombuffer(data, np.uint8)
    last = stop - begin  # the place of the last byte of the range; what comes after it is only looked at
    quotes = np.flatnonzero(letters[1 : last + 1] == QUOTE[0]) + 1
    lines = np.flatnonzero(letters[1 : last + 1] == LF[0]) + 1
    returns = np.flatnonzero(letters[1 : last + 1] == CR[0]) + 1
    after = np.append(letters, LF[0])  # as if a line end followed the file
    whole = bool((after[returns + 1] == LF[0]).all())
    before = np.searchsorted(quotes, lines)
    found: list[tuple[int, int] | None] = []
    for inside in (0, 1):
        outer = np.flatnonzero((before + inside) % 2 == 0)
        found.append((begin + int(lines[outer[0]]), int(outer[0]) + 1) if len(outer) else None)
    plain = tuple(whole and _stand_well(after, quotes, inside) for inside in (0, 1))
    return Looked(begin, len(quotes), len(lines), (found[0], found[1]), (plain[0], plain[1]))


def _stand_well(letters: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], inside: int) -> bool:
    """Tell whether quotes open where a cell begins and close where it ends, or come in twos."""
    opening, closing = quotes[inside::2], quotes[1 - inside :: 2]
    return bool(np.isin(letters[opening - 1], EDGES).all() and np.isin(letters[closing + 1], EDGES).all())


def spans(looked: Sequence[Looked], stop: int, line: int) -> list[Span] | None:
    """Return a file as spans, about one for each range; None where only Python's csv can tell where rows end.

    Parameters
    ----------
    looked : all ranges, in order; the first begins where line `line` does.
    stop : the length of the file.
    """
    inside = [count % 2 for count in accumulate((one.quotes for one in looked), initial=0)]
    if inside.pop() or not all(one.plain[side] for one, side in zip(looked, inside, strict=True)):
        return None
    begins = [(looked[0].begin, line)]
    for one, side, lines in zip(looked, inside, accumulate((one.lines for one in looked), initial=0), strict=False):
        end = one.ends[side]
        if one is not looked[0] and end is not None and end[0] < stop:
            begins.append((end[0], line + lines + end[1]))
    stops = [*(start for start, _ in begins[1:]), stop]
    return [Span(start, end, first) for (start, first), end in zip(begins, stops, strict=True)]


class Window(io.RawIOBase):
    """A file that ends at byte `stop`."""

    def __init__(self, file: BinaryIO, stop: int) -> None:
        self._file, self._stop = file, stop

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes, or up to the end."""
        left = max(self._stop - self._file.tell(), 0)
        return self._file.read(left if size < 0 else min(size, left))
