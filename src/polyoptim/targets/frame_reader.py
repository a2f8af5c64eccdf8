"""Tables in memory: data frames of pandas, polars and pyarrow, and mappings of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from polyoptim.errors import DataError
from polyoptim.targets.cells import first, is_numeric, numbered, sliceable, sliced
from polyoptim.targets.reader import BATCH, Batch, Plan, Reader


class FrameReader(Reader):
    """A table in memory.

    Rows are converted some at a time, so that a table of any size costs a few batches beside itself.

    Parameters
    ----------
    table : whatever gives its columns by name.
    first : the place of its first row in messages.
    """

    def __init__(self, table: Any, first: int = 0) -> None:
        self._table, self._first = table, first
        labels = getattr(table, "column_names", None)
        self._labels = list(getattr(table, "columns", table) if labels is None else labels)
        super().__init__("the table", tuple(str(label) for label in self._labels))

    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, dates or times, in order."""
        return tuple(
            name
            for name in self.names
            if self.names.count(name) == 1 and is_numeric(sliced(self._column(name), 0, BATCH))
        )

    def first(self, name: str) -> tuple[int, bool] | Literal["number"] | None:
        """Return the first value of a column, as `Reader.first` says."""
        column = self._column(name)
        found = (first(sliced(column, start, start + BATCH)) for start in range(0, len(column), BATCH))
        return next((value for value in found if value is not None), None)

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield the wanted columns by role, as `Reader.batches` says."""
        columns = {wanted: self._column(wanted.name) for wanted in plan.columns}
        for wanted, column in columns.items():
            if len(column) == 0:
                raise DataError(f"column {wanted.name!r} is empty. Give at least one sample.")
        lengths = {wanted.role: len(column) for wanted, column in columns.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{role} has {length}" for role, length in lengths.items())
            raise DataError(f"the columns must have the same length, but {said}.")
        for start in range(0, max(lengths.values(), default=0), BATCH):
            batch = {}
            for wanted, column in columns.items():
                name = f"column {wanted.name!r}"
                cells = sliced(column, start, start + BATCH)
                batch[wanted.role] = cells.values(wanted, plan, name, numbered(name, self._first + start))
            yield batch

    def _column(self, name: str) -> Any:
        label = self._labels[self.names.index(name)]
        try:
            column = self._table[label]
        except (TypeError, KeyError, ValueError) as error:  # a lazy frame, say
            raise DataError(
                f"column {label!r} of the table cannot be read: {error}. Collect the table first."
            ) from None
        return sliceable(column, f"column {name!r}")
