"""Rules that decide by values: their text compiled, against the same text in plain Python, bit for bit."""

from __future__ import annotations

import inspect
import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.arguments import Arguments
from polyoptim.compiler import compiled
from polyoptim.engines.method import Method
from polyoptim.engines.plan import Plan
from polyoptim.engines.steps import RuleSteps
from polyoptim.engines.whole import WholeSteps, alone, each_alone, parts_text, whole_loop, whole_text
from polyoptim.optim.rule import Rule
from polyoptim.optim.rules import RULES
from polyoptim.racing.stage import Stage, _Alone, _one_by_one, stage_of
from polyoptim.statement import state

SEEDS = st.integers(0, 2**32 - 1)
WHOLE = [name for name, rule in RULES.items() if rule.whole is not None]

# Numbers of the options, drawn by their names; few evaluations and small histories, so that the ends are met.
DRAWS: dict[str, list[Any]] = {
    "lr": [1, 10.0, 0.1, 1e-2, 1e-4, 300.0, 1e200, 0.7],
    "max_iter": [1, 2, 3, 20, 20, 0],
    "max_eval": [None, None, 1, 2, 7, 1000],
    "tolerance_grad": [1e-7, 1e-7, 1e-2, 0.0, -1.0],
    "tolerance_change": [1e-9, 1e-9, 1e-3, 0.0, -1.0],
    "history_size": [100, 100, 1, 2, 5, 10**15],
    "line_search_fn": [None, "strong_wolfe"],
}
BUDGETS = [None, 0, 1, 2, 3, 7, 50, 400]


def generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - draws examples, not secrets


def drawn_stage(draw: random.Random) -> Stage:
    basis = draw.choice(["power", "chebyshev", "legendre"])
    columns = draw.randint(1, 12)
    powers = sorted(draw.sample(range(columns + 3 if basis != "power" else columns + 1), columns))
    words = {"basis": basis, "degree": max(powers), "powers": powers, "samples": draw.choice([5, 40, 300])}
    words |= {"domain": (-1.0, draw.choice([1.0, 2.0, 0.3])), "reduction": draw.choice(["sum", "mean"])}
    words |= {"mapped": None}
    check = Arguments()
    return stage_of(
        state(draw.choice(["sin(3*x)", "exp(x)", "x", "1/(1+25*x**2)"]), None, None, None, words, check).problem
    )


def drawn_run(rule: Rule, draw: random.Random) -> tuple[Stage, Any, dict[str, bool], list[float], Any]:
    """A stage, the numbers and flags of the rule, a start, and marks."""
    stage = drawn_stage(draw)
    while True:
        options = {name: draw.choice(DRAWS[name]) for name in rule.options if draw.random() < 0.7}
        if not list(rule.refuse({**rule.options, **options})):
            break
    hyper, flags = rule.read(options)
    coef = (stage.start(draw.randrange(100)) * draw.choice([1.0, 1.0, 1e3, 1e-9])).tolist()
    scale = max(stage.value, 1e-12)
    return stage, hyper, flags, coef, np.array([scale * draw.choice([1e3, 0.1, 1e-6, 0.0]) for _ in range(3)])


def bits(values: Any) -> bytes:
    return np.asarray(values, dtype=np.float64).tobytes()


def test_there_is_a_rule_that_decides_by_values() -> None:
    assert set(WHOLE) == {name for name, rule in RULES.items() if rule.reevaluates}


@pytest.mark.parametrize("name", WHOLE)
@given(seed=SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_compiled_run_is_the_plain_one_to_the_bit(name: str, seed: int) -> None:
    rule, draw = RULES[name], generator(seed)
    stage, hyper, flags, coef, marks = drawn_run(rule, draw)
    bias, budget, steps = 0 in stage.problem.powers, draw.choice(BUDGETS), draw.choice([0, 1, 2, 30, 300])
    run = alone(rule, flags, bias, stage.objective, coef, hyper, steps, budget, marks)
    plain = _Alone(stage, rule, flags, steps, marks, budget)
    found, excess = plain(coef, hyper)
    assert (run.diverged, run.reached, run.spent) == (plain.diverged, plain.reached, plain.spent)
    assert bits(run.coef) == bits(found)
    assert bits(run.excess) == bits(excess)


def test_a_budget_ends_a_run_in_the_middle_of_a_step_which_does_not_count() -> None:
    rule = RULES["LBFGS"]
    stage = drawn_stage(generator(3))
    hyper, flags = rule.read({"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_iter": 30})
    coef, marks = stage.start(0).tolist(), np.array([])
    bias = 0 in stage.problem.powers
    run = alone(rule, flags, bias, stage.objective, coef, hyper, 100, 9, marks)
    assert run.spent == 9
    assert run.coef == coef


@pytest.mark.parametrize("name", WHOLE)
def test_runs_on_all_cores_are_those_one_by_one(name: str) -> None:
    rule, draw = RULES[name], generator(5)
    stage, hyper, flags, _, marks = drawn_run(rule, draw)
    bias, told = 0 in stage.problem.powers, []
    starts = np.array([stage.start(seed) for seed in range(19)])
    numbers = np.array([(lr, *hyper[1:]) for lr in np.geomspace(1e-4, 10.0, 19)])
    found = each_alone(rule, flags, bias, stage.objective, starts, numbers, 50, 60, marks, told.append)
    again = _one_by_one(stage, rule, flags, numbers, starts, 50, marks, told.append, 60)
    assert sum(told) == 38
    for place in range(19):
        start, own = starts[place].tolist(), tuple(numbers[place].tolist())
        run = alone(rule, flags, bias, stage.objective, start, own, 50, 60, marks)
        assert bits(run.coef) == bits(found.coef[place]) == bits(again.coef[place])
        assert bits(run.excess) == bits(found.excess[place])
        assert (run.diverged, run.spent) == (found.diverged[place], found.spent[place])
        assert run.reached == found.reached[:, place].tolist()


def method_of(rule: Rule, options: dict[str, Any], schedule: str | None = None) -> Method:
    given = {"gamma": 0.9} if schedule else {}
    return Method(Plan(rule.name, options, None, schedule, given, 100, None, 1, None, None, 1, "float64", "cpu"))


@pytest.mark.parametrize("name", WHOLE)
@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_many_updates_are_those_one_by_one(name: str, seed: int) -> None:
    rule, draw = RULES[name], generator(seed)
    stage = drawn_stage(draw)
    options = {
        "lr": draw.choice([1.0, 0.1, 1e-3]),
        "max_iter": draw.choice([1, 3, 20]),
        "history_size": draw.choice([2, 100]),
    }
    options |= {"line_search_fn": draw.choice([None, "strong_wolfe"]), "tolerance_grad": 0.0, "tolerance_change": 0.0}
    schedule = draw.choice([None, "ExponentialLR"])
    method, other = (method_of(rule, options, schedule) for _ in range(2))
    coef, bias, objective = stage.start(0).tolist(), 0 in stage.problem.powers, stage.objective
    loop = whole_loop(rule, method.momentum)
    assert loop is not None
    many, ones = WholeSteps(method, coef, bias, objective, loop), RuleSteps(other, coef, bias, objective.evaluate)
    first = 0
    for count in (1, 4, 9):
        made, calm = many.many(first, count, math.inf, (-1.0, -1.0), (0.0, math.nan))
        method.skip(made)
        assert made == count
        for place in range(made):
            loss = ones.one(first + place, other.numbers())
            other.advance(loss)
        assert bits(calm[1]) == bits(loss)
        assert bits(many.coef) == bits(ones.coef)
        assert json.dumps(many.snapshot()) == json.dumps(ones.snapshot())
        first += count


def test_many_updates_stop_before_one_of_interest() -> None:
    rule, stage = RULES["LBFGS"], drawn_stage(generator(1))
    method, coef, bias = (
        method_of(rule, {"lr": 1e-3, "max_iter": 1}),
        stage.start(0).tolist(),
        0 in stage.problem.powers,
    )
    loop = whole_loop(rule, None)
    assert loop is not None
    start = stage.objective.evaluate(coef)[0]

    def made(limit: float, tolerances: tuple[float, float]) -> int:
        steps = WholeSteps(method, coef, bias, stage.objective, loop)
        return steps.many(0, 50, limit, tolerances, (0.0, math.nan))[0]

    assert made(math.inf, (-1.0, -1.0)) == 50
    assert made(0.5 * start, (-1.0, -1.0)) == 0
    assert made(math.inf, (-1.0, 1e300)) == 0
    assert made(math.inf, (1e300, -1.0)) == 10


def test_a_state_goes_through_json() -> None:
    rule, stage = RULES["LBFGS"], drawn_stage(generator(1))
    method, coef, bias = (
        method_of(rule, {"lr": 0.1, "history_size": 2}),
        stage.start(0).tolist(),
        0 in stage.problem.powers,
    )
    one, two = (RuleSteps(method, coef, bias, stage.objective.evaluate) for _ in range(2))
    one.one(0, method.numbers())
    two.restore(one.coef, json.loads(json.dumps(one.snapshot())))
    assert one.one(1, method.numbers()) == two.one(1, method.numbers())
    assert one.snapshot() == two.snapshot()


@pytest.mark.parametrize("name", WHOLE)
def test_its_text_is_that_of_the_rule_and_compiled_once(name: str) -> None:
    text = whole_text(name)
    assert text is not None
    assert inspect.getsource(RULES[name].whole.step) in text  # type: ignore[union-attr]
    assert compiled(text) is compiled(text)


def test_a_rule_without_such_a_text_or_without_its_source_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert whole_text("SGD") is None

    def missing(_function: Any) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", missing)
    whole_text.cache_clear()
    try:
        assert [whole_text(name) for name in WHOLE] == [None] * len(WHOLE)
    finally:
        whole_text.cache_clear()


def helper(x: float) -> float:
    return x


def names_a_helper(x: float) -> float:
    return helper(x) + FACTOR


FACTOR = 2.5


def advance(x: float) -> float:
    return x


def test_a_text_holds_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    text = parts_text(names_a_helper)
    assert text.startswith("FACTOR = 2.5\n")
    assert text.count("def ") == 2
    with pytest.raises(TypeError, match="no plain function"):
        parts_text(math.sqrt)
    with pytest.raises(TypeError, match="advance means two things"):
        parts_text(advance)
    monkeypatch.setitem(globals(), "helper", bits)
    with pytest.raises(TypeError, match="helper means two things"):
        parts_text(names_a_helper)
