"""Files in pieces, each for one task: row groups of Parquet files, spans of CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dask.delayed import delayed

from polyoptim.distributed.cluster import Workers
from polyoptim.distributed.partition import Failure
from polyoptim.errors import DataError
from polyoptim.targets.csv_reader import CsvReader
from polyoptim.targets.csv_spans import Looked, look
from polyoptim.targets.partitions import once
from polyoptim.targets.reader import Reader

BUNDLE = 2**20  # rows of a Parquet file that are read as one partition, or one row group where that has more
RANGE = 2**26  # bytes of a CSV file that are read as one partition

Piece = tuple[str, Path, str, Any]  # form and path of a file, its name in messages, and which of its rows


def file_pieces(readers: Sequence[Reader], workers: Workers) -> list[Piece]:
    """Return the pieces of files, in order; where rows of CSV files end is found by the workers.

    The pieces do not depend on who the workers are, so that no result does.
    """
    tables = [reader for reader in readers if isinstance(reader, CsvReader)]
    ranges = {reader: reader.ranges(RANGE) for reader in tables}
    looked = iter(_looked([(reader, *part) for reader in tables for part in ranges[reader]], workers))
    found: list[Piece] = []
    for reader in readers:
        if isinstance(reader, CsvReader):
            places: Sequence[Any] | None = reader.spans([next(looked) for _ in ranges[reader]])
            found += [("csv", reader.path.absolute(), reader.what, place) for place in places or [None]]
        else:
            parquet: Any = reader  # its class would import pyarrow
            bundles = parquet.bundles(BUNDLE)
            found += [("parquet", parquet.path.absolute(), parquet.what, bundle) for bundle in bundles]
    return found


def _looked(parts: Sequence[tuple[CsvReader, int, int]], workers: Workers) -> list[Looked]:
    task = delayed(_look, pure=False)
    tasks = [task(reader.path.absolute(), reader.what, begin, stop) for reader, begin, stop in parts]
    found: list[Looked] = []
    for value in once(workers.arrivals(tasks)) if tasks else ():
        if isinstance(value, Failure):
            raise value.error
        found.append(value)
    return found


def _look(path: Path, what: str, begin: int, stop: int) -> Looked | Failure:
    try:
        return look(path, begin, stop)
    except OSError as error:
        why = f"{what} cannot be read by a worker: {error.strerror}"
        return Failure(DataError(f"{why}. Its path has to be the same on all machines."))
