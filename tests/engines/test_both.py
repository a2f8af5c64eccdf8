"""What holds of a run whoever makes its updates: torch in float64, or our own loops."""

from __future__ import annotations

import itertools
import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polyoptim import Result, Status, StatusError, train
from polyoptim.losses import LOSSES

ENGINES = ("torch", "fused")
SMALL: dict[str, Any] = {"basis": "legendre", "degree": 3, "samples": 40, "seed": 3, "steps": 60, "every": 7}
ADAM: dict[str, Any] = {**SMALL, "optimizer": "Adam", "lr": 0.05}

engines = pytest.mark.parametrize("engine", ENGINES)


def run(engine: str, target: Any = "sin(x)", **options: Any) -> Result:
    return train(target, engine=engine, dtype="float64", **options)


def agree(target: Any = "sin(x)", rtol: float = 1e-12, **options: Any) -> Result:
    """Assert that both engines give the same run to rounding; return it."""
    reference, fused = (run(engine, target, **options) for engine in ENGINES)
    assert fused.status == reference.status
    assert fused.steps == reference.steps
    assert fused.trace["step"].tolist() == reference.trace["step"].tolist()
    for name in ("loss", "lr"):
        np.testing.assert_allclose(fused.trace[name], reference.trace[name], rtol=rtol)
    size = np.abs(reference.coef).max()
    np.testing.assert_allclose(fused.coef, reference.coef, rtol=rtol, atol=rtol * size)
    norms = reference.trace["gradient_norm"]
    np.testing.assert_allclose(fused.trace["gradient_norm"], norms, rtol=rtol, atol=rtol * norms.max())
    return fused


# Rows


@engines
@pytest.mark.parametrize(
    ("steps", "every", "recorded"),
    [
        (0, 100, [0]),
        (1, 1, [0, 1]),
        (3, 1, [0, 1, 2, 3]),
        (5, 100, [5]),
        (99, 100, [99]),
        (100, 100, [99, 100]),
        (101, 100, [99, 101]),
        (12, 5, [4, 9, 12]),
        (2000, 100, [*range(99, 2000, 100), 2000]),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_trace_has_a_row_every_so_many_steps_and_a_last_one(
    engine: str, steps: int, every: int, recorded: list[int], batch_size: int | None
) -> None:
    result = run(engine, samples=40, seed=0, steps=steps, every=every, batch_size=batch_size)
    assert result.trace["step"].tolist() == recorded
    assert result.steps == steps
    assert result.status is Status.STEPS_DONE
    assert result.loss == result.trace[-1]["loss"]
    assert result.coef.tolist() == result.trace[-1]["coef"]


@engines
@pytest.mark.parametrize("loss", ["squared", "huber"])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_trace_rows_are_the_same_at_any_distance(engine: str, loss: str, batch_size: int | None) -> None:
    options = {**ADAM, "loss": loss, "batch_size": batch_size}
    close = {row["step"]: row for row in run(engine, **{**options, "every": 1}).trace}
    for row in run(engine, **options).trace:
        if engine == "torch" or (loss == "squared" and batch_size is None):
            assert row == close[row["step"]]
        else:  # the sums of a compiled loop may be reordered
            assert row["loss"] == pytest.approx(close[row["step"]]["loss"], rel=1e-12)
            assert row["coef"] == pytest.approx(close[row["step"]]["coef"], rel=1e-11, abs=1e-12)


@engines
def test_trace_row_holds_loss_gradient_and_coefficients_of_the_same_moment(engine: str) -> None:
    result = run(engine, **{**ADAM, "basis": "power"})
    x = np.linspace(-math.pi, math.pi, 40)
    design = np.vander(x, 4, increasing=True)
    for row in result.trace:
        residual = design @ row["coef"] - np.sin(x)
        assert row["loss"] == pytest.approx(residual @ residual, rel=1e-12)
        assert row["gradient_norm"] == pytest.approx(np.linalg.norm(2 * design.T @ residual), rel=1e-12)
        assert row["excess"] == pytest.approx(row["loss"] - result.optimum, rel=1e-9)
        assert row["gap"] == pytest.approx(row["excess"] / result.optimum, rel=1e-12)


@engines
@pytest.mark.parametrize("batch_size", [None, 1, 7, 40, 64])
def test_run_is_the_same_twice(engine: str, batch_size: int | None) -> None:
    first, second = (run(engine, **ADAM, loss="huber", batch_size=batch_size) for _ in range(2))
    assert first.coef.tolist() == second.coef.tolist()
    assert list(first.trace) == list(second.trace)


# Status


@engines
@pytest.mark.parametrize("arguments", [{}, {"every": 1000}, {"every": 1}, {"batch_size": 500}, {"loss": "pnorm"}])
@pytest.mark.parametrize("lr", [2e-5, 0.1, 1e30])
def test_status_is_diverged_and_the_best_state_is_kept(engine: str, lr: float, arguments: dict[str, Any]) -> None:
    result = run(engine, optimizer="SGD", lr=lr, seed=0, steps=10_000, **arguments)
    assert result.status is Status.DIVERGED
    assert result.message.startswith("Diverged at step ")
    assert f"The state after {result.steps} updates, the best recorded one, was kept." in result.message
    assert result.loss == min(row["loss"] for row in result.trace)
    assert all(math.isfinite(value) for value in result.coef)
    assert any(row["coef"] == result.coef.tolist() and row["loss"] == result.loss for row in result.trace)
    if "loss" not in arguments:
        assert "2/λmax" in result.message


@pytest.mark.parametrize("arguments", [{}, {"every": 3}, {"batch_size": 500}, {"loss": "pnorm"}])
@pytest.mark.parametrize("lr", [2e-5, 0.1, 1e30])
def test_message_of_a_diverged_run_is_the_same(lr: float, arguments: dict[str, Any]) -> None:
    reference, fused = (run(engine, optimizer="SGD", lr=lr, seed=0, steps=10_000, **arguments) for engine in ENGINES)
    assert fused.message == reference.message
    assert fused.steps == reference.steps


@engines
def test_status_is_diverged_when_only_the_last_update_diverges(engine: str) -> None:
    result = run(engine, optimizer="SGD", lr=1e10, seed=0, steps=1)
    assert result.status is Status.DIVERGED
    assert result.steps == 0


@engines
@pytest.mark.parametrize("every", [1, 100])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_status_is_converged_at_the_first_update_below_the_gradient_tolerance(
    engine: str, every: int, loss: str
) -> None:
    options = {**ADAM, "steps": 300, "lr": 0.1, "loss": loss}
    norms = run(engine, **{**options, "every": 1}).trace["gradient_norm"]
    tolerance = float(norms[150]) * (1 + 1e-7)
    result = run(engine, **{**options, "every": every}, tol_gradient=tolerance)
    assert result.status is Status.CONVERGED
    assert result.steps == int(np.argmax(norms <= tolerance))
    assert result.trace[-1]["gradient_norm"] <= tolerance
    assert "tol_gradient" in result.message


@engines
@pytest.mark.parametrize("every", [1, 100])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_status_is_converged_by_the_loss(engine: str, every: int, loss: str) -> None:
    options = {**ADAM, "steps": 500, "loss": loss}
    losses = run(engine, **{**options, "every": 1}).trace["loss"]
    tolerance = 1e-3
    calm = np.abs(np.diff(losses)) <= tolerance * np.abs(losses[1:])
    ends = [place for place in range(9, len(calm)) if calm[place - 9 : place + 1].all()]
    result = run(engine, **{**options, "every": every}, tol_loss=tolerance)
    assert result.status is Status.CONVERGED
    assert "tol_loss" in result.message
    assert result.steps == ends[0] + 2


@engines
def test_minibatches_are_judged_at_recorded_rows(engine: str) -> None:
    result = run(engine, **{**ADAM, "steps": 5000, "every": 10, "lr": 1e-4}, batch_size=7, tol_loss=0.5)
    assert result.status is Status.CONVERGED
    assert result.steps == 110  # the first row, and ten in a row that are like the one before
    gradient = run(engine, **{**ADAM, "steps": 500, "every": 10}, batch_size=7, tol_gradient=30.0)
    assert gradient.status is Status.CONVERGED
    assert gradient.steps % 10 == 9


@engines
def test_strict_raises_with_the_result_when_the_run_does_not_converge(engine: str) -> None:
    with pytest.raises(StatusError) as caught:
        run(engine, strict=True, **SMALL)
    assert caught.value.result.status is Status.STEPS_DONE


# Callbacks


@engines
@pytest.mark.parametrize("how", ["true", "StopIteration", "numpy"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_callback_stops_the_run(engine: str, how: str, batch_size: int | None) -> None:
    def enough(row: Any) -> Any:
        if row["step"] < 9:
            return None
        if how == "StopIteration":
            raise StopIteration
        return np.bool_(True) if how == "numpy" else True

    result = run(engine, **{**ADAM, "every": 5}, batch_size=batch_size, callbacks=[enough])
    assert result.status is Status.STOPPED
    assert result.message == "A callback stopped the run after 9 updates."
    assert [row["step"] for row in result.trace] == [4, 9]
    assert result.steps == 9
    assert result.coef.tolist() == result.trace[-1]["coef"]


@engines
def test_callbacks_get_each_recorded_row_to_keep(engine: str) -> None:
    seen: list[Any] = []

    def spoil(row: Any) -> None:
        row["coef"][0] = 5.0
        row["loss"] = -1.0

    result = run(engine, **ADAM, callbacks=[spoil, lambda row: seen.append(dict(row))])
    assert seen == list(result.trace)
    assert result.coef.tolist() == run(engine, **ADAM).coef.tolist()


class Watch:
    """A callback that sees everything."""

    def __init__(self, seldom: bool = False, stop: int = 10**9) -> None:
        self.seldom, self.stop = seldom, stop
        self.rows: list[int] = []
        self.told: list[tuple[int, float]] = []
        self.begun: list[int] = []

    def __call__(self, row: Any) -> None:
        self.rows.append(row["step"])

    def on_begin(self, steps: int) -> None:
        self.begun.append(steps)

    def on_step(self, step: int, loss: float) -> None:
        self.told.append((step, loss))
        if step >= self.stop:
            raise StopIteration


@engines
@pytest.mark.parametrize("arguments", [{}, {"loss": "huber"}, {"batch_size": 7}, {"loss": "huber", "batch_size": 64}])
def test_callback_is_told_of_every_update(engine: str, arguments: dict[str, Any]) -> None:
    watch = Watch()
    result = run(engine, **ADAM, **arguments, callbacks=[watch])
    assert watch.begun == [60]
    assert [step for step, _ in watch.told] == list(range(1, 61))
    assert watch.rows == result.trace["step"].tolist()
    if "batch_size" not in arguments:
        losses = run(engine, **{**ADAM, **arguments, "every": 1}).trace["loss"]
        np.testing.assert_allclose([loss for _, loss in watch.told], losses[:-1], rtol=1e-12)


@pytest.mark.parametrize("arguments", [{}, {"loss": "huber"}, {"batch_size": 7}, {"optimizer": "LBFGS", "lr": 0.3}])
def test_callback_is_told_the_losses_that_torch_saw(arguments: dict[str, Any]) -> None:
    watches = {engine: Watch() for engine in ENGINES}
    for engine, watch in watches.items():
        run(engine, **{**ADAM, "steps": 12, **arguments}, callbacks=[watch])
    reference, fused = (watches[engine].told for engine in ENGINES)
    assert [step for step, _ in fused] == [step for step, _ in reference]
    np.testing.assert_allclose([loss for _, loss in fused], [loss for _, loss in reference], rtol=1e-9)


@engines
def test_callback_that_is_told_seldom_hears_of_growing_updates_and_the_run_is_the_same(engine: str) -> None:
    watch = Watch(seldom=True)
    result = run(engine, **ADAM, callbacks=[watch])
    steps = [step for step, _ in watch.told]
    assert steps == sorted(set(steps))
    assert steps[-1] <= 60
    assert list(result.trace) == list(run(engine, **ADAM).trace)


@engines
@pytest.mark.parametrize("seldom", [False, True])
def test_callback_stops_the_run_when_it_is_told_of_an_update(engine: str, seldom: bool) -> None:
    result = run(engine, **ADAM, callbacks=[Watch(seldom, stop=20)])
    assert result.status is Status.STOPPED
    assert result.steps == result.trace[-1]["step"]
    if engine == "torch" or not seldom:
        assert result.steps == 20
    assert result.coef.tolist() == run(engine, **{**ADAM, "steps": result.steps}).coef.tolist()


@engines
def test_error_of_a_callback_is_raised(engine: str) -> None:
    with pytest.raises(ZeroDivisionError):
        run(engine, **ADAM, callbacks=[lambda row: 1 / 0])  # noqa: ARG005


# Ctrl-C


@engines
@pytest.mark.parametrize("where", ["row", "update", "begin"])
def test_status_is_interrupted_when_a_callback_is(engine: str, where: str) -> None:
    class Press(Watch):
        def __call__(self, row: Any) -> None:
            if where == "row" and row["step"] >= 9:
                raise KeyboardInterrupt

        def on_step(self, step: int, loss: float) -> None:  # noqa: ARG002
            if where == "update" and step >= 12:
                raise KeyboardInterrupt

        def on_begin(self, steps: int) -> None:  # noqa: ARG002
            if where == "begin":
                raise KeyboardInterrupt

    result = run(engine, **{**ADAM, "every": 5}, callbacks=[Press()])
    assert result.status is Status.INTERRUPTED
    assert result.steps == {"row": 9, "update": 12, "begin": 0}[where]
    assert result.trace["step"].tolist() == {"row": [4, 9], "update": [4, 9, 12], "begin": [0]}[where]
    whole = run(engine, **{**ADAM, "steps": result.steps, "every": 5})
    assert result.coef.tolist() == whole.coef.tolist() == result.trace[-1]["coef"]
    assert result.message == f"Interrupted after {result.steps} updates; what there is was kept."


LONG: dict[str, dict[str, Any]] = {
    "squared": {"optimizer": "SGD", "lr": 1e-7, "seed": 0, "samples": 100},
    "many columns": {"optimizer": "Adam", "lr": 1e-7, "seed": 0, "samples": 100, "degree": 12, "basis": "chebyshev"},
    "huber": {"optimizer": "Adam", "lr": 1e-7, "seed": 0, "samples": 500, "loss": "huber"},
    "schedule": {"optimizer": "RMSprop", "lr": 1e-3, "seed": 0, "samples": 100, "schedule": "ExponentialLR",
                 "schedule_options": {"gamma": 0.999999}},
    "minibatches": {"optimizer": "SGD", "lr": 1e-7, "seed": 0, "samples": 500, "batch_size": 7},
}  # fmt: skip


class Pressed:
    """Presses Ctrl-C once, shortly after a run has begun."""

    seldom = True

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def __call__(self, row: Any) -> None: ...

    def on_step(self, step: int, loss: float) -> None: ...

    def on_begin(self, steps: int) -> None:
        del steps
        main = threading.main_thread().ident
        assert main is not None

        def press() -> None:
            time.sleep(self.delay)
            signal.pthread_kill(main, signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of threads")
@pytest.mark.parametrize("delay", [0.05, 0.13])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", LONG)
def test_status_is_interrupted_when_ctrl_c_is_pressed_and_the_run_is_whole(
    engine: str, kind: str, delay: float
) -> None:
    options = LONG[kind]
    run(engine, steps=50, every=10**9, **options)  # so that its loop is compiled
    result = run(engine, steps=10**9, every=10**9, callbacks=[Pressed(delay)], **options)
    assert result.status is Status.INTERRUPTED
    assert result.steps == result.trace[-1]["step"]
    assert result.coef.tolist() == result.trace[-1]["coef"]
    whole = run(engine, steps=result.steps, every=10**9, **options)
    np.testing.assert_allclose(result.coef, whole.coef, rtol=1e-9, atol=1e-13)
    assert result.loss == pytest.approx(whole.loss, rel=1e-9)


# The same numbers


X = np.array([-1.0, -0.5, -0.25, 0.0, 0.1, 0.7, 1.3, 2.0])
Y = np.array([0.3, -0.2, 1.0, 0.5, 0.4, -1.1, 0.9, 0.2])
W = np.array([1.0, 2.0, 0.0, 0.5, 3.0, 1.0, 0.25, 1.5])
DRAWS: dict[str, Callable[[np.random.Generator], float]] = {
    "delta": lambda draw: float(draw.uniform(0.1, 2.0)),
    "beta": lambda draw: float(draw.choice([0.0, draw.uniform(0.1, 2.0)])),
    "p": lambda draw: float(draw.choice([1.0, draw.uniform(1.0, 1.9), 2.0, draw.uniform(2.0, 4.0)])),
    "q": lambda draw: float(draw.uniform(0.05, 0.95)),
    "c": lambda draw: float(draw.uniform(1.0, 5.0)),
}


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_equals_torchs(loss: str, reduction: str, weight: Any, batch_size: int | None) -> None:
    for seed in range(3):
        draw = np.random.default_rng(seed)
        agree(
            X, y=Y, weight=weight, loss=loss, loss_options={name: DRAWS[name](draw) for name in LOSSES[loss].options},
            reduction=reduction, batch_size=batch_size, optimizer="SGD", lr=float(draw.uniform(1e-4, 1e-2)),
            **{**SMALL, "seed": seed, "steps": 40}, rtol=1e-11,
        )  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 7, 16, 39, 40, 41, 64])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_minibatches_equal_torchs(loss: str, batch_size: int) -> None:
    agree(**{**SMALL, "steps": 130}, loss=loss, batch_size=batch_size, optimizer="SGD", lr=1e-3)
    agree(**SMALL, loss=loss, batch_size=batch_size, optimizer="SGD", lr=1e-2, reduction="mean")


def test_minibatches_equal_torchs_when_the_rule_evaluates_again() -> None:
    options = {"max_iter": 2}
    agree(**{**SMALL, "steps": 12}, batch_size=20, optimizer="LBFGS", lr=0.1, optimizer_options=options, rtol=1e-10)


def test_minibatches_equal_torchs_when_the_schedule_looks_at_the_loss() -> None:
    options = {"patience": 0, "factor": 0.8}
    agree(
        **SMALL, batch_size=16, optimizer="SGD", lr=1e-3, schedule="ReduceLROnPlateau", schedule_options=options,
        loss="huber",
    )  # fmt: skip


SHAPES: list[dict[str, Any]] = [
    *(
        {"basis": basis, "degree": degree}
        for basis, degree in itertools.product(("power", "chebyshev", "legendre", "hermite", "laguerre"), (1, 3, 6))
    ),
    {"powers": [1, 3]},
    {"powers": [0, 2, 5], "basis": "chebyshev"},
    {"powers": [4], "basis": "legendre"},
    {"powers": [0], "basis": "power"},
    {"degree": 0, "basis": "legendre"},
    {"powers": [0, 7], "basis": "legendre", "mapped": False},
    {"basis": "power", "mapped": True, "degree": 12},
    {"basis": "chebyshev", "degree": 20, "domain": (-1, 3)},
]


PAIRS = [(shape, loss) for loss in ("squared", "smooth_l1") for shape in SHAPES]


@pytest.mark.parametrize(
    ("shape", "loss"), [pair for pair in PAIRS if pair[0].get("degree") != 1 or pair[1] == "squared"], ids=str
)
def test_family_and_powers_equal_torchs(shape: dict[str, Any], loss: str) -> None:
    agree("exp(x/2)", optimizer="Adam", lr=1e-2, loss=loss, rtol=1e-8, **{**SMALL, "domain": (-1, 1), **shape})


# Near the optimum


@pytest.mark.parametrize(("optimizer", "lr", "gamma"), [("SGD", 5e-3, 1.0), ("Adam", 0.1, 0.997)])
def test_excess_and_gap_are_accurate_to_the_last_digits_near_the_optimum(
    optimizer: str, lr: float, gamma: float
) -> None:
    result = run(
        "fused", "exp(x)", basis="chebyshev", degree=4, samples=50, domain=(-1, 1), seed=0, steps=6000,
        optimizer=optimizer, lr=lr, schedule="ExponentialLR", schedule_options={"gamma": gamma},
    )  # fmt: skip
    assert result.optimum is not None
    columns = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, 50), 4)
    for row in result.trace:
        # The excess is the squared distance between two polynomials: nothing cancels in it.
        apart = float(np.linalg.norm(columns @ (np.array(row["coef"]) - result.optimum_coef)))
        assert math.sqrt(row["excess"]) == pytest.approx(apart, rel=1e-9, abs=1e-13)
        assert row["gap"] == row["excess"] / result.optimum
    assert result.excess is not None
    assert result.excess < 1e-18 * result.loss  # a difference of two losses would be rounding
