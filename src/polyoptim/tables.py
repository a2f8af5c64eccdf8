"""Table: what many polynomials have in common, a table and a document that can be kept."""

from __future__ import annotations

import csv
import importlib
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim import canonical
from polyoptim.errors import MissingDependencyError
from polyoptim.result import write

FRAMES = ("pandas", "polars")
ROWS_AT_ONCE = 1 << 16


class Table(ABC):
    """A table of many runs or fits: as arrays, as a data frame, as CSV; and all that is known of them, as JSON."""

    @abstractmethod
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON; what is not finite is None."""

    def data_frame(self) -> Any:
        """Return the table as a data frame of pandas, or of polars where pandas is not installed."""
        return data_frame(self.columns())

    def save_csv(self, path: Any) -> None:
        """Write the table as CSV, atomically; numbers have all their digits, what is no number is left empty."""
        write(path, csv_text(self.columns()))

    def save(self, path: Any) -> None:
        """Write everything as JSON, atomically."""
        write(path, canonical.spell(self.to_dict()))


def csv_text(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return a table as CSV in UTF-8; numbers have all their digits, what is not a number is left empty."""
    parts = []
    rows = max(map(len, columns.values()), default=0)
    for first in range(0, max(rows, 1), ROWS_AT_ONCE):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not first:
            writer.writerow(columns)
        part = [column[first : first + ROWS_AT_ONCE].tolist() for column in columns.values()]
        writer.writerows(zip(*(map(_cell, column) for column in part), strict=True))
        parts.append(out.getvalue().encode("utf-8"))
    return b"".join(parts)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else repr(value) if isinstance(value, float) else value


def data_frame(columns: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return a table as a data frame of the library that is installed."""
    for name in FRAMES:
        try:
            return importlib.import_module(name).DataFrame(dict(columns))
        except ModuleNotFoundError:
            continue
    raise MissingDependencyError("a data frame needs pandas or polars. Install one: pip install pandas")


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; a number that is not finite is None."""
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
