"""The least coefficients, against pseudo-inverses and the limit of a ridge."""

from __future__ import annotations

import numpy as np
import pytest

from polyoptim.losses import find_loss
from polyoptim.solvers.least_norm import least_norm

RNG = np.random.default_rng(3)
WIDE, TALL = RNG.normal(size=(6, 20)), RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, 8))
SQUARED = find_loss("squared")


@pytest.mark.parametrize("columns", [WIDE, TALL])
def test_without_a_constant_it_is_the_pseudo_inverse(columns: np.ndarray) -> None:
    y = RNG.normal(size=len(columns))
    found = least_norm(columns, y, None, SQUARED, {}, constant=False)
    assert found.coef == pytest.approx(np.linalg.pinv(columns, rcond=1e-12) @ y)
    assert (found.level, found.rank) == (0.0, np.linalg.matrix_rank(columns))


@pytest.mark.parametrize("columns", [WIDE, TALL])
def test_with_a_constant_it_is_the_limit_of_a_ridge_that_leaves_it_out(columns: np.ndarray) -> None:
    y, weight = RNG.normal(size=len(columns)) + 50, RNG.uniform(0.5, 2, size=len(columns))
    found = least_norm(columns, y, weight, SQUARED, {}, constant=True)
    whole = np.column_stack([np.ones(len(y)), columns])
    ridge = np.diag([0.0, *[1e-6] * columns.shape[1]])
    near = np.linalg.solve(whole.T @ (whole * weight[:, None]) + ridge, whole.T @ (weight * y))
    assert [found.level, *found.coef] == pytest.approx(near, abs=1e-3)


def test_a_ridge_solves_its_normal_equations() -> None:
    y, weight = RNG.normal(size=6), np.arange(1.0, 7.0)
    found = least_norm(WIDE, y, weight, SQUARED, {}, constant=True, ridge=0.7)
    residual = WIDE @ found.coef + found.level - y
    assert weight @ residual == pytest.approx(0, abs=1e-12)
    assert WIDE.T @ (weight * residual) + 0.7 * found.coef == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize("name", ["absolute", "huber", "squared"])
def test_every_loss_takes_the_shortest_coefficients(name: str) -> None:
    y = RNG.normal(size=40)
    loss = find_loss(name)
    found = least_norm(TALL, y, None, loss, loss.check({}), constant=True)
    assert found.rank == 4
    _, _, right = np.linalg.svd(TALL - TALL.mean(axis=0))
    assert right[3:] @ found.coef == pytest.approx(0, abs=1e-12)


def test_columns_that_are_constant_to_rounding_have_no_direction() -> None:
    found = least_norm(np.full((7, 2), 0.1), np.arange(7.0), None, SQUARED, {}, constant=True)
    assert found.rank == 1
    assert found.coef.tolist() == [0.0, 0.0]
    assert found.level == pytest.approx(3.0)
