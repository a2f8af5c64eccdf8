"""The optimum that a run is put next to, for every loss: on the samples as the engine sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from polyoptim import train
from polyoptim.bases import FAMILIES
from polyoptim.compiler import single_run
from polyoptim.losses import LOSSES
from polyoptim.solvers import least_loss

QUICK: dict[str, Any] = {"steps": 3, "seed": 0}
X = np.linspace(-1, 2, 80)
Y = np.exp(X) + 0.3 * np.sin(7 * X)
Y[::9] += 4.0
W = np.linspace(0, 2, 80)
OPTIONS: dict[str, dict[str, float]] = {
    "huber": {"delta": 0.3},
    "smooth_l1": {"beta": 0.2},
    "soft_l1": {"delta": 0.2},
    "pnorm": {"p": 1.5},
    "quantile": {"q": 0.7},
    "tukey": {"c": 1.0},
}


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    """Compile no loop for the three steps of a test."""
    token = single_run.set(True)
    yield
    single_run.reset(token)


def loss_at(result: Any, coef: Any) -> float:
    """The loss of coefficients on the samples, each residual by the text of the loss."""
    points = result.samples
    r = result.family.evaluate(coef, result.map.map(points.x)) - points.y
    loss = LOSSES[result.arguments["loss"]]
    weight = np.ones(len(r)) if points.weight is None else points.weight
    each = [loss.residual(float(value), **result.arguments["loss_options"])[0] for value in r]
    total = math.fsum((weight * each).tolist())
    return total / float(weight.sum()) if result.arguments["reduction"] == "mean" else total


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("name", LOSSES)
def test_optimum_is_the_loss_of_its_coefficients(name: str, weight: Any, reduction: str, engine: str) -> None:
    result = train(
        X, Y, weight=weight, loss=name, loss_options=OPTIONS.get(name), reduction=reduction, engine=engine, degree=4,
        **QUICK,
    )  # fmt: skip
    assert result.optimum_kind == ("best found" if name == "tukey" else "exact")
    assert result.optimum == pytest.approx(loss_at(result, result.optimum_coef), rel=1e-9)
    assert result.excess == pytest.approx(result.loss - result.optimum, abs=1e-9)
    assert result.gap == pytest.approx(result.excess / result.optimum)
    assert [row["gap"] for row in result.trace] == [row["excess"] / result.optimum for row in result.trace]
    for direction in np.eye(5):
        for size in (1e-4, -1e-4):
            assert loss_at(result, result.optimum_coef + size * direction) >= result.optimum * (1 - 1e-12)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.convex])
def test_training_comes_near_the_optimum_and_not_below(name: str) -> None:
    result = train(
        X, Y, loss=name, loss_options=OPTIONS.get(name), basis="chebyshev", degree=3, engine="fused", optimizer="Adam",
        lr=0.1, schedule="ExponentialLR", schedule_options={"gamma": 0.995}, steps=3000, every=500, seed=0,
    )  # fmt: skip
    assert result.gap is not None
    assert -1e-13 < result.gap < 1e-3
    assert (result.trace["gap"] > -1e-13).all()


@pytest.mark.parametrize("basis", list(FAMILIES))
@pytest.mark.parametrize("name", ["huber", "absolute", "pnorm", "logcosh"])
def test_optimum_is_the_same_in_every_basis(name: str, basis: str) -> None:
    given = {"loss": name, "loss_options": OPTIONS.get(name), "dtype": "float64", **QUICK}
    plain = train("exp(x) + abs(x)", domain=(-1, 2), samples=200, **given)
    for mapped in (True, False):
        found = train("exp(x) + abs(x)", domain=(-1, 2), samples=200, basis=basis, mapped=mapped, **given)
        assert found.optimum == pytest.approx(plain.optimum, rel=1e-13)


@pytest.mark.parametrize("name", ["huber", "absolute", "soft_l1", "tukey"])
def test_optimum_knows_no_origin(name: str) -> None:
    """Unix seconds, in powers of x as they are: the columns have lost every digit, the space has not."""
    t = 3600.0 * np.arange(80)
    given = {"loss": name, "loss_options": OPTIONS.get(name), "dtype": "float64", **QUICK, "steps": 0}
    near, far = train(t, Y, **given), train(1.7e9 + t, Y, **given)
    assert far.optimum == pytest.approx(near.optimum, rel=1e-9)
    assert far.optimum_kind == near.optimum_kind


@pytest.mark.parametrize("powers", [[1, 3], [0, 2, 5], [4]])
@pytest.mark.parametrize("name", ["huber", "quantile"])
def test_optimum_is_that_of_the_chosen_powers(name: str, powers: list[int]) -> None:
    result = train(X, Y, powers=powers, loss=name, loss_options=OPTIONS[name], **QUICK)
    assert result.optimum == pytest.approx(loss_at(result, result.optimum_coef), rel=1e-9)
    assert [k for k, value in enumerate(result.optimum_coef) if value] == powers


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("target", ["2*x**3 - x + 1/4", "x", "3", "0"])
@pytest.mark.parametrize("name", LOSSES)
def test_gap_is_none_when_the_target_is_such_a_polynomial(name: str, target: str, dtype: str) -> None:
    result = train(target, dtype=dtype, domain=(-1, 1), samples=100, steps=2, loss=name, seed=0)
    assert result.gap is None
    assert all(row["gap"] is None for row in result.trace)
    assert "zero to rounding" in result.report()


@pytest.mark.parametrize("exponent", [300, 150, -150, -300])
@pytest.mark.parametrize("name", LOSSES)
def test_run_survives_y_of_any_size(name: str, exponent: int) -> None:
    result = train(X, Y * 10.0**exponent, dtype="float64", loss=name, steps=3, seed=0)
    assert result.gap is None or math.isfinite(result.gap)
    if result.optimum is None and name != "squared":
        assert "a note says why" in result.report()
        assert any("overflows" in note for note in result.notes)


@pytest.mark.parametrize("name", LOSSES)
def test_fewer_distinct_samples_than_coefficients_have_an_optimum(name: str) -> None:
    y = [1.0, 2.0, 30.0, 4.0, 5.0, 6.0]
    result = train([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], y, degree=5, loss=name, dtype="float64", **QUICK)
    line = train([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], y, degree=1, loss=name, dtype="float64", **QUICK)
    assert result.optimum == pytest.approx(line.optimum, rel=1e-12)


def test_too_many_samples_are_not_solved_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_loss, "LARGEST", 300)
    result = train(X, Y, loss="huber", **QUICK)
    assert (result.optimum, result.optimum_kind, result.gap) == (None, None, None)
    assert "The optimum was not solved for: 320 samples times columns are more than 300." in result.notes
    assert train(X, Y, loss="squared", **QUICK).optimum is not None


def test_unsolved_loss_has_no_optimum_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyoptim.solvers.robust.EARNED", -1.0)
    result = train(X, Y, loss="huber", **QUICK)
    assert result.optimum is None
    assert any(note.startswith("The optimum is not known. Not solved: after ") for note in result.notes)
    assert "Optimum: not known; a note says why." in result.report()


def test_loss_of_ones_own_has_no_optimum() -> None:
    result = train(X, Y, loss=torch.nn.HuberLoss(), **QUICK)
    assert (result.optimum, result.optimum_kind) == (None, None)
    assert not any("optimum" in note for note in result.notes)


def test_learned_below_the_best_found_is_said() -> None:
    """A loss with many minima: the report must not take the best found for the least."""
    result = train(X, Y, loss="tukey", loss_options={"c": 0.02}, degree=2, dtype="float64", **QUICK)
    assert result.optimum is not None
    better = result.__class__(**{**result.__dict__, "loss": result.optimum / 2, "gap": -0.5})
    assert "you are 50 % below the best found" in better.report()
