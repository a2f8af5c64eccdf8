"""The state of an optimizer along a run: that of torch.optim itself, name by name, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from polyoptim.engines.memory import remembered
from polyoptim.engines.method import Method
from polyoptim.engines.plan import Plan
from polyoptim.optim.rules import RULES

MARKS = [1, 2, 3, 10, 40]
START = [0.5, -1.0, 2.0, 0.25]
A = np.vander(np.linspace(-1, 1, 9), 4, increasing=True)
Y = np.sin(3 * np.linspace(-1, 1, 9))
# With options in which each entry of the state is in use.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"momentum": 0.9, "dampening": 0.25}, {"momentum": 0.5, "nesterov": True}],
    "RMSprop": [{"momentum": 0.5, "centered": True}, {"weight_decay": 0.1}],
    "Adam": [{"amsgrad": True}, {"betas": (0.5, 0.9), "eps": 1e-3}],
    "AdamW": [{"amsgrad": True, "weight_decay": 0.3}],
    "ASGD": [{"t0": 5.0}],
    "Adagrad": [{"initial_accumulator_value": 0.5, "lr_decay": 0.1}],
    "Rprop": [{"etas": (0.4, 1.3), "step_sizes": (1e-4, 0.5)}],
}
KEEPS = [name for name, rule in RULES.items() if rule.functions and rule.state and rule.in_torch]
CASES = [(name, options) for name in KEEPS for options in OPTIONS.get(name, [{}])]


def memory(name: str, options: dict[str, Any], schedule: str | None = None, **rates: Any) -> dict[str, Any]:
    def evaluate(coef: list[float]) -> tuple[float, list[float]]:
        residual = A @ np.array(coef) - Y
        return float(residual @ residual), (2 * A.T @ residual).tolist()

    plan = Plan(name, options, 0.01, schedule, rates, MARKS[-1], None, 1, None, None, 0, "float64", "cpu")
    return remembered(Method(plan), START, True, evaluate, MARKS)


def torch_memory(name: str, options: dict[str, Any], schedule: str | None = None, **rates: Any) -> dict[str, Any]:
    coef = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([coef], lr=0.01, foreach=False, **options)
    turn = getattr(torch.optim.lr_scheduler, schedule)(optimizer, **rates) if schedule else None
    a, y = torch.tensor(A), torch.tensor(Y)
    found: dict[str, list[Any]] = {}
    for step in range(1, MARKS[-1] + 1):
        optimizer.zero_grad()
        ((a @ coef - y) ** 2).sum().backward()
        optimizer.step()
        if turn:
            turn.step()
        if step in MARKS:
            for key, value in optimizer.state[coef].items():
                if value is not None and getattr(value, "shape", ()) == coef.shape:
                    found.setdefault(key, []).append(value.detach().numpy().copy())
    return {key: np.array(rows) for key, rows in found.items() if np.any(rows)}


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{'-'.join(options)}" for name, options in CASES])
def test_memory_is_that_of_torch(name: str, options: dict[str, Any]) -> None:
    ours, wanted = memory(name, options), torch_memory(name, options)
    assert ours.keys() == wanted.keys()
    for key, rows in wanted.items():
        np.testing.assert_allclose(ours[key], rows, rtol=1e-11, atol=1e-13, err_msg=key)


def test_memory_follows_a_schedule() -> None:
    given = {"gamma": 0.5, "step_size": 7}
    for name in ("SGD", "Rprop", "NAdam"):
        options = {"momentum": 0.9} if name == "SGD" else {}
        ours, wanted = memory(name, options, "StepLR", **given), torch_memory(name, options, "StepLR", **given)
        assert ours.keys() == wanted.keys()
        for key, rows in wanted.items():
            np.testing.assert_allclose(ours[key], rows, rtol=1e-11, atol=1e-13, err_msg=key)


def test_every_rule_but_those_without_state_of_single_coefficients_is_compared() -> None:
    assert set(RULES) - set(KEEPS) == {"Adafactor", "LBFGS", "Lion"}


def test_lion_remembers_what_its_paper_says() -> None:
    # Chen et al. 2023, doi:10.48550/arXiv.2302.06675: m ← β2 m + (1 − β2) g; a step is the sign of β1 m + (1 − β1) g.
    coef, m, rows = np.array(START), np.zeros(4), []
    for step in range(1, MARKS[-1] + 1):
        g = 2 * A.T @ (A @ coef - Y)
        coef = coef - 0.01 * np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        if step in MARKS:
            rows.append(m)
    np.testing.assert_allclose(memory("Lion", {})["exp_avg"], rows, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor"])
def test_memory_is_empty_where_it_belongs_to_no_single_coefficient(name: str) -> None:
    assert memory(name, {}) == {}


def test_memory_leaves_out_what_is_kept_without_use() -> None:
    assert set(memory("SGD", {})) == set()
    assert set(memory("Adam", {})) == {"exp_avg", "exp_avg_sq"}


def test_memory_goes_on_when_the_run_diverges() -> None:
    found = memory("SGD", {"momentum": 0.9})["momentum_buffer"]
    plan = Plan("SGD", {"momentum": 0.9}, 1e200, None, {}, 9, None, 1, None, None, 0, "float64", "cpu")
    lost = remembered(Method(plan), START, True, lambda c: (0.0, [value * 1e200 for value in c]), [0, 9])
    assert found.shape == (len(MARKS), 4)
    assert not lost["momentum_buffer"][0].any()
    assert not np.isfinite(lost["momentum_buffer"][1]).any()
