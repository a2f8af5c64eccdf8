"""The C of limit.c, compiled for this machine at run time, as contestants."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from setting import Array, Quadratic, Setting, orders, rates, start
from timing import Contestant

SOURCE = Path(__file__).resolve().parent / "limit.c"
# Beyond -O3 -march=native: no errno, no traps, no signed zeros, no NaN to keep, so that min, max and sqrt are one
# instruction each; sums over samples may be vectorised where limit.c says so.
FLAGS = (
    *("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math"),
    *("-fno-signed-zeros", "-ffinite-math-only"),
)
ROOM = 64  # losses that whole_call has room for


def compiler() -> list[str]:
    """Return the C compiler: the environment variable CC, or the first of cc, gcc, clang; empty where there is none."""
    given = shlex.split(os.environ.get("CC", ""))
    return given or [found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))][:1]


def version() -> str:
    """Return the compiler's own first line."""
    done = subprocess.run([*compiler(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


@lru_cache(maxsize=1)
def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that lasts as long as this process."""
    return tempfile.TemporaryDirectory(prefix="polyoptim-benchmark-")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Return limit.c, compiled."""
    path = Path(folder().name) / "limit.so"
    subprocess.run([*compiler(), *FLAGS, "-shared", "-fPIC", str(SOURCE), "-o", str(path), "-lm"], check=True)
    found = ctypes.CDLL(str(path))
    found.run_huber.restype = found.run_batches.restype = ctypes.c_double
    return found


@lru_cache(maxsize=1)
def program() -> str:
    """Return the path of limit.c as a program."""
    path = Path(folder().name) / "limit"
    subprocess.run([*compiler(), *FLAGS, "-DPROGRAM", str(SOURCE), "-o", str(path), "-lm"], check=True)
    return str(path)


def _given(*values: Any) -> list[Any]:
    """Return arguments as C takes them; those for arrays keep them alive."""
    kinds: dict[type, Callable[[Any], Any]] = {int: ctypes.c_int64, float: ctypes.c_double}
    pointer = ctypes.c_void_p
    return [kinds[type(one)](one) if type(one) in kinds else one.ctypes.data_as(pointer) for one in values]


def _packed(quadratic: Quadratic) -> Array:
    parts = (quadratic.h.ravel(), quadratic.b, quadratic.r.ravel(), quadratic.q, np.array([quadratic.rss]))
    return np.concatenate(parts)


def kernel(setting: Setting) -> list[Contestant]:
    """Return the run on the quadratic, with and without vectors of our own."""
    packed, first = _packed(setting.quadratic), start(0)
    quadratic = setting.quadratic
    known = {"run_avx2": "C, quadratic, AVX2", "run_plain": "C, quadratic, plain"}

    def made(name: str) -> Contestant:
        coef, losses, function = np.empty(4), np.empty(setting.rows), getattr(library(), name)
        given = _given(packed, setting.lr, setting.steps, setting.every, coef, losses)

        def run(_: int) -> None:
            coef[:] = first
            function(*given)

        def read(_: None) -> Array:
            residual = quadratic.r @ coef - quadratic.q
            return np.array([*losses, quadratic.rss + residual @ residual])

        return Contestant(known[name], run, read)

    return [made(name) for name in known if hasattr(library(), name)]


def call(setting: Setting, starts: Array) -> list[Contestant]:
    """Return the whole call."""
    x, y = np.empty(setting.samples), np.empty(setting.samples)
    found = np.empty(4 + 1 + 1 + 4 + 1 + ROOM)
    addresses = [_given(row) for row in starts]
    given = _given(setting.samples, setting.lr, setting.steps, setting.every, x, y, found)

    def run(turn: int) -> float:
        library().whole_call(*addresses[turn % len(starts)], *given)
        return float(found[4])

    def read(_: float) -> Array:
        return np.array([*found[11 : 11 + setting.rows], found[4], found[5]])

    return [Contestant("C", run, read)]


def sweep(setting: Setting, count: int) -> list[Contestant]:
    """Return the sweep with lanes over runs."""
    packed, first, lr = _packed(setting.quadratic), start(0), rates(count)
    coef, losses = np.empty((4, count)), np.empty(count)
    given = _given(packed, first, lr, count, setting.steps, coef, losses)

    def run(_: int) -> None:
        library().sweep(*given)

    return [Contestant("C, lanes over runs", run, lambda _: losses, work=count)]


def huber(setting: Setting) -> list[Contestant]:
    """Return the Huber loss on the samples."""
    first, coef = start(0), np.empty(4)
    given = _given(setting.x, setting.y, setting.samples, setting.lr, setting.steps, coef)

    def run(_: int) -> float:
        coef[:] = first
        return float(library().run_huber(*given))

    return [Contestant("C", run, lambda loss: np.array([loss, *coef]), work=setting.steps)]


def batches(setting: Setting) -> list[Contestant]:
    """Return the minibatches, of permutations drawn beforehand."""
    first, coef, room, drawn = start(0), np.empty(4), np.empty(2 * setting.samples), orders(setting, 0)
    given = _given(setting.x, setting.y, setting.samples, setting.size, drawn, setting.lr, setting.steps, coef, room)

    def run(_: int) -> float:
        coef[:] = first
        return float(library().run_batches(*given))

    name = "C, permutations drawn beforehand"
    return [Contestant(name, run, lambda loss: np.array([loss, *coef]), work=setting.steps)]
