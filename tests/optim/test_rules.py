"""The update rules against torch.optim itself, step by step in float64."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import primitives
from polyoptim.errors import ArgumentError, UnknownNameError
from polyoptim.optim.rule import IMPLEMENTATION_ONLY, Rule, vector_step
from polyoptim.optim.rules import RULES

EPS = 2.0**-52
SEEDS = st.integers(0, 2**32 - 1)
NOT_IN_TORCH = {"Lion"}


def optimizers() -> dict[str, type]:
    base = torch.optim.Optimizer
    return {
        name: found
        for name, found in vars(torch.optim).items()
        if isinstance(found, type) and issubclass(found, base) and found is not base
    }


def trains(maker: type) -> bool:
    """Whether it takes a dense (1, n) weight and a (1,) bias in float64."""
    model = torch.nn.Linear(3, 1, dtype=torch.float64)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(torch.ones(1, 3, dtype=torch.float64)).square().sum()
        loss.backward()
        return loss

    try:
        optimizer = maker(model.parameters())
        optimizer.step(closure)
    except (RuntimeError, ValueError):
        return False
    return True


FOUND = optimizers()
ALL = sorted(set(RULES) - NOT_IN_TORCH)
ONE_EVALUATION = [name for name in ALL if "max_iter" not in RULES[name].options]


def test_every_optimizer_of_torch_that_trains_such_tensors_has_a_rule() -> None:
    assert {name for name, maker in FOUND.items() if trains(maker)} == set(ALL)


def test_the_optimizers_without_a_rule_refuse_such_tensors() -> None:
    assert set(FOUND) - set(ALL) == {"Muon", "SparseAdam"}


@pytest.mark.parametrize("name", ALL)
def test_options_and_defaults_are_those_of_torch(name: str) -> None:
    signature = inspect.signature(FOUND[name]).parameters.values()
    theirs = {p.name: p.default for p in list(signature)[1:] if p.name not in IMPLEMENTATION_ONLY}
    assert dict(RULES[name].options) == theirs
    assert next(iter(RULES[name].options)) == "lr"


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_says_where_it_is_from_and_names_what_it_keeps(name: str) -> None:
    rule = RULES[name]
    assert rule.name == name
    text = inspect.getmodule(rule.functions or rule.vector).__doc__
    assert text is not None
    assert "References" in text
    hyper, flags = rule.read({})
    assert len(hyper) == len(rule.hyper)
    assert tuple(flags) == rule.flags
    if rule.functions is not None:
        init, schedule, update = rule.functions(**flags)
        scalars = schedule(1.0, hyper, tuple(rule.scalars.values()))
        assert len(scalars) == len(rule.scalars)
        state = init(1.0, hyper)
        assert len(state) == len(rule.state)
        assert len(update(1.0, 0.5, state, hyper, scalars)[1]) == len(rule.state)


# Hyperparameters, drawn by the name of the option.
def generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - draws examples, not secrets


def pick(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda draw: draw.uniform(low, high)


def scale(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda draw: 10.0 ** draw.uniform(low, high)


def often_zero(high: float) -> Callable[[random.Random], float]:
    return lambda draw: draw.choice([0, draw.uniform(0.0, high)])


DRAWS: dict[str, Callable[[random.Random], Any]] = {
    "lr": scale(-3.0, -0.3),
    "alpha": pick(0.3, 0.999),
    "beta2_decay": pick(-1.0, -0.1),
    "betas": lambda draw: (draw.uniform(0.0, 0.99), draw.uniform(0.5, 0.9999)),
    "d": pick(1.0, 2.0),
    "dampening": often_zero(0.9),
    "eps": scale(-12.0, -3.0),
    "etas": lambda draw: (draw.uniform(0.1, 0.9), draw.uniform(1.05, 2.0)),
    "history_size": lambda draw: draw.randint(1, 6),
    "initial_accumulator_value": often_zero(1.0),
    "lambd": scale(-4.0, -1.0),
    "line_search_fn": lambda draw: draw.choice([None, "strong_wolfe"]),
    "lr_decay": often_zero(1.0),
    "max_eval": lambda draw: draw.choice([None, draw.randint(1, 12)]),
    "max_iter": lambda draw: draw.randint(1, 8),
    "momentum": often_zero(0.99),
    "momentum_decay": often_zero(0.1),
    "rho": pick(0.1, 0.999),
    "step_sizes": lambda draw: (10.0 ** draw.uniform(-6.0, -3.0), draw.uniform(0.1, 50.0)),
    "t0": lambda draw: draw.choice([1e6, 5.0]),
    "tolerance_change": lambda _draw: 1e-9,
    "tolerance_grad": lambda _draw: 1e-7,
    "weight_decay": often_zero(0.3),
}


def drawn(rule: Rule, draw: random.Random) -> dict[str, Any]:
    """Options that torch takes: most of them drawn, some left at their default."""
    options: dict[str, Any] = {}
    for name, default in rule.options.items():
        if isinstance(default, bool):
            options[name] = draw.random() < 0.5
        elif name == "eps" and isinstance(default, tuple):
            options[name] = (draw.choice([None, 10.0 ** draw.uniform(-20.0, -3.0)]), 10.0 ** draw.uniform(-6.0, -1.0))
        elif draw.random() < 0.8:
            options[name] = DRAWS[name](draw)
    if options.get("nesterov"):
        options["dampening"] = 0
        options["momentum"] = draw.uniform(0.1, 0.99)
    return options


class Quadratic:
    """Half the squared residuals of a random linear model; torch's parameters and the same numbers as plain lists."""

    def __init__(self, draw: random.Random, size: int | None = None) -> None:
        noise = torch.Generator().manual_seed(draw.randrange(2**32))
        self.size = size or draw.randint(1, 5)
        self.x = torch.randn(9, self.size, generator=noise, dtype=torch.float64)
        self.y = torch.randn(9, generator=noise, dtype=torch.float64)
        self.params = [
            torch.randn(1, self.size, generator=noise, dtype=torch.float64, requires_grad=True),
            torch.randn(1, generator=noise, dtype=torch.float64, requires_grad=True),
        ]

    def loss(self, params: list[torch.Tensor]) -> torch.Tensor:
        return 0.5 * (self.x @ params[0][0] + params[1] - self.y).square().sum()

    def tensors(self) -> list[list[float]]:
        return [p.detach().flatten().tolist() for p in self.params]

    def grads(self) -> list[list[float]]:
        return [p.grad.flatten().tolist() for p in self.params]

    def closure(self) -> torch.Tensor:
        for p in self.params:
            p.grad = None
        loss = self.loss(self.params)
        loss.backward()
        return loss

    def evaluate(self, tensors: list[list[float]]) -> tuple[float, list[list[float]]]:
        shapes = [(1, self.size), (1,)]
        params = [
            torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()
            for values, shape in zip(tensors, shapes, strict=True)
        ]
        loss = self.loss(params)
        loss.backward()
        return loss.item(), [p.grad.flatten().tolist() for p in params]


class Steep(Quadratic):
    """A loss that is not quadratic, so that line searches have to bracket and zoom."""

    def loss(self, params: list[torch.Tensor]) -> torch.Tensor:
        r = self.x @ params[0][0] + params[1] - self.y
        return (torch.cosh(r.clamp(-20.0, 20.0)) - 1.0 + 0.3 * torch.sin(3.0 * r)).sum()


# The state as torch holds it, in the form of a rule.
def torch_state(rule: Rule, optimizer: Any, problem: Quadratic, ours: Any) -> Any:
    """Our state with each number replaced by torch's where torch holds it."""
    held = [optimizer.state.get(p, {}) for p in problem.params]

    def numbers(place: int, name: str, default: list[float]) -> list[float]:
        value = held[place].get(name)
        return default if value is None else value.flatten().tolist()

    if rule.functions is None:
        (rows, columns), (none, variance) = ours
        matrix = (numbers(0, "row_var", rows), numbers(0, "col_var", columns))
        return [matrix, (none, numbers(1, "variance", variance))]
    scalars, states = ours
    scalars = tuple(
        held[0][name].item() if name in held[0] else value for name, value in zip(rule.scalars, scalars, strict=True)
    )
    states = [
        list(
            zip(
                *(numbers(place, name, [own[k] for own in tensor]) for k, name in enumerate(rule.state)),
                strict=True,
            )
        )
        for place, tensor in enumerate(states)
    ]
    return scalars, states


def flat(nested: Any) -> list[float]:
    return [nested] if isinstance(nested, (int, float)) else [value for entry in nested for value in flat(entry)]


def nudged(nested: Any, draw: random.Random) -> Any:
    """The same numbers, each some units in the last place away."""
    if isinstance(nested, (int, float)):
        return nested * (1.0 + draw.choice([-4, -2, 2, 4]) * EPS)
    return type(nested)(nudged(entry, draw) for entry in nested)


def differences(rule: Rule, draw: random.Random, *, steps: int, varied: bool = False) -> list[tuple[float, float]]:
    """Pairs (difference from torch after one step, what rounding may make of it), over steps and numbers.

    Each step of the rule starts from torch's own state. What rounding may do is measured: a few nudges of what went in,
    by units in the last place, and some units of the numbers themselves.
    """
    options = drawn(rule, draw)
    problem = Quadratic(draw)
    optimizer = FOUND[rule.name](problem.params, **options)
    hyper, flags = rule.read(options)
    moving = [name for name in ("lr", "momentum", "beta1") if varied and name in rule.hyper]
    flags |= {"cycled": True} if varied and "cycled" in flags else {}
    begin, step = vector_step(rule, flags)
    group = optimizer.param_groups[0]
    state = None
    found = []
    for number in range(1, steps + 1):
        for name in moving:
            value = draw.uniform(0.01, 0.95)
            if name == "momentum":
                keeps = flags["with_momentum"] and not flags.get("nesterov")
                value = draw.choice([0.0, value]) if keeps and rule.scalars else value * flags["with_momentum"]
            hyper = tuple(value if own == name else old for own, old in zip(rule.hyper, hyper, strict=True))
            group.update({"betas": (value, group["betas"][1])} if name == "beta1" else {name: value})
        before = problem.tensors()
        state = begin(before, hyper) if state is None else torch_state(rule, optimizer, problem, state)
        optimizer.step(problem.closure)
        grads = problem.grads()

        def moved(tensors: Any, own: Any, slope: Any, number: float = float(number), hyper: Any = hyper) -> Any:
            _, after, kept = step(number, tensors, own, hyper, lambda _: (0.0, slope))
            return after, kept

        after, kept = moved(before, state, grads)
        theirs = (problem.tensors(), torch_state(rule, optimizer, problem, kept))
        ours = flat((after, kept))
        spread = [0.0] * len(ours)
        for _ in range(6):
            nudges = flat(moved(nudged(before, draw), nudged(state, draw), nudged(grads, draw)))
            spread = [max(old, abs(a - b)) for old, a, b in zip(spread, nudges, ours, strict=True)]
        for mine, other, wide in zip(ours, flat(theirs), spread, strict=True):
            found.append((abs(mine - other), 2.0 * wide + 8.0 * EPS * (abs(mine) + abs(other)) + 1e-300))
        state = kept
    return found


@pytest.mark.parametrize("name", ONE_EVALUATION)
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_each_step_is_that_of_torch(name: str, seed: int) -> None:
    for difference, allowed in differences(RULES[name], generator(seed), steps=12):
        assert difference <= allowed


@pytest.mark.parametrize("name", ONE_EVALUATION)
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_each_step_is_that_of_torch_where_lr_and_momentum_change(name: str, seed: int) -> None:
    for difference, allowed in differences(RULES[name], generator(seed), steps=8, varied=True):
        assert difference <= allowed


@pytest.mark.parametrize("name", ONE_EVALUATION)
@pytest.mark.parametrize("seed", range(4))
def test_free_runs_stay_with_torch_until_rounding_grows(name: str, seed: int) -> None:
    rule = RULES[name]
    draw = generator(seed)
    options = drawn(rule, draw) | {"lr": 0.01, "maximize": False}
    options = {option: value for option, value in options.items() if option in rule.options}
    problem = Quadratic(draw)
    optimizer = FOUND[name](problem.params, **options)
    hyper, flags = rule.read(options)
    begin, step = vector_step(rule, flags)
    tensors = problem.tensors()
    control = nudged(tensors, draw)
    state, control_state = begin(tensors, hyper), begin(control, hyper)
    compared = 0
    for number in range(1, 201):
        _, tensors, state = step(number, tensors, state, hyper, problem.evaluate)
        _, control, control_state = step(number, control, control_state, hyper, problem.evaluate)
        control, control_state = nudged(control, draw), nudged(control_state, draw)
        optimizer.step(problem.closure)
        apart = max(abs(a - b) for a, b in zip(flat(tensors), flat(control), strict=True))
        if apart > 1e-10:  # rounding grows here, in torch as well
            break
        gap = max(abs(a - b) for a, b in zip(flat(tensors), flat(problem.tensors()), strict=True))
        assert gap <= 100.0 * apart + 1e-13
        compared = number
    assert compared >= 20


def lbfgs_steps(problem: Quadratic, options: dict[str, Any], draw: random.Random) -> int:
    """Step beside torch and compare until rounding grows or decides; return how many steps were compared."""
    rule = RULES["LBFGS"]
    optimizer = torch.optim.LBFGS(problem.params, **options)
    hyper, flags = rule.read(options)
    begin, step = vector_step(rule, flags)
    tensors = problem.tensors()
    state = begin(tensors, hyper)
    controls = [(nudged(tensors, draw), state) for _ in range(6)]

    def noisy(at: list[list[float]]) -> Any:
        return nudged(problem.evaluate(at), draw)

    for number in range(1, 9):
        loss, tensors, state = step(number, tensors, state, hyper, problem.evaluate)
        seen = [step(number, *control, hyper, noisy) for control in controls]
        controls = [(own, memory) for _, own, memory in seen]
        theirs = optimizer.step(problem.closure).item()
        apart = max(abs(a - b) for own, _ in controls for a, b in zip(flat(tensors), flat(own), strict=True))
        if not apart < 1e-10 or any(own["func_evals"] != state["func_evals"] for _, own in controls):
            return number - 1
        held = optimizer.state[problem.params[0]]
        assert (state["func_evals"], state["n_iter"]) == (held["func_evals"], held["n_iter"])
        allowed = 1e-12 + 100.0 * apart
        spread = max(abs(loss - other) for other, _, _ in seen)
        assert loss == pytest.approx(theirs, rel=1e-12, abs=1e-12 + 1e3 * apart + 100.0 * spread)
        assert flat(tensors) == pytest.approx(flat(problem.tensors()), rel=allowed, abs=allowed)
    return 8


@pytest.mark.parametrize("problem_class", [Quadratic, Steep])
@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_lbfgs_evaluates_as_often_and_steps_as_torch(
    problem_class: type[Quadratic], line_search_fn: str | None, seed: int
) -> None:
    draw = generator(seed)
    problem = problem_class(draw)
    options = drawn(RULES["LBFGS"], draw) | {"line_search_fn": line_search_fn, "lr": draw.choice([1.0, 0.3, 0.01])}
    lbfgs_steps(problem, options, draw)


@pytest.mark.parametrize("problem_class", [Quadratic, Steep])
@pytest.mark.parametrize("seed", range(5))
def test_lbfgs_stays_with_torch_for_several_steps(problem_class: type[Quadratic], seed: int) -> None:
    draw = generator(seed)
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 4}
    assert lbfgs_steps(problem_class(draw), options, draw) >= 4


def test_lbfgs_leaves_what_it_was_given_as_it_was() -> None:
    rule = RULES["LBFGS"]
    problem = Steep(generator(0))
    hyper, flags = rule.read({"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 4})
    begin, step = vector_step(rule, flags)
    tensors = problem.tensors()
    _, tensors, state = step(1.0, tensors, begin(tensors, hyper), hyper, problem.evaluate)
    assert len(state["ro"]) == 2
    once = step(2.0, tensors, state, hyper, problem.evaluate)
    assert step(2.0, tensors, state, hyper, problem.evaluate) == once


@given(seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_lion_is_the_algorithm_of_its_paper(seed: int) -> None:
    rule = RULES["Lion"]
    draw = generator(seed)
    options = drawn(rule, draw)
    lr, (beta1, beta2), decay = ({**rule.options, **options}[name] for name in ("lr", "betas", "weight_decay"))
    hyper, flags = rule.read(options)
    begin, step = vector_step(rule, flags)
    theta, m = np.array([draw.gauss(0.0, 1.0) for _ in range(5)]), np.zeros(5)
    tensors = [theta[:4].tolist(), theta[4:].tolist()]
    state = begin(tensors, hyper)
    for number in range(1, 30):
        g = np.array([draw.gauss(0.0, 1.0) for _ in range(5)])
        c = beta1 * m + (1 - beta1) * g
        theta = theta - lr * (np.sign(c) + decay * theta)
        m = beta2 * m + (1 - beta2) * g
        grads = [g[:4].tolist(), g[4:].tolist()]
        _, tensors, state = step(number, tensors, state, hyper, lambda _, grads=grads: (0.0, grads))
        assert flat(tensors) == pytest.approx(theta.tolist(), rel=1e-13, abs=1e-13)
        assert flat(state[1]) == pytest.approx(m.tolist(), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("name", [name for name in sorted(RULES) if any(RULES[name].scalars)])
def test_running_products_agree_with_powers_after_ten_thousand_steps(name: str) -> None:
    rule = RULES[name]
    names = [scalar for scalar in rule.scalars if scalar.endswith("_power")]
    options = {"betas": (0.999, 0.9999)} if "betas" in rule.options else {}
    hyper, flags = rule.read(options | ({"momentum_decay": 1e-3} if "momentum_decay" in rule.options else {}))
    _, schedule, _ = rule.functions(**flags)
    scalars = tuple(rule.scalars.values())
    for number in range(1, 10_001):
        scalars = schedule(float(number), hyper, scalars)
    for scalar in names:
        base = dict(zip(rule.hyper, hyper, strict=True))[scalar.removesuffix("_power")]
        product = dict(zip(rule.scalars, scalars, strict=True))[scalar]
        assert product == pytest.approx(base**10_000, rel=1e-11)
        assert 1.0 - product == pytest.approx(1.0 - base**10_000, rel=1e-12)


@pytest.mark.parametrize("name", sorted(RULES))
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_flags_with_only_leave_out_what_does_nothing(name: str, seed: int) -> None:
    rule = RULES[name]
    draw = generator(seed)
    problem = Quadratic(draw)
    hyper, flags = rule.read(drawn(rule, draw))
    lazy = {flag: True for flag in flags if flag.startswith("with_") and flag.removeprefix("with_") in rule.hyper}
    runs = []
    for chosen in (flags, flags | lazy):
        begin, step = vector_step(rule, chosen)
        tensors = problem.tensors()
        state = begin(tensors, hyper)
        for number in range(1, 5):
            _, tensors, state = step(number, tensors, state, hyper, problem.evaluate)
        runs.append(flat(tensors))
    assert runs[0] == pytest.approx(runs[1], rel=1e-11, abs=1e-11)


def torch_takes(name: str, options: dict[str, Any]) -> bool:
    problem = Quadratic(generator(1), size=2)
    try:
        optimizer = FOUND[name](problem.params, **options)
        optimizer.step(problem.closure)
        optimizer.step(problem.closure)
    except Exception:  # noqa: BLE001 - whatever torch raises is a refusal
        return False
    return True


def rule_takes(name: str, options: dict[str, Any]) -> bool:
    try:
        RULES[name].read(options)
    except ArgumentError:
        return False
    return True


def flat_words(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


WILD = [-0.5, 0, 0.0, 1.0, 1, 2.0, math.inf, -2.0, "x", (1.0, 2.0), None]
COUNTS = {"max_iter": [1, 2, 3, "x", None], "max_eval": [-1, 0, 1, 2, "x", None], "history_size": [0, 1, 2, "x", None]}


@pytest.mark.parametrize("name", ALL)
@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_values_are_refused_where_torch_refuses_them(name: str, seed: int) -> None:
    draw = generator(seed)
    rule = RULES[name]
    options = drawn(rule, draw) | {"lr": draw.uniform(0.01, 0.2)}
    option = draw.choice([own for own, default in rule.options.items() if not isinstance(default, bool)])
    value = draw.choice(COUNTS.get(option, WILD))
    if isinstance(rule.options[option], tuple) and draw.random() < 0.8:
        pair = list(rule.check(options)[option])
        pair[draw.randrange(2)] = value
        value = tuple(pair)
    options[option] = value
    shaped = isinstance(value, tuple) == isinstance(rule.options[option], tuple)
    if not shaped or any(isinstance(entry, (str, type(None))) for entry in flat_words(value)):
        # torch takes some of what is no number, where it does not come to look at it
        assert rule_takes(name, options) <= torch_takes(name, options), options
    else:
        assert rule_takes(name, options) == torch_takes(name, options), options


@pytest.mark.parametrize("name", sorted(RULES))
def test_all_wrong_values_are_said_at_once(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"lr must be >= 0, got -1\."):
        RULES[name].read({"lr": -1})
    with pytest.raises(ArgumentError, match="lr must be a number, got nan"):
        RULES[name].read({"lr": math.nan})
    with pytest.raises(ArgumentError, match="lr must be a number"):
        RULES[name].read({"lr": 10**400})


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown SGD option 'momentun'; did you mean 'momentum'"):
        RULES["SGD"].read({"momentun": 0.9})
    with pytest.raises(ArgumentError, match=r"(?s)lr must be >= 0.*momentum must be >= 0"):
        RULES["SGD"].read({"lr": -1.0, "momentum": -2})
    with pytest.raises(ArgumentError, match="nesterov needs momentum > 0"):
        RULES["SGD"].read({"nesterov": True})


def test_options_that_choose_an_implementation_are_left_out() -> None:
    assert RULES["Adam"].read({"foreach": False, "fused": None}) == RULES["Adam"].read({})


# Python's primitives give what IEEE 754 gives; NumPy is the witness.
NUMBERS = [0.0, -0.0, 1.0, -2.5, 3.0, 1e308, -1e-308, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("a", NUMBERS)
@pytest.mark.parametrize("b", NUMBERS)
def test_primitives_are_those_of_ieee(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_equal(primitives.divide(a, b), float(np.float64(a) / np.float64(b)))
        np.testing.assert_equal(primitives.sqrt(a), float(np.sqrt(np.float64(a))))
        np.testing.assert_equal(primitives.maximum(a, b) + 0.0, float(np.maximum(a, b)) + 0.0)
        np.testing.assert_equal(primitives.minimum(a, b) + 0.0, float(np.minimum(a, b)) + 0.0)
        np.testing.assert_equal(primitives.to_float32(a), float(np.float32(a)))
        if a >= 0.0:
            np.testing.assert_equal(primitives.power(abs(a), b), float(np.power(np.float64(abs(a)), b)))
    assert primitives.sign(a) == torch.sign(torch.tensor(a, dtype=torch.float64)).item()
