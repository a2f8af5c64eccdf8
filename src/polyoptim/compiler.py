"""From the text of a kernel to functions: compiled by numba, and kept on disk for the next time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from polyoptim import canonical

LOCK = threading.RLock()
# Whether this process makes one run only, so that what is compiled serves nobody else: the command line says so.
single_run: ContextVar[bool] = ContextVar("single_run", default=False)
FOLDER = "POLYOPTIM_CACHE_DIR"
PATIENCE = 1.0  # seconds that may pass without a word
# numba trusts what it kept as long as the file of the text has the time that it had.
FILE_TIME = 1_000_000_000


class Compiled(NamedTuple):
    """A module of kernels, and how long it took to compile or to load."""

    module: ModuleType
    seconds: float


class Notice:
    """Says, once, that somebody waits for kernels to be compiled, when that has lasted over a second.

    Parameters
    ----------
    say : gets the sentence, on a thread of its own, while the compiler is still at work.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._spent, self._said = say, 0.0, False

    @contextlib.contextmanager
    def waiting(self, folder: Path | None) -> Iterator[None]:
        """Count the time that is spent inside."""
        begin = time.perf_counter()
        timer = threading.Timer(max(PATIENCE - self._spent, 0.0), self._tell, [folder])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._spent += time.perf_counter() - begin

    def _tell(self, folder: Path | None) -> None:
        if not self._said:
            self._said = True
            kept = f"They are kept in {folder}" if folder else f"They cannot be kept: set {FOLDER} to a folder"
            self._say(f"The loops of this run are being compiled, which takes a few seconds. {kept} for the next time.")


def to_standard_error(sentence: str) -> None:
    """Say it where nobody else does."""
    print(sentence, file=sys.stderr)  # noqa: T201 - a person waits


class Later:
    """Kernels that are taken where they have been loaded, and are loaded when there is time for it.

    They are for a process that has to answer at once: plain Python answers, until another process has compiled them.
    """

    def __init__(self) -> None:
        self._loaded: set[str] = set()
        self._wanted: str | None = None

    def has(self, text: str) -> bool:
        """Tell whether a kernel has been loaded; where it has not been, it is what `load` looks for."""
        if text not in self._loaded:
            self._wanted = text
        return text in self._loaded

    @property
    def waits(self) -> bool:
        """Whether there is something to look for."""
        return self._wanted is not None

    def load(self) -> None:
        """Load the kernel that was wanted last, where it has been compiled by now."""
        text, self._wanted = self._wanted, None
        folder = cache_folder()
        if text is not None and folder is not None and any(_kept(_name(text), folder, "nbc")):
            compiled(text)
            self._loaded.add(text)


# The kernels of a process that does not wait for any; None where it waits.
later: ContextVar[Later | None] = ContextVar("later", default=None)
# Who is told of a long wait, once; None tells nobody.
notice: ContextVar[Notice | None] = ContextVar("notice", default=Notice(to_standard_error))  # noqa: B039 - one for all


@lru_cache(maxsize=512)
def compiled(text: str) -> Compiled:
    """Return the module of this text.

    The file's name is the hash of its text, so that a changed rule can never meet a kernel of its former text. numba
    compiles it at once, or takes what it compiled before, which stands beside the file. Where nothing can be written,
    the module is compiled in memory.
    """
    with LOCK:
        begin = time.perf_counter()
        name = _name(text)
        folder, told = cache_folder(), notice.get()
        silent = told is None or (folder is not None and any(_kept(name, folder, "nbi")))
        with contextlib.nullcontext() if silent or told is None else told.waiting(folder):
            module = None if folder is None else _from_folder(name, text, folder)
            if module is None:
                module = ModuleType(name)
                code = compile(_with_cache(text, False), f"<{name}>", "exec")
                exec(code, module.__dict__)  # noqa: S102 - our own text
        return Compiled(module, time.perf_counter() - begin)


def _name(text: str) -> str:
    return "polyoptim_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _from_folder(name: str, text: str, folder: Path) -> ModuleType | None:
    """Return the module of a file in this folder, made anew where it is damaged; None where that does not help."""
    for _ in range(2):
        try:
            return _from_file(name, text, folder)
        except Exception:  # noqa: BLE001 - what a damaged file of numba's or Python's raises is anybody's guess
            with contextlib.suppress(OSError):
                for path in (folder / f"{name}.py", *_kept(name, folder, "nbi"), *_kept(name, folder, "nbc")):
                    path.unlink(missing_ok=True)
    return None


def _from_file(name: str, text: str, folder: Path) -> ModuleType:
    path, content = folder / f"{name}.py", _with_cache(text, True).encode("utf-8")
    if not path.exists() or path.read_bytes() != content:
        canonical.write_atomically(path, content)
    os.utime(path, (FILE_TIME, FILE_TIME))
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # numba looks its functions up there
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - our own text
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _kept(name: str, folder: Path, ending: str) -> Iterator[Path]:
    """Yield the files in which numba keeps what it compiled from this text."""
    return (folder / "__pycache__").glob(f"{name}.*.{ending}")


def _with_cache(text: str, cache: bool) -> str:
    return text.replace("cache=CACHE", f"cache={cache}")


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Return a folder that can be written, the user's own; None where there is none.

    It is what the environment variable POLYOPTIM_CACHE_DIR says or, where that cannot be written, or could be by
    others, the system's place for a user's caches.
    """
    for candidate in _candidates():
        with contextlib.suppress(OSError, RuntimeError):
            candidate.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_own(candidate):
                continue
            with tempfile.TemporaryFile(dir=candidate):
                return candidate
    return None


def _is_own(folder: Path) -> bool:
    """Tell whether nobody else could have put something there: what is kept in it is run."""
    if not hasattr(os, "geteuid"):
        return True
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _candidates() -> list[Path]:
    given = os.environ.get(FOLDER)
    found = [Path(given)] if given else []
    places = {"win32": "LOCALAPPDATA", "darwin": None}
    variable = places.get(sys.platform, "XDG_CACHE_HOME")
    base = os.environ.get(variable) if variable else None
    with contextlib.suppress(RuntimeError):  # no home
        home = Path.home()
        default = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
        found.append((Path(base) if base else default) / "polyoptim")
    return found
