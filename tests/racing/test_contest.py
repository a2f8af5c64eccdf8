"""race(): nobody is given a better rate, every evaluation counts, and the medians are honest."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyoptim
from polyoptim import ArgumentError, race, train
from polyoptim.optim.rules import RULES
from polyoptim.racing import contest
from polyoptim.racing.contest import median_interval

FEW: dict[str, Any] = {"lrs": (1e-3, 1, 4, "log"), "tuning_seeds": 3, "seeds": 7, "steps": 200}


@pytest.fixture(scope="module")
def found() -> polyoptim.Race:
    return race("sin(x)", optimizers=["SGD", ("SGD", {"momentum": 0.9}), "Adam", "LBFGS"], **FEW, basis="legendre")


def test_everybody_is_tuned_on_the_same_and_reported_on_other_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, tuple[float, ...], tuple[int, ...]]] = []
    own = contest._Course._runs  # noqa: SLF001 - what is raced is what is asked of it

    def spy(self: Any, who: Any, lrs: Any, seeds: Any) -> Any:
        calls.append((who.name, tuple(lrs), tuple(seeds)))
        return own(self, who, lrs, seeds)

    monkeypatch.setattr(contest._Course, "_runs", spy)  # noqa: SLF001
    done = race("sin(x)", optimizers=["SGD", ("Adam", {"betas": (0.8, 0.9)})], **FEW)
    for name in ("SGD", "Adam(betas=(0.8, 0.9))"):
        tuning, *report = [(lrs, seeds) for who, lrs, seeds in calls if who == name]
        assert tuning == (tuple(done.lrs), (0, 1, 2))
        assert all(seeds == (3, 4, 5, 6, 7, 8, 9) and len(lrs) == 1 for lrs, seeds in report)
    assert not set(done.tuning_seeds) & set(done.seeds)
    assert done.runs == sum(len(lrs) * len(seeds) for _, lrs, seeds in calls)


def test_the_rate_is_that_which_is_fastest_on_the_tuning_seeds(found: polyoptim.Race) -> None:
    for racer in found.racers:
        for place, finish in enumerate(racer.finishes):
            if finish.lr is not None:
                medians = racer.grid_evaluations[place]
                assert medians[np.flatnonzero(found.lrs == finish.lr)[0]] == medians.min()


def test_best_comes_first(found: polyoptim.Race) -> None:
    last = [racer.finishes[-1].evaluations for racer in found.racers]
    assert last == sorted(last)
    assert found.racers[0].name == "LBFGS"


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_evaluations_are_those_of_a_loop_over_train(name: str, found: polyoptim.Race) -> None:
    racer = next(racer for racer in found.racers if racer.name == name)
    for finish in racer.finishes:
        if finish.lr is None:
            continue
        steps = []
        for seed in found.seeds:
            given: dict[str, Any] = {"basis": "legendre", "optimizer": name, "lr": finish.lr, "seed": seed}
            one = train("sin(x)", engine="fused", steps=201, every=1, **given)
            steps.append(next((row["step"] for row in one.trace if (row["gap"] or math.inf) <= finish.mark), math.inf))
        assert [finish.evaluations, finish.low, finish.high] == [*median_interval(np.array(steps))]
        assert finish.reached == np.isfinite(steps).sum()


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}])
def test_every_call_of_a_closure_counts(options: dict[str, Any]) -> None:
    """Against torch.optim.LBFGS itself in float64, its closure counted."""
    done = race("sin(x)", optimizers=[("LBFGS", options)], lrs=[1.0], tuning_seeds=1, seeds=3, steps=100)
    x = torch.linspace(-math.pi, math.pi, 2000, dtype=torch.float64)
    features, y = torch.stack([x, x**2, x**3], 1), x.sin()
    wanted: dict[float, list[float]] = {mark: [] for mark in done.marks}
    for seed in done.seeds:
        torch.manual_seed(seed)
        model = torch.nn.Linear(3, 1, dtype=torch.float64)
        gaps: list[float] = []

        def closure(model: Any = model, gaps: list[float] = gaps) -> Any:
            model.zero_grad()
            loss = ((model(features)[:, 0] - y) ** 2).sum()
            loss.backward()
            gaps.append(loss.item() / done.optimum - 1)
            return loss

        optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, **options)
        for _ in range(5):
            optimizer.step(closure)
        for mark, counts in wanted.items():
            counts.append(next(place for place, gap in enumerate(gaps) if gap <= mark))
    for finish in done.racers[0].finishes:
        assert finish.evaluations == np.median(wanted[finish.mark])
        assert [finish.low, finish.high] == [min(wanted[finish.mark]), max(wanted[finish.mark])]


def test_nobody_gets_more_evaluations_than_the_budget() -> None:
    done = race("exp(x)", optimizers=["LBFGS", "SGD"], lrs=[1e-9, 1.0], tuning_seeds=1, seeds=2, steps=7)
    for racer in done.racers:
        assert all(finish.evaluations <= 7 or math.isinf(finish.evaluations) for finish in racer.finishes)


@pytest.mark.parametrize("count", range(1, 40))
def test_median_interval_holds_the_median_with_95_percent(count: int) -> None:
    _, low, high = median_interval(np.arange(float(count)))
    # It misses the median where all but `low` values are on one side of it.
    outside = 2 * sum(math.comb(count, k) for k in range(int(low) + 1)) / 2**count
    assert high == count - 1 - low
    if count >= 6:
        assert outside <= 0.05
        wider = outside + 2 * math.comb(count, int(low) + 1) / 2**count
        assert wider > 0.05 or low + 1 > (count - 1) // 2
    else:
        assert low == 0


def test_progress_ends_with_all_runs() -> None:
    told: list[tuple[int, int]] = []
    race("sin(x)", optimizers=["SGD", "LBFGS"], **FEW, progress=lambda *count: told.append(count))
    total = 2 * (4 * 3 + 4 * 7)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def interrupted_race(after: int) -> polyoptim.Race:
    def stop(done: int, _total: int) -> None:
        if done > after:
            raise KeyboardInterrupt

    return race("sin(x)", optimizers=["SGD", "Adam"], **FEW, progress=stop)


def test_interrupted_race_compares_those_that_were_done() -> None:
    done = interrupted_race(4 * 3 + 4 * 7)
    assert ([racer.name for racer in done.racers], done.left_out) == (["SGD"], ("Adam",))
    assert done.interrupted
    assert "Interrupted: not raced to the end, and left out here: Adam." in done.report()
    assert done.to_dict()["left_out"] == ["Adam"]


def test_race_that_is_interrupted_before_anybody_was_done_goes_on_as_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_race(0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"target": "x**2"}, "the optimum is zero to rounding"),
        ({"optimizers": ["SGD", "Adm"]}, "unknown optimizer 'Adm'; did you mean 'Adam'?"),
        ({"optimizers": ["SGD", "sgd"]}, "optimizer SGD is there twice"),
        ({"optimizers": []}, "optimizers must name at least one"),
        ({"optimizers": {"SGD": {"momentum": 0.9}}}, "optimizers must be 'all' or a list of names"),
        ({"optimizers": [("SGD", {"lr": 0.1})]}, "the lr of SGD is tuned on the grid"),
        ({"optimizers": [("SGD", {"momentum": -1})]}, "momentum must be >= 0"),
        ({"lrs": (0, 1, 5)}, "lrs must be rates > 0"),
        ({"lrs": (-1, 1, 5, "log")}, "a log range of lrs must be of numbers > 0"),
        ({"marks": [0.1, 0]}, "marks must be gaps > 0"),
        ({"seeds": 0}, "seeds must be an integer >= 1"),
        ({"seeds": 10**8}, "are more than 10000000"),
        ({"seed": 2**64 - 2}, "seed must be below 2**64"),
        ({"domain": (1, 0)}, "ascending order"),
    ],
)
def test_wrong_arguments_are_said_before_the_work(arguments: dict[str, Any], sentence: str) -> None:
    told: list[Any] = []
    given = {"target": "sin(x)", "optimizers": ["SGD"], **arguments}
    with pytest.raises(ArgumentError) as caught:
        race(given.pop("target"), **given, progress=lambda *count: told.append(count))
    assert sentence in str(caught.value)
    assert not told


def test_rates_ascend_however_they_are_given() -> None:
    assert contest.read_grid((10, 1e-1, 3, "log")).tolist() == pytest.approx([0.1, 1, 10])
    assert contest.read_grid(["2**-1", 0.25]).tolist() == [0.25, 0.5]


def test_all_are_all_rules() -> None:
    assert [who.name for who in contest._entrants("all")] == list(RULES)  # noqa: SLF001


def test_table_has_a_row_for_each_optimizer_and_mark(found: polyoptim.Race, tmp_path: Path) -> None:
    frame = found.data_frame()
    assert list(frame["optimizer"])[:3] == ["LBFGS"] * 3
    found.save_csv(tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 4 * 3
    found.save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert (document["basis"], document["degree"], document["samples"]) == ("legendre", 3, 2000)
    assert len(document["racers"][0]["grid_gap"]) == len(document["lrs"])


def test_report_shows_the_grid_and_fits_a_terminal(found: polyoptim.Race) -> None:
    text = found.report()
    assert max(map(len, text.splitlines())) <= 88
    assert "SGD(momentum=0.9)" in text
    assert "x diverged" in text


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_race_has_a_picture(found: polyoptim.Race, ending: str, tmp_path: Path) -> None:
    found.plot(tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").stat().st_size > 1000


def test_data_are_mapped_from_their_own_range() -> None:
    x = np.linspace(10, 30, 50)
    done = race(x, np.sin(x), optimizers=["Adam"], **{**FEW, "seeds": 1}, basis="legendre")
    given: dict[str, Any] = {"basis": "legendre", "optimizer": "Adam", "lr": done.racers[0].lr, "seed": 3}
    one = train(x, np.sin(x), engine="fused", steps=200, **given)
    assert done.racers[0].gap == one.gap
