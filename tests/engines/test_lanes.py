"""Runs side by side: each is bit for bit the run that goes by itself, in whatever lane it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from polyoptim.engines.lanes import LANES, Outcome, lanes_fit, side_by_side
from polyoptim.engines.method import Method
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.plan import Plan
from polyoptim.engines.steps import RuleSteps
from polyoptim.engines.traces import Kind, kind_of
from polyoptim.optim.rules import RULES
from polyoptim.quadratic import Quadratic

Array = npt.NDArray[np.float64]
DRAWN = np.random.default_rng(0)


def objective_of(columns: int) -> QuadraticObjective:
    rows = np.triu(DRAWN.normal(size=(columns, columns))) / columns + np.eye(columns)
    return QuadraticObjective(Quadratic(rows, DRAWN.normal(size=columns), rss=2.0))


def plan(name: str, lr: float) -> Plan:
    return Plan(name, {}, lr, None, {}, 1, None, 1, None, None, 0, "float64", "cpu")


def by_itself(name: str, lr: float, objective: QuadraticObjective, start: Array, bias: bool, steps: int) -> list[Array]:
    """Return the coefficients before each update, by the rule as it stands, and those after the last."""
    method = Method(plan(name, lr))
    one = RuleSteps(method, start.tolist(), bias, objective.evaluate)
    found = []
    for made in range(steps):
        found.append(np.array(one.coef))
        one.one(made, method.numbers())
    return [*found, np.array(one.coef)]


def lanes(kind: Kind, objective: QuadraticObjective, starts: Array, lrs: Array, steps: int, marks: Array) -> Outcome:
    hyper = np.array([Method(plan(kind.rule, float(lr))).hyper for lr in lrs])
    return side_by_side(kind, objective, starts, hyper, steps, marks, lambda _: None)


@pytest.mark.parametrize(
    ("name", "columns", "bias"),
    [
        ("SGD", 1, True),
        ("SGD", 4, False),
        ("Adam", 4, True),
        ("Adam", 30, True),
        ("SGD", 64, True),
        ("NAdam", 12, False),
    ],
)
def test_lanes_have_the_numbers_of_the_run_by_itself(name: str, columns: int, bias: bool) -> None:
    objective, steps, lrs = objective_of(columns), 25, np.array([1e-3, 1e-2, 1e-1])
    kind = kind_of(RULES[name], Method(plan(name, 0.1)).flags, columns, bias)
    starts = DRAWN.normal(size=(3, columns))
    found = lanes(kind, objective, starts, lrs, steps, np.zeros(0))
    for place, lr in enumerate(lrs.tolist()):
        coef = by_itself(name, lr, objective, starts[place], bias, steps)[-1]
        assert found.coef[place].tolist() == coef.tolist()
        assert [found.loss[place], found.excess[place]] == [objective.measure(coef.tolist())[k] for k in (0, 2)]


@pytest.mark.parametrize("runs", [1, LANES - 1, LANES, LANES + 1, 3 * LANES + 7])
def test_lanes_do_not_depend_on_where_a_run_is(runs: int) -> None:
    objective = objective_of(4)
    kind = kind_of(RULES["SGD"], Method(plan("SGD", 0.1)).flags, 4, True)
    starts, lrs = DRAWN.normal(size=(runs, 4)), np.geomspace(1e-3, 10, runs)
    told: list[int] = []
    hyper = np.array([Method(plan("SGD", float(lr))).hyper for lr in lrs])
    found = side_by_side(kind, objective, starts, hyper, 30, np.array([1.0, 1e-3]), told.append)
    turned = side_by_side(kind, objective, starts[::-1], hyper[::-1], 30, np.array([1.0, 1e-3]), told.append)
    assert np.array_equal(found.coef, turned.coef[::-1], equal_nan=True)
    assert np.array_equal(found.excess, turned.excess[::-1], equal_nan=True)
    assert np.array_equal(found.diverged, turned.diverged[::-1])
    assert np.array_equal(found.reached, turned.reached[:, ::-1])
    assert sum(told) == 2 * runs


@pytest.mark.parametrize("columns", [4, 12])
def test_marks_are_reached_at_the_first_update_that_sees_them(columns: int) -> None:
    objective, steps = objective_of(columns), 40
    marks, lrs = np.array([10.0, 1.0, 0.1, 1e-9]), np.array([1e-3, 0.1, 1e9])
    kind = kind_of(RULES["SGD"], Method(plan("SGD", 0.1)).flags, columns, True)
    starts = DRAWN.normal(size=(3, columns))
    found = lanes(kind, objective, starts, lrs, steps, marks)
    for place, lr in enumerate(lrs.tolist()[:2]):
        excess = [objective.measure(coef.tolist())[2] for coef in by_itself("SGD", lr, objective, starts[place], True, steps)]  # fmt: skip  # noqa: E501
        for row, mark in enumerate(marks.tolist()):
            wanted = next((made for made, value in enumerate(excess) if value is not None and value <= mark), -1)
            assert found.reached[row, place] == wanted
    assert found.diverged.tolist() == [-1, -1, 1]
    assert np.isnan([found.loss[2], found.excess[2]]).all()
    assert (found.reached[:, 2] <= 0).all()
    assert found.spent.tolist() == [steps] * 3


def test_runs_that_evaluate_again_do_not_fit() -> None:
    method = Method(plan("LBFGS", 1.0))
    assert not lanes_fit(kind_of(RULES["LBFGS"], method.flags, 4, True))
    kind = kind_of(RULES["SGD"], Method(plan("SGD", 1.0)).flags, 65, True)
    assert not lanes_fit(kind)
    assert lanes_fit(replace(kind, columns=64))
