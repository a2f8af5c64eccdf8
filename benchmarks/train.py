"""Measure train() side by side with torch, JAX, NumPy and C: ``python benchmarks/train.py [--quick] [--only SECTION]``.

Without --quick it takes some minutes; --write refreshes train.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

# One thread, and this checkout's polyoptim, installed or not: known before NumPy and polyoptim are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import limit
import numpy as np
import ours
import peers_numpy
import peers_torch
import torch
from report import Aim, Section, Unit, document
from setting import Array, Expected, Setting, differs, orders, rates, start, trajectory
from timing import ALL, Contestant, cores, race

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"
PAGE = HERE / "train.md"
EAGER = peers_torch.EAGER
MILLISECONDS, MICROSECONDS = Unit("ms", 1e3), Unit("µs a step", 1e6)
SEEDS = 64
FAILS = "is left out: it fails or computes something else"
MANY = {2000: "2e3", 100_000: "1e5", 10_000_000: "1e7"}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    least: float
    quick: bool


QUICK, FULL = Size(3, 0.005, True), Size(11, 0.03, False)


class Peers:
    """The modules of contestants that are there, and a line for each that is not."""

    def __init__(self, quick: bool) -> None:
        self.modules: list[ModuleType] = [peers_torch, peers_numpy]
        self.versions = {"Python": platform.python_version(), "torch": torch.__version__, "NumPy": np.__version__}
        self.versions["numba"] = importlib.import_module("numba").__version__
        self.notes: list[str] = []
        if importlib.util.find_spec("jax") and importlib.util.find_spec("optax"):
            jax: Any = importlib.import_module("peers_jax")
            self.modules.append(jax)
            self.versions.update(jax.VERSIONS)
        else:
            self.notes.append("JAX is left out: jax and optax are not both installed.")
        self.compiles = bool(limit.compiler())
        if self.compiles:
            self.modules.append(limit)
            self.versions["C compiler"] = f"{limit.version()}; {' '.join(limit.FLAGS)}"
        else:
            self.notes.append("C is left out: no C compiler was found (CC, cc, gcc, clang).")
        self.modules.append(ours)
        self.graphs = not quick and self.compiles
        if not self.graphs:
            why = "compiling takes longer than a quick run" if quick else "it needs a C++ compiler"
            self.notes.append(f"torch.compile is left out: {why}.")

    def contestants(self, verb: str, *given: Any) -> list[Contestant]:
        """Return what each module has for this kind of work."""
        return [found for module in self.modules if hasattr(module, verb) for found in getattr(module, verb)(*given)]


def measure(
    title: str,
    unit: Unit,
    contestants: Sequence[Contestant],
    check: Callable[[Contestant, Array], str],
    size: Size,
    rounds: int | None = None,
) -> Section:
    """Return the times of the contestants whose results are right."""
    say(f"{title} …")
    right, notes = [], []
    for contestant in contestants:
        try:
            with cores(contestant.all_cores):
                wrong = check(contestant, contestant.read(contestant.run(0)))
        except Exception as error:  # noqa: BLE001 - whatever stops one contestant is a line about it
            wrong = f"{type(error).__name__}: {error}".splitlines()[0]
        if wrong:
            notes.append(f"{contestant.name} {FAILS} ({wrong}).")
        else:
            right.append(contestant)
    times = race(right, rounds or size.rounds, size.least)
    own = [name for name in times if name == "C" or name.startswith("C,")]
    fastest = min(own, key=lambda name: float(np.median(times[name])), default=None)
    return Section(title, unit, times, EAGER if EAGER in times else None, fastest, notes)


# ---- the sections


def kernel(peers: Peers, size: Size) -> list[Section]:
    """Return the 2000 updates alone."""
    setting = Setting()
    expected = Expected(partial(trajectory, setting), start(0))
    contestants = peers.contestants("kernel", setting)
    if peers.graphs:
        contestants += peers_torch.compiled_kernel(setting)
    title = "Kernel: 2000 updates of the reference run"
    return [measure(title, MILLISECONDS, contestants, _check(expected, in_time=True), size)]


def call(peers: Peers, size: Size) -> list[Section]:
    """Return the whole warm call, each time with another start."""
    setting = Setting()
    starts = np.stack([start(seed) for seed in range(SEEDS)])
    expected, optimum = Expected(partial(trajectory, setting), starts[0]), np.array([setting.quadratic.rss])

    def check(contestant: Contestant, found: Array) -> str:
        margin = 1e-5 if contestant.single else 1e-8
        return differs(found[-1:], optimum, margin) or expected.differs(found[:-1], contestant.single, in_time=True)

    title = "Whole warm call: samples, optimum, run, result"
    return [measure(title, MILLISECONDS, peers.contestants("call", setting, starts), check, size)]


def process(peers: Peers, size: Size) -> list[Section]:
    """Return whole processes, from the command line to the printed coefficients."""
    setting = Setting()
    begin = [repr(float(value)) for value in start(0)]
    lesson = [sys.executable, str(HERE / "lesson.py")]
    own = [sys.executable, "-m", "polyoptim", "train", "sin(x)", "--seed", "0", "--engine"]
    commands = {
        EAGER: lesson,
        ours.OURS + ", fused": [*own, "fused"],
        "NumPy, quadratic": [sys.executable, str(HERE / "lesson_numpy.py"), *begin],
        "Python that does nothing": [sys.executable, "-c", "pass"],
    }
    if not size.quick:
        commands[ours.OURS + ", torch"] = [*own, "torch"]
        if "jax" in peers.versions:
            commands["JAX + optax, full data"] = [sys.executable, str(HERE / "lesson_jax.py"), *begin]
    if peers.graphs:
        commands["torch.compile, the model, float32"] = [*lesson, "compile"]
    if peers.compiles:
        commands["C"] = [limit.program(), *begin]
    path = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["PYTHONPATH"] = path
    expected = {
        single: Expected(lambda first, noise: trajectory(setting, first, noise)[:-1], start(0, dtype))
        for single, dtype in ((False, torch.float64), (True, torch.float32))
    }

    def made(name: str, words: list[str]) -> Contestant:
        def run(_: int) -> str:
            return subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout

        single = "float32" in name or name.endswith(", torch")
        return Contestant(name, run, _losses_printed, single=single, all_cores=True)

    def check(contestant: Contestant, found: Array) -> str:
        if contestant.name.startswith("Python"):
            return ""
        return expected[contestant.single].differs(found, contestant.single, in_time=True)

    contestants = [made(name, words) for name, words in commands.items()]
    title = "Whole process: from the command line to the printed coefficients"
    return [measure(title, Unit("s"), contestants, check, size, rounds=2 if size.quick else 7)]


def _losses_printed(text: str) -> Array:
    """Return the losses in a program's lines of step and loss."""
    return np.array([float(loss) for loss in re.findall(r"^\d+ (\S+)$", text, flags=re.MULTILINE)])


def sweep(peers: Peers, size: Size) -> list[Section]:
    """Return many runs of the reference run with other learning rates."""
    setting, count, few = Setting(), 4096, 64
    expected = {
        runs: Expected(partial(peers_numpy.last_losses, setting, rates(runs)), start(0)) for runs in (count, few)
    }
    alone = Expected(lambda first, noise: trajectory(setting, first, noise)[-1:], start(0))

    def check(contestant: Contestant, found: Array) -> str:
        return expected.get(len(found), alone).differs(found, contestant.single)

    contestants = [*peers_torch.one_run(setting), *peers_torch.mapped_sweep(setting, few)]
    contestants += peers.contestants("sweep", setting, count)
    title = f"Sweep: runs of 2000 updates, {count} learning rates"
    found = measure(title, Unit("runs/s", inverse=True), contestants, check, size, rounds=3 if size.quick else 9)
    return [found]


def _check(expected: Expected, in_time: bool = False) -> Callable[[Contestant, Array], str]:
    return lambda contestant, found: expected.differs(found, contestant.single, in_time)


def huber(peers: Peers, size: Size) -> list[Section]:
    """Return the Huber loss on more and more samples."""
    found = []
    for samples, steps in ((2000, 2000), (100_000, 100), (10_000_000, 3)):
        if size.quick and samples > 100_000:
            continue
        setting = Setting(samples=samples, steps=min(steps, 500) if size.quick else steps)
        contestants = peers.contestants("huber", setting)
        if peers.graphs:
            contestants += peers_torch.compiled_huber(setting)
        expected = Expected(partial(peers_numpy.huber_run, setting), start(0))
        rounds = 5 if samples > 100_000 else None
        found.append(
            measure(f"Huber loss, N = {MANY[samples]}", MICROSECONDS, contestants, _check(expected), size, rounds)
        )
    return found


def batches(peers: Peers, size: Size) -> list[Section]:
    """Return minibatches of 32."""
    setting = Setting(steps=252 if size.quick else 2016)
    expected = Expected(partial(peers_numpy.batches_run, setting, orders(setting, 0)), start(0))
    return [measure("Minibatches of 32", MICROSECONDS, peers.contestants("batches", setting), _check(expected), size)]


SECTIONS: dict[str, Callable[[Peers, Size], list[Section]]] = {
    "kernel": kernel,
    "call": call,
    "process": process,
    "sweep": sweep,
    "huber": huber,
    "batches": batches,
}


# ---- the page


def aims(sections: Sequence[Section]) -> list[Aim]:
    """Return the aims with what was measured."""
    none = Section("", MILLISECONDS)
    by_word = {section.title.split(":")[0].split(",")[0]: section for section in reversed(sections)}
    inner, whole = by_word.get("Kernel", none), by_word.get("Whole warm call", none)
    outer, many = by_word.get("Whole process", none), by_word.get("Sweep", none)
    first = by_word.get("Huber loss", none)
    name, fused = ours.OURS, f"{ours.OURS}, fused"
    runs = 1 / float(np.median(many.times[name])) if name in many.times else float("nan")
    return [
        Aim("kernel, of C's time", 1.3, inner.ratio(name, inner.limit), at_most=True),
        Aim("kernel, faster than torch eager", 4000, inner.ratio(EAGER, name)),
        Aim("whole warm call, faster than torch eager", 300, whole.ratio(EAGER, fused)),
        Aim("whole process, faster than the lesson's script", 8, outer.ratio(EAGER, fused)),
        Aim("sweep, runs/s a core", 100_000, runs),
        Aim("Huber loss at N = 2e3, faster than torch eager", 300, first.ratio(EAGER, name)),
    ]


def machine(peers: Peers) -> dict[str, str]:
    """Return what the numbers depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(len(ALL)),
        "system": f"{platform.system()} {platform.machine()}",
        **peers.versions,
    }


def processor() -> str:
    """Return the processor's name, and its widest vectors where that is known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*: (.+)$", text, flags=re.MULTILINE)
    wide = next((word for word in ("avx512f", "avx2") if word in text), "")
    return " ".join(filter(None, [name.group(1) if name else platform.machine(), wide and f"({wide})"]))


def say(text: str) -> None:
    """Print a line on what is being done."""
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the page, and return 1 where a contestant fails or computes something else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer rounds, nothing that compiles long")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one section; may be repeated")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args(words)
    if given.write and (given.quick or given.only):
        parser.error(f"{PAGE.name} has all sections of one full run: give --write alone.")
    torch.set_num_threads(1)
    size, begin = (QUICK if given.quick else FULL), time.monotonic()
    with cores(every=False):
        peers = Peers(given.quick)
        sections = [found for name in given.only or SECTIONS for found in SECTIONS[name](peers, size)]
    sections[0].notes[:0] = peers.notes
    page = document(machine(peers), aims(sections), sections)
    print(page)
    say(f"Took {time.monotonic() - begin:.0f} s.")
    if given.write:
        PAGE.write_text(page, encoding="utf-8")
    return int(any(FAILS in note for section in sections for note in section.notes))


if __name__ == "__main__":
    sys.exit(main())
