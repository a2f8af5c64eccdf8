"""The project's own JSON: one spelling, and every change noticed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import ArgumentError, ResultFileError, canonical, load, train

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXT.filter(lambda key: key != "sha256"), JSON, max_size=5))
def test_document_comes_back_as_it_was(document: dict[str, Any]) -> None:
    content = canonical.spell(document)
    found = canonical.read(content, "file")
    digest = found.pop("sha256")
    assert found == document
    assert canonical.spell(found) == content
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    assert digest == hashlib.sha256(body).hexdigest()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_one_clear_error(content: bytes) -> None:
    with pytest.raises(ResultFileError):
        canonical.read(content, "file")


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_arbitrary_json_without_the_hash_is_one_clear_error(document: Any) -> None:
    with pytest.raises(ResultFileError):
        canonical.read(json.dumps(document).encode(), "file")


@pytest.fixture(scope="module")
def saved() -> bytes:
    result = train([0.0, 1.0, 3.0], [0.1, -2.0, 1 / 3], steps=2, every=1, seed=0)
    return result.to_bytes()


def test_every_single_changed_byte_is_noticed(saved: bytes) -> None:
    for place, byte in enumerate(saved):
        for other in (
            byte ^ 0x01,
            byte ^ 0x20,
            byte ^ 0x80,
            0x30 if byte != 0x30 else 0x31,
            0x20 if byte != 0x20 else 0x09,
        ):
            with pytest.raises(ResultFileError):
                canonical.read(saved[:place] + bytes([other]) + saved[place + 1 :], "file")


def test_every_missing_or_doubled_byte_is_noticed(saved: bytes) -> None:
    for place in range(len(saved)):
        for changed in (saved[:place] + saved[place + 1 :], saved[: place + 1] + saved[place:], saved[:place]):
            if changed != saved:
                with pytest.raises(ResultFileError):
                    canonical.read(changed, "file")


def test_trailing_bytes_are_noticed(saved: bytes) -> None:
    for tail in (b"\n", b" ", b"\0", b"{}"):
        with pytest.raises(ResultFileError):
            canonical.read(saved + tail, "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a saved result"),
        (b"hello", "not a saved result"),
        (b"[]", "no sha256"),
        (b"{}", "no sha256"),
        (b"null", "no sha256"),
        (b'{"sha256":5}', "no sha256"),
        (b'{"sha256":"00"}\n', "was changed"),
        (b'{"a":NaN,"sha256":""}', "NaN"),
        (b'{"a":Infinity,"sha256":""}', "Infinity"),
        (b'{"a":-Infinity,"sha256":""}', "-Infinity"),
        (b'{"a":1e999,"sha256":""}', "1e999"),
        (b'{"a":1,"a":1,"sha256":""}', "'a' twice"),
        (b'{"b":{"a":1,"a":2},"sha256":""}', "'a' twice"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b"\xef\xbb\xbf{}", "not a saved result"),
        (b'{"a":' + b"1" * 10_000 + b',"sha256":""}', "not a saved result"),
        (b'{"a":"\\ud800","sha256":""}', "not a saved result|was changed"),
        (b'{"\\ud800":1,"sha256":""}', "not a saved result|was changed"),
        (b"%PDF-1.4", "not a saved result"),
        (b"\x80\x04N.", "UTF-8"),
    ],
)
def test_file_that_is_no_result_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(ResultFileError, match=message) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert len(text) < 400 + len(str(path))
    assert "\n" not in text


def test_brackets_inside_text_are_no_nesting() -> None:
    document = {"a": "[" * 1000 + '\\"{{' * 100}
    assert canonical.read(canonical.spell(document), "file")["a"] == document["a"]


def test_huge_file_is_one_clear_error_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with path.open("wb") as file:
        file.truncate(50 * 2**30)  # sparse: it takes no room on the disk
    with pytest.raises(ResultFileError, match="53687091200 bytes"):
        load(path)


def test_place_that_is_no_file_is_one_clear_error(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "missing.json", "there is no file"), (tmp_path, "cannot be read"), ("a\0b", "a")):
        with pytest.raises(ResultFileError, match=message):
            load(path)


# Writing


def test_write_replaces_the_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    canonical.write_atomically(path, b"one")
    canonical.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_write_keeps_the_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    mask = os.umask(0o027)
    try:
        canonical.write_atomically(path, b"one")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    canonical.write_atomically(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.parametrize("broken", ["fsync", "chmod", "replace"])
def test_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if broken == "fsync" else Path, broken, full)
    with pytest.raises(OSError, match="No space left"):
        canonical.write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    result = train([0.0, 1.0], [0.0, 1.0], steps=1, seed=0)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.json").mkdir()
    for path in (tmp_path / "missing" / "a.json", tmp_path / "file" / "a.json", tmp_path / "folder.json", "a\0b.json"):
        for save in (result.save, result.export):
            with pytest.raises(ArgumentError, match="cannot be written"):
                save(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.json"]
