"""Engine "torch" against plain PyTorch loops, bit for bit."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import polyoptim
from polyoptim import ArgumentError, Status, StatusError, UnknownNameError, train

SOURCE = Path(polyoptim.__file__).resolve().parents[1]
SMALL = {"samples": 50, "steps": 24, "every": 5, "seed": 3}


def lesson(seed: int) -> tuple[list[tuple[int, float]], list[float]]:
    """The lesson as a plain program."""
    torch.manual_seed(seed)
    x = torch.linspace(-math.pi, math.pi, 2000)
    y = torch.sin(x)
    p = torch.tensor([1, 2, 3])
    xx = x.unsqueeze(-1).pow(p)
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    printed = []
    for t in range(2000):
        y_pred = model(xx)
        loss = loss_fn(y_pred, y)
        if t % 100 == 99:
            printed.append((t, loss.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    linear = model[0]
    return printed, [linear.bias.item(), *linear.weight[0].tolist()]


class Plain:
    """What a plain loop recorded: (t, loss, lr) at the recorded t, the last loss, the dense coefficients."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, float]] = []
        self.loss = math.nan
        self.coef: list[float] = []


def plain(
    make: Callable[[Any], Any],
    make_schedule: Callable[[Any], Any] | None = None,
    loss_fn: Callable[..., Any] | None = None,
    *,
    seed: int = 3,
    samples: int = 50,
    steps: int = 24,
    every: int = 5,
    powers: tuple[int, ...] = (0, 1, 2, 3),
    dtype: torch.dtype = torch.float32,
    data: tuple[Any, ...] | None = None,
    domain: tuple[float, float] = (-math.pi, math.pi),
    batch_size: int | None = None,
    closure: bool = False,
    with_loss: bool = False,
) -> Plain:
    """A plain PyTorch program in the order of the reference run."""
    torch.manual_seed(seed)
    if data is None:
        x = torch.linspace(*domain, samples, dtype=dtype)
        y, weight = torch.sin(x), None
    else:
        x, y, weight = (None if part is None else torch.tensor(part, dtype=dtype) for part in data)
    above = [k for k in powers if k]
    features = x.unsqueeze(-1).pow(torch.tensor(above))
    model = torch.nn.Sequential(torch.nn.Linear(len(above), 1, bias=0 in powers, dtype=dtype), torch.nn.Flatten(0, 1))
    chosen = loss_fn or torch.nn.MSELoss(reduction="sum")
    optimizer = make(model.parameters())
    schedule = make_schedule(optimizer) if make_schedule else None
    found = Plain()
    batches: list[torch.Tensor] = []

    def loss_on(rows: Any) -> Any:
        extra = () if weight is None else (weight[rows],)
        return chosen(model(features[rows]), y[rows], *extra)

    for t in range(steps):
        batch: Any = slice(None)
        if batch_size is not None:
            if not batches:
                batches = list(torch.randperm(len(x)).split(batch_size))
            batch = batches.pop(0)
        if t % every == every - 1:
            found.rows.append((t, loss_on(slice(None)).item(), float(optimizer.param_groups[0]["lr"])))

        def evaluate(batch: Any = batch) -> Any:
            loss = loss_on(batch)
            optimizer.zero_grad()
            loss.backward()
            return loss

        if closure:
            loss = optimizer.step(evaluate)
        else:
            loss = evaluate()
            optimizer.step()
        if schedule is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # SequentialLR's own deprecated argument
                schedule.step(loss.item()) if with_loss else schedule.step()
    found.rows.append((steps, loss_on(slice(None)).item(), float(optimizer.param_groups[0]["lr"])))
    found.loss = found.rows[-1][1]
    found.coef = [0.0] * (max(powers) + 1)
    if 0 in powers:
        found.coef[0] = model[0].bias.item()
    for k, value in zip(above, model[0].weight[0].tolist(), strict=True):
        found.coef[k] = value
    return found


def assert_same(result: Any, expected: Plain) -> None:
    assert result.status is Status.STEPS_DONE
    assert [(row["step"], row["loss"], row["lr"]) for row in result.trace] == expected.rows
    assert result.loss == expected.loss
    assert result.coef.tolist() == expected.coef
    assert result.trace[-1]["coef"] == expected.coef


# The lesson


@pytest.mark.parametrize("seed", [0, 1, 7, 2024, 2**40 + 5, 2**64 - 1])
def test_train_has_the_floats_of_the_lesson(seed: int) -> None:
    printed, coef = lesson(seed)
    result = train("sin(x)", seed=seed)
    assert [row["step"] for row in result.trace] == [*range(99, 2000, 100), 2000]
    assert [(row["step"], row["loss"]) for row in result.trace][:-1] == printed
    assert len(printed) == 20
    assert result.coef.tolist() == coef
    assert result.loss == result.trace[-1]["loss"]


def test_train_has_the_floats_of_the_lesson_when_the_default_dtype_is_float64() -> None:
    _, coef = lesson(0)
    torch.set_default_dtype(torch.float64)
    try:
        result = train("sin(x)", seed=0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert result.coef.tolist() == coef


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_train_works_when_the_caller_has_switched_gradients_off(mode: Any) -> None:
    expected = train("sin(x)", **SMALL)
    with mode():
        found = train("sin(x)", **SMALL)
    assert found.coef.tolist() == expected.coef.tolist()


def test_train_draws_a_seed_and_records_it_when_none_is_given() -> None:
    first, second = train("sin(x)", steps=3, samples=20), train("sin(x)", steps=3, samples=20)
    assert first.seed != second.seed
    assert train("sin(x)", steps=3, samples=20, seed=first.seed).coef.tolist() == first.coef.tolist()


# Every optimizer

OPTIMIZERS: dict[str, list[tuple[float | None, dict[str, Any]]]] = {
    "Adadelta": [(1.0, {}), (0.5, {"rho": 0.8, "weight_decay": 0.01})],
    "Adafactor": [(1e-2, {}), (1e-2, {"weight_decay": 0.1, "d": 2.0})],
    "Adagrad": [(1e-2, {}), (0.1, {"lr_decay": 0.1, "initial_accumulator_value": 0.5})],
    "Adam": [
        (1e-3, {}),
        (1e-2, {"amsgrad": True, "betas": (0.8, 0.95)}),
        (1e-2, {"weight_decay": 0.1, "foreach": False}),
        (None, {}),
    ],
    "AdamW": [(1e-3, {}), (1e-2, {"weight_decay": 0.3, "amsgrad": True})],
    "Adamax": [(1e-3, {}), (1e-2, {"betas": (0.5, 0.9)})],
    "ASGD": [(1e-5, {}), (1e-5, {"t0": 3, "lambd": 0.1})],
    "NAdam": [(1e-3, {}), (1e-2, {"momentum_decay": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1})],
    "RAdam": [(1e-5, {}), (1e-5, {"betas": (0.7, 0.9)})],
    "RMSprop": [(1e-3, {}), (1e-3, {"centered": True, "momentum": 0.5}), (1e-2, {"alpha": 0.5, "eps": 1e-3})],
    "Rprop": [(1e-2, {}), (1e-2, {"etas": (0.4, 1.3), "step_sizes": (1e-7, 1.0)})],
    "SGD": [
        (1e-6, {}),
        (1e-6, {"momentum": 0.9}),
        (1e-6, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (1e-6, {"momentum": 0.5, "dampening": 0.1}),
    ],
    "LBFGS": [(1.0, {}), (0.5, {"max_iter": 3}), (1.0, {"line_search_fn": "strong_wolfe", "history_size": 4})],
}
REFUSED = {"SparseAdam", "Muon"}


def classes_of(module: Any, base: type) -> set[str]:
    return {
        name
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, base) and found is not base and not name.startswith("_")
    }


def test_no_optimizer_of_torch_is_missing_here() -> None:
    assert classes_of(torch.optim, torch.optim.Optimizer) == set(OPTIMIZERS) | REFUSED


def odd(name: str) -> str:
    return "".join(letter.upper() if place % 2 else letter.lower() for place, letter in enumerate(name))


@pytest.mark.parametrize(
    ("name", "lr", "options"), [(name, lr, options) for name, cases in OPTIMIZERS.items() for lr, options in cases]
)
def test_optimizer_equals_a_plain_loop(name: str, lr: float | None, options: dict[str, Any]) -> None:
    rate = {} if lr is None else {"lr": lr}
    expected = plain(lambda params: getattr(torch.optim, name)(params, **rate, **options), closure=name == "LBFGS")
    result = train("sin(x)", optimizer=odd(name), lr=lr, optimizer_options=options, **SMALL)
    assert_same(result, expected)


def test_optimizer_options_may_be_text() -> None:
    options = {"momentum": 0.5, "weight_decay": 2.0**-10}
    expected = plain(lambda params: torch.optim.RMSprop(params, lr=2.0**-10, **options))
    texts = {"momentum": "1/2", "weight_decay": "2**-10"}
    assert_same(train("sin(x)", lr="2**-10", optimizer_options=texts, **SMALL), expected)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_optimizer_that_cannot_train_these_shapes_says_so(name: str) -> None:
    with pytest.raises(ArgumentError, match=name):
        train("sin(x)", optimizer=name.lower(), **SMALL)


def test_muon_equals_a_plain_loop_when_there_is_no_constant() -> None:
    expected = plain(lambda params: torch.optim.Muon(params, lr=1e-3), powers=(1, 3))
    assert_same(train("sin(x)", optimizer="muon", powers=[1, 3], **SMALL), expected)


def test_optimizer_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'rmspop'; did you mean 'RMSprop'\?"):
        train("sin(x)", optimizer="rmspop")
    with pytest.raises(UnknownNameError, match=r"'momentun'; did you mean 'momentum'\?"):
        train("sin(x)", optimizer_options={"momentun": 0.9})


def test_optimizer_option_of_a_wrong_value_is_one_clear_error() -> None:
    with pytest.raises(ArgumentError, match=r"RMSprop.*momentum") as caught:
        train("sin(x)", optimizer_options={"momentum": -1.0})
    assert "\n" not in str(caught.value)


class Sign(torch.optim.Optimizer):
    """An optimizer of one's own: steps by the sign of the gradient."""

    def __init__(self, params: Any, lr: float = 1e-2, shrink: float = 1.0) -> None:
        super().__init__(params, {"lr": lr, "shrink": shrink})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # noqa: ARG002 - torch's signature
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(group["shrink"]).sub_(group["lr"] * p.grad.sign())


def test_optimizer_of_ones_own_equals_a_plain_loop() -> None:
    expected = plain(lambda params: Sign(params, lr=0.01, shrink=0.99))
    result = train("sin(x)", optimizer=Sign, lr=0.01, optimizer_options={"shrink": 0.99}, **SMALL)
    assert_same(result, expected)


def test_optimizer_factory_equals_a_plain_loop() -> None:
    def slow(params: Any, lr: float) -> Any:
        return torch.optim.Adam(params, lr=lr / 2)

    expected = plain(lambda params: torch.optim.Adam(params, lr=0.005))
    assert_same(train("sin(x)", optimizer=slow, lr=0.01, **SMALL), expected)


def test_optimizer_class_of_torch_equals_its_name() -> None:
    by_name = train("sin(x)", optimizer="adam", lr=0.01, **SMALL)
    by_class = train("sin(x)", optimizer=torch.optim.Adam, lr=0.01, **SMALL)
    assert by_class.coef.tolist() == by_name.coef.tolist()


# Every scheduler


def half(step: int) -> float:
    return 0.5 ** (step // 4)


SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "LambdaLR": [{"lr_lambda": half}],
    "MultiplicativeLR": [{"lr_lambda": lambda step: 0.9 if step % 2 else 1.0}],
    "StepLR": [{"step_size": 4}, {"step_size": 3, "gamma": 0.7}],
    "MultiStepLR": [{"milestones": [3, 9], "gamma": 0.3}],
    "ConstantLR": [{}, {"factor": 0.1, "total_iters": 7}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 11}],
    "ExponentialLR": [{"gamma": 0.95}],
    "SequentialLR": [
        {"schedulers": [("LinearLR", {"total_iters": 5}), ("exponentiallr", {"gamma": 0.9})], "milestones": [6]}
    ],
    "PolynomialLR": [{}, {"total_iters": 20, "power": 2.0}],
    "CosineAnnealingLR": [{"T_max": 10, "eta_min": 1e-5}],
    "ChainedScheduler": [{"schedulers": [("ConstantLR", {"total_iters": 4}), ("ExponentialLR", {"gamma": 0.9})]}],
    "ReduceLROnPlateau": [{"patience": 1, "threshold": 0.5}, {"factor": 0.3, "patience": 0, "mode": "max"}],
    "CyclicLR": [
        {"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 4},
        {"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 4, "cycle_momentum": False, "mode": "triangular2"},
    ],
    "CosineAnnealingWarmRestarts": [{"T_0": 5, "T_mult": 2}],
    "OneCycleLR": [{"max_lr": 1e-2, "total_steps": 30}, {"max_lr": 1e-2, "total_steps": 30, "three_phase": True}],
}


def test_no_scheduler_of_torch_is_missing_here() -> None:
    assert classes_of(lr_scheduler, lr_scheduler.LRScheduler) == set(SCHEDULES)


def by_hand(name: str, options: Mapping[str, Any]) -> Callable[[Any], Any]:
    """The scheduler as a plain program makes it."""
    spelled = {known.casefold(): known for known in SCHEDULES}

    def make(optimizer: Any) -> Any:
        given = dict(options)
        inner = given.pop("schedulers", None)
        found = getattr(lr_scheduler, spelled[name.casefold()])
        if inner is None:
            return found(optimizer, **given)
        made = [by_hand(*pair)(optimizer) for pair in inner]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return found(made) if found is lr_scheduler.ChainedScheduler else found(optimizer, made, **given)

    return make


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, cases in SCHEDULES.items() for options in cases]
)
def test_scheduler_equals_a_plain_loop(name: str, options: dict[str, Any]) -> None:
    expected = plain(
        lambda params: torch.optim.RMSprop(params, lr=1e-2, momentum=0.5),
        by_hand(name, options),
        with_loss=name == "ReduceLROnPlateau",
    )
    result = train(
        "sin(x)",
        lr=1e-2,
        optimizer_options={"momentum": 0.5},
        schedule=odd(name),
        schedule_options=options,
        **SMALL,
    )
    assert_same(result, expected)
    assert len({lr for _, _, lr in expected.rows}) > 1, "the case is too tame to show that the rate moves"


def test_plateau_gets_the_loss_of_that_update_when_there_are_minibatches() -> None:
    options = {"patience": 0, "factor": 0.8}
    expected = plain(
        lambda params: torch.optim.RMSprop(params, lr=1e-2),
        by_hand("ReduceLROnPlateau", options),
        with_loss=True,
        batch_size=16,
    )
    result = train("sin(x)", lr=1e-2, batch_size=16, schedule="ReduceLROnPlateau", schedule_options=options, **SMALL)
    assert_same(result, expected)


def test_plateau_gets_the_loss_of_that_update_when_the_optimizer_has_a_closure() -> None:
    options = {"patience": 0, "threshold": 0.9, "factor": 0.5}
    expected = plain(
        lambda params: torch.optim.LBFGS(params, lr=0.5, max_iter=2),
        by_hand("ReduceLROnPlateau", options),
        with_loss=True,
        closure=True,
    )
    result = train(
        "sin(x)",
        optimizer="lbfgs",
        lr=0.5,
        optimizer_options={"max_iter": 2},
        schedule="reducelronplateau",
        schedule_options=options,
        **SMALL,
    )
    assert_same(result, expected)


def test_scheduler_takes_an_expression_as_function_of_the_step() -> None:
    expected = plain(
        lambda params: torch.optim.RMSprop(params, lr=1e-2), by_hand("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)})
    )
    options = {"lr_lambda": "1/(1 + x)"}
    assert_same(train("sin(x)", lr=1e-2, schedule="LambdaLR", schedule_options=options, **SMALL), expected)


class Drop(lr_scheduler.LRScheduler):
    """A scheduler of one's own."""

    def __init__(self, optimizer: Any, at: int = 5) -> None:
        self.at = at
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [rate * (0.1 if self.last_epoch >= self.at else 1.0) for rate in self.base_lrs]


def test_scheduler_of_ones_own_equals_a_plain_loop() -> None:
    expected = plain(lambda params: torch.optim.RMSprop(params, lr=1e-2), lambda optimizer: Drop(optimizer, at=9))
    assert_same(train("sin(x)", lr=1e-2, schedule=Drop, schedule_options={"at": 9}, **SMALL), expected)


@pytest.mark.parametrize(
    ("schedule", "options", "message"),
    [
        ("steplrr", {}, r"unknown schedule 'steplrr'; did you mean 'StepLR'\?"),
        ("StepLR", {"step_sise": 3}, r"'step_sise'; did you mean 'step_size'\?"),
        ("StepLR", {}, "step_size"),
        ("ChainedScheduler", {}, "needs schedulers"),
        ("SequentialLR", {"schedulers": 5, "milestones": [2]}, "schedulers"),
        ("SequentialLR", {"schedulers": [("StepLR", {"step_size": 2})], "milestones": [2, 3]}, "SequentialLR"),
        ("OneCycleLR", {"max_lr": 0.1}, "OneCycleLR"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 3}, "OneCycleLR"),
        (7, {}, "schedule must be"),
        (None, {"step_size": 3}, "schedule_options"),
    ],
)
def test_scheduler_that_cannot_be_made_is_one_clear_error(schedule: Any, options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        train("sin(x)", schedule=schedule, schedule_options=options, **SMALL)
    assert len(str(caught.value)) < 500


# Numbers, minibatches, weights, losses


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["RMSprop", "Adam", "SGD"])
def test_dtype_equals_a_plain_loop(dtype: str, optimizer: str) -> None:
    expected = plain(
        lambda params: getattr(torch.optim, optimizer)(params, lr=1e-2),
        loss_fn=torch.nn.MSELoss(reduction="mean"),
        dtype=getattr(torch, dtype),
        domain=(-1.0, 1.0),
    )
    result = train("sin(x)", domain=(-1, 1), dtype=dtype, lr=1e-2, optimizer=optimizer, reduction="mean", **SMALL)
    assert_same(result, expected)


@pytest.mark.parametrize("powers", [(0,), (0, 1), (1, 3), (0, 2, 5), (4,)])
def test_powers_equal_a_plain_loop(powers: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a Linear without columns has nothing to initialise
        expected = plain(lambda params: torch.optim.RMSprop(params, lr=1e-2), powers=powers)
    result = train("sin(x)", powers=list(reversed(powers)), degree=77, lr=1e-2, **SMALL)
    assert_same(result, expected)
    assert result.powers == powers


def test_degree_0_equals_a_plain_loop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = plain(lambda params: torch.optim.RMSprop(params, lr=1e-2), powers=(0,))
    assert_same(train("sin(x)", degree=0, lr=1e-2, **SMALL), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 50, 64])
def test_minibatches_equal_a_plain_loop(batch_size: int) -> None:
    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), batch_size=batch_size)
    assert_same(train("sin(x)", optimizer="adam", lr=1e-2, batch_size=batch_size, **SMALL), expected)


def test_minibatches_equal_a_plain_loop_when_the_optimizer_has_a_closure() -> None:
    expected = plain(lambda params: torch.optim.LBFGS(params, lr=0.5, max_iter=3), batch_size=20, closure=True)
    result = train("sin(x)", optimizer="LBFGS", lr=0.5, optimizer_options={"max_iter": 3}, batch_size=20, **SMALL)
    assert_same(result, expected)


X = [-1.0, -0.5, -0.25, 0.0, 0.1, 0.7, 1.3, 2.0]
Y = [0.3, -0.2, 1.0, 0.5, 0.4, -1.1, 0.9, 0.2]
W = [1.0, 2.0, 0.0, 0.5, 3.0, 1.0, 0.25, 1.5]


def logcosh(prediction: Any, y: Any) -> Any:
    r = (prediction - y).abs()
    return r + torch.log1p(torch.exp(-2 * r)) - math.log(2)


def soft_l1(prediction: Any, y: Any) -> Any:
    square = ((prediction - y) / 0.3).square()
    return 2 * 0.3 * 0.3 * square / (1 + (1 + square).sqrt())


def tukey(prediction: Any, y: Any) -> Any:
    square = ((prediction - y) / 2.0).square().clamp(max=1)
    return 2.0 * 2.0 / 6 * square * (3 - 3 * square + square * square)


EACH: dict[str, tuple[dict[str, float], Callable[..., Any]]] = {
    "squared": ({}, torch.nn.MSELoss(reduction="none")),
    "absolute": ({}, torch.nn.L1Loss(reduction="none")),
    "huber": ({"delta": 0.3}, torch.nn.HuberLoss(reduction="none", delta=0.3)),
    "smooth_l1": ({"beta": 0.4}, torch.nn.SmoothL1Loss(reduction="none", beta=0.4)),
    "logcosh": ({}, logcosh),
    "pnorm": ({"p": 3.0}, lambda prediction, y: (prediction - y).abs() ** 3.0),
    "soft_l1": ({"delta": 0.3}, soft_l1),
    "quantile": ({"q": 0.7}, lambda prediction, y: (1 - 0.7) * (prediction - y).relu() + 0.7 * (y - prediction).relu()),
    "tukey": ({"c": 2.0}, tukey),
}
WHOLE = {"squared": torch.nn.MSELoss, "absolute": torch.nn.L1Loss, "huber": torch.nn.HuberLoss}
WHOLE["smooth_l1"] = torch.nn.SmoothL1Loss


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("loss", EACH)
def test_loss_equals_a_plain_loop(loss: str, reduction: str) -> None:
    options, each = EACH[loss]
    if loss in WHOLE:
        loss_fn = WHOLE[loss](reduction=reduction, **options)
    else:
        loss_fn = lambda prediction, y: getattr(each(prediction, y), reduction)()  # noqa: E731
    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), loss_fn=loss_fn, data=(X, Y, None))
    result = train(
        X, Y, loss=loss.upper(), loss_options=options, reduction=reduction, optimizer="Adam", lr=1e-2, **SMALL
    )
    assert_same(result, expected)
    assert result.optimum_kind == ("best found" if loss == "tukey" else "exact")
    assert result.optimum is not None
    assert result.excess == result.loss - result.optimum


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("loss", EACH)
def test_weights_equal_a_plain_loop(loss: str, reduction: str) -> None:
    options, each = EACH[loss]

    def loss_fn(prediction: Any, y: Any, weight: Any) -> Any:
        total = (weight * each(prediction, y)).sum()
        return total if reduction == "sum" else total / weight.sum()

    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), loss_fn=loss_fn, data=(X, Y, W))
    result = train(
        X, Y, weight=W, loss=loss, loss_options=options, reduction=reduction, optimizer="Adam", lr=1e-2, **SMALL
    )
    assert_same(result, expected)


def test_weights_equal_a_plain_loop_when_there_are_minibatches() -> None:
    def loss_fn(prediction: Any, y: Any, weight: Any) -> Any:
        return (weight * (prediction - y).square()).sum()

    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), loss_fn=loss_fn, data=(X, Y, W), batch_size=3)
    result = train(X, Y, weight=W, optimizer="Adam", lr=1e-2, batch_size=3, **SMALL)
    assert_same(result, expected)


def test_loss_defaults_are_those_of_torch() -> None:
    for name in ("huber", "smooth_l1"):
        expected = plain(
            lambda params: torch.optim.Adam(params, lr=1e-2),
            loss_fn=WHOLE[name](reduction="sum"),  # type: ignore[call-arg]
            data=(X, Y, None),
        )
        assert_same(train(X, Y, loss=name, optimizer="Adam", lr=1e-2, **SMALL), expected)


class Quartic(torch.nn.Module):
    """A loss of one's own that returns one number."""

    def forward(self, prediction: Any, y: Any) -> Any:
        return ((prediction - y) ** 4).sum()


class EachQuartic(torch.nn.Module):
    """A loss of one's own that returns one value for each sample."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, prediction: Any, y: Any) -> Any:
        return self.factor * (prediction - y) ** 4


def test_loss_of_ones_own_equals_a_plain_loop_when_it_returns_one_number() -> None:
    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), loss_fn=Quartic(), data=(X, Y, None))
    assert_same(train(X, Y, loss=Quartic(), optimizer="Adam", lr=1e-2, **SMALL), expected)
    assert_same(train(X, Y, loss=Quartic, optimizer="Adam", lr=1e-2, **SMALL), expected)


def test_loss_of_ones_own_equals_a_plain_loop_when_it_returns_each_sample() -> None:
    def loss_fn(prediction: Any, y: Any, weight: Any) -> Any:
        return (weight * (2.0 * (prediction - y) ** 4)).sum() / weight.sum()

    expected = plain(lambda params: torch.optim.Adam(params, lr=1e-2), loss_fn=loss_fn, data=(X, Y, W))
    result = train(
        X, Y, weight=W, loss=EachQuartic, loss_options={"factor": 2.0}, reduction="mean", optimizer="Adam", lr=1e-2,
        **SMALL,
    )  # fmt: skip
    assert_same(result, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": Quartic(), "weight": W}, "weight"),
        ({"loss": lambda prediction, y: 3.0}, "tensor"),  # noqa: ARG005
        ({"loss": lambda prediction, y: (prediction - y)[:2]}, "shape"),
        ({"loss": torch.nn.PReLU()}, "parameters"),
        ({"loss": 5}, "loss must be"),
        ({"loss": "huberr"}, "did you mean 'huber'"),
        ({"loss": "huber", "loss_options": {"delt": 1}}, "did you mean 'delta'"),
        ({"loss": "huber", "loss_options": {"delta": -1}}, "delta.*-1"),
        ({"loss": "pnorm", "loss_options": {"p": 0.5}}, "p of loss 'pnorm' must be"),
        ({"loss": "squared", "loss_options": {"p": 2}}, "no options"),
        ({"loss": Quartic(), "loss_options": {"p": 2}}, "made already"),
    ],
)
def test_loss_that_cannot_be_used_is_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        train(X, Y, **arguments, **SMALL)


# The random generator


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"batch_size": 7},
        {"optimizer": "SparseAdam"},
        {"optimizer_options": {"momentum": -1.0}},
        {"optimizer": "SGD", "lr": 10.0},
        {"loss": Quartic, "loss_options": {"wrong": 1}},
    ],
)
def test_global_generator_is_as_it_was(arguments: dict[str, Any]) -> None:
    torch.manual_seed(12345)
    torch.rand(3)
    before, seed = torch.get_rng_state(), torch.initial_seed()
    try:
        train("sin(x)", **arguments, **SMALL)
    except ArgumentError:
        assert "optimizer" in arguments or "optimizer_options" in arguments or "loss" in arguments
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.initial_seed() == seed


def test_global_generator_is_as_it_was_when_a_callback_raises() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        train("sin(x)", callbacks=[lambda row: 1 / 0], **SMALL)  # noqa: ARG005
    assert torch.equal(torch.get_rng_state(), before)


# Rows


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
    ],
)
def test_trace_has_a_row_every_so_many_steps_and_a_last_one(steps: int, every: int, recorded: list[int]) -> None:
    result = train("sin(x)", samples=20, steps=steps, every=every, seed=0)
    assert result.trace["step"].tolist() == recorded
    assert result.steps == steps
    assert result.loss == result.trace[-1]["loss"]
    assert result.coef.tolist() == result.trace[-1]["coef"]


def test_trace_row_holds_loss_gradient_and_coefficients_of_the_same_moment() -> None:
    result = train("sin(x)", dtype="float64", samples=40, steps=30, every=10, seed=1)
    x = torch.linspace(-math.pi, math.pi, 40, dtype=torch.float64).numpy()
    design = np.vander(x, 4, increasing=True)
    for row in result.trace:
        residual = design @ row["coef"] - np.sin(x)
        assert row["loss"] == pytest.approx(residual @ residual, rel=1e-12)
        assert row["gradient_norm"] == pytest.approx(np.linalg.norm(2 * design.T @ residual), rel=1e-12)
        assert row["excess"] == row["loss"] - result.optimum
        assert row["gap"] == row["excess"] / result.optimum


def test_trace_rows_are_the_same_at_any_distance() -> None:
    close = {row["step"]: row for row in train("sin(x)", samples=40, steps=30, every=1, seed=1).trace}
    for row in train("sin(x)", samples=40, steps=30, every=7, seed=1).trace:
        assert row == close[row["step"]]


def test_steps_0_is_the_initialisation() -> None:
    torch.manual_seed(5)
    linear = torch.nn.Linear(3, 1)
    result = train("sin(x)", steps=0, seed=5)
    assert result.coef.tolist() == [linear.bias.item(), *linear.weight[0].tolist()]


# How a run ends


def test_status_is_diverged_with_the_largest_stable_rate_when_sgd_is_too_fast() -> None:
    result = train("sin(x)", optimizer="SGD", lr=0.1, seed=0)
    x = torch.linspace(-math.pi, math.pi, 2000).double().numpy()
    design = np.vander(x, 4, increasing=True)
    rate = 2 / np.linalg.eigvalsh(2 * design.T @ design).max()
    assert result.status is Status.DIVERGED
    assert result.status == "diverged"
    assert f"2/λmax = {rate:.4g}" in result.message
    assert all(math.isfinite(value) for value in result.coef)
    assert math.isfinite(result.loss)
    # what the message advises works
    advised = float(re.search(r"Use lr=([0-9.e+-]+)", result.message)[1])  # type: ignore[index]
    assert train("sin(x)", optimizer="SGD", lr=advised, steps=200, seed=0).status is Status.STEPS_DONE


@pytest.mark.parametrize("arguments", [{}, {"every": 1000}, {"every": 1}, {"batch_size": 1000}])
@pytest.mark.parametrize("lr", ["2e-5", "0.1", "1e30"])
def test_status_is_diverged_within_100_steps_and_the_best_state_is_kept(lr: str, arguments: dict[str, Any]) -> None:
    seen: list[int] = []

    class Watch:
        def __call__(self, row: Any) -> None: ...

        def on_step(self, step: int, loss: float) -> None:  # noqa: ARG002
            seen.append(step)

    result = train("sin(x)", optimizer="SGD", lr=lr, seed=0, steps=10_000, callbacks=[Watch()], **arguments)
    assert result.status is Status.DIVERGED
    start = train("sin(x)", seed=0, steps=0).loss
    assert result.loss <= start
    assert result.loss == min(row["loss"] for row in result.trace)
    assert any(row["coef"] == result.coef.tolist() and row["loss"] == result.loss for row in result.trace)
    last_good = max((step for step in seen), default=0)
    assert last_good < 100
    x = torch.linspace(-math.pi, math.pi, 2000).double().numpy()
    residual = np.vander(x, 4, increasing=True) @ result.coef - np.sin(x)
    assert result.loss == pytest.approx(residual @ residual, rel=1e-5)


def test_status_is_diverged_when_the_start_overflows() -> None:
    result = train("sin(x)", degree=200, seed=0, steps=5)
    assert result.status is Status.DIVERGED
    assert "not finite" in result.message


def test_status_is_diverged_when_only_the_last_update_diverges() -> None:
    result = train("sin(x)", optimizer="SGD", lr=1e10, seed=0, steps=1)
    assert result.status is Status.DIVERGED
    assert result.steps == 0


def test_status_is_interrupted_when_a_callback_is() -> None:
    def press(row: Any) -> None:
        if row["step"] >= 9:
            raise KeyboardInterrupt

    result = train("sin(x)", steps=100, every=5, samples=40, seed=0, callbacks=[press])
    whole = train("sin(x)", steps=100, every=5, samples=40, seed=0)
    assert result.status is Status.INTERRUPTED
    assert [row["step"] for row in result.trace] == [4, 9]
    assert list(result.trace) == list(whole.trace)[:2]
    assert result.coef.tolist() == result.trace[-1]["coef"]
    assert result.loss == result.trace[-1]["loss"]


def test_status_is_interrupted_when_ctrl_c_is_pressed() -> None:
    code = """
import json, sys
from polyoptim import train
result = train("sin(x)", steps=10**9, every=20, samples=50, seed=0,
               callbacks=[lambda row: print(row["step"], flush=True) if row["step"] == 19 else None])
json.dump({"status": result.status, "rows": len(result.trace), "steps": result.steps, "loss": result.loss,
           "last": result.trace[-1]["step"], "coef": result.coef.tolist(), "row": result.trace[-1]["coef"]}, sys.stdout)
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "19\n"
        process.send_signal(signal.SIGINT)
        found = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert found["status"] == "interrupted"
    assert found["rows"] >= 1
    assert found["steps"] == found["last"] >= 19
    assert found["coef"] == found["row"]


@pytest.mark.parametrize("how", ["true", "StopIteration", "numpy"])
def test_callback_stops_the_run(how: str) -> None:
    def enough(row: Any) -> Any:
        if row["step"] < 9:
            return None
        if how == "StopIteration":
            raise StopIteration
        return np.bool_(True) if how == "numpy" else True

    result = train("sin(x)", steps=100, every=5, samples=40, seed=0, callbacks=[enough])
    assert result.status is Status.STOPPED
    assert [row["step"] for row in result.trace] == [4, 9]
    assert result.steps == 9


def test_callbacks_get_each_recorded_row() -> None:
    seen: list[Any] = []
    also: list[Any] = []
    result = train("sin(x)", callbacks=[lambda row: seen.append(dict(row)), also.append], **SMALL)
    assert seen == list(result.trace) == also


def test_callback_may_be_given_alone() -> None:
    seen: list[Any] = []
    result = train("sin(x)", callbacks=seen.append, **SMALL)
    assert seen == list(result.trace)


@pytest.mark.parametrize("callbacks", [5, ["print"], None])
def test_callbacks_that_are_none_are_one_clear_error(callbacks: Any) -> None:
    with pytest.raises(ArgumentError, match="callbacks"):
        train("sin(x)", callbacks=callbacks, **SMALL)


def test_status_is_converged_by_the_gradient() -> None:
    arguments = {"optimizer": "LBFGS", "lr": 1.0, "dtype": "float64", "samples": 50, "seed": 0}
    result = train("sin(x)", tol_gradient=1e-3, **arguments)
    assert result.status is Status.CONVERGED
    assert result.trace[-1]["gradient_norm"] <= 1e-3
    assert result.steps == result.trace[-1]["step"] < 2000
    assert "tol_gradient" in result.message
    assert result.gap == pytest.approx(0, abs=1e-9)


def test_status_is_converged_at_the_first_update_below_the_gradient_tolerance() -> None:
    arguments = {"optimizer": "Adam", "lr": 0.1, "dtype": "float64", "basis": "chebyshev", "samples": 50, "seed": 0}
    norms = train("sin(x)", steps=300, every=1, **arguments).trace["gradient_norm"]
    tolerance = float(norms[150])
    first = int(np.argmax(norms <= tolerance))
    result = train("sin(x)", steps=300, every=100, tol_gradient=tolerance, **arguments)
    assert result.status is Status.CONVERGED
    assert result.steps == first


def test_status_is_converged_by_the_loss() -> None:
    arguments = {"optimizer": "Adam", "lr": 0.05, "dtype": "float64", "basis": "legendre", "samples": 50, "seed": 0}
    losses = train("sin(x)", every=1, **arguments).trace["loss"]
    tolerance = 1e-3
    calm = np.abs(np.diff(losses)) <= tolerance * np.abs(losses[1:])
    runs = [place for place in range(9, len(calm)) if calm[place - 9 : place + 1].all()]
    result = train("sin(x)", tol_loss=str(tolerance), **arguments)
    assert result.status is Status.CONVERGED
    assert "tol_loss" in result.message
    # runs[0] + 1 is the index of the tenth calm loss, which is that of the update before the stop
    assert result.steps == runs[0] + 2


def test_strict_raises_with_the_result_when_the_run_does_not_converge() -> None:
    with pytest.raises(StatusError) as caught:
        train("sin(x)", strict=True, **SMALL)
    assert caught.value.result.status is Status.STEPS_DONE
    assert caught.value.result.coef.tolist() == train("sin(x)", **SMALL).coef.tolist()
    with pytest.raises(StatusError, match="2/λmax") as caught:
        train("sin(x)", strict=True, optimizer="SGD", lr=0.1, seed=0, tol_loss=1e-9)
    assert caught.value.result.status is Status.DIVERGED


def test_strict_returns_the_result_when_the_run_converges() -> None:
    result = train("sin(x)", strict=True, optimizer="LBFGS", lr=1, tol_gradient=1e-2, seed=0, dtype="float64")
    assert result.status is Status.CONVERGED


@pytest.mark.parametrize("device", ["foo", "meta", "cpu:x", "", 7.5])
def test_device_that_cannot_be_used_is_one_clear_error(device: Any) -> None:
    with pytest.raises(ArgumentError, match="device"):
        train("sin(x)", device=device, **SMALL)
