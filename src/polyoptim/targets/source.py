"""Source: data wherever it is, files or tables, as named columns."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

from polyoptim.errors import ArgumentError, DataError
from polyoptim.registry import Registry, unknown
from polyoptim.targets.column_names import check_names, given
from polyoptim.targets.files import form, is_pipe, listed, spooled
from polyoptim.targets.reader import Plan, Reader, Wanted
from polyoptim.targets.selection import Selection
from polyoptim.targets.times import midnight

READERS = Registry(
    "kind of data",
    {
        "csv": "polyoptim.targets.csv_reader:CsvReader",
        "parquet": "polyoptim.targets.parquet_reader:ParquetReader",
        "table": "polyoptim.targets.frame_reader:FrameReader",
    },
    extra={"parquet": "data"},
)


def is_table(target: Any) -> bool:
    """Tell whether `target` has named columns: a mapping, or a data frame of pandas, polars or pyarrow."""
    if isinstance(target, Mapping) or is_lazy(target):
        return True
    return hasattr(target, "__getitem__") and (hasattr(target, "columns") or hasattr(target, "column_names"))


def is_lazy(target: Any) -> bool:
    """Tell whether `target` is a lazy frame of polars; even to ask it for its columns costs, and warns."""
    return hasattr(target, "collect") and hasattr(target, "collect_schema")


def open_source(target: Any) -> Source:
    """Open data.

    Parameters
    ----------
    target
        A path of a CSV file (plain or gzip, UTF-8, with a header) or a Parquet file, of a folder of them, or a glob
        pattern; "-" for CSV or Parquet from standard input; a data frame of pandas, polars or pyarrow; a mapping of
        columns.

    Raises
    ------
    DataError
        Where there is no such file, or it cannot be read.
    ArgumentError
        Where the target is neither.
    MissingDependencyError
        For Parquet without pyarrow.

    Examples
    --------
    >>> source = open_source({"t": [1, 2, 3], "v": [1.0, None, 9.0]})
    >>> source.names
    ('t', 'v')
    >>> selection = source.select({"x": "t", "y": "v"}, missing="drop")
    >>> [chunk["y"].tolist() for chunk in selection.chunks()]
    [[1.0, 9.0]]
    >>> selection.dropped
    1
    """
    if not isinstance(target, (str, os.PathLike)):
        if not is_table(target):
            raise ArgumentError(
                f"the data must be a file, a table or a mapping of columns, got {type(target).__name__}."
            )
        if is_lazy(target):
            raise DataError(f"the table is a {type(target).__name__}, which holds no rows yet. Collect it first.")
        return Source("the table", [READERS["table"](target)])
    name = os.fspath(target)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if name == "-" and isinstance(target, str):
        return _spooled_source(None, "standard input")
    paths = listed(name)
    if len(paths) == 1 and is_pipe(paths[0]):
        try:
            with paths[0].open("rb") as stream:
                return _spooled_source(stream, name)
        except OSError as error:
            raise DataError(f"{name} cannot be read: {error.strerror}.") from None
    readers = [READERS[form(path, str(path))](path, str(path)) for path in paths]
    for reader in readers[1:]:
        if sorted(reader.names) != sorted(readers[0].names):
            raise DataError(
                f"{reader.what} has the columns {', '.join(reader.names)}, but {readers[0].what} has "
                f"{', '.join(readers[0].names)}. Give files with the same columns."
            )
    return Source(name, readers)


def _spooled_source(stream: Any, what: str) -> Source:
    path, remove = spooled(stream)
    try:
        return Source(what, [READERS[form(path, what)](path, what)], remove)
    except BaseException:
        remove()
        raise


class Source:
    """Data with named columns.

    Attributes
    ----------
    what : its name in messages.
    names : its columns, in order.
    passing : whether it came through a pipe.

    Notes
    -----
    What came through a pipe lies in a temporary file, which is removed by `close`, or with the source.
    """

    def __init__(self, what: str, readers: Sequence[Reader], remove: Callable[[], None] | None = None) -> None:
        self.what = what
        self.names = readers[0].names
        self._readers = tuple(readers)
        self.passing = remove is not None
        self._remove = weakref.finalize(self, remove) if remove else None

    def close(self) -> None:
        """Remove the temporary file, where there is one; after that nothing can be read from it."""
        if self._remove:
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, dates or times, in order: by their type, or the first rows of CSV."""
        return next((found for reader in self._readers if (found := reader.numeric())), ())

    def select(
        self,
        wanted: Mapping[str, Any],
        *,
        missing: Literal["raise", "drop"] = "raise",
        numbers_only: bool = False,
    ) -> Selection:
        """Choose columns.

        Parameters
        ----------
        wanted : role to column name; a role with None is left out. The role "by" takes text, integers or truth values.
        missing : whether an empty cell, a null, NaN or masked value is an error or drops its row.
        numbers_only : refuse dates, times and durations, for verbs that cannot say from when they count.

        Raises
        ------
        ArgumentError
            Where x or y is None, or there is no such column (suggests the nearest).
        DataError
            Where the data cannot be read so far.
        """
        if missing not in ("raise", "drop"):
            raise unknown("missing", missing, ("raise", "drop"))
        names = given(wanted)
        check_names(names, wanted, self.names, self.what)
        if not names:
            raise ArgumentError(f"name a column of {self.what}. Its columns: {', '.join(self.names)}.")
        columns = tuple(self._column(role, name, numbers_only) for role, name in names.items())
        return Selection(self.what, self._readers, Plan(columns, missing == "drop", numbers_only), held=self)

    def _column(self, role: str, name: str, numbers_only: bool) -> Wanted:
        if role == "by":
            return Wanted(role, name, "label")
        if not numbers_only:
            found = (reader.first(name) for reader in self._readers)
            first = next((value for value in found if value is not None), None)
            if isinstance(first, tuple):
                nanoseconds, zone = first
                return Wanted(role, name, "moment", midnight(nanoseconds), zone)
        return Wanted(role, name)
