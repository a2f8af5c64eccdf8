"""From the text of a kernel to functions: compiled by numba, and kept on disk for the next time."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import time
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from polyoptim import canonical

LOCK = threading.RLock()
FOLDER = "POLYOPTIM_CACHE_DIR"


class Compiled(NamedTuple):
    """A module of kernels, and how long it took to compile or to load."""

    module: ModuleType
    seconds: float


@lru_cache(maxsize=512)
def compiled(text: str) -> Compiled:
    """Return the module of this text.

    The file's name is the hash of its text, so that a changed rule can never meet a kernel of its former text. numba
    compiles it at once, or takes what it compiled before, which stands beside the file. Where nothing can be written,
    the module is compiled in memory.
    """
    with LOCK:
        begin = time.perf_counter()
        name = "polyoptim_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]
        folder = cache_folder()
        module = None if folder is None else _from_file(name, text, folder)
        if module is None:
            module = ModuleType(name)
            exec(compile(_with_cache(text, False), f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - our own text
        return Compiled(module, time.perf_counter() - begin)


def _from_file(name: str, text: str, folder: Path) -> ModuleType | None:
    path, content = folder / f"{name}.py", _with_cache(text, True)
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            canonical.write_atomically(path, content.encode("utf-8"))
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            return None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # numba looks its functions up there
        spec.loader.exec_module(module)
    except (OSError, RuntimeError):  # numba says that it finds no place by RuntimeError
        sys.modules.pop(name, None)
        return None
    return module


def _with_cache(text: str, cache: bool) -> str:
    return text.replace("cache=CACHE", f"cache={cache}")


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Return a folder that can be written, the user's own; None where there is none.

    Looked for in this order: the environment variable POLYOPTIM_CACHE_DIR, the system's place for a user's caches, a
    folder of this process alone among the temporary files.
    """
    for candidate in _candidates():
        with contextlib.suppress(OSError, RuntimeError):
            candidate.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=candidate):
                return candidate
    with contextlib.suppress(OSError):
        return Path(tempfile.mkdtemp(prefix="polyoptim-"))
    return None


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
