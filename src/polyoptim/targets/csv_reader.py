"""CSV files, plain or compressed, read block by block: by pyarrow where it can, else by Python."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from polyoptim.errors import DataError, MissingDependencyError
from polyoptim.registry import Registry
from polyoptim.targets.csv_blocks import SIZE, Block, blocks
from polyoptim.targets.csv_spans import Looked, Span, Window, ranges, spans
from polyoptim.targets.csv_text import MISSING, CellReader, number, rows
from polyoptim.targets.reader import Batch, Plan, Reader
from polyoptim.targets.times import parse_moment

PARSERS = Registry("CSV parser", {"pyarrow": "polyoptim.targets.arrow_csv:parse"}, extra={"pyarrow": "data"})

# Python has read a smaller file before pyarrow is imported.
LARGE = 2**22

HEADER = 2**20
GZIP = b"\x1f\x8b"
SNIFFED_ROWS = 100


class CsvReader(Reader):
    """A CSV file in UTF-8 with a header, plain or gzip.

    Parameters
    ----------
    path : the file.
    what : its name in messages.
    span : which rows; all of them where None.
    """

    def __init__(self, path: Path, what: str, span: Span | None = None) -> None:
        self.path = path
        self.what = what
        with self._opened() as stream:
            names = self._read_header(stream)
        super().__init__(what, names)
        self._span = span
        if span is not None:
            self._offset, self._line = span.start, span.line

    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, or else dates and times, in the first rows where they hold anything."""
        sample = [row for _, (_, row) in zip(range(SNIFFED_ROWS), self._rows(), strict=False)]
        found = []
        for name, cells in zip(self.names, zip(*sample, strict=True), strict=False):
            present = [cell.strip() for cell in cells if cell.strip() not in MISSING]
            if (
                self.names.count(name) == 1
                and present
                and (all(_is_number(cell) for cell in present) or all(map(parse_moment, present)))
            ):
                found.append(name)
        return tuple(found)

    def first(self, name: str) -> tuple[int, bool] | Literal["number"] | None:
        """Return the first value of a column, as `Reader.first` says."""
        place = self.names.index(name)
        for _, row in self._rows():
            text = row[place].strip()
            if text not in MISSING:
                return parse_moment(text) or "number"
        return None

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield the wanted columns by role, as `Reader.batches` says."""
        cells = CellReader(self.names, plan, self.what)
        parse = None
        with self._rows_opened() as stream:
            for block in blocks(stream, self._line, self._offset, SIZE):
                _check_text(block)
                if parse is None and block.data is not None and len(block.data) >= LARGE:
                    parse = _parser()
                fast = parse(block.data, self.names, plan) if parse and block.plain else None
                if fast is not None:
                    yield fast
                else:
                    yield from cells.batches(rows(block.lines(stream), block.line, self.what, len(self.names)))

    def texts(self, plan: Plan) -> Iterator[Mapping[str, list[str]]]:
        """Yield the text of the wanted columns, as `Reader.texts` says."""
        return CellReader(self.names, plan, self.what).texts(self._rows())

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        with self._rows_opened() as stream:
            for block in blocks(stream, self._line, self._offset, HEADER):
                _check_text(block)
                yield from rows(block.lines(stream), block.line, self.what, len(self.names))

    def ranges(self, size: int) -> list[tuple[int, int]]:
        """Return the bytes of the rows in ranges that can be looked at apart; none where the file is compressed."""
        with self.path.open("rb") as file:
            packed = file.read(2) == GZIP
            return [] if packed else ranges(self._offset, file.seek(0, io.SEEK_END), size)

    def spans(self, looked: Sequence[Looked]) -> list[Span] | None:
        """Return the rows in spans, as `csv_spans.spans` does, from what is known of their ranges; None without any."""
        return spans(looked, self.path.stat().st_size, self._line) if looked else None

    def _read_header(self, stream: BinaryIO) -> tuple[str, ...]:
        """Return the column names, and note where the rows begin."""
        head = stream.read(HEADER)
        whole = len(head) < HEADER
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
        marked = text.startswith("\ufeff")
        self._offset = 3 if marked else 0
        self._line = 1

        def counted() -> Iterator[str]:
            for line in io.StringIO(text[marked:], newline=""):
                self._offset += len(line.encode())
                self._line += 1
                yield line

        for _, row in rows(counted(), 1, self.what):
            if self._offset == HEADER and not whole:
                break
            return tuple(name.strip() for name in row)
        if not whole:
            raise DataError(f"{self.what}: its line of column names is longer than {HEADER} bytes. Check the file.")
        raise DataError(f"{self.what} is empty. It needs a line of column names and then the numbers.")

    @contextmanager
    def _rows_opened(self) -> Iterator[BinaryIO]:
        with self._opened() as stream:
            yield stream if self._span is None else cast("BinaryIO", Window(stream, self._span.stop))

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as file:
                packed = file.read(2) == GZIP
                file.seek(0)
                if packed:
                    with gzip.open(file) as stream:
                        yield cast("BinaryIO", stream)
                else:
                    yield file
        except FileNotFoundError:
            raise DataError(f"there is no file {self.what!r}. Check the path.") from None
        except UnicodeDecodeError:
            with self._opened() as stream:
                place = _bad_byte(stream)
            raise DataError(f"{self.what} is not UTF-8 text (byte {place}). Save it as CSV in UTF-8.") from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self.what} is a damaged gzip file: {error}. Make it again.") from None
        except OSError as error:
            raise DataError(f"{self.what} cannot be read: {error.strerror}.") from None


def _parser() -> Any:
    try:
        return PARSERS["pyarrow"]
    except MissingDependencyError:
        return None


def _is_number(text: str) -> bool:
    value = number(text)
    return value == value


def _check_text(block: Block) -> None:
    if block.data is not None and not block.data.isascii():
        block.data.decode()


def _bad_byte(stream: BinaryIO) -> int:
    """Return the place of the first byte that is not UTF-8."""
    offset, carry = 0, b""
    while True:
        piece = stream.read(HEADER)
        data = carry + piece
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if error.end < len(data) or not piece:
                return offset + error.start
            carry = data[error.start :]  # perhaps a letter that goes on in the next piece
        else:
            carry = b""
        offset += len(data) - len(carry)
        if not piece:
            return offset
