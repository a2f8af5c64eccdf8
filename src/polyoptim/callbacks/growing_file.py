"""GrowingFile: a file that gets whole records, and that may fail without the run failing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polyoptim.errors import ArgumentError


class GrowingFile:
    """A file to which records are added.

    It is open only while a record is written, so that a reader sees each record at once and nothing is left to close.
    Before a run, a place that cannot be written is an error. In a run it is a warning, once, and no more records are
    written; a record of which only a part found room is taken back.

    Parameters
    ----------
    path : the file; a relative path is resolved now.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self.path = Path(path).absolute()
        except TypeError:
            raise ArgumentError(f"{path!r} is not the name of a file. Give a path.") from None
        self.failed = False

    def start(self, *, anew: bool) -> None:
        """Make the file; empty it where it starts `anew`.

        Raises
        ------
        ArgumentError
            Where it cannot be written.
        """
        self.failed = False
        with self.needed(), self.path.open("wb" if anew else "ab"):
            pass

    def append(self, record: bytes, step: int) -> None:
        """Add a whole record, that of `step`, or nothing."""
        if self.failed:
            return
        with self.spared(step):
            whole = None
            try:
                with self.path.open("ab") as file:
                    whole = file.seek(0, os.SEEK_END) if file.seekable() else None
                    file.write(record)
            except OSError:
                if whole is not None:
                    with suppress(OSError):
                        os.truncate(self.path, whole)
                raise

    @contextmanager
    def needed(self) -> Iterator[None]:
        """Turn what the system refuses before a run into an ArgumentError."""
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
            raise ArgumentError(f"{self.path} cannot be written: {_reason(error)}. Choose another place.") from None

    @contextmanager
    def spared(self, step: int) -> Iterator[None]:
        """Turn what the system refuses in a run into one warning."""
        try:
            yield
        except OSError as error:
            self.failed = True
            warnings.warn(
                f"{self.path} cannot be written any more: {_reason(error)}. "
                f"The run goes on; the rows from step {step} on are not in that file.",
                RuntimeWarning,
                stacklevel=2,
            )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
