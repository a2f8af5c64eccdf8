"""Parquet files, read some rows at a time by pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from polyoptim.errors import DataError
from polyoptim.targets.cells import Cells, first, is_numeric, numbered, of_arrow
from polyoptim.targets.reader import BATCH, Batch, Plan, Reader
from polyoptim.targets.reals import LARGEST_EXACT_INTEGER

# How much of a column is read at a time, rather than all of a row group.
BUFFER = 2**20


class ParquetReader(Reader):
    """A Parquet file.

    Only the pages of the wanted columns are read, as they come: memory does not grow with the rows, nor with the size
    of a row group.

    Parameters
    ----------
    path : the file.
    what : its name in messages.
    groups : which of its row groups, in order; all where None.
    """

    def __init__(self, path: Path, what: str, groups: range | None = None) -> None:
        self.path = path
        self.what = what
        with self._opened() as file:
            self._metadata = file.metadata
            self._schema = file.schema_arrow
        self._groups = range(self._metadata.num_row_groups) if groups is None else groups
        super().__init__(what, tuple(self._schema.names))

    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, dates or times, in order."""
        return tuple(
            name
            for name in self.names
            if self.names.count(name) == 1 and not self._nested(name) and is_numeric(self._sample(name))
        )

    def first(self, name: str) -> tuple[int, bool] | Literal["number"] | None:
        """Return the first value of a column, as `Reader.first` says."""
        found = (first(of_arrow(column)) for (column,) in self._columns([name], 1024))
        return next((value for value in found if value is not None), None)

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield the wanted columns by role, as `Reader.batches` says."""
        names = list(dict.fromkeys(wanted.name for wanted in plan.columns))
        start = sum(self._metadata.row_group(place).num_rows for place in range(self._groups.start))
        for columns in self._columns(names, BATCH):
            batch = {}
            for wanted in plan.columns:
                cells = of_arrow(columns[names.index(wanted.name)])
                name = f"{self.what}, column {wanted.name!r}"
                batch[wanted.role] = cells.values(wanted, plan, name, numbered(name, start))
            start += len(columns[0])
            yield batch

    def rows(self) -> int | None:
        """Return how many rows the file has."""
        return sum(int(self._metadata.row_group(place).num_rows) for place in self._groups)

    def bundles(self, rows: int) -> list[range]:
        """Return the row groups in bundles of about so many rows; a group is never divided."""
        found, begin, count = [], 0, 0
        for place in self._groups:
            count += self._metadata.row_group(place).num_rows
            if count >= rows:
                found.append(range(begin, place + 1))
                begin, count = place + 1, 0
        return [*found, range(begin, self._groups.stop)] if count else found

    def bounds(self, plan: Plan) -> Mapping[str, tuple[float, float]] | None:
        """Return least and largest value by role from the statistics of the row groups, or None.

        They say nothing of NaN: where a missing value drops its row, which may have held the least x, only integers
        without nulls have bounds.
        """
        found: dict[str, tuple[float, float]] = {}
        for wanted in plan.columns:
            kind = self._schema.field(wanted.name).type
            if plan.drop and pa.types.is_floating(kind):
                return None
            label = wanted.kind == "label"
            if label and not plan.drop:
                continue
            known = self._statistics(wanted.name)
            if known is None or (plan.drop and any(group.null_count for group in known)):
                return None
            if label:
                continue
            here = _ends(known, kind)
            if here is None:
                return None
            found[wanted.role] = here
        return found

    def _statistics(self, name: str) -> list[Any] | None:
        """Return the statistics of a column in the groups that have rows, or None where one has none."""
        paths = [self._metadata.schema.column(place).path for place in range(self._metadata.num_columns)]
        if paths.count(name) != 1:  # a nested column
            return None
        groups = [self._metadata.row_group(place) for place in self._groups]
        found = [group.column(paths.index(name)).statistics for group in groups if group.num_rows]
        if any(known is None or not known.has_null_count for known in found):
            return None
        return found

    def _nested(self, name: str) -> bool:
        return bool(pa.types.is_nested(self._schema.field(name).type))

    def _sample(self, name: str) -> Cells:
        found = (of_arrow(column) for (column,) in self._columns([name], 1024))
        empty = of_arrow(pa.array([], self._schema.field(name).type))
        return next((cells for cells in found if len(cells.present)), empty)

    def _columns(self, names: list[str], rows: int) -> Iterator[list[Any]]:
        """Yield the columns of some rows, in the order of `names`."""
        with self._opened() as file:
            # pre_buffer would hold whole row groups in memory.
            for batch in file.iter_batches(batch_size=rows, columns=names, row_groups=list(self._groups)):
                if batch.num_rows:
                    yield [batch.column(batch.schema.names.index(name)) for name in names]

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with pq.ParquetFile(
                self.path, pre_buffer=False, buffer_size=BUFFER, page_checksum_verification=True
            ) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.what} cannot be read as Parquet: {' '.join(str(error).split())}.") from None


def _ends(known: list[Any], kind: Any) -> tuple[float, float] | None:
    """Return least and largest value of numbers that statistics state exactly, or None."""
    whole = pa.types.is_integer(kind)
    if not (whole or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    if not known or any(group.null_count or not group.has_min_max for group in known):
        return None
    low, high = min(group.min for group in known), max(group.max for group in known)
    if not (math.isfinite(low) and math.isfinite(high)) or (whole and max(-low, high) > LARGEST_EXACT_INTEGER):
        return None
    return float(low) + 0.0, float(high) + 0.0  # writers state a least zero as -0.0, whichever it is
