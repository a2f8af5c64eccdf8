"""What a fit by another loss than the squared one is known by, wherever its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError
from polyoptim.solvers.robust import Robust
from polyoptim.solvers.squared import Fitted

LOW, MOST_LISTED = 0.5, 20  # rows that pull with less than half their weight are listed


@dataclass(frozen=True)
class Low:
    """Rows that pull with less than half their weight.

    Parameters
    ----------
    count : how many.
    lowest : the lowest of them, as (weight, row).
    """

    count: int
    lowest: tuple[tuple[float, int], ...]

    def __add__(self, other: Low) -> Low:
        return Low(self.count + other.count, tuple(sorted(self.lowest + other.lowest)[:MOST_LISTED]))

    def document(self) -> dict[str, Any]:
        """Return the count and the rows as (row, weight)."""
        return {"count": self.count, "rows": [[row, weight] for weight, row in self.lowest]}


def low_rows(weight: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> Low:
    """Return the rows of low weight; `places` are those of the rows in the table."""
    low = np.flatnonzero(weight < LOW)
    lowest = low[np.argsort(weight[low], kind="stable")][:MOST_LISTED]
    return Low(len(low), tuple((float(weight[row]), int(places[row])) for row in lowest))


@dataclass(frozen=True)
class Found:
    """A fit by any loss.

    Parameters
    ----------
    fitted : coefficients and their covariance; the sum in place of the squares' is that of the loss.
    robust : how it was found, and what it says of the rows.
    low : rows of low weight, by their places in the table.
    """

    fitted: Fitted
    robust: Robust
    low: Low


def nothing_free() -> ArgumentError:
    """Return the error for a shape that leaves no coefficient free."""
    return ArgumentError("nothing is left to be fitted: fixed coefficients and points determine the curve.")
