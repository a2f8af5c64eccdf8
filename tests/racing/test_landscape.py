"""sweep(): every run is the one that train() makes; the edge of stability; what is wrong, and what is interrupted."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyoptim
from polyoptim import ArgumentError, sweep, train
from polyoptim.optim.rules import RULES

POINTS = np.random.default_rng(1)
X = POINTS.uniform(-2, 3, 40)
Y = np.exp(-X) + 0.1 * POINTS.normal(size=40)
WEIGHT = POINTS.uniform(0.1, 2, 40)


def alone(given: dict[str, Any], swept: dict[str, Any], *data: Any) -> polyoptim.Result:
    """Return the run that train() makes with these values."""
    arguments = {"seed": 0, **given}
    options = dict(arguments.pop("optimizer_options", {}))
    rule = RULES[arguments.get("optimizer", "RMSprop")]
    for name, value in swept.items():
        pair = next((pair for pair, parts in rule.parts.items() if name in parts), None)
        if name in ("lr", "basis", "degree", "seed"):
            arguments[name] = value
        elif pair is None:
            options[name] = value
        else:
            both = list(options.get(pair, rule.options[pair]))
            both[rule.parts[pair].index(name)] = value
            options[pair] = tuple(both)
    return train(*data, engine="fused", optimizer_options=options, **arguments)


def assert_same_runs(given: dict[str, Any], over: dict[str, Any], *data: Any) -> polyoptim.Sweep:
    """Hold each run of a sweep against train(), to the bit."""
    found = sweep(*data, over=over, **given)
    for place, values in zip(
        np.ndindex(found.loss.shape), itertools.product(*(axis.tolist() for axis in found.axes.values())), strict=True
    ):
        swept = dict(zip(found.axes, values, strict=True))
        one = alone(given, swept, *data)
        assert found.status[place] == one.status, swept
        if one.status == "diverged":
            assert f"at step {found.diverged[place]}:" in one.message
            assert np.isnan([found.loss[place], found.excess[place], found.gap[place]]).all()
        else:
            ends = [found.loss[place], found.excess[place], found.optimum[place], found.diverged[place]]
            assert ends == [one.loss, one.excess, one.optimum, -1], swept
            assert found.gap[place] == one.gap or (one.gap is None and math.isnan(found.gap[place]))
    return found


SGD = {"optimizer": "SGD", "basis": "legendre", "steps": 150}


@pytest.mark.parametrize("name", [name for name in RULES if name != "Adafactor"])
def test_sweep_makes_the_runs_of_train_with_each_rule(name: str) -> None:
    given = {"optimizer": name, "steps": 10 if RULES[name].reevaluates else 60}
    assert_same_runs(given, {"lr": [1e-6, 1e-2, 1.0], "seed": [0, 3]}, "sin(x)")


@pytest.mark.parametrize(
    ("given", "over"),
    [
        (SGD, {"momentum": [0, 0.3, 0.9], "lr": (1e-5, 1e-2, 4, "log")}),
        ({**SGD, "lr": 1e-4, "optimizer_options": {"momentum": 0.9}}, {"nesterov": [1, 0], "weight_decay": [0, 0.1]}),
        ({**SGD, "optimizer_options": {"nesterov": True}}, {"momentum": [0.5, 0.9], "lr": [1e-4, 1e-2]}),
        ({**SGD, "lr": 1e-4, "optimizer_options": {"momentum": 0.5}}, {"dampening": [0, 0.3], "maximize": [0, 1]}),
        ({"optimizer": "Adam", "steps": 60}, {"beta1": [0, 0.9], "beta2": (0.9, 0.999, 2)}),
        ({"optimizer": "Adam", "steps": 60}, {"amsgrad": [False, True], "eps": [1e-8, "2**-5"]}),
        ({"steps": 60}, {"centered": [False, True], "alpha": [0.9, 0.99]}),
        ({"optimizer": "Rprop", "steps": 60}, {"etaminus": [0.3, 0.5], "step_size_max": [1, 50]}),
        ({"optimizer": "Adafactor", "steps": 60}, {"eps1": [None, 1e-3], "d": [1, 2]}),
        ({"optimizer": "LBFGS", "lr": 1, "steps": 4}, {"history_size": (1, 10, 2), "max_iter": [5, 20]}),
        ({"optimizer": "LBFGS", "lr": 1, "steps": 4}, {"max_eval": [None, 25], "max_iter": [20, 40]}),
        ({"optimizer": "LBFGS", "lr": 1, "steps": 4}, {"line_search_fn": [None, "strong_wolfe"]}),
    ],
)  # fmt: skip
def test_sweep_makes_the_runs_of_train_over_options_of_every_kind(given: dict[str, Any], over: dict[str, Any]) -> None:
    assert_same_runs(given, over, "sin(x)")


def test_sweep_makes_the_runs_of_train_over_basis_and_degree() -> None:
    given = {"weight": WEIGHT, "reduction": "mean", "optimizer": "SGD", "lr": 1e-3, "steps": 40}
    found = assert_same_runs(given, {"basis": ["power", "Chebyshev"], "degree": [0, 3, 12, 20]}, X, Y)
    assert found.axes["basis"].tolist() == ["power", "chebyshev"]
    assert found.edge is None


def test_sweep_maps_the_range_of_data_unless_told() -> None:
    given = {**SGD, "lr": 1e-2, "degree": 2}
    assert_same_runs(given, {"seed": [1]}, X, Y)
    assert_same_runs({**given, "domain": ("-pi", "pi")}, {"seed": [1]}, X, Y)


def test_sweep_makes_the_runs_of_train_with_powers_and_mapped() -> None:
    given = {"powers": [1, 3], "optimizer": "SGD", "lr": 1e-4, "steps": 40}
    assert_same_runs(given, {"basis": ["power", "hermite"]}, X, Y)
    assert_same_runs({**given, "mapped": True}, {"basis": ["power", "hermite"]}, X, Y)


def test_sweep_makes_the_runs_of_train_when_samples_are_few() -> None:
    assert_same_runs({**SGD, "lr": 1e-3}, {"degree": [3, 12]}, X[:4], Y[:4])


def test_sweep_makes_the_runs_of_train_when_there_are_more_than_63_powers() -> None:
    assert_same_runs({**SGD, "degree": 70, "lr": 1e-4, "steps": 5}, {"momentum": [0, 0.9]}, "sin(x)")


@pytest.mark.parametrize(
    ("given", "over"),
    [({"steps": 0}, {"lr": [0, 1e-3]}), ({"steps": 3}, {"seed": (0, 64, 65)}), ({"steps": 3}, {"lr": [0]})],
)
def test_sweep_makes_the_runs_of_train_when_there_is_little_to_do(given: dict[str, Any], over: dict[str, Any]) -> None:
    assert_same_runs({**SGD, **given}, over, "sin(x)")


def test_sweep_has_no_gap_when_the_optimum_is_zero() -> None:
    found = assert_same_runs(SGD, {"lr": [1e-4, 1e-2]}, "x**2")
    assert np.isnan(found.gap).all()
    assert "gap" not in found.report().splitlines()[4]
    assert found.plot().axes[0].get_ylabel().startswith("loss")


def test_large_sweep_has_the_runs_of_a_small_one() -> None:
    """Of more than 10 000 places the numbers are put together from those of each axis."""
    rates, momenta = np.geomspace(1e-5, 1e-2, 102).tolist(), np.linspace(0, 0.9, 100).tolist()
    large = sweep("sin(x)", over={"lr": rates, "momentum": momenta}, **{**SGD, "steps": 30})
    small = sweep("sin(x)", over={"lr": rates[::50], "momentum": momenta[::33]}, **{**SGD, "steps": 30})
    assert np.array_equal(large.loss[::50, ::33], small.loss, equal_nan=True)
    assert np.array_equal(large.diverged[::50, ::33], small.diverged)


def test_what_is_swept_goes_before_what_is_given() -> None:
    given = {**SGD, "lr": 5.0, "seed": 9, "optimizer_options": {"momentum": 2, "lr": 7.0}}
    found = sweep("sin(x)", over={"lr": [1e-4], "momentum": [0.5]}, **given)
    given |= {"lr": 1e-4, "optimizer_options": {"momentum": 0.5}}
    assert found.loss[0, 0] == train("sin(x)", engine="fused", **given).loss
    assert found.options == {}


@pytest.mark.parametrize(
    ("options", "over"),
    [
        ({}, {"momentum": [0, 0.5, 0.9]}),
        ({"nesterov": True}, {"momentum": [0.5, 0.9]}),
        ({"dampening": 0.3}, {"momentum": [0, 0.5, 0.9]}),
        ({"weight_decay": 500.0}, {"momentum": [0, 0.9]}),
        ({"momentum": 0.9}, {"weight_decay": [0, 1000.0]}),
        ({"momentum": 0.9}, {"nesterov": [False, True]}),
        ({"momentum": 0.9}, {"seed": [0, 1]}),
        ({"momentum": 0.9}, {"degree": [1, 5]}),
        ({"momentum": 0.9}, {"basis": ["legendre", "hermite"]}),
    ],
)
def test_runs_diverge_exactly_beyond_the_edge(options: dict[str, Any], over: dict[str, Any]) -> None:
    given = {"optimizer": "SGD", "optimizer_options": options, "steps": 20_000}
    given |= {} if "basis" in over else {"basis": "legendre"}
    shares = [0.5, 0.9, 0.99, 1.01, 1.1, 2]
    edge = sweep("sin(x)", over={"lr": [1e-9], **over}, **{**given, "steps": 0}).edge
    assert edge is not None
    assert edge.shape == (len(next(iter(over.values()))),)
    for place, rate in enumerate(edge.tolist()):
        found = sweep("sin(x)", over={"lr": [share * rate for share in shares], **over}, **given)
        assert (found.diverged[:, place] >= 0).tolist() == [share > 1 for share in shares]


def test_there_is_no_edge_without_a_theory() -> None:
    assert sweep("sin(x)", over={"lr": [1e-3]}, steps=1).edge is None
    assert sweep("sin(x)", over={"degree": [1], "momentum": [0.5]}, **{**SGD, "steps": 1}).edge is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"over": {}}, "over must map one or two names"),
        ({"over": {"lr": [1], "seed": [1], "degree": [1]}}, "over must map one or two names"),
        ({"over": {"momentun": [1]}}, "unknown name to sweep over with RMSprop 'momentun'; did you mean 'momentum'?"),
        ({"over": {"lr": [1]}, "optimizer": "Adm"}, "unknown optimizer 'Adm'; did you mean 'Adam'?"),
        ({"over": {"momentum": [0, -1]}}, "momentum must be >= 0, got -1"),
        ({"over": {"lr": (0, 1, 5, "log")}}, "a log range of lr must be of numbers > 0"),
        ({"over": {"lr": (0.1, 0.2)}}, "For single values give a list"),
        ({"over": {"lr": [math.nan]}}, "lr must be a finite number"),
        ({"over": {"lr": [[1, 2]]}}, "lr must be a number"),
        ({"over": {"lr": []}}, "the values of lr are none"),
        ({"over": {"lr": "1e-3"}}, "the values of lr must be a range"),
        ({"over": {"lr": [1, 1.0]}}, "1.0 is there twice"),
        ({"over": {"degree": [1.5]}}, "degree must be an integer >= 0, got 1.5"),
        ({"over": {"degree": [501]}}, "degree must be at most 500"),
        ({"over": {"degree": [1]}, "powers": [1, 3]}, "over has degree, and powers are given"),
        ({"over": {"basis": ["power", "legendr"]}}, "did you mean 'legendre'?"),
        ({"over": {"betas": [1, 2]}, "optimizer": "Adam"}, "betas is a pair of numbers. Sweep over beta1 or beta2."),
        ({"over": {"beta1": [0.5, 1]}, "optimizer": "Adam"}, "betas must be two numbers >= 0 and < 1"),
        ({"over": {"centered": ["yes"]}}, "centered must be True or False, got 'yes'"),
        ({"over": {"lr": [1]}, "optimizer_options": {"momentun": 1}}, "did you mean 'momentum'?"),
        ({"over": {"seed": (0, 3200, 3201), "lr": (1, 2, 3201)}}, "a sweep of 10246401 runs is more than 10000000"),
        ({"over": {"lr": (1, 2, 10**7)}}, "the count of lr must be at most 1000000"),
        ({"over": {"degree": [3, 500]}, "domain": (0, 1e9)}, "overflow on the samples"),
    ],
)
def test_wrong_arguments_are_said_before_the_work(arguments: dict[str, Any], sentence: str) -> None:
    told: list[Any] = []
    with pytest.raises(ArgumentError) as caught:
        sweep("sin(x)", **arguments, progress=lambda *count: told.append(count))
    assert sentence in str(caught.value)
    assert not told


@pytest.mark.parametrize("count", [3, 30_000])
def test_values_that_are_refused_together_are_said_before_the_work(count: int) -> None:
    over = {"nesterov": [False, True], "momentum": (0, 0.9, count)}
    with pytest.raises(ArgumentError, match=r"Leave out nesterov=True with momentum=0\."):
        sweep("sin(x)", over=over, optimizer="SGD")


def test_all_wrong_arguments_are_said_at_once() -> None:
    with pytest.raises(ArgumentError) as caught:
        sweep("sin(x)", over={"lr": [-1]}, steps=-1, degree=-1, basis="legendr")
    assert len(str(caught.value).splitlines()) == 4


def test_progress_ends_with_all_runs() -> None:
    told: list[tuple[int, int]] = []
    sweep(
        "sin(x)",
        over={"momentum": [0, 0.9], "seed": (0, 99, 100)},
        **{**SGD, "steps": 3},
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (200, 200)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def interrupted_sweep(after: int, **arguments: Any) -> polyoptim.Sweep:
    def stop(done: int, _total: int) -> None:
        if done > after:
            raise KeyboardInterrupt

    return sweep("sin(x)", **arguments, progress=stop)


def test_interrupted_sweep_keeps_what_was_made(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {**SGD, "over": {"degree": [1, 3], "lr": (1e-5, 1e-2, 4, "log")}}
    found = interrupted_sweep(4, **arguments)
    whole = sweep("sin(x)", **arguments)
    assert (found.interrupted, found.made, found.runs) == (True, 4, 8)
    assert np.array_equal(found.loss[0], whole.loss[0], equal_nan=True)
    assert found.status[0].tolist() == whole.status[0].tolist()
    assert found.status[1].tolist() == ["interrupted"] * 4
    assert np.isnan([found.loss[1], found.gap[1]]).all()
    assert "Interrupted: 4 of them were made" in found.report()
    assert "not made" in [text.get_text() for text in found.plot().axes[0].get_legend().get_texts()]
    found.save_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().count("interrupted") == 4
    assert not whole.interrupted


def test_sweep_that_is_interrupted_at_once_has_nothing() -> None:
    found = interrupted_sweep(0, **SGD, over={"lr": [1e-4]})
    assert (found.made, found.best) == (0, {})
    found.report()
    found.plot()


def test_table_has_a_row_for_each_run(tmp_path: Path) -> None:
    over = {"nesterov": [False, True], "lr": [1e-4, 1.0]}
    found = sweep("sin(x)", over=over, optimizer_options={"momentum": 0.5}, **SGD)
    frame = found.data_frame()
    assert list(frame.columns) == ["nesterov", "lr", "loss", "excess", "gap", "optimum", "status", "diverged"]
    assert frame["lr"].to_list() == [1e-4, 1.0, 1e-4, 1.0]
    assert frame["status"].to_list() == ["steps_done", "diverged"] * 2
    found.save_csv(tmp_path / "a.csv")
    head, first, second, *_ = (tmp_path / "a.csv").read_text().splitlines()
    assert head == "nesterov,lr,loss,excess,gap,optimum,status,diverged"
    assert float(first.split(",")[2]) == found.loss[0, 0]
    assert second.split(",")[2:5] == ["", "", ""]
    found.save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert document["loss"] == [[found.loss[0, 0], None], [found.loss[1, 0], None]]
    assert document["status"] == found.status.tolist()
    assert (document["basis"], document["degree"], document["steps"], document["seed"]) == ("legendre", 3, 150, 0)
    assert found.best["loss"] == np.nanmin(found.loss)


def test_words_that_are_swept_over_are_no_words_of_the_whole() -> None:
    document = sweep("sin(x)", over={"degree": [1, 2], "seed": [4, 5]}, **{**SGD, "steps": 1}).to_dict()
    assert not {"degree", "powers", "seed"} & document.keys()
    assert document["basis"] == "legendre"


@pytest.mark.skipif(sys.platform == "win32", reason="resource is Unix's")
def test_million_runs_take_bounded_memory() -> None:
    """Measured: 45 MiB beside what a sweep of one run takes."""
    program = """
import resource, sys
from polyoptim import sweep
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
given = {"optimizer": "SGD", "steps": 5}
sweep("sin(x)", over={"lr": [1e-6]}, **given)
before = most()
found = sweep("sin(x)", over={"lr": (1e-8, 1e-5, 1000, "log"), "momentum": (0, 0.99, 1000)}, **given)
print(found.made, most() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    made, taken = done.stdout.split()
    assert int(made) == 1_000_000
    assert float(taken) < 150


@pytest.mark.parametrize(
    "over",
    [
        {"lr": (1e-5, 1e-2, 9, "log"), "momentum": (0, 0.99, 5)},
        {"momentum": (0, 0.9, 3), "lr": (0, 1e-3, 5)},
        {"basis": ["power", "legendre"], "lr": [1e-6, 1e-5, 1e-4]},
        {"lr": [1.0, 2.0], "momentum": [0, 0.5]},
        {"lr": [1.0, 2.0]},
        {"lr": [1e-4], "momentum": [0.5]},
        {"lr": [1e-4]},
        {"seed": (0, 19, 20), "lr": (1e-5, 1e-3, 5, "log")},
        {"lr": [1e-5, 1e-4], "momentum": [0.9, 1.0, 1.1]},
        {"basis": ["power", "legendre"]},
    ],
)
def test_every_sweep_has_a_picture(over: dict[str, Any], tmp_path: Path) -> None:
    given = {"optimizer": "SGD", "steps": 20}
    sweep("sin(x)", over=over, **given).plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_picture_shows_edge_diverged_runs_and_the_best() -> None:
    over = {"lr": (1e-5, 1e-2, 9, "log"), "momentum": (0, 0.9, 5)}
    axes = sweep("sin(x)", over=over, **SGD).plot().axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:2] == ["diverged", "edge of stability, exact"]
    assert labels[2].startswith("least loss: lr=")
    assert axes.get_xscale() == "log"
