"""Kernels on disk: kept for the next process, made anew where damaged, done without where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import polyoptim
from polyoptim import compiler
from polyoptim.compiler import Later, Notice, compiled, later, notice, single_run
from polyoptim.engines import loops

SOURCE = Path(polyoptim.__file__).resolve().parents[1]
NOWHERE = "/dev/null"  # a file: nobody, not even root, can make a folder in it
TEXT = """\
import numba


@numba.njit("float64(float64)", nogil=True, error_model="numpy", cache=CACHE)
def more(x):
    return x + {0}
"""
RUN = """\
from polyoptim.compiler import cache_folder, compiled
module = compiled({text!r}).module
print(module.more(1.0), sum(module.more.stats.cache_hits.values()), cache_folder())
"""
TRAIN = """\
from polyoptim import train
print(train("sin(x)", engine="fused", seed=0, steps=500, samples=50).coef.tolist())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(compiler.FOLDER, str(tmp_path / "kept"))
    compiler.cache_folder.cache_clear()
    compiled.cache_clear()
    yield tmp_path / "kept"
    compiler.cache_folder.cache_clear()
    compiled.cache_clear()


def start(code: str, **environment: str | None) -> subprocess.Popen[str]:
    changed = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    used = {name: value for name, value in changed.items() if value is not None}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=used)


def answer(process: subprocess.Popen[str]) -> list[str]:
    out, error = process.communicate()
    assert process.returncode == 0, error
    # A busy machine takes over a second to compile, and then a sentence says so.
    assert not [line for line in error.splitlines() if not line.startswith("The loops of this run are being compiled")]
    return out.split()


def run(folder: Path, number: float = 2.5) -> list[str]:
    return answer(start(RUN.format(text=TEXT.format(number)), **{compiler.FOLDER: str(folder)}))


def test_kernel_is_loaded_from_disk_by_the_next_process(tmp_path: Path) -> None:
    assert run(tmp_path) == ["3.5", "0", str(tmp_path)]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert len(kept) == 2
    assert run(tmp_path) == ["3.5", "1", str(tmp_path)]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == kept


def test_kernel_of_another_text_is_another_file(tmp_path: Path) -> None:
    assert run(tmp_path, 2.5)[:2] == ["3.5", "0"]
    assert run(tmp_path, 4.0)[:2] == ["5.0", "0"]
    assert len(list(tmp_path.glob("*.py"))) == 2
    assert run(tmp_path, 2.5)[:2] == ["3.5", "1"]


def test_kernels_kept_by_training_are_loaded_by_the_next_process(tmp_path: Path) -> None:
    first = answer(start(TRAIN, **{compiler.FOLDER: str(tmp_path)}))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.suffix == ".nbc" for path in kept)
    assert answer(start(TRAIN, **{compiler.FOLDER: str(tmp_path)})) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_kernel_is_loaded_when_its_file_has_been_touched(tmp_path: Path) -> None:
    run(tmp_path)
    for path in tmp_path.glob("*.py"):
        path.touch()
    assert run(tmp_path)[:2] == ["3.5", "1"]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut late": lambda content: content[:-3],
    "garbage": lambda _content: b"\xff\x00garbage",
}


@pytest.mark.parametrize("ending", ["py", "nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_is_made_anew(folder: Path, ending: str, damage: str) -> None:
    text = TEXT.format(2.5)
    compiled(text)
    (path,) = folder.rglob(f"*.{ending}")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for _ in range(2):
        compiled.cache_clear()
        module: Any = compiled(text).module
        assert module.more(1.0) == 3.5
        assert len(list(folder.rglob("*.nbc"))) == 1
    assert sum(module.more.stats.cache_hits.values()) == 1


def test_two_processes_at_once_compile_the_same_kernel(tmp_path: Path) -> None:
    code = RUN.format(text=TEXT.format(2.5))
    both = [start(code, **{compiler.FOLDER: str(tmp_path)}) for _ in range(2)]
    assert [answer(process)[0] for process in both] == ["3.5", "3.5"]
    assert run(tmp_path)[:2] == ["3.5", "1"]


def test_cache_goes_to_the_users_own_when_the_folder_that_is_set_cannot_be_written(tmp_path: Path) -> None:
    code = RUN.format(text=TEXT.format(2.5))
    found = answer(start(code, POLYOPTIM_CACHE_DIR=f"{NOWHERE}/a", XDG_CACHE_HOME=str(tmp_path), HOME=f"{NOWHERE}/b"))
    if sys.platform == "linux":
        assert found == ["3.5", "0", str(tmp_path / "polyoptim")]


@pytest.mark.parametrize(("cache_home", "given"), [(None, None), (f"{NOWHERE}/x", f"{NOWHERE}/y")])
def test_training_works_when_nothing_can_be_written(cache_home: str | None, given: str | None) -> None:
    places = {"XDG_CACHE_HOME": cache_home, "LOCALAPPDATA": cache_home, compiler.FOLDER: given}
    home = {"HOME": f"{NOWHERE}/home", "USERPROFILE": f"{NOWHERE}/home", "TMPDIR": f"{NOWHERE}/t"}
    code = (
        TRAIN
        + "from polyoptim.compiler import cache_folder, compiled\nassert cache_folder() is None\n"
        + "assert compiled.cache_info().misses == 1\n"
    )
    expected = polyoptim.train("sin(x)", engine="fused", seed=0, steps=500, samples=50).coef.tolist()
    found = answer(start(code, **places, **home))
    assert " ".join(found) == str(expected)


def test_kernel_is_compiled_once_when_threads_want_it_at_once(folder: Path) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(compiled(TEXT.format(7.0)).module)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [module.more(1.0) for module in found] == [8.0] * 4
    assert len(list(folder.rglob("*.nbc"))) == 1


def test_an_error_in_a_text_is_raised(folder: Path) -> None:
    del folder
    with pytest.raises(Exception, match="nothing_of_this_name"):
        compiled(TEXT.format("nothing_of_this_name"))


def test_notice_says_once_that_compiling_takes_over_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(compiler, "PATIENCE", 0.02)
    token = notice.set(Notice(said.append))
    try:
        compiled(TEXT.format(1.0))
        compiled(TEXT.format(2.0))
    finally:
        notice.reset(token)
    assert len(said) == 1
    assert str(folder) in said[0]


def test_notice_says_nothing_when_the_kernel_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(TEXT.format(1.0))
    compiled.cache_clear()
    said: list[str] = []
    monkeypatch.setattr(compiler, "PATIENCE", 0.0)
    token = notice.set(Notice(said.append))
    try:
        compiled(TEXT.format(1.0))
    finally:
        notice.reset(token)
    assert not said
    assert len(list(folder.glob("*.py"))) == 1


def test_notice_counts_the_waits_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    teller = Notice(said.append)
    with teller.waiting(tmp_path):
        pass
    assert not said
    monkeypatch.setattr(compiler, "PATIENCE", 0.1)
    for _ in range(40):
        with teller.waiting(None):
            time.sleep(0.01)
    assert len(said) == 1
    assert compiler.FOLDER in said[0]


def test_a_kernel_is_loaded_later_where_somebody_else_has_compiled_it(folder: Path) -> None:
    text, kernels = TEXT.format(6.5), Later()
    assert not kernels.waits
    assert not kernels.has(text)
    assert kernels.waits
    kernels.load()  # nobody has
    assert not kernels.has(text)
    run(folder, 6.5)
    assert not kernels.has(text)
    kernels.load()
    assert not kernels.waits
    assert kernels.has(text)
    assert compiled(text).module.more.stats.cache_hits


def test_nothing_is_loaded_later_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "cache_folder", lambda: None)
    kernels = Later()
    assert not kernels.has(TEXT.format(7.5))
    kernels.load()
    assert not kernels.waits
    assert not kernels.has(TEXT.format(7.5))


def test_a_run_takes_the_compiled_loop_once_it_has_been_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = Later()
    tokens = later.set(kernels), single_run.set(True)
    try:

        def run() -> Any:
            return polyoptim.train("sin(x)", engine="fused", seed=0, steps=300, samples=50, every=7)

        plain = run()
        kernels.load()
        assert not list(folder.rglob("*.nbc"))
        assert run().trace == plain.trace
        answer(start(TRAIN, **{compiler.FOLDER: str(folder)}))
        kernels.load()
        monkeypatch.setattr(loops, "plain_loop", None)  # nobody calls it any more
        assert run().trace == plain.trace
    finally:
        later.reset(tokens[0])
        single_run.reset(tokens[1])
