"""One source for files and tables: names, missing values, times, folders, pipes."""

from __future__ import annotations

import gc
import gzip
import io
import math
import os
import sys
import tempfile
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from polyoptim import ArgumentError, DataError, train
from polyoptim.targets.chunks import together
from polyoptim.targets.reader import BATCH
from polyoptim.targets.reals import reals
from polyoptim.targets.source import open_source

XY = {"x": "t", "y": "v"}
CSV = "t,v\n0,1\n0.5,-1\n1.25,.25\n"
VALUES = {"x": [0.0, 0.5, 1.25], "y": [1.0, -1.0, 0.25]}


def read(target: Any, wanted: dict[str, str] = XY, **options: Any) -> dict[str, list[Any]]:
    chunks = list(open_source(target).select(wanted, **options).chunks())
    return {role: [value for chunk in chunks for value in chunk[role].tolist()] for role in wanted}


def frame(columns: dict[str, Any], kind: str) -> Any:
    makers: dict[str, Any] = {"mapping": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
    return makers[kind](columns)


def parquet(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


KINDS = ["mapping", "pandas", "polars", "pyarrow"]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_give_their_columns(kind: str) -> None:
    table = frame({"note": ["a", "b", "c"], "t": VALUES["x"], "v": VALUES["y"], "n": [1, 2, 3]}, kind)
    source = open_source(table)
    assert source.what == "the table"
    assert source.names == ("note", "t", "v", "n")
    assert source.numeric() == ("t", "v", "n")
    assert read(table) == VALUES
    assert read(table, {"x": "n", "by": "note"}) == {"x": [1.0, 2.0, 3.0], "by": ["a", "b", "c"]}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.txt"])
@pytest.mark.parametrize("as_text", [True, False])
def test_files_give_their_columns(tmp_path: Path, name: str, as_text: bool) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        parquet(path, pa.table({"t": VALUES["x"], "v": VALUES["y"]}))
    else:
        path.write_bytes(gzip.compress(CSV.encode()) if name.endswith("gz") else CSV.encode())
    source = open_source(str(path) if as_text else path)
    assert source.what == str(path)
    assert source.names == source.numeric() == ("t", "v")
    assert read(path) == VALUES


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet"])
def test_train_reads_what_sources_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        parquet(path, pa.table({"t": VALUES["x"], "v": VALUES["y"]}))
    else:
        path.write_bytes(gzip.compress(CSV.encode()))
    result = train(str(path), x="t", y="v", steps=3, seed=0)
    assert result.coef.tolist() == train(VALUES["x"], VALUES["y"], steps=3, seed=0).coef.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_train_refuses_dates_and_durations(kind: str) -> None:
    days = frame({"t": [datetime(2020, 1, 1), datetime(2020, 1, 2)], "v": [1.0, 2.0]}, kind)
    with pytest.raises(DataError, match=r"column 't'.*(dates|not a number)"):
        train(days, x="t", y="v", steps=1)
    spans = frame({"t": np.array([1, 2], "m8[ms]"), "v": [1.0, 2.0]}, kind)
    with pytest.raises(DataError, match="column 't' holds durations"):
        train(spans, x="t", y="v", steps=1)


def test_names_are_checked_with_the_nearest() -> None:
    source = open_source({"time": [1], "value": [2]})
    with pytest.raises(ArgumentError) as caught:
        source.select({"x": "tme", "y": "value"})
    assert str(caught.value) == ("the table has no column 'tme' (x); did you mean 'time'? Its columns: time, value.")
    with pytest.raises(ArgumentError, match=r"name a column of the table\. Its columns: time, value"):
        source.select({})
    with pytest.raises(ArgumentError, match="name a column of the table"):
        source.select({"weight": None})
    with pytest.raises(ArgumentError, match="unknown missing 'dorp'; did you mean 'drop'"):
        source.select({"x": "time"}, missing="dorp")  # type: ignore[arg-type]


def test_separator_other_than_a_comma_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t;v\n1;2\n")
    with pytest.raises(ArgumentError, match=r"Its columns: t;v\. Its cells are separated by semicolons"):
        open_source(path).select(XY)


@pytest.mark.parametrize("target", [3, None, [1, 2], np.zeros(3), object()])
def test_what_is_no_data_is_one_clear_error(target: Any) -> None:
    with pytest.raises(ArgumentError, match="the data must be a file, a table or a mapping of columns, got"):
        open_source(target)


def test_lazy_frame_is_one_clear_error() -> None:
    with pytest.raises(DataError, match=r"the table is a LazyFrame, .*Collect it first"):
        open_source(pl.LazyFrame({"t": [1]}))
    with pytest.raises(DataError, match="Collect it first"):
        train(pl.LazyFrame({"t": [1]}), x="t", y="t")


# ── missing values ──

MISSING: dict[str, Any] = {
    "list": lambda: {"t": [1, None, math.nan, 4, 5], "v": [1, 2, 3, 4, None]},
    "numpy": lambda: {"t": np.array([1, np.nan, np.nan, 4, 5]), "v": np.array([1, 2, 3, 4, np.nan])},
    "masked": lambda: {
        "t": np.ma.array([1, 2, 3, 4, 5], mask=[0, 1, 1, 0, 0]),
        "v": np.ma.array([1.0, 2, 3, 4, 5], mask=[0, 0, 0, 0, 1]),
    },
    "pandas": lambda: pd.DataFrame({"t": [1, None, None, 4, 5], "v": [1, 2, 3, 4, None]}),
    "pandas nullable": lambda: pd.DataFrame(
        {"t": pd.array([1, None, None, 4, 5], "Int64"), "v": pd.array([1, 2, 3, 4, None], "Float32")}
    ),
    "pandas arrow": lambda: pd.DataFrame(
        {
            "t": pd.array([1, None, None, 4, 5], "int64[pyarrow]"),
            "v": pd.array([1, 2, 3, 4, None], "double[pyarrow]"),
        }
    ),
    "pandas objects": lambda: pd.DataFrame({"t": [1, pd.NA, None, 4, 5], "v": [1, 2, 3, 4, None]}, dtype=object),
    "decimals": lambda: {
        "t": [Decimal(text) for text in ("1", "NaN", "sNaN", "4", "5")],
        "v": [*map(Fraction, range(1, 5)), None],
    },
    "polars": lambda: pl.DataFrame({"t": [1, None, None, 4, 5], "v": [1.0, 2, 3, 4, math.nan]}),
    "pyarrow": lambda: pa.table({"t": [1, None, None, 4, 5], "v": [1.0, 2, 3, 4, math.nan]}),
    "pyarrow chunked": lambda: pa.table(
        {"t": pa.chunked_array([[1, None], [None, 4, 5]]), "v": pa.chunked_array([[1], [2, 3, 4, None]])}
    ),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_values_drop_their_rows_or_are_an_error(kind: str) -> None:
    source = open_source(MISSING[kind]())
    selection = source.select(XY, missing="drop")
    for _ in range(2):
        (chunk,) = selection.chunks()
        assert {role: values.tolist() for role, values in chunk.items()} == {"x": [1.0, 4.0], "y": [1.0, 4.0]}
        assert selection.dropped == 3
    with pytest.raises(DataError, match=r"column 't'\[1\] is .*Drop or repair that row, or pass missing='drop'\."):
        list(source.select(XY).chunks())


@pytest.mark.parametrize("kind", KINDS)
def test_infinity_is_always_an_error(kind: str) -> None:
    table = frame({"t": [1.0, 2.0], "v": [1.0, -math.inf]}, kind)
    for missing in ("raise", "drop"):
        with pytest.raises(
            DataError, match=r"column 'v'\[1\] is -inf, not a finite number. Drop or repair that row\.$"
        ):
            read(table, missing=missing)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "pandas"])
def test_integers_beside_missing_values_are_not_rounded(kind: str) -> None:
    table = frame({"t": [1, 2, 3], "v": [2**53 + 1, None, 1]}, kind)
    if kind == "pandas":
        table["v"] = pd.array([2**53 + 1, None, 1], "Int64")
    with pytest.raises(DataError, match=r"column 'v'\[0\] is 9007199254740993, an integer that float64 cannot hold"):
        read(table, missing="drop")
    table = frame(
        {"t": [1, 2, 3], "v": pd.array([2**60, None, 1], "Int64") if kind == "pandas" else [2**60, None, 1]}, kind
    )
    assert read(table, missing="drop") == {"x": [1.0, 3.0], "y": [2.0**60, 1.0]}


def test_place_of_an_error_counts_from_the_first_row() -> None:
    values = np.zeros(3 * BATCH)
    values[2 * BATCH + 7] = np.inf
    with pytest.raises(DataError, match=rf"column 'v'\[{2 * BATCH + 7}\] is inf"):
        read({"t": np.zeros(3 * BATCH), "v": values})
    large = np.zeros(3 * BATCH, np.int64)
    large[2 * BATCH + 5] = 2**53 + 1
    with pytest.raises(DataError, match=rf"column 'v'\[{2 * BATCH + 5}\] is 9007199254740993"):
        read({"t": np.zeros(3 * BATCH), "v": np.ma.array(large, mask=np.arange(3 * BATCH) == 3)}, missing="drop")


BAD: list[tuple[Any, str]] = [
    (["a", "b"], r"'v' holds text"),
    ([1.0, "a"], r"'v'.*(text|'a')"),
    ([True, False], "'v' holds truth values"),
    ([1j, 2], "'v' holds complex numbers"),
    ([1, b"2"], r"'v'.*(text|b'2')"),
    ([object(), 1], r"'v'\[0\]"),
    ([2**53 + 1, 1], r"'v'\[0\] is 9007199254740993"),
    ([10**400, 1], r"'v'\[0\]"),
    ([1, 2, 3], "the columns must have the same length, but x has 2, y has 3"),
    ([[1], [2]], "'v' must have one dimension"),
    ([], "'v' is empty"),
    (np.array([b"1", b"2"]), "'v' holds text"),
    (np.array([b"1", b"2"], object), r"'v'\[0\] is b'1'"),
    (pd.Series([True, None], dtype="boolean"), r"'v'\[0\] is True|truth values"),
    (pl.Series(["a", None]), r"'v'.*'a'"),
    (pl.Series([[1], [2]]), r"'v'"),
    (pa.array([{"a": 1}, {"a": 2}]), r"'v'"),
    (pl.Series([datetime(2020, 1, 1).time()] * 2), r"'v'\[0\] is datetime.time"),
    (np.array([1, 2], "m8[Y]"), "no fixed length"),
    (np.array(["2020", "2021"], "M8[ps]"), "years to nanoseconds"),
    (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), "one dimension"),
    (pl.Series([{"a": 1}, {"a": 2}]), "one dimension"),
    (np.array([np.finfo(np.longdouble).max, 1]), r"'v'\[0\] is inf"),
    (np.array([np.int64(2**53 + 1), 1.5], object), r"'v'\[0\] is 9007199254740993"),
    (np.array([np.True_, 1.5], object), r"'v'\[0\] is np.True_"),
    ([Decimal("Infinity"), 1], r"'v'\[0\] is inf"),
]


@pytest.mark.parametrize("place", range(len(BAD)))
@pytest.mark.parametrize("missing", ["raise", "drop"])
def test_column_that_cannot_be_used_is_one_clear_error(place: int, missing: Any) -> None:
    values, message = BAD[place]
    with pytest.raises(DataError, match=message) as caught:
        read({"t": [1, 2], "v": values}, missing=missing)
    assert "\n" not in str(caught.value)


GOOD: list[Any] = [
    [1, 2.5],
    (1, 2.5),
    np.array([1, 2.5], ">f4"),
    np.array([2.5, 1])[::-1],
    np.array([[1, 0], [2.5, 0]])[:, 0],
    np.array([1, 2.5], np.longdouble),
    np.array([1, 2.5], np.float16),
    [Fraction(1), Decimal("2.5")],
    torch.tensor([1.0, 2.5], requires_grad=True),
    torch.tensor([1.0, 2.5], dtype=torch.bfloat16),
    pd.Series([1, 2.5], index=[5, 3]),
    pd.Series([1, 2.5]).astype("category"),
    pd.Series(pd.arrays.SparseArray([1, 2.5])),
    pl.Series([Decimal("1.0"), Decimal("2.5")]),
    pa.array([1, 2.5]).dictionary_encode(),
    pa.chunked_array([[1.0], [2.5]]),
    pa.array([Decimal("1"), Decimal("2.5")]),
    pa.array([Decimal("1"), Decimal("2.5")], pa.decimal256(50, 30)),
]


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_column_of_any_kind_is_read(place: int) -> None:
    assert read({"t": [1, 2], "v": GOOD[place]})["y"] == [1.0, 2.5]


def test_arrays_are_neither_changed_nor_shared() -> None:
    values = np.arange(5.0)
    values.flags.writeable = False
    (chunk,) = open_source({"t": values}).select({"x": "t"}).chunks()
    chunk["x"][:] = 7
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_wide_integers_of_polars_are_exact() -> None:
    assert read({"t": pl.Series([2**70, None, 1], dtype=pl.Int128)}, {"x": "t"}, missing="drop") == {
        "x": [2.0**70, 1.0]
    }
    with pytest.raises(DataError, match="float64 cannot hold"):
        read({"t": pl.Series([2**70 + 1], dtype=pl.Int128)}, {"x": "t"})


def test_decimals_are_correctly_rounded() -> None:
    texts = ["0.1", "123456789012345678.9", "9007199254740993", "-0.000000000000000003", "90071992547.40993", None]
    decimals = pa.array([None if text is None else Decimal(text) for text in texts], pa.decimal128(38, 18))
    for part in (decimals, decimals.slice(1), decimals.slice(4, 2), decimals.slice(0, 1)):
        expected = [float(cell.as_py()) for cell in part if cell.as_py() is not None]
        assert read({"t": part}, {"x": "t"}, missing="drop")["x"] == expected


# ── labels ──


def test_labels_are_text_and_integers() -> None:
    for by, expected in [
        (["a", "b", None], ["a", "b"]),
        (pd.Series(["a", "b", None]), ["a", "b"]),
        (pd.Series(["a", "b", None]).astype("category"), ["a", "b"]),
        (pl.Series(["a", "b", None], dtype=pl.Categorical), ["a", "b"]),
        (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b"]),
        (pa.array([1, 2, None]), [1, 2]),
        (pd.Series([1, 2, None]), [1, 2]),
        (np.array([1, 2, np.nan]), [1, 2]),
        (pl.Series([True, False, None]), ["True", "False"]),
        (np.array(["a", "b", "c"]), ["a", "b", "c"]),
        (np.array([np.str_("a"), np.int64(2), None], object), ["a", 2]),
    ]:
        (chunk,) = open_source({"t": [1, 2, 3], "g": by}).select({"x": "t", "by": "g"}, missing="drop").chunks()
        assert chunk["by"].dtype == object
        assert chunk["by"].tolist() == expected
        assert [type(label) for label in chunk["by"]] == [type(label) for label in expected]


def test_labels_that_are_neither_are_one_clear_error() -> None:
    for by in ([1.5, 2], [1e300, 2], [{}, 1], [b"a", b"b"], [date(2020, 1, 1)] * 2, np.array([1, 2], "M8[s]")):
        with pytest.raises(DataError, match="abel"):
            read({"t": [1, 2], "g": by}, {"x": "t", "by": "g"})
    with pytest.raises(DataError, match=r"column 'g'\[1\] is None, not a label"):
        read({"t": [1, 2], "g": ["a", None]}, {"x": "t", "by": "g"})


# ── dates and times ──

DAY = 86_400.0
NOON = [datetime(2020, 2, 29, 12, 0, 0, 500_000), datetime(2020, 3, 1)]
TOKYO = timezone(timedelta(hours=9))
AWARE = [moment.replace(tzinfo=TOKYO) for moment in NOON]
TIMES: dict[str, tuple[Any, str, list[float]]] = {
    "numpy": (np.array(NOON, "M8[us]"), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "numpy days": (np.array(["2020-02-29", "2020-03-01"], "M8[D]"), "2020-02-29T00:00:00", [0.0, DAY]),
    "numpy months": (np.array(["2020-02", "2020-03"], "M8[M]"), "2020-02-01T00:00:00", [0.0, 29 * DAY]),
    "numpy 100 ns": (np.array(NOON, "M8[100ns]"), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "python": (NOON, "2020-02-29T00:00:00", [43_200.5, DAY]),
    "python dates": ([date(2020, 2, 29), date(2020, 3, 1)], "2020-02-29T00:00:00", [0.0, DAY]),
    "python with a zone": (AWARE, "2020-02-29T00:00:00Z", [10_800.5, 54_000.0]),
    "pandas": (pd.Series(NOON), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "pandas with a zone": (pd.Series(AWARE), "2020-02-29T00:00:00Z", [10_800.5, 54_000.0]),
    "pandas ns": (pd.Series(NOON).astype("M8[ns]"), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "pandas arrow": (
        pd.Series(AWARE).astype(pd.ArrowDtype(pa.timestamp("us", "Asia/Tokyo"))),
        "2020-02-29T00:00:00Z",
        [10_800.5, 54_000.0],
    ),
    "polars": (pl.Series(NOON), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "polars dates": (pl.Series([date(2020, 2, 29), date(2020, 3, 1)]), "2020-02-29T00:00:00", [0.0, DAY]),
    "polars with a zone": (
        pl.Series(AWARE).dt.convert_time_zone("Asia/Tokyo"),
        "2020-02-29T00:00:00Z",
        [10_800.5, 54_000.0],
    ),
    "pyarrow": (pa.array(NOON), "2020-02-29T00:00:00", [43_200.5, DAY]),
    "pyarrow dates": (pa.array([date(2020, 2, 29), date(2020, 3, 1)]), "2020-02-29T00:00:00", [0.0, DAY]),
    "pyarrow date64": (
        pa.array([date(2020, 2, 29), date(2020, 3, 1)], pa.date64()),
        "2020-02-29T00:00:00",
        [0.0, DAY],
    ),
    "pyarrow with a zone": (
        pa.array(AWARE, pa.timestamp("ns", "Asia/Tokyo")),
        "2020-02-29T00:00:00Z",
        [10_800.5, 54_000.0],
    ),
    "far away": (np.array(["-20000-01-01", "20000-01-01"], "M8[s]"), "-20000-01-01T00:00:00", [0.0, 14_609_700 * DAY]),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_become_seconds_since_the_first_midnight(kind: str) -> None:
    values, origin, expected = TIMES[kind]
    source = open_source({"t": values, "v": [1, 2]})
    assert source.numeric() == ("t", "v")
    selection = source.select(XY)
    assert dict(selection.origins) == {"x": origin}
    assert next(selection.chunks())["x"].tolist() == expected


def test_times_with_missing_values() -> None:
    moments = [None, *NOON]
    for values in (
        moments,
        pd.Series(moments),
        pl.Series(moments),
        pa.array(moments),
        np.array(["NaT", *NOON], "M8[us]"),
        [pd.NaT, *NOON],
        pd.Series(moments).dt.tz_localize("UTC"),
    ):
        source = open_source({"t": values, "v": [0, 1, 2]})
        selection = source.select(XY, missing="drop")
        assert selection.origins["x"].rstrip("Z") == "2020-02-29T00:00:00"
        assert next(selection.chunks())["y"].tolist() == [1.0, 2.0]
        with pytest.raises(DataError, match=r"column 't'\[0\] is (None|NaT|null), not a finite number"):
            list(source.select(XY).chunks())


def test_times_of_two_kinds_are_one_clear_error() -> None:
    with pytest.raises(DataError, match=r"column 't'\[1\] is '2020-03-01 00:00:00\+09:00', which names a time zone"):
        read({"t": [NOON[0], AWARE[1]], "v": [1, 2]})
    with pytest.raises(DataError, match=r"column 't'\[1\] is .*, which names no time zone, but the first value does"):
        read({"t": [AWARE[0], NOON[1]], "v": [1, 2]})
    with pytest.raises(DataError, match=r"column 't'\[1\] is 5, not a date or time as before"):
        read({"t": [NOON[0], 5], "v": [1, 2]})
    with pytest.raises(DataError, match=r"column 't'\[1\] is datetime"):
        read({"t": np.array([5, NOON[0]], object), "v": [1, 2]})


def test_durations_become_seconds() -> None:
    spans = [timedelta(days=1, microseconds=1), timedelta(seconds=-1.5)]
    for values in (np.array(spans, "m8[us]"), pd.Series(spans), pl.Series(spans), pa.array(spans)):
        selection = open_source({"t": values}).select({"x": "t"})
        assert next(selection.chunks())["x"].tolist() == [86_400.000001, -1.5]
        assert not selection.origins


def test_nanoseconds_are_correctly_rounded() -> None:
    draw = np.random.default_rng(3)
    ticks = np.concatenate(
        [
            draw.integers(-(2**62), 2**62, 3000),
            draw.integers(0, 10**10, 3000),
            draw.integers(2**52, 2**54, 3000) + 10**18,
            [-(2**63) + 1, 2**63 - 1],
        ]
    )
    ticks[0] = 10**18 + 5
    selection = open_source({"t": ticks.view("M8[ns]")}).select({"x": "t"})
    origin = int(datetime.fromisoformat(selection.origins["x"]).replace(tzinfo=UTC).timestamp()) * 10**9
    expected = [(tick - origin) / 10**9 for tick in ticks.tolist()]
    assert next(selection.chunks())["x"].tolist() == expected


# ── more than one file ──


def test_folder_and_pattern_are_their_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    (folder / "b.csv").write_text("t,v\n3,30\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"v,t\n10,1\n20,2\n"))
    parquet(folder / "deep" / "c.parquet", pa.table({"t": [4], "v": [40]}))
    (folder / "_temporary" / "d.csv").write_text("x\n")
    (folder / ".hidden.csv").write_text("x\n")
    (folder / "notes.txt").write_text("x\n")
    assert read(folder) == {"x": [1, 2, 3, 4], "y": [10, 20, 30, 40]}
    assert open_source(folder).what == str(folder)
    monkeypatch.chdir(tmp_path)
    assert read("data/*.csv*") == {"x": [1, 2, 3], "y": [10, 20, 30]}
    assert read("data/**/*.parquet") == {"x": [4], "y": [40]}
    assert train("data/", x="t", y="v", steps=1).domain == (1.0, 4.0)
    assert train("data/*.csv", x="t", y="v", domain=(0, 1), steps=1).target["kind"] == "table"


def test_folder_of_other_columns_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,v\n3,30\n")
    (tmp_path / "b.csv").write_text("t,w\n3,30\n")
    with pytest.raises(
        DataError, match=r"b\.csv has the columns t, w, but .*a\.csv has t, v\. Give files with the same"
    ):
        open_source(tmp_path)


def test_folder_or_pattern_without_files_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: the folder holds no file \.csv, \.csv\.gz, \.parquet"):
        open_source(tmp_path)
    with pytest.raises(DataError, match=r"no file matches '.*\*\.csv'"):
        open_source(f"{tmp_path}/*.csv")
    with pytest.raises(DataError, match="there is no file"):
        open_source(tmp_path / "missing.parquet")


def test_error_in_a_folder_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,v\n3,30\n")
    (tmp_path / "b.csv").write_text("t,v\n3,30\n4,x\n")
    with pytest.raises(DataError, match=r"b\.csv, line 3, column 'v': 'x'"):
        read(tmp_path)


def test_files_of_one_folder_share_the_origin(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,v\n,0\n")
    (tmp_path / "b.csv").write_text("t,v\n2020-01-02T06:00,30\n")
    parquet(tmp_path / "c.parquet", pa.table({"t": [datetime(2020, 1, 1)], "v": [40]}))
    selection = open_source(tmp_path).select(XY, missing="drop")
    assert selection.origins == {"x": "2020-01-02T00:00:00"}
    assert next(selection.chunks())["x"].tolist() == [21_600.0, -DAY]
    parquet(tmp_path / "c.parquet", pa.table({"t": [7], "v": [40]}))
    with pytest.raises(
        DataError, match=r"c\.parquet, column 't' holds numbers or text here, but dates and times before"
    ):
        read(tmp_path, missing="drop")
    parquet(tmp_path / "c.parquet", pa.table({"t": pa.array([NOON[0]], pa.timestamp("s", "UTC")), "v": [40]}))
    with pytest.raises(DataError, match=r"c\.parquet, column 't' names a time zone"):
        read(tmp_path, missing="drop")


# ── pipes ──


class Standard:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("form", ["csv", "gzip", "parquet", "text"])
def test_standard_input_is_read_twice_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sink = io.BytesIO()
    pq.write_table(pa.table({"t": VALUES["x"], "v": VALUES["y"]}), sink)
    data = {"csv": CSV.encode(), "gzip": gzip.compress(CSV.encode()), "parquet": sink.getvalue(), "text": b""}[form]
    monkeypatch.setattr(sys, "stdin", io.StringIO(CSV) if form == "text" else Standard(data))
    source = open_source("-")
    assert source.what == "standard input"
    selection = source.select(XY)
    del source  # the selection holds what it needs
    gc.collect()
    for _ in range(2):
        (chunk,) = selection.chunks()
        assert {role: values.tolist() for role, values in chunk.items()} == VALUES
    assert len(list(tmp_path.iterdir())) == 1
    del selection
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_removed_by_close_and_after_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", Standard(CSV.encode()))
    with open_source("-") as source:
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    source.close()
    monkeypatch.setattr(sys, "stdin", Standard(b""))
    with pytest.raises(DataError, match="standard input is empty"):
        open_source("-")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sys, "stdin", Standard(b"t,v\n1,x\n"))
    with pytest.raises(DataError, match="standard input, line 2, column 'v': 'x'"):
        train("-", x="t", y="v", steps=1)
    assert list(tmp_path.iterdir()) == []


def test_named_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(CSV))
    writer.start()
    source = open_source(pipe)
    writer.join()
    assert [chunk["x"].tolist() for chunk in source.select(XY).chunks()] == [VALUES["x"]]
    assert source.what == str(pipe)


def test_importing_the_package_loads_no_reader() -> None:
    import subprocess

    code = "import polyoptim.targets.source, sys; print({'pyarrow', 'pandas', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "set()"


def test_pieces_of_one_array_are_put_together_without_a_copy() -> None:
    whole = np.arange(10.0)
    found = together([whole[2:4], whole[4:4], whole[4:9]])
    assert np.shares_memory(found, whole)
    assert found.tolist() == whole[2:9].tolist()
    for parts in (
        [whole[4:], whole[:4]],
        [whole[::2], whole[1::2]],
        [whole[::-1][:5], whole[::-1][5:]],
        [whole, whole],
    ):
        copied = together(parts)
        assert not np.shares_memory(copied, whole)
        assert copied.tolist() == np.concatenate(parts).tolist()


def test_arrays_of_the_caller_cannot_be_written_by_what_reads_them() -> None:
    values = np.arange(5.0)
    found = reals(values, "x", str, share=True)
    assert np.shares_memory(found, values)
    assert not found.flags.writeable
    assert values.flags.writeable
