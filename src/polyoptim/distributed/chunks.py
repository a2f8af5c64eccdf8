"""Dask's collections as tables in partitions: columns by name, each partition a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal

import dask.array as da
import numpy as np
from dask.base import optimize
from dask.delayed import delayed

from polyoptim.distributed.cluster import Workers
from polyoptim.distributed.partition import Failure, has_rows
from polyoptim.errors import DataError
from polyoptim.targets.frame_reader import FrameReader
from polyoptim.targets.reader import Batch, Plan, Reader
from polyoptim.targets.reals import as_array


def is_readable(value: Any) -> bool:
    """Tell whether a collection is an array, a column or a data frame."""
    return isinstance(getattr(value, "data", value), da.Array) or hasattr(type(value), "to_dask_array")


def is_frame(value: Any) -> bool:
    """Tell whether a collection is a data frame."""
    return hasattr(type(value), "to_dask_array") and value.ndim == 2


class Chunks(ABC):
    """A table in partitions.

    Attributes
    ----------
    labels : of its columns.
    sizes : rows of each partition; None where they are not known without computing them.
    """

    labels: list[Any]
    sizes: list[int] | None

    @abstractmethod
    def tables(self, labels: Sequence[Any]) -> list[Any]:
        """Return the partitions as tasks, each of which gives a table of some columns."""

    def recipes(self, make: Callable[[str, int], Any], count: int) -> list[Any]:
        """Return a recipe for each partition, from its name in messages and the place of its first row."""
        if self.sizes is None:
            return [make(f"partition {place}", 0) for place in range(count)]
        return [make("", first) for first in accumulate(self.sizes[:-1], initial=0)]


class FrameChunks(Chunks):
    """A data frame of dask."""

    sizes = None

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.labels = list(frame.columns)

    def tables(self, labels: Sequence[Any]) -> list[Any]:
        """Return the partitions, each a data frame of pandas with some columns."""
        return list(self._frame[list(dict.fromkeys(labels))].to_delayed())


class ArrayChunks(Chunks):
    """Arrays of dask, shape (n,), by role, cut at the same rows."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        aligned = _aligned({role: _array(values, role) for role, values in columns.items()})
        self._columns = dict(zip(aligned, optimize(*aligned.values()), strict=True))
        self.labels = list(columns)
        sizes = next(iter(aligned.values())).chunks[0]
        self.sizes = None if any(np.isnan(sizes)) else [int(size) for size in sizes]

    def tables(self, labels: Sequence[Any]) -> list[Any]:
        """Return the partitions, each a mapping of arrays."""
        blocks = [self._columns[label].to_delayed(optimize_graph=False) for label in labels]
        table = delayed(_table, pure=False)
        return [table(list(labels), list(row)) for row in zip(*blocks, strict=True)]


def _table(labels: list[str], blocks: list[Any]) -> dict[str, Any]:
    return dict(zip(labels, blocks, strict=True))


def _array(values: Any, role: str) -> Any:
    """Return a column as an array of shape (n,), one of dask where it is dask's."""
    if hasattr(values, "to_dask_array"):
        values = values.to_dask_array()
    if isinstance(getattr(values, "data", None), da.Array):  # an array of xarray
        values = values.data
    if not isinstance(values, da.Array):
        return as_array(values, role)
    if values.ndim != 1:
        raise DataError(f"{role} must have one dimension, got shape {values.shape}. Pass one column.")
    return values


def _aligned(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays of dask cut at the same rows, as the one in most chunks is.

    Raises
    ------
    DataError
        For arrays of different lengths, and of chunks whose unknown sizes do not go together.
    """
    far = {role: values for role, values in columns.items() if isinstance(values, da.Array)}
    unknown = [role for role, values in far.items() if np.isnan(values.shape[0])]
    if unknown:
        if len(unknown) == len(columns) and len({values.numblocks for values in far.values()}) == 1:
            return far  # whether their lengths agree is seen partition by partition
        raise DataError(
            f"the chunks of {', '.join(unknown)} have unknown sizes, so nobody knows which rows belong together. Call "
            "compute_chunk_sizes() on it first."
        )
    lengths = {role: values.shape[0] for role, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{role} has {length}" for role, length in lengths.items())
        raise DataError(f"the columns must have the same length, but {said}.")
    if not all(lengths.values()):
        raise DataError(f"{next(iter(columns))} is empty. Give at least one sample.")
    finest = max((values.chunks[0] for values in far.values()), key=len)
    return {
        role: values.rechunk({0: finest}) if role in far else da.from_array(values, chunks=(finest,), asarray=False)
        for role, values in columns.items()
    }


class ChunkReader(Reader):
    """A table in partitions, of which a few are asked for what has to be known beforehand."""

    def __init__(self, chunks: Chunks, workers: Workers) -> None:
        super().__init__("the table", tuple(str(label) for label in chunks.labels))
        self.chunks, self._workers = chunks, workers

    def numeric(self) -> tuple[str, ...]:
        """Return the columns that hold numbers, dates or times, in order; the first partition with rows decides."""
        asked = self._asked(self.chunks.labels, FrameReader.numeric)
        return next((found for found in asked if found is not None), ())

    def first(self, name: str) -> tuple[int, bool] | Literal["number"] | None:
        """Return the first value of a column, as `Reader.first` says."""
        asked = self._asked(self.labels([name]), FrameReader.first, name)
        return next((found for found in asked if found is not None), None)

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield the wanted columns by role, as `Reader.batches` says; each partition comes here in its turn."""
        for table in self.chunks.tables(self.labels([wanted.name for wanted in plan.columns])):
            yield from FrameReader(_value(self._workers, table)).batches(plan)

    def labels(self, names: Sequence[str]) -> list[Any]:
        """Return the labels of columns."""
        return [self.chunks.labels[self.names.index(name)] for name in names]

    def _asked(self, labels: Sequence[Any], question: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """Yield the answer of one partition after the other; None where it has no rows."""
        for table in self.chunks.tables(labels):
            yield _value(self._workers, delayed(_answered)(table, question, *arguments))


def _answered(table: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    return question(FrameReader(table), *arguments) if has_rows(table) else None


def _value(workers: Workers, task: Any) -> Any:
    ((_, value),) = workers.arrivals([task])
    if isinstance(value, Failure):
        raise value.error
    return value
