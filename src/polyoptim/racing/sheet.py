"""Sheet: what a race, a sweep and an advice have in common, a table and a document that can be kept."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim import canonical
from polyoptim.racing.views import VIEWS
from polyoptim.result import write


class Sheet(ABC):
    """A table of many runs: as arrays, as a data frame, as CSV; and all that is known of them, as JSON."""

    @abstractmethod
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON; what is not finite is None."""

    def data_frame(self) -> Any:
        """Return the table as a data frame of pandas, or of polars where pandas is not installed."""
        return VIEWS["data_frame"](self.columns())

    def save_csv(self, path: Any) -> None:
        """Write the table as CSV, atomically; numbers have all their digits, what is no number is left empty."""
        write(path, VIEWS["csv"](self.columns()))

    def save(self, path: Any) -> None:
        """Write everything as JSON, atomically."""
        write(path, canonical.spell(self.to_dict()))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; a number that is not finite is None."""
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
