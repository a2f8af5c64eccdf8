"""Memory: what a pass holds does not grow with the rows."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import polyoptim

SRC = Path(polyoptim.__file__).resolve().parents[1]

# Peak resident memory of a process of its own, in MiB, beyond what it had when all modules were loaded. getrusage would
# count what the process that started it had.
CODE = """
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from polyoptim.targets.source import open_source
import polyoptim.targets.arrow_csv, polyoptim.targets.parquet_reader
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
selection = open_source(sys.argv[2]).select({"x": "t", "y": "v"}, missing="drop")
rows = 0
for _ in range(2):
    for chunk in selection.chunks():
        rows += len(chunk["x"])
print(rows // 2, peak() - before)
"""


def peak(path: Path) -> tuple[int, float]:
    command = [sys.executable, "-c", CODE, str(SRC), str(path)]
    rows, used = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(rows), float(used)


MILLION = 10**6
SMALL, LARGE = MILLION, 12 * MILLION


def written(path: Path, kind: str, rows: int) -> Path:
    found = path / f"{rows}.{kind}"
    if kind == "parquet":  # one row group
        column = np.arange(float(rows))
        table = pa.table({"t": column, "v": column / 3, "w": column / 7})
        pq.write_table(table, found, row_group_size=rows, compression="none", use_dictionary=False)
        return found
    text = "".join(f"{row},0.{10**15 + row},0.25\n" for row in range(MILLION))
    pack: Callable[[bytes], bytes] = (lambda data: gzip.compress(data, 1)) if kind == "csv.gz" else bytes
    found.write_bytes(pack(b"t,v,w\n") + pack(text.encode()) * (rows // MILLION))
    return found


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, kind: str) -> None:
    small, large = (peak(written(tmp_path, kind, rows)) for rows in (SMALL, LARGE))
    assert (small[0], large[0]) == (SMALL, LARGE)
    # The rows that are more take 168 MiB as doubles and 340 MiB as text. Allocators keep some tens of what was freed.
    assert large[1] < small[1] + 80
    assert large[1] < 250


def test_frames_are_not_copied_as_a_whole() -> None:
    import tracemalloc

    from polyoptim.targets.source import open_source

    table = pd.DataFrame({"t": np.arange(2_000_000, dtype=np.int32), "v": np.ones(2_000_000)})
    selection = open_source(table).select({"x": "t", "y": "v"}, missing="drop")
    list(zip(selection.chunks(), range(1), strict=False))
    tracemalloc.start()
    for _ in selection.chunks():
        pass
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 8 * 2**20  # the columns as doubles would be 32 MB
