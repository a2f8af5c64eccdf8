"""Training on several columns of x: one optimum, and both engines make the same updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polyoptim import ArgumentError, DataError, ExportError, fit, load, race, train
from polyoptim.engines.objective import DataObjective
from polyoptim.losses import find_loss
from polyoptim.problem import problem_in_columns
from polyoptim.targets.samples import Samples

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 2))
Y = X[:, 0] * X[:, 1] + 0.1 * RNG.normal(size=60)
WEIGHT = RNG.uniform(0.5, 2, size=60)
GIVEN: dict[str, Any] = {"basis": "chebyshev", "seed": 4, "dtype": "float64", "steps": 200, "reduction": "mean"}
CASES: dict[str, dict[str, Any]] = {
    "few terms": {"degree": 2, "optimizer": "Adam", "lr": 0.02},
    "many terms": {"degree": 5, "optimizer": "RMSprop", "lr": 1e-3, "steps": 60},
    "wide": {"degree": 10, "optimizer": "Adam", "lr": 0.01},
    "powers": {"degree": 2, "basis": "power", "optimizer": "SGD", "lr": 0.01},
    "weights": {"degree": 2, "optimizer": "Adamax", "lr": 0.01, "weight": WEIGHT},
    "another loss": {"degree": 3, "optimizer": "Adam", "lr": 0.01, "loss": "huber"},
    "minibatches": {"degree": 2, "optimizer": "SGD", "lr": 0.01, "batch_size": 7},
    "evaluations": {"degree": 2, "optimizer": "LBFGS", "lr": None, "steps": 5},
    "many evaluations": {"degree": 5, "optimizer": "LBFGS", "lr": None, "steps": 1},
    "a constant": {"degree": 0, "optimizer": "SGD", "lr": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_both_engines_make_the_same_updates(case: str) -> None:
    given = {**GIVEN, **CASES[case]}
    ours, theirs = (train(X, Y, engine=engine, **given) for engine in ("fused", "torch"))
    assert ours.coef == pytest.approx(theirs.coef, rel=1e-9, abs=1e-11)
    assert ours.trace["loss"] == pytest.approx(theirs.trace["loss"], rel=1e-9)
    assert ours.optimum == theirs.optimum
    assert ours.excess is not None
    assert ours.terms == theirs.terms == fit(X, Y, degree=given["degree"], ridge=1.0).terms


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute"])
def test_the_optimum_is_that_of_fit(loss: str) -> None:
    found = train(X, Y, weight=WEIGHT, degree=3, steps=1, loss=loss, basis="chebyshev", seed=0, dtype="float64")
    best = fit(X, Y, weight=WEIGHT, degree=3, loss=loss)
    assert found.optimum == pytest.approx(best.loss)
    assert found.optimum_coef == pytest.approx(best.coef, abs=1e-7 if loss == "squared" else 1e-4)


def test_an_optimizer_comes_to_what_fit_finds() -> None:
    found = train(X, Y, degree=3, optimizer="LBFGS", lr=1, steps=50, basis="chebyshev", seed=0, engine="fused")
    assert found.gap == pytest.approx(0, abs=1e-6)
    assert found(X) == pytest.approx(fit(X, Y, degree=3)(X), abs=1e-3)


def test_float32_sees_rounded_columns() -> None:
    found = train(X, Y, degree=2, basis="chebyshev", seed=0, steps=2000, lr=1e-2, optimizer="Adam")
    assert found.arguments["dtype"] == "float32"
    assert found.gap == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("degree", [2, 9])
def test_compiled_sums_are_those_of_numpy(degree: int) -> None:
    from polyoptim.engines.loops import compiled_sums

    samples, loss = Samples(X, Y, WEIGHT), find_loss("logcosh")
    from polyoptim.bases import FAMILIES

    problem = problem_in_columns(samples, FAMILIES["chebyshev"], degree, (-1.0, 1.0), loss, {}, "sum")
    data = DataObjective(problem, loss, {})
    coef = RNG.normal(size=len(problem.powers))
    for low, high in ((0, 60), (7, 31)):
        assert compiled_sums(data)(data, coef, low, high) == pytest.approx(data.array_sums(coef, low, high))


def test_a_run_continues_from_its_checkpoint_bit_for_bit(tmp_path: Any) -> None:
    given = {**GIVEN, **CASES["minibatches"]}
    for engine in ("torch", "fused"):
        whole = train(X, Y, engine=engine, **given)
        folder = tmp_path / engine
        train(X, Y, engine=engine, **{**given, "steps": 90}, checkpoint=folder)
        again = train(X, Y, engine=engine, **given, checkpoint=folder, resume=True)
        assert again.coef.tolist() == whole.coef.tolist()


def test_a_result_is_saved_shown_and_not_drawn(tmp_path: Any) -> None:
    result = train(X, Y, **{**GIVEN, **CASES["few terms"], "steps": 2000})
    result.save(tmp_path / "r.json")
    again = load(tmp_path / "r.json")
    assert again(X).tolist() == result(X).tolist()
    assert "*x1*x2" in again.formula
    assert "polynomial of total degree 2 in 2 columns" in again.report(plot=True)
    assert "<table>" in again._repr_html_()
    with pytest.raises(ArgumentError, match="one column"):
        result.plot()
    with pytest.raises(ExportError, match="several columns"):
        result.export(tmp_path / "r.py")
    result.export(tmp_path / "r.tex")


def test_what_several_columns_do_not_take_is_said_at_once() -> None:
    with pytest.raises(ArgumentError) as caught:
        train(X, Y, basis="legendre", domain=(0, 1), powers=[1], steps=-1)
    for said in ("basis must be 'chebyshev' or 'power'", "domain cannot", "powers cannot", "steps must"):
        assert said in str(caught.value)
    with pytest.raises(ArgumentError, match="more than 100000000 numbers"):
        train(RNG.normal(size=(3, 200)), [1, 2, 3], degree=9)
    with pytest.raises(DataError, match=r"x2\[1\] is nan"):
        train([[1.0, 2.0], [3.0, np.nan]], [1, 2])
    with pytest.raises(DataError, match=r"x2\[0\] is 1e\+300, beyond the range of float32"):
        train([[1.0, 1e300], [3.0, 2.0]], [1, 2])
    with pytest.raises(ArgumentError, match="x must have one column to compare runs, got 2"):
        race(X, Y)


def test_divergence_names_the_largest_stable_rate() -> None:
    found = train(X, Y, degree=2, basis="chebyshev", optimizer="SGD", lr=10, seed=0)
    assert found.status == "diverged"
    assert "for the chebyshev basis of degree 2 in 2 columns; lr=10 exceeds it" in found.message
