"""Which files a target names: one, those of a folder or a pattern, or what comes through a pipe."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

from polyoptim.errors import DataError

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def is_file(target: Any) -> bool:
    """Tell whether `target` is a file: a path, "-", a text that ends as data files do, or the name of a file or folder.

    A folder's name needs a slash: an expression such as x has none.
    """
    if isinstance(target, os.PathLike):
        return True
    if not isinstance(target, str):
        return False
    if target == "-" or target.lower().endswith(SUFFIXES):
        return True
    try:
        return Path(target).is_file() or ("/" in target and Path(target).is_dir())
    except (OSError, ValueError):  # a text that no file system takes as a name
        return False


def listed(target: str) -> list[Path]:
    """Return the files that a path, folder or pattern names, sorted; a single path need not exist.

    A folder is searched to its depths; names that begin with a dot or an underscore, which writers of data sets use
    for their own notes, are passed over.

    Raises
    ------
    DataError
        Where a folder or a pattern names none.
    """
    path = Path(target)
    try:
        if path.is_dir():
            inside = [found.relative_to(path) for found in path.rglob("*") if found.is_file()]
            found = [
                path / name
                for name in inside
                if name.name.lower().endswith(SUFFIXES) and not any(part[0] in "._" for part in name.parts)
            ]
            if not found:
                raise DataError(f"{target} cannot be read: the folder holds no file {', '.join(SUFFIXES)}.")
        elif not path.exists() and glob.has_magic(target):
            found = [Path(name) for name in glob.glob(target, recursive=True)]  # noqa: PTH207 - Path has no such patterns
            found = [name for name in found if name.is_file()]
            if not found:
                raise DataError(f"no file matches {target!r}. Check the pattern.")
        else:
            found = [path]
    except OSError as error:
        raise DataError(f"{target} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # a NUL character in the name
        raise DataError(f"{target!r} is not the name of a file: {error}.") from None
    return sorted(found)


def is_pipe(path: Path) -> bool:
    """Tell whether a path can be read only once: a named pipe, a process substitution, a terminal."""
    return path.exists() and not path.is_file()


def spooled(stream: BinaryIO | None) -> tuple[Path, Callable[[], None]]:
    """Copy a stream, or standard input where None, to a temporary file; return it and what removes it."""
    handle, name = tempfile.mkstemp(prefix="polyoptim-")
    path = Path(name)

    def remove() -> None:
        path.unlink(missing_ok=True)

    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle has no path
            if stream is not None:
                shutil.copyfileobj(stream, file, 2**20)
            elif hasattr(sys.stdin, "buffer"):
                shutil.copyfileobj(sys.stdin.buffer, file, 2**20)
            else:  # replaced by a text stream
                file.write(sys.stdin.read().encode())
    except BaseException:
        remove()
        raise
    return path, remove


def form(path: Path, what: str) -> Literal["csv", "parquet"]:
    """Return what a file is by its first bytes, or by its name where it has none.

    Raises
    ------
    DataError
        Where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise DataError(f"there is no file {what!r}. Check the path.") from None
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # a NUL character in the name
        raise DataError(f"{what!r} is not the name of a file: {error}.") from None
    return "parquet" if start == b"PAR1" or path.name.lower().endswith(".parquet") else "csv"
