"""Checkpoints: the state of a run on disk, from which it goes on bit for bit.

A folder holds the last two of one run, each a document of the project's own JSON. A process may be killed at any
moment, and a disk may be full: a file is whole or it is noticed, and the one before it is taken.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from polyoptim import canonical
from polyoptim.errors import CheckpointError, ResultFileError

if sys.platform != "win32":
    import fcntl

FORMAT = "polyoptim checkpoint"
VERSION = 1
KEPT = 2
NAME = re.compile(r"step-[0-9]{12,}\.json")
UNFINISHED = ".polyoptim-step-"
SHOWN = 5  # differences that a message lists
LONGEST_SHOWN = 60  # characters of a value in it


@dataclass(frozen=True)
class Found:
    """A checkpoint as it was read.

    Parameters
    ----------
    state : what was written, bit for bit.
    step : updates that had been made.
    notes : sentences for the user: damaged checkpoints that were passed over, and surroundings that may change bits.
    """

    state: dict[str, Any]
    step: int
    notes: tuple[str, ...] = ()


class Store:
    """The checkpoints of one run in a folder of their own.

    The folder is locked while the store is open, so that no second run writes there; the end of the process, of
    whatever kind, unlocks it. Other files in the folder are left alone.

    A state is a mapping of None, bool, int, float, str, bytes, lists, tuples and mappings, nested. It comes back as it
    was: every float with its bits, not-a-number too, integers of any size, mappings with their order and their keys,
    which may be numbers.

    Parameters
    ----------
    folder : is made where it is missing.
    identity : what makes the run this run: its arguments. A checkpoint of another run is an error. Tuples count as
        lists, and the order of a mapping does not count. Give a hash of what is large.
    surroundings : what may change the last bits, such as versions and the number of threads. Where it differs from
        that of the checkpoint, a note says so.
    adopted : names in `identity` whose value is that of the checkpoint, where there is one: a seed that was drawn.

    Raises
    ------
    CheckpointError
        Where the folder cannot be used, another run uses it, or it holds the checkpoint of another run.

    Examples
    --------
    >>> import tempfile
    >>> with Store(tempfile.mkdtemp(), {"degree": 3}) as store:
    ...     store.write({"coef": [0.1, float("inf")]}, step=100)
    ...     store.newest()
    Found(state={'coef': [0.1, inf]}, step=100, notes=())
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        identity: Mapping[str, Any],
        surroundings: Mapping[str, Any] | None = None,
        adopted: Collection[str] = (),
    ) -> None:
        self._adopted = frozenset(adopted)
        self._identity, self._surroundings = _packed(identity), _packed(surroundings or {})
        try:
            self.folder = Path(folder).absolute()
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = _open(self.folder)
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{folder!s} cannot be used as a folder for checkpoints: {_reason(error)}. Choose another folder."
            ) from None
        self._closing = weakref.finalize(self, _close, descriptor)
        self._descriptor = descriptor
        try:
            self._locked = _lock(descriptor)
            document, _ = self._search()
            if document is not None:
                self._identity = document["identity"]
            self._adopted = frozenset()
            with suppress(OSError):
                self._remove_unfinished()
        except BlockingIOError:
            self.close()
            raise CheckpointError(
                f"another run keeps its checkpoints in {self.folder} now. Choose another folder, or wait for its end."
            ) from None
        except BaseException:
            self.close()
            raise
        # Whole ones, by the order of their writing; and those that are damaged or not ours.
        self._whole = [] if document is None else [self._path(document["step"])]
        self._left: set[Path] = set()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the run this run, as it stands in its checkpoints."""
        return {name: canonical.unpack(value) for name, value in self._identity.items()}

    def close(self) -> None:
        """Unlock the folder."""
        self._closing()

    def write(self, state: Mapping[str, Any], step: int) -> None:
        """Write the state after `step` updates, and remove all but the last two checkpoints of the run.

        Raises
        ------
        CheckpointError
            Where the disk is full, the folder is read-only, or the state holds what no checkpoint can. The checkpoints
            that are there stay as they are; the next write may succeed.
        """
        content = self._spell(state, step)
        path = self._path(step)
        try:
            canonical.write_atomically(path, content, prefix=UNFINISHED)
            self._sync()
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint at step {step} could not be written to {self.folder}: {_reason(error)}. "
                "The one before it is as it was."
            ) from None
        whole = [*(known for known in self._whole if known != path), path]
        self._whole = whole[-KEPT:]
        self._left.discard(path)
        with suppress(OSError):
            for old in whole[:-KEPT]:
                old.unlink(missing_ok=True)
            self._tidy()

    def newest(self) -> Found | None:
        """Return the checkpoint with most updates that is whole; None where there is none at all.

        Raises
        ------
        CheckpointError
            Where it is that of another run or of a newer polyoptim, or where every checkpoint is damaged.
        """
        document, passed = self._search()
        notes = tuple(
            f"The checkpoint {path.name} is damaged and was passed over: {reason}." for path, reason in passed.items()
        )
        if document is None:
            if notes:
                raise CheckpointError(
                    f"every checkpoint in {self.folder} is damaged: {', '.join(path.name for path in passed)}. "
                    "Delete them, or choose another folder, to start from the beginning."
                )
            return None
        changed = _differences(document["surroundings"], self._surroundings)
        if changed:
            notes += (
                f"Resumed in other surroundings, so the last bits may differ from those of a run without a break: "
                f"{changed}.",
            )
        return Found(canonical.unpack(document["state"]), document["step"], notes)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:012d}.json"

    def _spell(self, state: Mapping[str, Any], step: int) -> bytes:
        with _fit():
            packed = canonical.pack(state, "the state")
        document = {
            "format": FORMAT,
            "version": VERSION,
            "step": step,
            "identity": self._identity,
            "surroundings": self._surroundings,
            "state": packed,
        }
        try:
            content = canonical.spell(document)
        except ValueError as error:  # a lone surrogate in a text
            raise CheckpointError(f"a checkpoint cannot hold the state: {error}.") from None
        if len(content) > canonical.LARGEST_FILE:
            raise CheckpointError(
                f"a checkpoint has at most {canonical.LARGEST_FILE} bytes; this one would have {len(content)}. "
                "Record fewer rows: raise every."
            )
        return content

    def _search(self) -> tuple[dict[str, Any] | None, dict[Path, str]]:
        """Return the newest whole checkpoint, or None, and those that were passed over with the reason."""
        passed: dict[Path, str] = {}
        try:
            paths = sorted(self._files(), key=_step, reverse=True)
        except OSError as error:
            raise CheckpointError(f"{self.folder} cannot be read: {_reason(error)}.") from None
        for path in paths:
            try:
                document = self._read(path)
            except (OSError, ValueError) as error:
                passed[path] = _reason(error)
                continue
            there = document["identity"]
            here = {**self._identity, **{name: there[name] for name in self._adopted if name in there}}
            different = _differences(there, here)
            if different:
                raise CheckpointError(
                    f"{self.folder} holds the checkpoint of another run: {different}. "
                    "Choose another folder, or the same arguments."
                )
            return document, passed
        return None, passed

    def _files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]

    def _read(self, path: Path) -> dict[str, Any]:
        """Return a checkpoint; a ValueError says what is wrong with it."""
        if not path.is_file():
            raise ValueError("it is no file")
        if path.stat().st_size > canonical.LARGEST_FILE:
            raise ValueError("it is too large")
        try:
            document = canonical.read(path.read_bytes(), path.name)
        except ResultFileError:
            raise ValueError("it was cut short or changed") from None
        if document.get("format") != FORMAT:
            raise ValueError("it is no checkpoint")
        if document.get("version") != VERSION:
            raise CheckpointError(
                f"{path} has version {document.get('version')!r}, this polyoptim reads version {VERSION}. "
                "Update polyoptim."
            )
        step = document.get("step")
        if not isinstance(step, int) or path.name != self._path(step).name:
            raise ValueError("it was renamed")
        return document

    def _sync(self) -> None:
        """Bring the new name to the disk too."""
        if self._descriptor is None:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems sync no folders
                raise

    def _tidy(self) -> None:
        """Remove what an earlier process has left of this run; keep the last two, and what is damaged or not ours."""
        if len(self._whole) == KEPT:
            for path in self._files():
                if path not in self._whole and path not in self._left:
                    self._remove(path)
        self._remove_unfinished()

    def _remove(self, path: Path) -> None:
        try:
            if not _differences(self._read(path)["identity"], self._identity):
                path.unlink()
                return
        except (OSError, ValueError, CheckpointError):
            pass
        self._left.add(path)

    def _remove_unfinished(self) -> None:
        """Remove what writers that were killed have left; under the lock, none of them can be at work."""
        if self._locked:
            for path in self.folder.glob(f"{UNFINISHED}*"):
                path.unlink(missing_ok=True)


def _packed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Pack each value so that tuples are as lists, and mappings as mappings in any order."""
    with _fit():
        return {name: canonical.pack(_plain(value), name) for name, value in values.items()}


@contextmanager
def _fit() -> Iterator[None]:
    """Turn what canonical JSON cannot spell into a CheckpointError."""
    try:
        yield
    except ValueError as error:
        raise CheckpointError(f"a checkpoint cannot hold {error}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value, key=str)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return which packed values differ, or nothing."""
    names = [name for name in sorted({*there, *here}) if _spelled(there, name) != _spelled(here, name)]
    shown = [f"{name} is {_shown(there, name)} there and {_shown(here, name)} here" for name in names[:SHOWN]]
    rest = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return "; ".join([*shown, *rest])


def _spelled(values: Mapping[str, Any], name: str) -> bytes | None:
    return canonical.spell({"value": values[name]}) if name in values else None


def _shown(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "not given"
    text = repr(canonical.unpack(values[name]))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _open(folder: Path) -> int | None:
    """Return a descriptor of the folder, for the lock and to sync its names; None on a system without them."""
    if sys.platform == "win32":
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _lock(descriptor: int | None) -> bool:
    """Lock the folder until its descriptor is closed; tell whether its file system has locks.

    Raises BlockingIOError where another holds the lock.
    """
    if sys.platform != "win32" and descriptor is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return False
        return True
    return False


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
