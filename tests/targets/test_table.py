"""Columns of CSV files and of data frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from polyoptim import ArgumentError, DataError, PolyoptimError, train

X, Y, W = [0.0, 0.5, 1.25, 2.0], [1.0, -1.0, 0.25, 3e-2], [1.0, 2.0, 0.5, 1.0]
COLUMNS = {"t": X, "v": Y, "w": W, "name": ["a", "b", "c", "d"]}
QUICK = {"steps": 3, "seed": 0}


def write(tmp_path: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GOOD = {
    "plain": "t,v\n0,1\n0.5,-1\n1.25,.25\n2,3e-2\n",
    "no last newline": "t,v\n0,1\n0.5,-1\n1.25,.25\n2,3e-2",
    "windows": "t,v\r\n0,1\r\n0.5,-1\r\n1.25,.25\r\n2,3e-2\r\n",
    "bom": "\ufefft,v\n0,1\n0.5,-1\n1.25,.25\n2,3e-2\n",
    "quoted": '"t","v"\n"0","1"\n"0.5","-1"\n"1.25",".25"\n"2","3e-2"\n',
    "blanks": " t , v \n 0, 1\n0.5 ,-1\n1.25,\t.25\n2,  3e-2 \n",
    "empty lines": "\nt,v\n0,1\n\n0.5,-1\n1.25,.25\n\n2,3e-2\n\n",
    "other columns": 't,note,v\n0,"a, b",1\n0.5,"line\nbreak",-1\n1.25,,.25\n2,NaN,3e-2\n',
    "other order": "v,t\n1,0\n-1,0.5\n.25,1.25\n3e-2,2\n",
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("as_text", [True, False])
def test_csv_gives_the_run_of_its_columns(tmp_path: Path, kind: str, as_text: bool) -> None:
    path = write(tmp_path, GOOD[kind])
    expected = train(X, Y, **QUICK)
    result = train(str(path) if as_text else path, x="t", y="v", **QUICK)
    assert result.coef.tolist() == expected.coef.tolist()
    assert result.samples.x.tolist() == expected.samples.x.tolist()
    assert result.target["kind"] == "table"


def test_csv_of_another_name_is_a_file_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD["plain"], "sin(x)")
    assert train("sin(x)", **QUICK).target["kind"] == "expression"
    monkeypatch.chdir(tmp_path)
    assert train("sin(x)", x="t", y="v", **QUICK).target["kind"] == "table"


def test_csv_has_weights(tmp_path: Path) -> None:
    path = write(tmp_path, "t,v,w\n" + "".join(f"{t},{v},{w}\n" for t, v, w in zip(X, Y, W, strict=True)))
    assert train(path, x="t", y="v", weight="w", **QUICK).loss == train(X, Y, weight=W, **QUICK).loss


def test_csv_domain_is_the_range_of_x(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD["plain"])
    assert train(path, x="t", y="v", **QUICK).domain == (0.0, 2.0)


BAD: dict[str, tuple[str | bytes, str]] = {
    "bad cell": ("t,v\n0,1\n0.5,one\n", r"data\.csv, line 3, column 'v': 'one'"),
    "empty cell": ("t,v\n0,1\n,2\n", r"line 3, column 't': ''"),
    "nan": ("t,v\n0,nan\n", r"line 2, column 'v': 'nan'"),
    "infinite": ("t,v\n0,1e999\n", r"line 2, column 'v': '1e999'"),
    "underscore": ("t,v\n0,1_000\n", r"line 2, column 'v': '1_000'"),
    "comma as point": ('t,v\n0,"1,5"\n', r"line 2, column 'v': '1,5'"),
    "hex": ("t,v\n0,0x10\n", r"line 2, column 'v': '0x10'"),
    "date": ("t,v\n2020-01-01,1\n", r"line 2, column 't': '2020-01-01'"),
    "after a break in a cell": ('t,note,v\n0,"a\nb",1\n1,c,bad\n', r"line 4, column 'v': 'bad'"),
    "short row": ("t,v\n0,1\n2\n", r"line 3: 1 cell"),
    "long row": ("t,v\n0,1\n2,3,4\n", r"line 3: 3 cells"),
    "empty file": ("", "is empty"),
    "blank file": ("\n\n\n", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "header only": ("t,v\n", "no rows"),
    "open quote": ('t,v\n0,"1\n', "line"),
    "utf-16": ("t,v\n0,1\n".encode("utf-16"), "UTF-8"),
    "latin-1": ("t,v,größe\n0,1,2\n".encode("latin-1"), "UTF-8"),
    "binary": (b"\x00\x01\x02\xff\xfe", "UTF-8|NUL|line"),
    "zeros": (b"\x00" * 100, "."),
}


@pytest.mark.parametrize("kind", BAD)
def test_csv_that_cannot_be_read_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    text, message = BAD[kind]
    path = write(tmp_path, text)
    with pytest.raises((DataError, ArgumentError), match=message) as caught:
        train(path, x="t", y="v", **QUICK)
    assert "data.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


COLUMN: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing": ("time,value\n0,1\n", {"x": "tme", "y": "value"}, "no column 'tme'.*did you mean 'time'"),
    "case": ("Time,value\n0,1\n", {"x": "time", "y": "value"}, "did you mean 'Time'"),
    "both missing": ("time,value\n0,1\n", {"x": "a", "y": "b"}, "'a'.*'b'.*time, value"),
    "duplicate": ("t,t,v\n0,0,1\n", {"x": "t", "y": "v"}, "2 columns named 't'"),
    "not named": ("t,v\n0,1\n", {}, "x is not given.*y is not given.*t, v"),
    "y not named": ("t,v\n0,1\n", {"x": "t"}, "y is not given"),
    "not a name": ("t,v\n0,1\n", {"x": [1, 2], "y": "v"}, "x must be the name of a column"),
    "weight missing": ("t,v,weight\n0,1,1\n", {"x": "t", "y": "v", "weight": "wight"}, "did you mean 'weight'"),
    "semicolons": ("t;v\n0;1\n1;2\n", {"x": "t", "y": "v"}, "'t'.*t;v"),
    "tabs": ("t\tv\n0\t1\n1\t2\n", {"x": "t", "y": "v"}, "'t'"),
    "no header": ("0,1\n1,2\n", {"x": "t", "y": "v"}, "'t'.*0, 1"),
}


@pytest.mark.parametrize("kind", COLUMN)
def test_csv_without_such_a_column_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    text, arguments, message = COLUMN[kind]
    path = write(tmp_path, text)
    with pytest.raises(ArgumentError, match=message) as caught:
        train(path, **arguments, **QUICK)
    assert "\n" not in str(caught.value)


def test_csv_with_semicolons_says_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, "t;v\n0;1\n1;2\n")
    with pytest.raises(ArgumentError, match=r"(?i)semicolon|separated|comma"):
        train(path, x="t", y="v", **QUICK)


def test_csv_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        train(str(tmp_path / "missing.csv"), x="t", y="v", **QUICK)
    with pytest.raises(DataError, match="there is no file"):
        train(tmp_path / "missing", x="t", y="v", **QUICK)
    with pytest.raises(DataError, match="cannot be read"):
        train(tmp_path, x="t", y="v", **QUICK)


def test_csv_name_with_a_nul_is_one_clear_error() -> None:
    with pytest.raises(PolyoptimError):
        train("a\0b.csv", x="t", y="v", **QUICK)


def test_csv_with_a_huge_cell_is_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path, "t,v\n0," + "1" * 200_000 + "\n")
    with pytest.raises(DataError) as caught:
        train(path, x="t", y="v", **QUICK)
    assert len(str(caught.value)) < 1000


FRAMES: dict[str, Any] = {
    "mapping of lists": dict,
    "mapping of arrays": lambda columns: {name: np.array(values) for name, values in columns.items()},
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_data_frame_gives_the_run_of_its_columns(kind: str) -> None:
    frame = FRAMES[kind](COLUMNS)
    result = train(frame, x="t", y="v", weight="w", **QUICK)
    assert result.coef.tolist() == train(X, Y, weight=W, **QUICK).coef.tolist()
    assert result.target["kind"] == "table"
    assert result.target["x"] == "t"


@pytest.mark.parametrize("kind", FRAMES)
def test_data_frame_that_cannot_be_used_is_one_clear_error(kind: str) -> None:
    frame = FRAMES[kind](COLUMNS)
    with pytest.raises(ArgumentError, match=r"no column 'vv'.*did you mean 'v'"):
        train(frame, x="t", y="vv", **QUICK)
    with pytest.raises(ArgumentError, match="x is not given"):
        train(frame, **QUICK)
    with pytest.raises(DataError, match="'name'"):
        train(frame, x="t", y="name", **QUICK)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_data_frame_with_a_missing_value_names_its_place(kind: str) -> None:
    frame = FRAMES[kind]({"t": X, "v": [1.0, None, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"column 'v'\[1\]"):
        train(frame, x="t", y="v", **QUICK)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_data_frame_without_rows_is_one_clear_error(kind: str) -> None:
    with pytest.raises(DataError, match=r"empty|not real numbers"):
        train(FRAMES[kind]({"t": [], "v": []}), x="t", y="v", **QUICK)


def test_data_frame_with_duplicate_columns_is_one_clear_error() -> None:
    frame = pd.DataFrame([[1.0, 2.0, 3.0]] * 3, columns=["t", "t", "v"])
    with pytest.raises(ArgumentError, match="2 columns named 't'"):
        train(frame, x="t", y="v", **QUICK)


def test_mapping_with_columns_of_different_length_is_one_clear_error() -> None:
    with pytest.raises(DataError, match="same length"):
        train({"t": [1, 2, 3], "v": [1, 2]}, x="t", y="v", **QUICK)


def test_mapping_may_have_whole_numbers_for_names() -> None:
    assert train({1: [1, 2, 3], "v": [1, 2, 3]}, x=1, y="v", **QUICK).domain == (1, 3)


def test_name_that_is_neither_text_nor_whole_number_is_one_clear_error() -> None:
    with pytest.raises(ArgumentError, match="must be the name of a column"):
        train({1.5: [1, 2, 3], "v": [1, 2, 3]}, x=1.5, y="v", **QUICK)
