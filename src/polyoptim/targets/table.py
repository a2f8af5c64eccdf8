"""Columns of a table as a whole, for verbs that hold all samples in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.targets.source import open_source


def read(target: Any, wanted: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64] | None]:
    """Return columns of a file or a table as float64 arrays of shape (rows,).

    Parameters
    ----------
    target : what `open_source` takes.
    wanted : argument name ("x", "y", "weight") to column name; None where the argument was not given.

    Raises
    ------
    ArgumentError
        Where x or y is not given, or there is no such column (suggests the nearest).
    DataError
        For a cell that is not a finite number: file, line, column and text.
    """
    with open_source(target) as source:
        chunks = list(source.select(wanted, numbers_only=True).chunks())
    return {
        role: None if name is None else np.concatenate([chunk[role] for chunk in chunks])
        for role, name in wanted.items()
    }
