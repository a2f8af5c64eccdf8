"""fit() on files and tables: the same numbers wherever the columns stand."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import polyoptim
from polyoptim import ArgumentError, DataError, fit
from polyoptim.certified import FOLDER, check, sets
from polyoptim.prediction import predicted_rows
from polyoptim.targets import sheet

NORRIS = FOLDER / "norris.csv"


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    x = rng.uniform(1950, 2020, 400)
    return {"t": x, "v": np.sin(x / 9) + rng.normal(size=400), "w": rng.exponential(size=400)}


def same(result, columns):
    wanted = fit(columns["t"], columns["v"], weight=columns["w"], degree=4)
    assert result.coef.tolist() == wanted.coef.tolist()
    assert result.stats == wanted.stats


def csv_text(columns):
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(repr, row)) for row in rows)]) + "\n"


@pytest.mark.parametrize("kind", ["csv", "gz", "parquet", "folder", "glob", "pandas", "polars", "pyarrow", "mapping"])
def test_every_kind_of_table_gives_the_same_fit(columns, kind, tmp_path):
    if kind in ("csv", "gz"):
        data = tmp_path / f"data.csv{'.gz' if kind == 'gz' else ''}"
        data.write_bytes(gzip.compress(csv_text(columns).encode()) if kind == "gz" else csv_text(columns).encode())
    elif kind in ("folder", "glob", "parquet"):
        for place in range(1 if kind == "parquet" else 3):
            step = 1 if kind == "parquet" else 3
            pq.write_table(
                pa.table({name: v[place::step] for name, v in columns.items()}), tmp_path / f"{place}.parquet"
            )
        data = {"folder": tmp_path, "glob": str(tmp_path / "*.parquet"), "parquet": tmp_path / "0.parquet"}[kind]
    else:
        data = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "mapping": dict}[kind](columns)
    same(fit(data, x="t", y="v", weight="w", degree=4), columns)


def test_standard_input_is_read(columns, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(csv_text(columns).encode())))
    same(fit("-", x="t", y="v", weight="w", degree=4), columns)


def test_data_that_are_not_held_give_the_same_bits(columns, monkeypatch):
    monkeypatch.setattr(sheet, "LARGEST_HELD", 100)
    result = fit(columns, x="t", y="v", weight="w", degree=4)
    same(result, columns)
    assert result.samples is None
    assert any("one more pass" in note for note in result.notes)
    same(fit(columns, x="t", y="v", weight="w", degree=4), columns)


def test_statistics_of_parquet_save_a_pass(columns, tmp_path, monkeypatch):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=37)
    passes = []
    monkeypatch.setattr(sheet, "LARGEST_HELD", 100)
    monkeypatch.setattr(sheet.FileSheet, "parts", _counting(sheet.FileSheet.parts, passes))
    result = fit(path, x="t", y="v", degree=5)
    assert len(passes) == 1
    assert result.stats == fit(columns["t"], columns["v"], degree=5).stats
    same(fit(path, x="t", y="v", weight="w", degree=4), columns)


def _counting(function, passes):
    def counted(self):
        passes.append(1)
        return function(self)

    return counted


def test_columns_are_chosen_where_none_are_named_and_a_note_says_so():
    frame = pd.DataFrame({"name": ["a", "b", "c"], "p": [1.0, 2.0, 4.0], "q": [1.0, 3.0, 5.0], "r": [0.0, 0.0, 1.0]})
    result = fit(frame, degree=1)
    assert (result.target["x"], result.target["y"]) == ("p", "q")
    assert any("'p'" in note and "'q'" in note for note in result.notes)
    assert fit(frame, y="p", degree=1).target["x"] == "q"
    with pytest.raises(ArgumentError, match="too few numeric columns"):
        fit(frame[["name", "p"]])


def test_several_columns_of_x():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "y"])
    result = fit(frame, x=["a", "b"], y="y", degree=2)
    assert result.coef.tolist() == fit(frame[["a", "b"]].to_numpy(), frame["y"], degree=2).coef.tolist()
    assert "a*b" in result.formula


def test_exact_reads_the_decimals_as_they_stand(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,y\n0.1,0.3\n0.2,0.5\n0.3,0.7\n0.7,1.5\n")
    stats = fit(path, degree=1, exact=True).stats
    assert stats["coef_power"] == [0.1, 2.0]
    assert stats["rss"] == 0
    assert fit(path, degree=1).stats["coef_power"][0] != 0.1 or fit(path, degree=1).stats["rss"] != 0


@pytest.mark.parametrize("name", list(sets()))
def test_exact_is_correctly_rounded_on_certified_sets(name):
    found = check(name, exact=True)
    known = sets()[name]["exact"]
    result = fit(FOLDER / f"{name}.csv", x="x", y="y", degree=sets()[name]["degree"],
                 fixed={} if sets()[name]["intercept"] else {0: 0}, exact=True)  # fmt: skip
    first = 0 if sets()[name]["intercept"] else 1
    assert result.stats["coef_power"][first:] == [float(Fraction(value)) for value in known["coef"]]
    assert result.stats["stderr_power"][first:] == [float(Fraction(value)) for value in known["sd"]]
    assert found.coef == 15.0


def test_dates_are_seconds_and_the_formula_says_from_when(tmp_path):
    days = [dt.date(2021, 3, 4) + dt.timedelta(days=k) for k in range(9)]
    frame = pd.DataFrame({"day": pd.to_datetime(days), "v": 2.0 * np.arange(9) + 1})
    result = fit(frame, x="day", y="v", degree=1)
    assert result.stats["coef_power"] == pytest.approx([1.0, 2 / 86400], rel=1e-14)
    assert result.formula.endswith("x in seconds from 2021-03-04T00:00:00")
    new = tmp_path / "new.csv"
    new.write_text("day\n2021-03-14\n")
    assert predicted_rows(result, str(new), 0.95)[0]["y"] == pytest.approx(21.0)
    result.save(tmp_path / "a.json")
    assert polyoptim.load(tmp_path / "a.json").formula == result.formula


def test_missing_values_raise_or_are_dropped():
    frame = pd.DataFrame({"x": [1.0, 2.0, None, 4.0], "y": [1.0, None, 3.0, 4.5]})
    with pytest.raises(DataError, match="missing='drop'"):
        fit(frame, degree=1)
    result = fit(frame, degree=1, missing="drop")
    assert result.count == 2
    assert any("2 rows with a missing value" in note for note in result.notes)
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
    assert fit(masked, [1.0, 9.0, 3.0], degree=1, missing="drop").count == 2
    assert fit([1.0, np.nan, 3.0], [1.0, 9.0, 3.0], degree=1, missing="drop").stats["coef_power"][1] == 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y\n1,2\n3,abc\n", "line 3, column 'y': 'abc'"),
        ("x,y\n1,2\n3\n", "line 3"),
        ("x,y\n", "no rows"),
        ("", "empty"),
        ("x,y\n1,2\n2,inf\n", "line 3"),
    ],
)
def test_bad_files_name_the_place(text, words, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        fit(path, x="x", y="y", degree=1)
    assert words in str(caught.value)
    assert "bad.csv" in str(caught.value)
