"""The project's own JSON: one spelling for each document, hashed, written atomically and read with suspicion.

A document is a mapping of text, numbers, truth values, null, lists and mappings. Its one spelling is: UTF-8, sorted
keys, no blanks, a newline at the end, and a key ``sha256`` that holds the hash of the same text without that key. A
reader spells what it has read again and compares, so that every changed byte is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from polyoptim.errors import ResultFileError

LARGEST_FILE = 64 * 2**20
DEEPEST_NESTING = 32


def spell(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of `document`, with its hash."""
    body = {key: value for key, value in document.items() if key != "sha256"}
    return _dump({**body, "sha256": hashlib.sha256(_dump(body)).hexdigest()})


def read(content: bytes, where: str) -> dict[str, Any]:
    """Return the document of which `content` is the spelling.

    Raises
    ------
    ResultFileError
        Where it is too large or too deeply nested, not JSON, has a NaN or a duplicate key, or was changed.
    """
    if len(content) > LARGEST_FILE:
        raise ResultFileError(f"{where} has {len(content)} bytes; a result has at most {LARGEST_FILE}.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ResultFileError(f"{where} is not UTF-8 text (byte {error.start}). Is it a saved result?") from None
    _check_nesting(text, where)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except ResultFileError as error:
        raise ResultFileError(f"{where} {error}") from None
    except (ValueError, RecursionError) as error:
        raise ResultFileError(f"{where} is not a saved result: {error}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("sha256"), str):
        raise ResultFileError(f"{where} is not a saved result: it has no sha256. Save it with Result.save.")
    try:
        same = spell(document) == content
    except (UnicodeEncodeError, ValueError) as error:  # a lone surrogate, say
        raise ResultFileError(f"{where} is not a saved result: {error}.") from None
    if not same:
        raise ResultFileError(f"{where} was changed after it was saved: its sha256 does not match. Save it anew.")
    return document


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the document in a file; the size is checked before it is read."""
    try:
        path = Path(path)
    except TypeError as error:
        raise ResultFileError(f"{path!r} is not the name of a file: {error}.") from None
    try:
        size = path.stat().st_size
        content = b"" if size > LARGEST_FILE else path.read_bytes()
    except FileNotFoundError:
        raise ResultFileError(f"there is no file {str(path)!r}. Check the path.") from None
    except OSError as error:
        raise ResultFileError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # a NUL character in the name
        raise ResultFileError(f"{str(path)!r} is not the name of a file: {error}.") from None
    if size > LARGEST_FILE:
        raise ResultFileError(f"{path} has {size} bytes; a result has at most {LARGEST_FILE}.")
    return read(content, str(path))


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` through a temporary file beside it: a reader sees the old file or the new one.

    A link is followed. What is no regular file, such as ``/dev/stdout`` or a pipe, is written to as it is.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".polyoptim.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _share(temporary, path)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _share(temporary: str, path: Path) -> None:
    """Give the new file the permissions that the old one has, or that a new file would get."""
    if path.exists():
        mode = path.stat().st_mode & 0o777
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    Path(temporary).chmod(mode)


def _dump(document: Any) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def _check_nesting(text: str, where: str) -> None:
    """Bound the depth before a recursive parser sees it; brackets inside texts do not count."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > DEEPEST_NESTING:
                raise ResultFileError(f"{where} is nested deeper than {DEEPEST_NESTING} levels; a result is not.")
        elif character in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ResultFileError(f"has the key {key!r} twice. It was changed after it was saved.")
        found[key] = value
    return found


def _refuse(token: str) -> NoReturn:
    raise ResultFileError(f"holds {token}, which no saved result does. It was changed after it was saved.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ResultFileError(f"holds {text}, beyond what a float64 can hold.")
    return value
