"""The eigenvalues of the squared loss, against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.bases import FAMILIES
from polyoptim.certificate import condition_number
from polyoptim.domain import Domain
from polyoptim.losses import LOSSES
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.solvers.least_squares import least_squares
from polyoptim.targets.samples import Samples

Array = npt.NDArray[np.float64]
Matrix = list[list[Fraction]]


def quadratic(r: Array, factor: float = 1.0) -> Quadratic:
    return Quadratic(r, np.zeros(len(r)), 0.0, factor)


def eigenvalues(made: Quadratic) -> Array:
    found = made.eigenvalues()
    assert found is not None
    return found


def fitted(x: Array, powers: tuple[int, ...], basis: str = "power") -> Quadratic:
    family = FAMILIES[basis]
    domain = Domain(float(x.min()), float(x.max()), family.window if family.mapped else None)
    made = least_squares(Problem(Samples(x, np.cos(x)), family, domain, powers, LOSSES["squared"]), 2.0**-52)[1]
    assert made is not None
    return made


def gram(columns: Any, factor: int = 2) -> Matrix:
    """Return factor · AᵀA exactly."""
    exact = [[Fraction(value) for value in row] for row in columns]
    count = len(exact[0])
    return [[factor * sum((row[i] * row[j] for row in exact), Fraction()) for j in range(count)] for i in range(count)]


def below(matrix: Matrix, limit: float) -> int:
    """Return how many eigenvalues of a symmetric matrix are below the limit: the negative pivots (Sylvester)."""
    rows = [[value - (Fraction(limit) if i == j else 0) for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    negative = 0
    for k, pivots in enumerate(rows):
        assert pivots[k] != 0
        negative += pivots[k] < 0
        for row in rows[k + 1 :]:
            factor = row[k] / pivots[k]
            for j in range(k, len(row)):
                row[j] -= factor * pivots[j]
    return negative


def assert_eigenvalues(found: Array, matrix: Matrix, rel: float) -> None:
    for place, value in enumerate(found):
        assert below(matrix, value * (1 - rel)) <= place < below(matrix, value * (1 + rel)), (place, value)


def spread(made: Quadratic) -> float:
    """Return the condition number of R with columns of length 1."""
    return float(np.linalg.cond(made.r / np.linalg.norm(made.r, axis=0)))


@pytest.mark.parametrize(
    ("low", "high", "powers"),
    [
        (0.0, 1.0, (0, 1, 2, 3, 4)),
        (0.0, 1.0, tuple(range(11))),  # a Hilbert matrix, nearly
        (-1.0, 1.0, tuple(range(13))),
        (0.0, 1000.0, tuple(range(7))),  # κ = 1e36: LAPACK's SVD of R has no digit of the smallest
        (-10.0, 10.0, (1, 3, 5, 7)),
        (1e-3, 2e-3, (0, 1, 2)),
    ],
)
def test_eigenvalues_of_powers_equal_the_exact_ones(low: float, high: float, powers: tuple[int, ...]) -> None:
    x = np.linspace(low, high, 40)
    made = fitted(x, powers)
    exact = gram([[Fraction(value) ** k for k in powers] for value in x])
    rel = 20 * np.finfo(float).eps * spread(made)
    assert rel < 0.01
    assert_eigenvalues(eigenvalues(made), exact, rel)


def test_size_of_columns_costs_no_digits() -> None:
    columns = np.random.default_rng(3).normal(size=(6, 6)) * 10.0 ** (12 * np.arange(6.0))
    made = quadratic(columns)
    assert_eigenvalues(eigenvalues(made), gram(columns), np.finfo(float).eps * spread(made))
    lapack = 2 * np.linalg.svd(columns, compute_uv=False)[::-1] ** 2
    assert abs(lapack[0] / eigenvalues(made)[0] - 1) > 0.1  # why Jacobi's method is here


def test_eigenvalues_of_a_known_triangle() -> None:
    # RᵀR = [[1, 1], [1, 2]], with eigenvalues (3 ± √5) / 2; the factor 1/2 of the mean takes away the 2 of the slope.
    found = eigenvalues(quadratic(np.array([[1.0, 1.0], [0.0, 1.0]]), 0.5))
    np.testing.assert_allclose(found, [(3 - math.sqrt(5)) / 2, (3 + math.sqrt(5)) / 2], rtol=1e-15)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
@settings(deadline=None)
def test_eigenvalues_equal_those_of_the_hessian_when_it_is_well_conditioned(m: int, seed: int, factor: float) -> None:
    r = np.random.default_rng(seed).normal(size=(m, m)) + 4 * math.sqrt(m) * np.eye(m)
    found = eigenvalues(quadratic(r, factor))
    np.testing.assert_allclose(found, np.linalg.eigvalsh(2 * factor * r.T @ r), rtol=1e-10)
    assert found[-1] == pytest.approx(quadratic(r, factor).largest_eigenvalue(), rel=1e-13)
    assert (np.diff(found) >= 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(-300, 300))
@settings(deadline=None)
def test_units_scale_the_eigenvalues(seed: int, exponent: int) -> None:
    r = np.random.default_rng(seed).normal(size=(4, 4))
    np.testing.assert_array_equal(eigenvalues(quadratic(r * 2.0**exponent)), eigenvalues(quadratic(r)) * 4.0**exponent)


@pytest.mark.parametrize("basis", FAMILIES)
def test_as_many_eigenvalues_are_zero_as_samples_are_missing(basis: str) -> None:
    found = eigenvalues(fitted(np.array([0.0, 0.5, 1.0]), (0, 1, 2, 3, 4), basis))
    assert (found[:2] == 0).all()
    assert (found[2:] > 0).all()
    assert condition_number(found) == math.inf


@pytest.mark.parametrize("powers", [(1, 2), (0, 2, 5, 7)])
def test_zero_columns_and_copies_have_eigenvalue_zero(powers: tuple[int, ...]) -> None:
    found = eigenvalues(fitted(np.array([-1.0, 1.0]), powers))  # x² = 1 and x⁷ = x⁵ on the samples
    assert np.count_nonzero(found) == 2
    assert eigenvalues(quadratic(np.array([[1.0, 0.0], [0.0, 0.0]]))).tolist() == [0.0, 2.0]
    assert eigenvalues(quadratic(np.zeros((0, 2)))).tolist() == [0.0, 0.0]
    assert eigenvalues(quadratic(np.zeros((2, 2)))).tolist() == [0.0, 0.0]


def test_powers_that_rounding_cannot_tell_apart_are_rank_deficient() -> None:
    found = eigenvalues(fitted(np.linspace(0, 1, 200), tuple(range(31))))
    assert condition_number(found) == math.inf
    assert 15 < np.count_nonzero(found) < 25


@pytest.mark.parametrize("size", [1e200, math.inf, math.nan])
def test_eigenvalues_are_none_when_they_overflow(size: float) -> None:
    assert quadratic(np.array([[1.0, size], [0.0, 1.0]])).eigenvalues() is None


def test_eigenvalues_of_large_columns_do_not_overflow_on_the_way() -> None:
    found = eigenvalues(quadratic(np.diag([1e200, 1e190]), 1e-300))
    np.testing.assert_allclose(found, [2e80, 2e100], rtol=1e-14)
