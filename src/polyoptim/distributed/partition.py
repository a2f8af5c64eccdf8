"""A partition where it lies: read into parts, and reduced to what is sent back. This runs on the workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from polyoptim import __version__
from polyoptim.errors import ClusterError, DataError, PolyoptimError
from polyoptim.targets.frame_reader import FrameReader
from polyoptim.targets.partitions import Part, pieces
from polyoptim.targets.reader import Plan, Reader, complete
from polyoptim.targets.samples import check_lengths, column
from polyoptim.targets.sheet import rows_of
from polyoptim.targets.source import READERS


@dataclass(frozen=True)
class Failure:
    """An error that comes back as a value, so that it can be raised in the order of the partitions."""

    error: PolyoptimError


@dataclass(frozen=True)
class Held:
    """The rows of a partition, and how many were left out for a missing value; their places count from its first."""

    parts: list[Part]
    dropped: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(part.y) for part in self.parts)


@dataclass(frozen=True)
class Reply:
    """The sum over a partition, None where it has no rows, with their number and that of those left out."""

    value: Any
    rows: int
    dropped: int


class Recipe(ABC):
    """How the rows of a partition are made of what dask has there.

    Parameters
    ----------
    name : of the partition in messages about rows, whose places then count from its beginning; "" where they are known
        in the whole.
    """

    name: str

    @abstractmethod
    def read(self, given: Any) -> Held:
        """Return the rows."""


@dataclass(frozen=True)
class OfArrays(Recipe):
    """Arrays by role, without missing values; `first` is the place of their first row."""

    name: str
    width: int
    first: int

    def read(self, given: Mapping[str, Any]) -> Held:
        """Return the rows of the arrays, checked."""
        if not has_rows(given):
            return Held([])
        columns = {role: column(values, role, self.first) for role, values in given.items()}
        check_lengths(**columns)
        return Held([rows_of(columns, self.width, self.first)])


@dataclass(frozen=True)
class OfTable(Recipe):
    """A table by columns; `first` is the place of its first row."""

    name: str
    width: int
    first: int
    plan: Plan

    def read(self, given: Any) -> Held:
        """Return the rows of the table."""
        if not has_rows(given):
            return Held([])
        return _held(FrameReader(given, self.first), self.plan, self.width)


@dataclass(frozen=True)
class OfFile(Recipe):
    """Some rows of a file, which the worker reads itself; `place` says which, as its reader takes it."""

    name: str
    width: int
    plan: Plan
    form: str
    path: Path
    what: str
    place: Any

    def read(self, given: None) -> Held:  # noqa: ARG002 - dask has nothing of it
        """Return the rows of the file."""
        reader = READERS[self.form](self.path, self.what, self.place)
        return _held(reader, self.plan, self.width, f"{self.what}: ")


def has_rows(given: Any) -> bool:
    """Tell whether a data frame, or a mapping of arrays, has rows."""
    return any(len(values) for values in given.values()) if isinstance(given, Mapping) else len(given) > 0


def _held(reader: Reader, plan: Plan, width: int, what: str = "") -> Held:
    parts: list[Part] = []
    seen = kept = 0
    for batch in reader.batches(plan):
        whole = complete(batch) if plan.drop else slice(None)
        chosen = {role: values[whole] for role, values in batch.items()}
        try:
            part = rows_of(chosen, width, kept)
        except DataError as error:
            raise DataError(f"{what}{error}") from None
        seen += len(next(iter(batch.values())))
        if len(part.y):
            parts.append(part)
            kept += len(part.y)
    return Held(parts, seen - kept)


def read(recipe: Recipe, given: Any) -> Held | Failure:
    """Return the rows of a partition, or what is wrong with them."""
    try:
        return recipe.read(given)
    except PolyoptimError as error:
        return Failure(type(error)(f"{recipe.name}: {error}") if recipe.name else error)


def reduced(function: Callable[[Part], Any], version: str, held: Held | Failure, first: int) -> Reply | Failure:
    """Return the sum of a function over a partition whose first row has place `first` in the table."""
    if version != __version__:
        return Failure(
            ClusterError(f"a worker has polyoptim {__version__}, this machine {version}. Install the same on both.")
        )
    if isinstance(held, Failure):
        return held
    try:
        values = [function(piece) for piece in _placed(held.parts, first)]
    except PolyoptimError as error:
        return Failure(error)
    return Reply(reduce(add, values) if values else None, held.rows, held.dropped)


def _placed(parts: list[Part], first: int) -> Iterator[Part]:
    for part in parts:
        yield from pieces(replace(part, first=first))
        first += len(part.y)
