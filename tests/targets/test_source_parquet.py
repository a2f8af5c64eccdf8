"""Parquet as a source: types, row groups, statistics."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyoptim import DataError
from polyoptim.targets.reader import BATCH
from polyoptim.targets.selection import Selection
from polyoptim.targets.source import open_source

XY = {"x": "t", "y": "v"}


def write(path: Path, columns: Any, **options: Any) -> Path:
    found = path / "data.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), found, **options)
    return found


def together(selection: Selection) -> dict[str, list[Any]]:
    chunks = list(selection.chunks())
    return {role: [value for chunk in chunks for value in chunk[role].tolist()] for role in chunks[0]}


TYPES: dict[str, tuple[Any, list[float]]] = {
    **{
        str(kind): (pa.array([1, 2], kind), [1.0, 2.0])
        for kind in (pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.float32(), pa.float64(), pa.float16())
    },
    "decimal128": (pa.array([Decimal("0.1"), Decimal("12345678901234567.89")]), [0.1, 12345678901234567.89]),
    "decimal256": (pa.array([Decimal("0.1"), Decimal("7")], pa.decimal256(60, 30)), [0.1, 7.0]),
    "dictionary": (pa.array([1.5, 2.5]).dictionary_encode(), [1.5, 2.5]),
    "date32": (pa.array([date(2020, 1, 1), date(2020, 1, 2)]), [0.0, 86_400.0]),
    "timestamp": (pa.array([datetime(2020, 1, 1, 1), datetime(2020, 1, 2)]), [3600.0, 86_400.0]),
    "timestamp ns": (pa.array([datetime(2020, 1, 1, 1)] * 2, pa.timestamp("ns")), [3600.0, 3600.0]),
    "timestamp with a zone": (pa.array([datetime(2020, 1, 1, 1)] * 2, pa.timestamp("ms", "UTC")), [3600.0, 3600.0]),
    "duration": (pa.array([1500, -1], pa.duration("ms")), [1.5, -0.001]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_columns_of_any_type_are_read(tmp_path: Path, kind: str) -> None:
    values, expected = TYPES[kind]
    source = open_source(write(tmp_path, {"note": ["a", "b"], "t": values, "flag": [True, False]}))
    assert source.numeric() == ("t",)
    assert together(source.select({"x": "t"})) == {"x": expected}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"], r"data\.parquet, column 'v'\[0\] is 'a', not a number"),
        (pa.array(["a", "b"]).dictionary_encode(), r"column 'v'\[0\] is 'a'"),
        ([True, False], "column 'v' holds truth values"),
        ([b"1", b"2"], r"column 'v'\[0\] is b'1'"),
        ([[1], [2]], r"column 'v'\[0\] is array"),
        ([{"a": 1}, {"a": 2}], r"column 'v'\[0\] is \{'a': 1\}"),
        ([time(1), time(2)], r"column 'v'\[0\] is datetime.time"),
        ([1, 2**53 + 1], r"column 'v'\[1\] is 9007199254740993, an integer that float64 cannot hold"),
        ([1.0, None], r"column 'v'\[1\] is null, not a finite number. Drop or repair that row, or pass missing='drop'"),
        ([1, None], r"column 'v'\[1\] is null"),
        ([math.nan, 1], r"column 'v'\[0\] is nan"),
        ([1, math.inf], r"column 'v'\[1\] is inf, not a finite number. Drop or repair that row\.$"),
        (pa.nulls(2), r"column 'v'\[0\] is null"),
    ],
)
def test_column_that_cannot_be_used_is_one_clear_error(tmp_path: Path, values: Any, message: str) -> None:
    source = open_source(write(tmp_path, {"t": [1, 2], "v": values}))
    with pytest.raises(DataError, match=message) as caught:
        together(source.select(XY))
    assert "\n" not in str(caught.value)


def test_missing_values_drop_their_rows(tmp_path: Path) -> None:
    path = write(tmp_path, {"t": [1, None, 3, 4], "v": [1.0, 2.0, math.nan, 4.0], "g": ["a", "b", "c", None]})
    selection = open_source(path).select({**XY, "by": "g"}, missing="drop")
    assert together(selection) == {"x": [1.0], "y": [1.0], "by": ["a"]}
    assert selection.dropped == 3
    nothing = open_source(write(tmp_path, {"t": [1, None], "v": pa.nulls(2)})).select(XY, missing="drop")
    with pytest.raises(DataError, match="missing value in each of its 2 rows"):
        together(nothing)
    with pytest.raises(DataError, match="no rows"):
        together(open_source(write(tmp_path, {"t": pa.array([], "f8"), "v": pa.array([], "f8")})).select(XY))


def test_rows_of_many_groups_come_in_order(tmp_path: Path) -> None:
    count = 3 * BATCH + 11
    values = np.random.default_rng(1).normal(size=count)
    path = write(tmp_path, {"t": np.arange(count), "v": values}, row_group_size=BATCH // 3)
    selection = open_source(path).select(XY)
    for _ in range(2):
        lengths, found = [], []
        for chunk in selection.chunks():
            assert all(array.flags.c_contiguous and array.flags.writeable for array in chunk.values())
            lengths.append(len(chunk["x"]))
            found.append(chunk["y"])
        assert lengths == [BATCH] * 3 + [11]
        assert np.concatenate(found).tobytes() == values.tobytes()
    late = values.copy()
    late[2 * BATCH + 5] = np.nan
    with pytest.raises(DataError, match=rf"column 'v'\[{2 * BATCH + 5}\] is nan"):
        together(open_source(write(tmp_path, {"t": np.arange(count), "v": late}, row_group_size=1000)).select(XY))


def test_file_of_polars_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"t": [1, 2], "v": [1.5, 2.5], "g": pl.Series(["a", "b"], dtype=pl.Categorical)}).write_parquet(path)
    assert together(open_source(path).select({**XY, "by": "g"})) == {"x": [1, 2], "y": [1.5, 2.5], "by": ["a", "b"]}


def test_names_with_dots_and_nested_columns_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.b": [1.0, 2.0], "a": [{"c": 5.0}, {"c": 6.0}], "t": [0, 1]})
    source = open_source(path)
    assert source.names == ("a.b", "a", "t")
    assert source.numeric() == ("a.b", "t")
    assert together(source.select({"x": "t", "y": "a.b"})) == {"x": [0, 1], "y": [1.0, 2.0]}


def test_bounds_come_from_statistics(tmp_path: Path) -> None:
    columns = {"t": [3, -7, 5], "v": [0.5, 2.5, 0.25], "w": pa.array([1, 2, 3], "f4"), "g": ["a", "b", "c"]}
    source = open_source(write(tmp_path, columns, row_group_size=2))
    assert source.select({**XY, "weight": "w", "by": "g"}).bounds() == {
        "x": (-7.0, 5.0), "y": (0.25, 2.5), "weight": (1.0, 3.0),
    }  # fmt: skip
    assert source.select({"x": "t"}, missing="drop").bounds() == {"x": (-7.0, 5.0)}


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1.0, 2.0], {"write_statistics": False}),
        ([1.0, None], {}),
        ([1, None], {}),
        ([1, 2**53 + 1], {}),
        ([1.0, math.inf], {}),
        (["a", "b"], {}),
        ([Decimal("0.1"), Decimal("0.2")], {}),
        ([date(2020, 1, 1), date(2020, 1, 2)], {}),
    ],
)
def test_bounds_are_none_where_statistics_do_not_say(tmp_path: Path, values: Any, options: Any) -> None:
    assert open_source(write(tmp_path, {"t": values}, **options)).select({"x": "t"}).bounds() is None


def test_bounds_are_none_where_a_row_may_be_dropped(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, {"t": [1, 2], "v": [1.0, math.nan]}))
    assert source.select(XY, missing="drop").bounds() is None
    assert source.select({"x": "t"}, missing="drop").bounds() == {"x": (1.0, 2.0)}
    assert source.select({"x": "t", "by": "v"}, missing="drop").bounds() is None


def test_bounds_at_zero_have_no_sign(tmp_path: Path) -> None:
    bounds = open_source(write(tmp_path, {"t": [0.0, 0.0]})).select({"x": "t"}).bounds()
    assert repr(bounds) == "{'x': (0.0, 0.0)}"


def test_bounds_of_a_folder_are_those_of_all(tmp_path: Path) -> None:
    for name, values in (("a", [1, 2]), ("b", [-3, 0])):
        pq.write_table(pa.table({"t": values}), tmp_path / f"{name}.parquet")
    selection = open_source(tmp_path).select({"x": "t"})
    assert selection.bounds() == {"x": (-3.0, 2.0)}
    (tmp_path / "c.csv").write_text("t\n9\n")
    assert open_source(tmp_path).select({"x": "t"}).bounds() is None


def test_what_is_no_parquet_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for data in (b"", b"t,v\n1,2\n", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet") as caught:
            open_source(path)
        assert "\n" not in str(caught.value)


def test_damaged_page_is_one_clear_error(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"t": np.arange(10_000.0), "v": np.arange(10_000.0)}, write_page_checksum=True, use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    data[5_000:6_000] = b"\xff" * 1000
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        together(open_source(path).select(XY))
