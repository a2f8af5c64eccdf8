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
import struct
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


def write_atomically(path: str | os.PathLike[str], content: bytes, prefix: str = ".polyoptim.") -> None:
    """Write `content` to `path` through a temporary file beside it: a reader sees the old file or the new one.

    A link is followed. What is no regular file, such as ``/dev/stdout`` or a pipe, is written to as it is. The name of
    the temporary file begins with `prefix`; a process that is killed leaves it behind.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix)
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


def pack(value: Any, where: str, depth: int = 3) -> Any:
    """Return `value` in terms of a document; `unpack` gives it back bit for bit.

    It may hold None, truth values, integers of any size, floats that are not finite, text, bytes, lists, tuples and
    mappings with any keys in any order. What JSON does not know becomes a mapping with one key that begins with ``$``.

    Parameters
    ----------
    value : what is to be packed.
    where : its name in a message.
    depth : the level on which it will stand in the document, since a reader refuses what is nested too deeply.

    Raises
    ------
    ValueError
        Names the place of what cannot be packed.

    Examples
    --------
    >>> pack({"loss": float("inf"), "betas": (0.9, 0.99)}, "the state")
    {'$map': ['loss', {'$float': '7ff0000000000000'}, 'betas', {'$tuple': [0.9, 0.99]}]}
    """
    plain = value is None or isinstance(value, (bool, str))
    if plain or (isinstance(value, int) and value.bit_length() < 64):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth > DEEPEST_NESTING:
        raise ValueError(f"{where}: it is nested too deeply")
    if isinstance(value, int):
        return {"$int": hex(value)}
    if isinstance(value, float):
        return {"$float": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, list):
        return [pack(item, where, depth + 1) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": pack([*value], where, depth + 1)}
    if isinstance(value, Mapping):
        return _pack_mapping(value, where, depth)
    raise ValueError(f"{where}: it is a {type(value).__name__}")


def _pack_mapping(value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("$") for key in value) and list(value) == sorted(value):
        return {key: pack(item, f"{key} of {where}", depth + 1) for key, item in value.items()}
    if depth == DEEPEST_NESTING:
        raise ValueError(f"{where}: it is nested too deeply")
    pairs = ((key, f"a key of {where}", item, f"{key} of {where}") for key, item in value.items())
    return {"$map": [pack(*half, depth + 2) for pair in pairs for half in (pair[:2], pair[2:])]}


def unpack(value: Any) -> Any:
    """Return what `pack` was given."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict) or not value:
        return value
    tag, content = next(iter(value.items()))
    match tag:
        case "$int":
            return int(content, 16)
        case "$float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "$bytes":
            return bytes.fromhex(content)
        case "$tuple":
            return tuple(unpack(item) for item in content)
        case "$map":
            items = [unpack(item) for item in content]
            return dict(zip(items[::2], items[1::2], strict=True))
    return {key: unpack(item) for key, item in value.items()}


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


def plain(value: Any) -> Any:
    """Return an argument as JSON knows it; an object that JSON does not know becomes {"object": its name}."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"object": repr(value)}
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of NumPy's
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [plain(item) for item in value]
    return {"object": getattr(value, "__qualname__", type(value).__qualname__)}
