"""The learning rates of our own against torch.optim.lr_scheduler, bit for bit."""

from __future__ import annotations

import inspect
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

import polyoptim
from polyoptim.errors import ArgumentError, UnknownNameError
from polyoptim.optim.rates.composition import COMPOSED, FORMS, LOOKS_AT_LOSS
from polyoptim.optim.rates.form import Group
from polyoptim.optim.rates.plateau import Plateau, make_plateau
from polyoptim.optim.rates.sequence import Rates, Schedule, rates
from polyoptim.optim.schedule import find_schedule, make_schedule

TORCHS = {
    name: found
    for name, found in vars(lr_scheduler).items()
    if isinstance(found, type)
    and issubclass(found, lr_scheduler.LRScheduler)
    and found is not lr_scheduler.LRScheduler
    and not name.startswith("_")
}
OPTIMIZERS = {
    "SGD": {"momentum": 0.5},
    "RMSprop": {"momentum": 0.25},
    "Adam": {"betas": (0.9, 0.999)},
    "Adagrad": {},
}
STEPS = 2000


def torchs(
    name: str, options: Mapping[str, Any], lr: float, steps: int, optimizer: str = "SGD"
) -> tuple[list[float], list[float] | None]:
    """The lr and the momentum of each update in a plain loop."""
    made = getattr(torch.optim, optimizer)([torch.zeros(1)], lr=lr, **OPTIMIZERS[optimizer])
    group = made.param_groups[0]
    scheduler = make_schedule(find_schedule(name), made, options)
    made.step()  # once, so that torch does not warn; there is no gradient
    found, momenta = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(steps):
            found.append(float(group["lr"]))
            momenta.append(float(group["betas"][0] if "betas" in group else group.get("momentum", 0.0)))
            scheduler.step()
    return found, momenta


# What torch raises where a schedule has no lr; NotImplementedError is a composition that SequentialLR goes over to.
REFUSALS = (ArithmeticError, TypeError, ValueError, KeyError, NotImplementedError)


def agree(name: str, options: Mapping[str, Any], lr: float = 0.1, steps: int = STEPS, optimizer: str = "SGD") -> bool:
    """Compare, refusals too; tell whether there was something to compare."""
    try:
        expected, momenta = torchs(name, options, lr, steps, optimizer)
    except REFUSALS:
        with pytest.raises(ArgumentError):
            rates(name, options, lr, steps, OPTIMIZERS[optimizer])
        return False
    found = rates(name, options, lr, steps, OPTIMIZERS[optimizer])
    assert same(found.lr, expected)
    if found.momentum is None:
        assert len(set(momenta)) <= 1
    else:
        assert same(found.momentum, momenta)
    return True


def same(found: Any, expected: Any) -> bool:
    return list(map(float.hex, found)) == list(map(float.hex, expected))


counts = st.integers(1, 700)
small = st.one_of(st.integers(1, 12), counts)
parts = st.floats(0.01, 1.0)
gammas = st.one_of(st.floats(0.9, 1.0), st.floats(0.1, 1.1))
learning_rates = st.one_of(st.sampled_from([1e-3, 0.1, 1.0]), st.floats(1e-8, 10.0))
functions = st.sampled_from([lambda t: 0.95**t, lambda t: 1 / (1 + t), lambda t: t // 30, lambda t: math.cos(t) ** 2])
near_one = st.sampled_from([lambda _t: 0.99, lambda t: 1 - 1 / (t + 2), lambda t: 1 + math.sin(t) / 10])
momenta = {"base_momentum": st.floats(0, 0.9), "max_momentum": st.floats(0, 0.99)}
cycled = {"cycle_momentum": st.booleans(), **momenta}


def options(required: Mapping[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict(required), optional=optional)


# A schedule torch gains needs a line here as well.
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "ConstantLR": options({}, factor=st.one_of(parts, st.just(0.0)), total_iters=st.integers(0, 700)),
    "CosineAnnealingLR": options({"T_max": small}, eta_min=st.one_of(st.just(0), st.floats(0, 0.2))),
    "CosineAnnealingWarmRestarts": options({"T_0": small}, T_mult=st.integers(1, 3), eta_min=st.floats(0, 0.2)),
    "CyclicLR": st.one_of(
        options(
            {"base_lr": learning_rates, "max_lr": learning_rates},
            step_size_up=small,
            step_size_down=st.one_of(st.none(), small, st.just(0)),
            mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
            gamma=gammas,
            **cycled,
        ),
        options(
            {"base_lr": parts, "max_lr": parts, "scale_fn": functions},
            scale_mode=st.sampled_from(["cycle", "iterations"]),
            step_size_up=small,
            **cycled,
        ),
    ),
    "ExponentialLR": options({"gamma": gammas}),
    "LambdaLR": options({"lr_lambda": functions}),
    "LinearLR": options({}, start_factor=parts, end_factor=st.floats(0, 1), total_iters=st.integers(0, 2500)),
    "MultiStepLR": options({"milestones": st.lists(st.integers(0, 2100), max_size=9)}, gamma=gammas),
    "MultiplicativeLR": options({"lr_lambda": near_one}),
    "OneCycleLR": options(
        {"max_lr": learning_rates, "total_steps": st.integers(1, 2500)},
        pct_start=st.floats(0.0, 1.0),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
        div_factor=st.floats(1, 100),
        final_div_factor=st.floats(1, 1e5),
        three_phase=st.booleans(),
        **cycled,
    ),
    "PolynomialLR": options({}, total_iters=st.integers(0, 2500), power=st.floats(0, 3)),
    "StepLR": options({"step_size": small}, gamma=gammas),
}


def test_every_schedule_of_torch_has_a_form() -> None:
    assert {*FORMS, *COMPOSED, LOOKS_AT_LOSS} == set(TORCHS)
    assert set(OPTIONS) == set(FORMS)


@pytest.mark.parametrize("name", sorted(TORCHS))
def test_options_and_defaults_are_torchs(name: str) -> None:
    ours = {**FORMS, **COMPOSED, LOOKS_AT_LOSS: Plateau}[name]
    expected = {
        option: parameter.default
        for option, parameter in inspect.signature(TORCHS[name]).parameters.items()
        if option not in ("optimizer", "last_epoch")
    }
    found = {option: parameter.default for option, parameter in inspect.signature(ours).parameters.items()}
    assert list(found.items())[1:] == list(expected.items())


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("name", sorted(OPTIONS))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_rates_are_torchs(name: str, optimizer: str, data: st.DataObject) -> None:
    chosen = data.draw(OPTIONS[name])
    steps = min(STEPS, chosen.get("total_steps", STEPS))
    agree(name, chosen, data.draw(learning_rates), steps, optimizer)


TYPICAL: dict[str, dict[str, Any]] = {
    "ConstantLR": {"total_iters": 40},
    "CosineAnnealingLR": {"T_max": 300, "eta_min": 1e-3},
    "CosineAnnealingWarmRestarts": {"T_0": 10, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 70, "mode": "exp_range", "gamma": 0.999},
    "ExponentialLR": {"gamma": 0.999},
    "LambdaLR": {"lr_lambda": lambda t: 0.99**t},
    "LinearLR": {"total_iters": 900},
    "MultiStepLR": {"milestones": [30, 800, 800]},
    "MultiplicativeLR": {"lr_lambda": lambda _t: 0.999},
    "OneCycleLR": {"max_lr": 0.3, "epochs": 20, "steps_per_epoch": 100},
    "PolynomialLR": {"total_iters": 1500, "power": 2.0},
    "StepLR": {"step_size": 100},
}


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", sorted(TYPICAL))
def test_typical_schedule_is_compared_and_not_refused(name: str, optimizer: str) -> None:
    assert agree(name, TYPICAL[name], optimizer=optimizer)
    assert set(TYPICAL) == set(FORMS)


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("CosineAnnealingLR", {"T_max": 10_000}),
        ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
        ("CosineAnnealingLR", {"T_max": 1}),
        ("CosineAnnealingLR", {"T_max": 49.5}),
        ("ExponentialLR", {"gamma": 0.9997}),
        ("LinearLR", {"start_factor": 1e-3, "total_iters": 9_999}),
        ("PolynomialLR", {"total_iters": 10_000, "power": 0.9}),
        ("CyclicLR", {"base_lr": 1e-4, "max_lr": 1.0, "step_size_up": 333, "mode": "triangular2"}),
    ],
)
def test_rates_are_torchs_over_ten_thousand_steps(name: str, chosen: dict[str, Any]) -> None:
    assert agree(name, chosen, steps=10_000)


@pytest.mark.parametrize("name", sorted(set(TYPICAL) - {"MultiplicativeLR"}))
def test_closed_form_is_what_the_steps_give(name: str) -> None:
    closed = FORMS[name](Group(0.1, 0.9), **TYPICAL[name]).closed
    assert closed is not None
    found = rates(name, TYPICAL[name], 0.1, STEPS, {"momentum": 0.9}).lr
    assert max(abs(closed(t) - lr) for t, lr in enumerate(found)) <= 1e-14


@pytest.mark.parametrize("name", sorted(name for name in TYPICAL if hasattr(TORCHS[name], "_get_closed_form_lr")))
def test_closed_form_is_torchs(name: str) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler: Any = TORCHS[name](optimizer, **TYPICAL[name])
    closed = FORMS[name](Group(0.1), **TYPICAL[name]).closed
    assert closed is not None
    for scheduler.last_epoch in range(STEPS):
        assert closed(scheduler.last_epoch) == pytest.approx(scheduler._get_closed_form_lr()[0], rel=1e-15, abs=0)  # noqa: SLF001


def single() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.one_of(*(st.tuples(st.just(name), chosen) for name, chosen in sorted(OPTIONS.items())))


def chained(members: Any) -> Any:
    return st.tuples(
        st.just("ChainedScheduler"), st.fixed_dictionaries({"schedulers": st.lists(members, min_size=1, max_size=3)})
    )


@st.composite
def sequential(draw: Any, first: Any, later: Any) -> tuple[str, dict[str, Any]]:
    behind = draw(st.lists(later, max_size=3))
    count = len(behind)
    milestones = draw(st.lists(st.integers(0, 250), min_size=count, max_size=count))
    if draw(st.integers(0, 9)):  # torch does not ask for it
        milestones.sort()
    return "SequentialLR", {"schedulers": [draw(first), *behind], "milestones": milestones}


# What SequentialLR goes over to must be a single one; what comes first, and what is chained, may be anything.
trees = st.recursive(
    single(),
    lambda inner: st.one_of(chained(inner), sequential(inner, single()), sequential(inner, inner)),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees, lr=learning_rates, optimizer=st.sampled_from(sorted(OPTIMIZERS)))
def test_composition_is_torchs(tree: tuple[str, dict[str, Any]], lr: float, optimizer: str) -> None:
    agree(*tree, lr, 300, optimizer)


WARM = ("LinearLR", {"start_factor": 0.1, "total_iters": 20})
COSINE = ("CosineAnnealingLR", {"T_max": 150})
ONCE = ("OneCycleLR", {"max_lr": 0.5, "total_steps": 2500})


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("SequentialLR", {"schedulers": [WARM, COSINE], "milestones": [20]}),
        ("SequentialLR", {"schedulers": [WARM, ONCE], "milestones": [20]}),
        ("SequentialLR", {"schedulers": [ONCE, WARM], "milestones": [20]}),
        ("SequentialLR", {"schedulers": [WARM, ("MultiplicativeLR", TYPICAL["MultiplicativeLR"])], "milestones": [9]}),
        ("SequentialLR", {"schedulers": [WARM, ("CyclicLR", TYPICAL["CyclicLR"])], "milestones": [9]}),
        ("ChainedScheduler", {"schedulers": [WARM, ("CyclicLR", TYPICAL["CyclicLR"])]}),
        ("ChainedScheduler", {"schedulers": [WARM, ("ExponentialLR", {"gamma": 0.999}), ("ConstantLR", {})]}),
        (
            "SequentialLR",
            {
                "schedulers": [
                    ("ChainedScheduler", {"schedulers": [COSINE, ("ExponentialLR", {"gamma": 0.99})]}),
                    WARM,
                ],
                "milestones": [500],
            },
        ),
        (
            "ChainedScheduler",
            {
                "schedulers": [
                    (
                        "SequentialLR",
                        {"schedulers": [WARM, COSINE, ("StepLR", {"step_size": 9})], "milestones": [20, 900]},
                    ),
                    ("ExponentialLR", {"gamma": 0.999}),
                ]
            },
        ),
        (
            "SequentialLR",
            {
                "schedulers": [("SequentialLR", {"schedulers": [WARM, COSINE], "milestones": [20]}), WARM],
                "milestones": [100],
            },
        ),
    ],
)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_typical_composition_is_compared_and_not_refused(name: str, chosen: dict[str, Any], optimizer: str) -> None:
    assert agree(name, chosen, optimizer=optimizer)


def test_momentum_is_left_alone_when_it_is_not_cycled() -> None:
    assert rates("StepLR", {"step_size": 3}, 0.1, 5, {"momentum": 0.9}).momentum is None
    assert rates("OneCycleLR", {**ONCE[1], "cycle_momentum": False}, 0.1, 5).momentum is None


def test_schedule_gives_the_same_step_by_step() -> None:
    schedule = Schedule(*ONCE, 0.1, {"betas": (0.9, 0.999)})
    seen = [(schedule.lr, schedule.momentum)]
    for _ in range(99):
        assert schedule.step() == schedule.lr
        seen.append((schedule.lr, schedule.momentum))
    at_once = rates(*ONCE, 0.1, 100, {"betas": (0.9, 0.999)})
    assert at_once.momentum is not None
    assert seen == list(zip(at_once.lr, at_once.momentum, strict=True))


def test_no_steps_give_no_rates() -> None:
    assert rates("StepLR", {"step_size": 3}, 0.1, 0) == Rates(rates("StepLR", {"step_size": 3}, 0.1, 5).lr[:0])


def test_list_of_one_stands_for_the_one_group() -> None:
    assert agree("CyclicLR", {"base_lr": [0.1], "max_lr": (0.5,), "base_momentum": [0.7]}, steps=50)
    assert agree("LambdaLR", {"lr_lambda": [lambda t: 0.5**t]}, steps=50)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("StepLR", {}, "needs step_size"),
    ("StepLR", {"step_size": 0}, "step_size must not be 0"),
    ("StepLR", {"step_size": "3"}, "step_size must be a number"),
    ("MultiStepLR", {"milestones": 3}, "milestones must be a list"),
    ("ConstantLR", {"factor": 1.5}, "factor must be between"),
    ("ConstantLR", {"factor": 0.0}, "step 5"),
    ("LinearLR", {"start_factor": 0.0}, "start_factor must be above 0"),
    ("LinearLR", {"end_factor": -0.1}, "end_factor must be between"),
    ("LambdaLR", {"lr_lambda": 3.0}, "lr_lambda must be a function"),
    ("LambdaLR", {"lr_lambda": [math.exp, math.exp]}, "one value"),
    ("LambdaLR", {"lr_lambda": math.exp}, "step 710: math range error"),
    ("MultiplicativeLR", {"lr_lambda": "x"}, "lr_lambda must be a function"),
    ("PolynomialLR", {"power": -1.0}, "step 5"),
    ("CosineAnnealingLR", {"T_max": 0}, "T_max must not be 0"),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}, "T_0 must be"),
    ("CosineAnnealingWarmRestarts", {"T_0": 2.0}, "T_0 must be"),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 0}, "T_mult must be"),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "eta_min": "0"}, "eta_min must be a number"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "mode": "triangle"}, "did you mean 'triangular'"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "step_size_up": 0}, "division by zero"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "step_size_up": 1, "mode": "triangular2"}, "step 2048"),
    ("OneCycleLR", {"max_lr": 1.0}, "needs total_steps"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 3}, "needs total_steps"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 3, "steps_per_epoch": 0}, "steps_per_epoch must be"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 3.5}, "total_steps must be"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2499}, "ends after total_steps=2499"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2500, "pct_start": 1}, "pct_start must be a float"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2500, "pct_start": 1.5}, "pct_start must be a float"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2500, "anneal_strategy": "cosine"}, "did you mean 'cos'"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 2500, "div_factor": 0.0}, "division by zero"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "pct_start": 0.1}, "division by zero"),
    ("OneCycleLR", {"max_lr": [1.0, 2.0], "total_steps": 2500}, "one value"),
    ("ChainedScheduler", {}, "needs schedulers"),
    ("ChainedScheduler", {"schedulers": []}, "schedulers must be a list"),
    ("ChainedScheduler", {"schedulers": [3]}, "must be a pair"),
    ("ChainedScheduler", {"schedulers": ["ReduceLROnPlateau"]}, "looks at the loss"),
    ("SequentialLR", {"schedulers": [WARM]}, "needs milestones"),
    ("SequentialLR", {"schedulers": [WARM, COSINE], "milestones": []}, "one fewer than the 2"),
    (
        "SequentialLR",
        {"schedulers": [WARM, ("ChainedScheduler", {"schedulers": [WARM]})], "milestones": [9]},
        "go over",
    ),
    ("SequentialLR", {"schedulers": ["ConstantLR", "LinearLR"], "milestones": "9"}, "milestones must be a list"),
    ("SequentialLR", {"schedulers": ["ConstantLR", ("LinearLR", {"total_iters": 0})], "milestones": [9]}, "by zero"),
]


@pytest.mark.parametrize(("name", "chosen", "why"), REFUSED)
def test_what_torch_refuses_is_refused(name: str, chosen: dict[str, Any], why: str) -> None:
    with pytest.raises(REFUSALS):
        torchs(name, chosen, 0.1, 2500)
    with pytest.raises(ArgumentError, match=why):
        rates(name, chosen, 0.1, 2500, {"momentum": 0.9})


@pytest.mark.parametrize(
    ("name", "chosen", "why"),
    [
        ("StepLR", {"step_size": 3, "gamma": math.nan}, "gamma must be a number"),
        ("MultiStepLR", {"milestones": "abc"}, "milestones must be a list"),
        ("MultiStepLR", {"milestones": ["a"]}, "each of milestones must be a number"),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "scale_fn": math.sqrt, "scale_mode": "iteration"}, "'iterations'"),
    ],
)
def test_what_torch_takes_without_sense_is_refused(name: str, chosen: dict[str, Any], why: str) -> None:
    with pytest.raises(ArgumentError, match=why):
        rates(name, chosen, 0.1, 5, {"momentum": 0.9})


def test_momentum_is_asked_for() -> None:
    with pytest.raises(ArgumentError, match="cycle_momentum"):
        rates(*ONCE, 0.1, 5, {"lr_decay": 0.0})


@pytest.mark.parametrize(
    ("name", "chosen", "why"),
    [
        ("CosineAnealingLR", {}, "did you mean 'CosineAnnealingLR'"),
        ("StepLR", {"step": 3}, "unknown StepLR option 'step'; did you mean 'step_size'"),
        ("StepLR", {"step_size": 3, "last_epoch": 4}, "unknown StepLR option 'last_epoch'"),
        ("SequentialLR", {"schedulers": [("StepLr", {"stepsize": 3})], "milestones": []}, "did you mean 'step_size'"),
        ("ChainedScheduler", {"schedulers": [WARM], "optimizer": None}, "unknown ChainedScheduler option"),
    ],
)
def test_unknown_name_suggests_the_nearest(name: str, chosen: dict[str, Any], why: str) -> None:
    with pytest.raises(UnknownNameError, match=why):
        rates(name, chosen, 0.1, 5)


@pytest.mark.parametrize("lr", [-1.0, math.nan, "0.1"])
def test_lr_is_checked(lr: Any) -> None:
    with pytest.raises(ArgumentError, match="lr must be"):
        rates("StepLR", {"step_size": 3}, lr, 5)


@pytest.mark.parametrize("steps", [-1, 2.0])
def test_steps_are_checked(steps: Any) -> None:
    with pytest.raises(ArgumentError, match="steps must be"):
        rates("StepLR", {"step_size": 3}, 0.1, steps)


def test_error_of_the_users_function_is_told_with_its_step() -> None:
    with pytest.raises(ArgumentError, match="'LambdaLR' has no lr at its step 3"):
        rates("LambdaLR", {"lr_lambda": lambda t: 1 / (3 - t)}, 0.1, 5)


losses = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, 1.00005, math.inf, -math.inf, math.nan]), st.floats(-2, 2)),
    min_size=1,
    max_size=400,
)


@settings(max_examples=200, deadline=None)
@given(
    chosen=options(
        {},
        mode=st.sampled_from(["min", "max"]),
        factor=st.floats(-0.1, 0.99),
        patience=st.integers(0, 12),
        threshold=st.sampled_from([0.0, 1e-4, 0.1]),
        threshold_mode=st.sampled_from(["rel", "abs"]),
        cooldown=st.integers(0, 6),
        min_lr=st.one_of(st.just(0), st.floats(0, 0.1), st.just([0.01])),
        eps=st.sampled_from([0.0, 1e-8, 1e-3]),
    ),
    lr=learning_rates,
    seen=losses,
)
def test_plateau_is_torchs(chosen: dict[str, Any], lr: float, seen: list[float]) -> None:
    against_torch(chosen, lr, seen)


@pytest.mark.parametrize("seed", range(8))
def test_plateau_is_torchs_over_a_run(seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311 - no secret
    seen = [math.exp(-t / 300) + noise.random() / 10 for t in range(STEPS)]
    lowered = against_torch({"factor": 0.7, "patience": 3 * seed, "cooldown": seed, "eps": 1e-5}, 0.1, seen)
    assert lowered > 3


def against_torch(chosen: dict[str, Any], lr: float, seen: list[float]) -> int:
    """Compare after each loss, the state too; return how many rates there were."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **chosen)
    plateau = make_plateau(chosen, lr)
    assert plateau.lr == lr
    for loss in seen:
        scheduler.step(loss)
        assert plateau.step(loss) == plateau.lr == optimizer.param_groups[0]["lr"]
        for state in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
            assert getattr(plateau, state) == getattr(scheduler, state)
    return len({lr, plateau.lr}) if len(seen) < STEPS else round(math.log(plateau.lr / lr, chosen["factor"]))


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"factor": 1.0}, "factor must be below 1"),
        ({"mode": "minimum"}, "did you mean 'min'"),
        ({"threshold_mode": "relative"}, "threshold_mode 'relative'"),
        ({"patiense": 3}, "did you mean 'patience'"),
        ({"min_lr": [0.0, 0.0]}, "one value"),
        ({"patience": "3"}, "patience must be a number"),
    ],
)
def test_plateau_refuses(chosen: dict[str, Any], why: str) -> None:
    with pytest.raises(ArgumentError, match=why):
        make_plateau(chosen, 0.1)


def test_plateau_is_not_a_sequence() -> None:
    with pytest.raises(ArgumentError, match="looks at the loss"):
        rates("ReduceLROnPlateau", {}, 0.1, 5)


def test_rates_need_neither_torch_nor_numpy() -> None:
    program = (
        "import sys; from polyoptim.optim.rates import sequence, plateau\n"
        "sequence.rates('OneCycleLR', {'max_lr': 1.0, 'total_steps': 9}, 0.1, 9, {'momentum': 0.9})\n"
        "assert not {'torch', 'numpy', 'numba'} & set(sys.modules)"
    )
    source = str(Path(polyoptim.__file__).resolve().parents[1])
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": source}, timeout=60)


def test_schedule_in_schedules_counts_from_zero_again_as_torch() -> None:
    inner = [("ConstantLR", {}), ("CosineAnnealingWarmRestarts", {"T_0": 2})]
    tree = {"schedulers": [("SequentialLR", {"schedulers": inner, "milestones": [0]})], "milestones": []}
    assert agree("SequentialLR", tree)
