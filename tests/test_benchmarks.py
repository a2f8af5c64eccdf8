"""The benchmarks: the page that is checked in, and that all contestants do the same work. No timing."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return what imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def found(name: str) -> ModuleType:
        return importlib.import_module(name)

    return found


def test_page_has_the_shape_that_the_script_writes(load: Load) -> None:
    report = load("report")
    tables = report.parse((BENCHMARKS / "train.md").read_text(encoding="utf-8"))
    machine, aims = tables.pop(report.MACHINE), tables.pop(report.AIMS)
    assert {"date", "processor", "cores", "Python", "torch", "NumPy"} <= {row[0] for row in machine}
    assert tuple(aims[0]) == report.AIM_COLUMNS
    assert {row[3] for row in aims[1:]} <= {report.MET, report.MISSED, report.UNKNOWN}
    assert len(tables) >= 6
    for header, *rows in tables.values():
        assert tuple(name.split(",")[0] for name in header) == report.COLUMNS
        assert rows
        for _, median, quartiles, *ratios in rows:
            low, high = map(report.value_of, quartiles.split(" – "))
            assert 0 < low <= report.value_of(median) <= high
            assert all(math.isnan(ratio) or ratio > 0 for ratio in map(report.value_of, ratios))


def test_page_is_read_back_as_it_was_written(load: Load) -> None:
    report, np = load("report"), load("numpy")
    times = {"torch eager": np.array([2.0, 4.0, 3.0]), "C": np.array([0.002, 0.001, 0.003])}
    section = report.Section("Work: some", report.Unit("ms", 1e3), times, "torch eager", "C", ["JAX is left out."])
    aims = [report.Aim("work, of C's time", 1.3, 2000.0, at_most=True), report.Aim("runs", 10.0, math.nan)]
    tables = report.parse(report.document({"date": "today"}, aims, [section]))
    assert tables["Work: some"][1:] == [
        ["torch eager", "3 000", "2 500 – 3 500", "1.00", "1 000"],
        ["C", "2.00", "1.50 – 2.50", "1 000", "1.00"],
    ]
    assert [row[3] for row in tables[report.AIMS][1:]] == [report.MISSED, report.UNKNOWN]


@pytest.mark.parametrize("verb", ["kernel", "call", "huber", "batches"])
def test_contestants_compute_the_same(load: Load, verb: str) -> None:
    setting, limit, numpy = load("setting"), load("limit"), load("peers_numpy")
    small = setting.Setting(samples=50, steps=20, every=5, size=8)
    first = setting.start(0)
    given = {"call": (first[None, :],)}.get(verb, ())
    compute = {
        "huber": partial(numpy.huber_run, small),
        "batches": partial(numpy.batches_run, small, setting.orders(small, 0)),
    }.get(verb, partial(setting.trajectory, small))
    expected = setting.Expected(compute, first)
    modules = [load("peers_torch"), numpy, load("ours"), *([limit] if limit.compiler() else [])]
    contestants = [found for module in modules for found in getattr(module, verb)(small, *given)]
    assert len(contestants) >= 4
    for contestant in contestants:
        found = contestant.read(contestant.run(0))
        assert not expected.differs(found[: len(expected.wanted)], contestant.single), contestant.name


def test_sweeps_compute_the_same(load: Load) -> None:
    setting, limit, numpy, torch = load("setting"), load("limit"), load("peers_numpy"), load("peers_torch")
    small, runs = setting.Setting(samples=50, steps=20, every=5), 40
    expected = setting.Expected(partial(numpy.last_losses, small, setting.rates(runs)), setting.start(0))
    contestants = [*torch.mapped_sweep(small, runs), *torch.sweep(small, runs)]
    contestants += limit.sweep(small, runs) if limit.compiler() else []
    for contestant in contestants:
        assert not expected.differs(contestant.read(contestant.run(0)), contestant.single), contestant.name


def test_a_contestant_that_computes_something_else_is_found(load: Load) -> None:
    setting = load("setting")
    small = setting.Setting(samples=50, steps=20, every=5)
    expected = setting.Expected(partial(setting.trajectory, small), setting.start(0))
    assert "instead of" in expected.differs(expected.wanted * (1 + 1e-5), single=False)
    assert "values" in expected.differs(expected.wanted[1:], single=False)
