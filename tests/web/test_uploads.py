"""Files that were dropped: kept under safe names, the latest few, until the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim.web.uploads import MOST_FILES, Uploads, safe_name


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    made = Uploads()
    yield made
    made.close()


def test_a_file_is_kept_and_found_by_its_key(uploads: Uploads) -> None:
    key = uploads.keep("data.csv", b"x,y\n1,2\n")
    folder = uploads.folder(key)
    assert folder is not None
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("data.csv", b"x,y\n1,2\n")]


def test_the_same_file_has_the_same_key_and_another_another(uploads: Uploads) -> None:
    key = uploads.keep("a.csv", b"x")
    assert uploads.keep("a.csv", b"x") == key
    assert uploads.keep("b.csv", b"x") != key
    assert uploads.keep("a.csv", b"y") != key


def test_the_latest_files_are_kept(uploads: Uploads) -> None:
    keys = [uploads.keep("a.csv", b"%d" % k) for k in range(MOST_FILES)]
    uploads.keep("a.csv", b"0")  # used again: now the latest
    uploads.keep("a.csv", b"new")
    assert uploads.folder(keys[0]) is not None
    assert uploads.folder(keys[1]) is None
    assert len({uploads.folder(key) for key in keys}) == MOST_FILES  # all but one, and None


@pytest.mark.parametrize("key", ["", ".", "..", "/", "../..", "0" * 32])
def test_no_other_text_is_a_key(uploads: Uploads, key: str) -> None:
    assert uploads.folder(key) is None


def test_nothing_is_left_at_the_end() -> None:
    uploads = Uploads()
    folder = uploads.folder(uploads.keep("a.csv", b"x"))
    uploads.close()
    assert folder is not None
    assert not folder.parent.exists()


@given(st.text(max_size=150))
def test_a_name_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert safe not in ("", ".", "..", "-")
    assert not safe.startswith(("-", "."))
    assert not set(safe) & set("/\\*?[]:|<>\"'\0\n")
    assert len(safe.encode()) <= 200
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "data.csv"),
        ("..\\..\\a.csv", "a.csv"),
        ("数据 2024.parquet", "数据 2024.parquet"),
        ("*.csv", "_.csv"),
        (".csv", "data.csv"),
        ("-.csv", "data.csv"),
        ("数" * 100 + ".csv", "数" * 65 + ".csv"),
    ],
)
def test_names_that_mean_something_else_are_changed(name: str, safe: str) -> None:
    assert safe_name(name) == safe
