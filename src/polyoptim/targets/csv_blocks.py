"""Blocks: a CSV file in pieces that end where a row ends, so that each can be read by itself."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

SIZE = 2**23
PIECE = 2**20

# Python's csv refuses longer cells (its field_size_limit); a block with a longer line is left to it.
LONGEST = 2**17

COMMA, QUOTE, CR, LF = b",", b'"', b"\r", b"\n"


@dataclass(frozen=True)
class Block:
    """Some rows of a file.

    Parameters
    ----------
    line : number of the first line.
    offset : the byte at which it begins.
    data : the bytes; None where only Python's csv can tell where rows end, and then this block is the rest of the file.
    plain : whether every CSV reader would find the same cells.
    """

    line: int
    offset: int
    data: bytes | None
    plain: bool

    def lines(self, rest: BinaryIO) -> Iterable[str]:
        """Return the lines of text, each with its end; `rest` is the file, for a block that is its rest."""
        if self.data is not None:
            return io.StringIO(self.data.decode(), newline="")
        rest.seek(self.offset)
        return _lines(rest)


def blocks(stream: BinaryIO, line: int, offset: int, size: int = SIZE) -> Iterator[Block]:
    """Yield a file in blocks of about `size` bytes, from `offset`, where line `line` begins.

    A line end within quotes ends no row. Quotes that stand where RFC 4180 has them can be told by counting; at the
    first that stand elsewhere, or at a lone carriage return, the rest of the file becomes one block.
    """
    stream.seek(offset)
    carry = b""
    while True:
        piece = stream.read(size)
        data = carry + piece
        if not data:
            return
        end = len(data) if not piece else _end(data)
        part = data[:end]
        if not part or not _line_ends_are_plain(part) or not _quotes_are_plain(part):
            yield Block(line, offset, None, plain=False)
            return
        # pyarrow would take a mark of UTF-8 from the first cell of any block.
        yield Block(line, offset, part, plain=_lines_are_short(part) and not part.startswith(codecs.BOM_UTF8))
        if not piece:
            return
        line += int(np.count_nonzero(np.frombuffer(part, np.uint8) == LF[0]))  # twice as fast as bytes.count
        offset += len(part)
        carry = data[end:]


def _quotes(data: bytes) -> npt.NDArray[np.intp]:
    if QUOTE not in data:
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.frombuffer(data, np.uint8) == QUOTE[0])


def _end(data: bytes) -> int:
    """Return where the last whole row ends, 0 where none does."""
    quotes = _quotes(data)
    stop = len(data)
    while (stop := data.rfind(LF, 0, stop)) >= 0:
        before = int(np.searchsorted(quotes, stop))
        if before % 2 == 0:
            return stop + 1
        stop = int(quotes[before - 1])
    return 0


def _line_ends_are_plain(data: bytes) -> bool:
    return CR not in data or data.count(CR) == data.count(CR + LF)


def _quotes_are_plain(data: bytes) -> bool:
    """Tell whether quotes open where a cell begins and close where it ends, or come in twos."""
    quotes = _quotes(data)
    if len(quotes) % 2:
        return False
    letters = np.frombuffer(data, np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    before = letters[opening[opening > 0] - 1]
    after = letters[closing[closing < len(data) - 1] + 1]
    edges = np.frombuffer(COMMA + CR + LF + QUOTE, np.uint8)
    return bool(np.isin(before, edges).all() and np.isin(after, edges).all())


def _lines_are_short(data: bytes) -> bool:
    """Tell whether no line can be longer than `LONGEST`: every window of half that length has a line end."""
    step = LONGEST // 2
    return all(data.find(LF, start, start + step) >= 0 for start in range(0, len(data) - step + 1, step))


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Yield lines of text, each with its end, which may be a lone carriage return."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=False)
    carry = ""
    while True:
        piece = stream.read(PIECE)
        lines = list(io.StringIO(carry + decoder.decode(piece, final=not piece), newline=""))
        carry = lines.pop() if piece and lines else ""
        if len(carry) > SIZE:
            raise csv.Error(f"the line is longer than {SIZE} letters")
        yield from lines
        if not piece:
            return
