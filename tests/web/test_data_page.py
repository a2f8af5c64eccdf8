"""What a dropped file holds: which of its columns are numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from polyoptim.web.data_page import columns
from polyoptim.web.query import BadRequestError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_columns_of_numbers_and_times_are_told_from_words() -> None:
    Path("a.csv").write_text("name,when,x,y\nfirst,2024-01-01,1,2.5\nsecond,2024-01-02,3,\n")
    found = columns({"data": "a.csv"})
    assert found["names"] == ["name", "when", "x", "y"]
    assert found["numbers"][-2:] == ["x", "y"]
    assert "name" not in found["numbers"]


def test_parquet_is_read_too() -> None:
    pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": ["u", "v"]}).to_parquet("a.parquet")
    assert columns({"data": "a.parquet"}) == {"names": ["a", "b", "c"], "numbers": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"name,kind\nu,v\n", "has 0 columns of numbers among name, kind"),
        ("a.csv", b"x,kind\n1,v\n", "has 1 columns of numbers"),
        ("a.csv", b"", ""),
        ("a.csv", b"\x00\x01\xff\xfe\x89", ""),
        ("a.parquet", b"PAR1 is not enough", ""),
        ("a.parquet", b"x,y\n1,2\n", ""),
    ],
)
def test_a_file_without_two_columns_of_numbers_is_refused(name: str, content: bytes, says: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(BadRequestError) as caught:
        columns({"data": name})
    assert list(caught.value.fields) == ["data"]
    assert says in caught.value.fields["data"]
    assert "Traceback" not in caught.value.fields["data"]


def test_no_file_is_refused() -> None:
    for values in ({}, {"data": "nobody.csv"}):
        with pytest.raises(BadRequestError):
            columns(values)
