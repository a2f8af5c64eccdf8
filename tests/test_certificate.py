"""The largest stable rate of plain SGD against eigenvalues and against runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polyoptim import Status, train
from polyoptim.bases import FAMILIES
from polyoptim.certificate import largest_stable_rate
from polyoptim.domain import Domain
from polyoptim.losses import LOSSES
from polyoptim.problem import Problem
from polyoptim.solvers.least_squares import least_squares
from polyoptim.targets.samples import Samples

X = np.linspace(-1.0, 2.0, 60)
Y = np.exp(X)
W = np.linspace(0.1, 3.0, 60)


def problem(basis: str, powers: tuple[int, ...], weight: Any, reduction: str) -> Problem:
    family = FAMILIES[basis]
    domain = Domain(-1.0, 2.0, family.window if family.mapped else None)
    return Problem(Samples(X, Y, weight), family, domain, powers, LOSSES["squared"], {}, reduction)


def stable_rate(made: Problem) -> float | None:
    quadratic = least_squares(made, 2.0**-52)[1]
    assert quadratic is not None
    return largest_stable_rate(quadratic)


CASES = [
    (basis, powers, weight, reduction)
    for basis in FAMILIES
    for powers in ((0, 1, 2, 3), (1, 3), (0,))
    for weight in (None, W)
    for reduction in ("sum", "mean")
]


@pytest.mark.parametrize(("basis", "powers", "weight", "reduction"), CASES)
def test_rate_equals_that_of_the_eigenvalues(basis: str, powers: Any, weight: Any, reduction: str) -> None:
    made = problem(basis, powers, weight, reduction)
    family = made.family
    columns = family.columns(made.domain.map(X), max(powers))
    design = np.stack([columns[k] for k in powers], axis=-1)
    w = np.ones_like(X) if weight is None else weight
    hessian = 2 * design.T @ (w[:, None] * design) / (w.sum() if reduction == "mean" else 1)
    assert stable_rate(made) == pytest.approx(2 / np.linalg.eigvalsh(hessian).max(), rel=1e-12)


@pytest.mark.parametrize(("basis", "powers", "weight", "reduction"), CASES[::3])
def test_rate_parts_runs_that_stay_from_runs_that_leave(basis: str, powers: Any, weight: Any, reduction: str) -> None:
    rate = stable_rate(problem(basis, powers, weight, reduction))
    assert rate is not None
    arguments = {
        "weight": weight,
        "basis": basis,
        "powers": powers,
        "reduction": reduction,
        "optimizer": "SGD",
        "dtype": "float64",
        "steps": 4000,
        "seed": 1,
    }
    below = train(X, Y, lr=0.999 * rate, **arguments)
    assert below.status is Status.STEPS_DONE
    assert below.loss < train(X, Y, lr=rate, **{**arguments, "steps": 0}).loss
    above = train(X, Y, lr=1.01 * rate, **arguments)
    assert above.status is Status.DIVERGED
    assert f"2/λmax = {rate:.4g}" in above.message


def test_rate_is_none_when_nothing_bends() -> None:
    zeros = Samples(np.zeros(4), np.ones(4))
    made = Problem(zeros, FAMILIES["power"], Domain(-1.0, 1.0), (1, 2), LOSSES["squared"])
    assert stable_rate(made) is None


def test_there_is_no_quadratic_when_the_columns_overflow() -> None:
    far = Samples(np.array([1e200, 2e200]), np.ones(2))
    made = Problem(far, FAMILIES["power"], Domain(1e200, 2e200), (0, 1, 2), LOSSES["squared"])
    assert least_squares(made, 2.0**-52)[1] is None
