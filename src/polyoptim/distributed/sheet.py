"""A fit's rows in partitions: of dask's collections, or of files that the workers read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import accumulate
from typing import Any, Literal, TypeVar

import numpy as np
from dask.delayed import delayed

from polyoptim import __version__
from polyoptim.distributed.chunks import ArrayChunks, ChunkReader, FrameChunks, is_frame, is_readable
from polyoptim.distributed.cluster import Workers, connect
from polyoptim.distributed.partition import Failure, OfArrays, OfFile, OfTable, Recipe, read, reduced
from polyoptim.distributed.pieces import file_pieces
from polyoptim.errors import ArgumentError
from polyoptim.targets import sheet
from polyoptim.targets.partitions import Gathered, Part, Partitions, once
from polyoptim.targets.samples import LARGEST_KEPT, Samples
from polyoptim.targets.sheet import ARRAYS, FileSheet, Sheet, arrays_by_role, is_collection, of_roles, of_source
from polyoptim.targets.source import Source, open_source

T = TypeVar("T")


class ClusterSheet(Sheet, Partitions):
    """x, y and weight in partitions, which are reduced by workers.

    Parameters
    ----------
    workers : who reduce them.
    recipes, given : how each partition is read, and from which task; None for files.
    columns : how many numbers a row has.
    size : a bound on the bytes of all rows; None where there is none before a pass.
    x, about, notes : as for `Sheet`.
    inner : the selection of a file or a table; None for arrays.
    """

    def __init__(
        self,
        workers: Workers,
        recipes: Sequence[Recipe],
        given: Sequence[Any],
        columns: int,
        size: float | None,
        x: Sequence[str],
        about: Mapping[str, Any],
        notes: Sequence[str],
        inner: FileSheet | None = None,
    ) -> None:
        said = f"Reduced in {len(recipes)} partition{'s'[: len(recipes) != 1]} by {workers.name}."
        super().__init__(x, about, [*notes, said])
        self._workers, self._inner, self._size = workers, inner, size
        made = delayed(read, pure=False)
        self._tasks = [made(recipe, table) for recipe, table in zip(recipes, given, strict=True)]
        self._firsts = [0] * len(self._tasks)
        self._columns = columns
        self._stays = False
        self._rows = 0

    def rows(self, threads: int) -> Partitions:  # noqa: ARG002 - workers have their own
        """Return the partitions themselves."""
        return self

    def arrivals(self, function: Callable[[Part], T]) -> Iterator[tuple[int, T | None]]:
        """Yield the sum over each partition, in order; the first error in that order is raised."""
        if not self._stays and self._size is not None and self._size <= self._workers.room:
            self._tasks, self._stays = self._workers.hold(self._tasks), True
        sums = delayed(reduced, pure=False)
        # The function is one node of the graph, however many partitions there are.
        sent = delayed(function, pure=False, traverse=False)
        tasks = [sums(sent, __version__, task, first) for task, first in zip(self._tasks, self._firsts, strict=True)]
        counts: list[int] = []
        dropped = 0
        with closing(self._workers.arrivals(tasks)) as arrivals:  # what is not wanted after an error is cancelled
            for place, reply in enumerate(once(arrivals)):
                if isinstance(reply, Failure):
                    raise reply.error
                counts.append(reply.rows)
                dropped += reply.dropped
                yield place, reply.value
        self._note(counts, dropped)

    def _note(self, counts: Sequence[int], dropped: int) -> None:
        """Remember what a whole pass has counted."""
        self._firsts = list(accumulate(counts[:-1], initial=0))
        self._rows = sum(counts)
        self._size = 8.0 * self._columns * self._rows
        self.held = self._columns * self._rows <= sheet.LARGEST_HELD
        if self._inner is not None:
            self._inner.selection.dropped = dropped
            self._inner.selection.check_any(self._rows)
            self.notes = self._inner.noted(self.notes)

    def parts(self) -> Iterator[Part]:
        """Refuse to bring the rows here."""
        raise ArgumentError("this needs all rows on one machine. Leave scheduler out, or give arrays in memory.")

    def texts(self) -> Iterator[dict[str, list[Any]]]:
        """Refuse to bring the rows here."""
        raise ArgumentError("exact needs the decimals of all rows on one machine. Give a CSV file, and no scheduler.")

    def extent(self) -> tuple[list[tuple[float, float]], tuple[float, float], int] | None:
        """Return what the statistics of Parquet files say."""
        return self._inner.extent() if self._inner else None

    def samples(self) -> Samples | None:
        """Return the rows that a fit on one machine would keep; these travel, and no others."""
        if len(self.x) > 1:
            return None
        stride = 1
        while -(-self._rows // stride) > 2 * LARGEST_KEPT:
            stride *= 2
        kept = self.total(partial(_strided, stride)).joined()
        return Samples(kept.x[0], kept.y, kept.weight).thinned(LARGEST_KEPT)

    def close(self) -> None:
        """Let go of rows that workers hold, and of the connection."""
        self._tasks = []
        self._workers.close()


def _strided(stride: int, part: Part) -> Gathered:
    return Gathered((part.rows(slice(-part.first % stride, None, stride)),))


def open_cluster(
    data: Any, y: Any, x: Any, others: Mapping[str, Any], missing: Literal["raise", "drop"], scheduler: Any
) -> ClusterSheet:
    """Return the rows of a fit in partitions.

    Parameters
    ----------
    data, y, x, missing : as `fit` takes them.
    others : weight or sigma, where one is given.
    scheduler : an address or a client; None for a current client, or else this machine's cores.

    Raises
    ------
    ArgumentError
        For data that lie in this process's memory, or come through a pipe.
    ClusterError
        Where the scheduler cannot be reached.
    """
    is_path = isinstance(data, (str, os.PathLike))
    if not is_path and not any(map(is_collection, (data, y, *others.values()))):
        kind = type(data).__name__
        raise ArgumentError(f"scheduler is for files and dask's collections, and a {kind} lies here. Leave it out.")
    for value in filter(is_collection, (data, y, *others.values())):
        if not is_readable(value):
            raise ArgumentError(f"a {type(value).__name__} of dask is neither an array nor a data frame. Make it one.")
    workers = connect(scheduler)
    try:
        if is_path:
            return _of_files(data, y, x, others, missing, workers)
        if is_frame(data):
            reader = ChunkReader(FrameChunks(data), workers)
            inner = of_source(Source("the table", [reader]), "a table", y, x, others, missing)
            return _of_chunks(inner, reader, workers)
        return _of_arrays(data, y, x, others, missing, workers)
    except BaseException:
        workers.close()
        raise


def _of_chunks(inner: FileSheet, reader: ChunkReader, workers: Workers) -> ClusterSheet:
    plan, width = inner.selection.plan, len(inner.x)
    tables = reader.chunks.tables(reader.labels([wanted.name for wanted in plan.columns]))
    recipes = reader.chunks.recipes(lambda name, first: OfTable(name, width, first, plan), len(tables))
    size = None if reader.chunks.sizes is None else 8.0 * len(plan.columns) * sum(reader.chunks.sizes)
    return ClusterSheet(workers, recipes, tables, len(plan.columns), size, inner.x, inner.about, inner.notes, inner)


def _of_arrays(
    data: Any, y: Any, x: Any, others: Mapping[str, Any], missing: Literal["raise", "drop"], workers: Workers
) -> ClusterSheet:
    given, names = arrays_by_role(data, y, x, others)
    chunks = ArrayChunks(given)
    if missing == "drop" or any(getattr(values, "dtype", np.dtype(float)).kind == "M" for values in given.values()):
        reader = ChunkReader(chunks, workers)
        inner = of_roles(Source("the table", [reader]), names, missing)
        return _of_chunks(inner, reader, workers)
    tables = chunks.tables(list(given))
    recipes = chunks.recipes(lambda name, first: OfArrays(name, len(names), first), len(tables))
    size = None if chunks.sizes is None else 8.0 * len(given) * sum(chunks.sizes)
    return ClusterSheet(workers, recipes, tables, len(given), size, names, ARRAYS, [])


def _of_files(
    data: Any, y: Any, x: Any, others: Mapping[str, Any], missing: Literal["raise", "drop"], workers: Workers
) -> ClusterSheet:
    source = None if data == "-" else open_source(data)
    if source is None or source.passing:
        raise ArgumentError(f"workers cannot read {str(data)!r}, which comes through a pipe. Save it to a file.")
    inner = of_source(source, str(data), y, x, others, missing)
    plan, width = inner.selection.plan, len(inner.x)
    pieces = file_pieces(inner.selection.readers, workers)
    recipes = [OfFile("", width, plan, *piece) for piece in pieces]
    rows = inner.selection.rows()
    size = None if rows is None else 8.0 * len(plan.columns) * rows
    return ClusterSheet(
        workers, recipes, [None] * len(recipes), len(plan.columns), size, inner.x, inner.about, inner.notes, inner
    )
