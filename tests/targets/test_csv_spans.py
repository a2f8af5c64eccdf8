"""A CSV file in spans: the rows, and the places in messages, are those of the file read as a whole."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim import DataError
from polyoptim.targets.csv_reader import CsvReader
from polyoptim.targets.csv_spans import look, spans
from polyoptim.targets.parquet_reader import ParquetReader
from polyoptim.targets.reader import Plan, Wanted

LABELS = st.text(alphabet='ab,"\n é', max_size=5)
PLAN = Plan((Wanted("by", "name", "label"), Wanted("x", "v")), drop=True)


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text


def cut(path, size):
    reader = CsvReader(path, "it.csv")
    looked = [look(path, *piece) for piece in reader.ranges(size)]
    found = reader.spans(looked) if looked else None
    return [reader] if found is None else [CsvReader(path, "it.csv", span) for span in found]


def values(readers, plan=PLAN):
    found = [batch for reader in readers for batch in reader.batches(plan)]
    return {role: [value for batch in found for value in batch[role].tolist()] for role in ("by", "x")}


@given(st.lists(st.tuples(LABELS, st.integers(0, 999)), min_size=1, max_size=12), st.integers(1, 40),
       st.sampled_from(["\n", "\r\n"]), st.booleans())  # fmt: skip
def test_spans_hold_the_rows_of_the_file(tmp_path_factory, found, size, end, closed):
    path = tmp_path_factory.mktemp("spans") / "it.csv"
    lines = ["name,v", *(f"{quoted(label)},{value}" for label, value in found)]
    text = end.join(lines) + (end if closed else "")
    path.write_bytes(text.encode())
    readers = cut(path, size)
    assert str(values(readers)) == str(values([CsvReader(path, "it.csv")]))
    if set("".join(label for label, _ in found)) <= set("ab"):
        assert len(readers) == len({0, *starts(text, end, size)})


def starts(text, end, size):
    """Return where spans begin: at the first row that begins after a range does."""
    head = text.index(end) + len(end)
    rows = [place + len(end) for place in range(head, len(text)) if text.startswith(end, place)]
    begins = range(head + size, len(text), size)
    return [next((row for row in rows if begin < row < len(text)), 0) for begin in begins]


@pytest.mark.parametrize("size", [7, 40, 100])
def test_a_bad_cell_is_named_by_its_line(tmp_path, size):
    path = tmp_path / "it.csv"
    path.write_text("name,v\n" + 'a,1\n"b\nc",2\n' * 20 + "d,x\n" + "a,1\n" * 9)
    whole = _message([CsvReader(path, "it.csv")])
    assert "line 62, column 'v': 'x' is not a finite number" in whole
    readers = cut(path, size)
    assert len(readers) > 1
    assert _message(readers) == whole


def _message(readers):
    with pytest.raises(DataError) as raised:
        values(readers)
    return str(raised.value)


@pytest.mark.parametrize("text", ['a"b,1\n', "a,1\rb,2\n", '"a" ,1\n', '"a,1\n'])
def test_a_file_that_only_python_understands_is_not_cut(tmp_path, text):
    path = tmp_path / "it.csv"
    path.write_text("name,v\n" + "a,1\n" * 30 + text + "a,1\n" * 30, newline="")
    reader = CsvReader(path, "it.csv")
    assert spans([look(path, *piece) for piece in reader.ranges(20)], path.stat().st_size, 2) is None


def test_a_compressed_file_is_not_cut(tmp_path):
    path = tmp_path / "it.csv.gz"
    path.write_bytes(gzip.compress(b"name,v\na,1\n"))
    assert CsvReader(path, "it.csv").ranges(5) == []


def test_row_groups_are_bundled(tmp_path):
    path = tmp_path / "it.parquet"
    v = np.arange(1000.0)
    v[777] = np.nan
    pq.write_table(pa.table({"v": v}), path, row_group_size=90)
    whole = ParquetReader(path, "it")
    bundles = whole.bundles(200)
    assert [len(bundle) for bundle in bundles] == [3, 3, 3, 3]
    readers = [ParquetReader(path, "it", bundle) for bundle in bundles]
    assert [reader.rows() for reader in readers] == [270, 270, 270, 190]
    plan = Plan((Wanted("x", "v"),), drop=True)
    found = np.concatenate([batch["x"] for reader in readers for batch in reader.batches(plan)])
    np.testing.assert_array_equal(found, v)
    with pytest.raises(DataError, match=r"it, column 'v'\[777\] is nan"):
        list(readers[2].batches(Plan((Wanted("x", "v"),))))
