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


@pytest.fixture
def approximated(load: Load) -> Any:
    """Return two published problems, solved by us and by Sollya where it is installed."""
    module, peer = load("approximate"), load("peers_sollya").is_installed()
    many = [module.Measured(one) for one in load("problems").published(["fa4_ex2_d3", "xnn_f16_exp_p2"])]
    for one in many:
        module.measure(one, peer=peer)
    return module, many, peer


def test_approximations_are_measured_alike(approximated: Any, load: Load) -> None:
    module, many, peer = approximated
    for one in many:
        assert one.accepted
        assert one.found.coef.tolist() == [float(value) for value in module.exact(one.found).values()]
        assert one.error_of(module.exact(one.found)) == one.bound.lower <= one.error_of(one.problem.published)
        assert one.by_sollya == pytest.approx(one.problem.recorded, rel=1e-6)
        if peer:
            assert one.error_of(one.remez.coef) == pytest.approx(one.real.sup_error, rel=1e-5)
            low, high = one.supnorm.bounds
            assert low <= one.bound.upper
            assert one.bound.lower <= high
    tables = load("report").parse(module.page({"published": many, "more": [], "hard": []}, {}, "", peer=peer))
    header, *rows = tables["Coefficients in the format"]
    assert ("fpminimax, ms" in header) == peer
    assert [row[0] for row in rows] == ["fa4_ex2_d3", "xnn_f16_exp_p2"]


def test_whole_functions_are_measured_beside_the_platforms(load: Load) -> None:
    module, report = load("functions"), load("report")
    if not module.COMPILER:
        pytest.skip("gcc is not installed")
    row = module.measured("exp2", every=(1 << 20) + 1, rounds=1, own="bfloat16")
    assert 0.5 <= row.found.max_ulp <= 1
    assert 0.4 < row.platform_ulp < 1
    assert set(row.times) == {"ours", "ours_by_one", "platform"}
    tables = report.parse(module.page([row.cells()], 1, 1, 0.0))
    assert tables["Functions"][0] == list(module.HEADER)
    assert tables["Functions"][1][0] == "exp2"
    written = report.parse((BENCHMARKS / "functions.md").read_text(encoding="utf-8"))
    assert written["Functions"][0] == list(module.HEADER)


def test_page_of_approximations_has_the_shape_that_the_script_writes(load: Load) -> None:
    report, problems = load("report"), load("problems")
    tables = report.parse((BENCHMARKS / "approximate.md").read_text(encoding="utf-8"))
    assert {row[3] for row in tables[report.AIMS][1:]} <= {report.MET, report.MISSED}
    names = [one.name for one in problems.published()]
    for title in ("Real coefficients", "Coefficients in the format", "Proved bounds of these polynomials"):
        assert [row[0] for row in tables[title][1:]] == names
    assert [row[0] for row in tables["Other formats"][1:]] == [one.name for one in problems.MORE]
    assert [row[0] for row in tables["Cases on which other tools fail"][1:]] == [one.name for one in problems.HARD]


def test_sollya_is_asked_in_its_own_words(load: Load) -> None:
    sollya, one = load("peers_sollya"), load("problems").published(["torch_exp_u20"])[0]
    assert sollya.is_possible(one)
    assert not any(sollya.is_possible(other) for other in load("problems").MORE if len(other.pieces) > 1)
    if sollya.is_installed():
        answer = sollya.fpminimax(one)
        assert (answer.reason, answer.coef[0]) == ("", 1)
        assert 0 < answer.inside < answer.process
        corner = load("problems").Problem("corner", "relu(x)", ("-1", "1"), (0, 1), elsewhere="(x + abs(x))/2")
        assert sollya.remez(corner).reason == "no polynomial"  # the target comes back


def test_page_of_targets_has_the_shape_that_the_script_writes(load: Load) -> None:
    targets, report = load("targets"), load("report")
    text = (BENCHMARKS / "targets.md").read_text(encoding="utf-8")
    assert targets.INTRODUCTION in text
    header, *rows = report.parse(text)["Coverage"]
    assert header == ["operations", "scheme", "FMA", *targets.TARGETS, *targets.TOGETHER]
    assert len(rows) == 4 * len(targets.FORMATS)
    for row in rows:
        for cell in row[3:]:
            assert cell in (targets.COMPILED, targets.NOT_HERE) or int(cell.replace(" ", "")) > 50_000


def test_a_value_that_differs_is_said(load: Load) -> None:
    targets, np = load("targets"), load("numpy")
    expected = np.array([0.0, -0.0, np.nan, 1.0])
    assert targets.compared(expected.copy(), expected) == "4"
    assert targets.compared(np.array([0.0, 0.0, np.nan, 2.0]), expected) == "differs on 2"


def test_page_of_what_ships_has_the_shape_that_the_script_writes(load: Load) -> None:
    report, shipped = load("report"), load("shipped")
    tables = report.parse((BENCHMARKS / "shipped.md").read_text(encoding="utf-8"))
    aims = {row[0]: row[3] for row in tables[report.AIMS][1:]}
    assert set(aims.values()) <= {report.MET, report.MISSED}
    assert {f"largest ulp, {name}" for name in shipped.ULP} <= set(aims)
    header, *rows = tables["Flips"]
    assert header[2] == "flips"
    assert [row[0] for row in rows] == ["published", "ours, constant 1", "ours, constant free"]
    assert {row[0] for row in tables["Largest error in ulp"][1:]} == set(shipped.ULP)


def test_no_cubic_flips_less_than_the_linear_program_says(load: Load) -> None:
    """The program's optimum is not beaten by others near it, and the published cubic is where it was measured."""
    shipped, np = load("shipped"), load("numpy")
    midpoints = 1 + (2 * np.arange(128) + 1) / 256
    x = np.log2(midpoints)
    columns = np.stack([x, x**2, x**3], axis=-1)
    published = np.array([0.695146143436431884765625, 0.227564394474029541015625, 0.077119089663028717041015625])

    def share(coef: Any) -> float:
        return float(np.sum(np.abs(1 + columns @ coef - midpoints) / (midpoints * math.log(2))))

    least = shipped.least_flips(free=False)
    assert share(published) == pytest.approx(0.009966, abs=5e-6)
    random = np.random.default_rng(1)
    others = [share(published + random.standard_normal(3) * size) for size in (1e-3, 1e-4, 1e-5) for _ in range(2000)]
    assert least <= min(others)
    assert shipped.least_flips(free=True) < least < share(published)
