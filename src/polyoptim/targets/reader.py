"""Reader: one file or one table, which hands out the columns that a plan wants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError

# How many rows a reader makes at a time where nothing else decides; 65536 doubles are 512 KiB.
BATCH = 2**16

Batch = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Wanted:
    """One column, and what becomes of it.

    Parameters
    ----------
    role : what it is for: x, y, weight, by, …
    name : the column.
    kind : numbers and moments become float64, labels int64 or objects.
    origin : with moments, from when seconds are counted, in seconds since 1970.
    zone : with moments, whether they name a time zone.
    """

    role: str
    name: str
    kind: Literal["number", "moment", "label"] = "number"
    origin: int = 0
    zone: bool = False


@dataclass(frozen=True)
class Plan:
    """What is wanted of all files.

    Parameters
    ----------
    columns : one for each role.
    drop : whether a missing value drops its row; it is an error where not.
    numbers_only : whether dates and durations are refused rather than made seconds.
    """

    columns: tuple[Wanted, ...]
    drop: bool = False
    numbers_only: bool = False

    @property
    def way_out(self) -> str:
        """What a user can do about a missing value, as the end of a sentence."""
        return "." if self.numbers_only else ", or pass missing='drop'."


class Reader(ABC):
    """One file, or one table.

    Parameters
    ----------
    what : its name in messages.
    names : its columns, in order.
    """

    def __init__(self, what: str, names: tuple[str, ...]) -> None:
        self.what = what
        self.names = names

    @abstractmethod
    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, dates or times, in order."""

    @abstractmethod
    def first(self, name: str) -> tuple[int, bool] | Literal["number"] | None:
        """Return the first value of a column that is there: a moment, or any other; None where all are missing.

        A moment is nanoseconds since 1970 in UTC, and whether there is a time zone.
        """

    @abstractmethod
    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield the wanted columns by role, some rows at a time; where `plan.drop`, NaN (None) is a missing value.

        Raises
        ------
        DataError
            For the first value that cannot be used, with its place.
        """

    def texts(self, plan: Plan) -> Iterator[Mapping[str, list[str]]]:  # noqa: ARG002 - for those that have text
        """Yield the text of the wanted columns, by role; rows with a missing value are left out.

        Raises
        ------
        ArgumentError
            Where the source holds no text.
        """
        raise ArgumentError(f"{self.what} holds no decimal text; exact decimals exist only in CSV. Give a CSV file.")

    def rows(self) -> int | None:
        """Return how many rows there are, where the source knows it without reading them."""
        return None

    def bounds(self, plan: Plan) -> Mapping[str, tuple[float, float]] | None:  # noqa: ARG002 - for those that know
        """Return least and largest value by role where the source knows them without reading rows, else None."""
        return None


def complete(batch: Batch) -> npt.NDArray[np.bool]:
    """Return which rows of a batch have all their values."""
    whole: npt.NDArray[np.bool] | None = None
    for values in batch.values():
        here = np.array([cell is not None for cell in values], bool) if values.dtype == object else ~np.isnan(values)
        whole = here if whole is None else whole & here
    return np.ones(0, bool) if whole is None else whole
