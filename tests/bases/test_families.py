"""Every family against numpy.polynomial."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy import polynomial as reference

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, UnknownNameError

CLASSES = {
    "power": reference.Polynomial,
    "chebyshev": reference.Chebyshev,
    "legendre": reference.Legendre,
    "hermite": reference.Hermite,
    "laguerre": reference.Laguerre,
}
DEGREE = 20


def test_no_family_is_missing_here() -> None:
    assert set(FAMILIES) == set(CLASSES)


@pytest.fixture(params=list(FAMILIES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def points(name: str) -> np.ndarray:
    return np.linspace(*FAMILIES[name].window, 101)


def test_window_and_symbol_are_those_of_numpy(name: str) -> None:
    family = FAMILIES[name]
    assert family.name == name
    assert family.window == tuple(CLASSES[name].window)
    symbol = CLASSES[name].basis_name
    assert family.symbol == {None: "", "P": "P"}.get(symbol, symbol)


def test_columns_equal_numpy(name: str) -> None:
    u = points(name)
    columns = FAMILIES[name].columns(u, DEGREE)
    assert len(columns) == DEGREE + 1
    for k, column in enumerate(columns):
        expected = CLASSES[name].basis(k, domain=FAMILIES[name].window)(u)
        np.testing.assert_allclose(column, expected, rtol=0, atol=1e-13 * max(1.0, np.abs(expected).max()))


def test_columns_equal_numpy_when_u_is_a_tensor(name: str) -> None:
    u = points(name)
    for of_torch, of_numpy in zip(
        FAMILIES[name].columns(torch.from_numpy(u), DEGREE), FAMILIES[name].columns(u, DEGREE), strict=True
    ):
        np.testing.assert_allclose(of_torch.numpy(), of_numpy, rtol=1e-14, atol=1e-14 * np.abs(of_numpy).max())


def test_columns_of_degree_0_are_one_constant(name: str) -> None:
    (column,) = FAMILIES[name].columns(points(name), 0)
    assert column.tolist() == [1.0] * 101


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 7, DEGREE])
def test_evaluate_equals_numpy(name: str, degree: int) -> None:
    generator = np.random.default_rng(degree)
    u = points(name)
    # every term counts alike, so that the largest does not hide the others
    scale = [np.abs(CLASSES[name].basis(k, domain=FAMILIES[name].window)(u)).max() for k in range(degree + 1)]
    coef = generator.uniform(-1, 1, degree + 1) / scale
    expected = CLASSES[name](coef, domain=FAMILIES[name].window)(u)
    np.testing.assert_allclose(FAMILIES[name].evaluate(coef, u), expected, rtol=0, atol=1e-13 * (degree + 1))


def test_evaluate_keeps_the_shape(name: str) -> None:
    family = FAMILIES[name]
    assert family.evaluate([1.0, 2.0], np.zeros((2, 3))).shape == (2, 3)
    assert family.evaluate([1.0, 2.0], 0.5).shape == ()
    assert family.evaluate([1.5], np.zeros(4)).tolist() == [1.5] * 4


def test_evaluate_is_linear(name: str) -> None:
    generator = np.random.default_rng(1)
    u, family = points(name), FAMILIES[name]
    one, two = generator.normal(size=(2, 9))
    together = family.evaluate(2 * one - 3 * two, u)
    apart = 2 * family.evaluate(one, u) - 3 * family.evaluate(two, u)
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-12 * np.abs(apart).max())


@pytest.mark.parametrize("degree", [0, 1, 5, DEGREE])
def test_to_power_equals_the_conversion_of_numpy(name: str, degree: int) -> None:
    family = FAMILIES[name]
    coef = np.arange(1.0, degree + 2)
    exact = family.to_power(coef, Domain(*family.window, family.window))
    assert all(isinstance(value, Fraction) for value in exact)
    found = np.array([float(value) for value in exact])
    expected = CLASSES[name](coef).convert(kind=reference.Polynomial).coef
    expected = np.pad(expected, (0, degree + 1 - len(expected)))
    # numpy's conversion of Laguerre series loses digits to cancellation; ours does not
    tolerance = 1e-9 if name == "laguerre" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_to_power_is_exact(name: str) -> None:
    """The polynomial in rational arithmetic by its recurrence equals the powers in rational arithmetic."""
    family = FAMILIES[name]
    domain = Domain(3.0, 7.5, family.window)
    coef = [0.1, -2.5, 1e-3, 7.0, 0.3]
    powers = family.to_power(coef, domain)
    for x in (Fraction(3), Fraction(22, 7), Fraction(7)):
        u = (x - Fraction(domain.center)) * Fraction(domain.scale) + Fraction(domain.offset)
        before, last, total = Fraction(0), Fraction(1), Fraction(0)
        for k, value in enumerate(coef):
            total += Fraction(value) * last
            a, b, c = (Fraction(part) for part in family.recurrence(Fraction(k)))
            before, last = last, (a * u + b) * last - c * before
        assert sum(value * x**power for power, value in enumerate(powers)) == total


def test_to_power_takes_x_as_it_is_without_a_window(name: str) -> None:
    family = FAMILIES[name]
    expected = CLASSES[name]([1.0, 2.0, 3.0]).convert(kind=reference.Polynomial).coef
    found = [float(value) for value in family.to_power([1.0, 2.0, 3.0], Domain(5.0, 6.0))]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(("a", "b"), [(1.6e9, 1.7e9), (-1e-9, 3e-9), (1e15, 1e15 + 8), (-1e300, 1e300)])
def test_mapping_keeps_its_digits_when_the_domain_is_far_away(name: str, a: float, b: float) -> None:
    low, high = FAMILIES[name].window
    domain = Domain(a, b, (low, high))
    x = [a, a / 2 + b / 2, b] if b < 1e200 else [a, 0.0, b]
    for given, expected in zip(x, (low, (low + high) / 2, high), strict=True):
        assert domain.map(given) == pytest.approx(expected, abs=4e-16)
    steps = np.linspace(a, b, 33)
    exact = [
        float(Fraction(low) + (Fraction(value) - Fraction(a)) * Fraction(high - low) / (Fraction(b) - Fraction(a)))
        for value in steps.tolist()
    ]
    np.testing.assert_allclose(domain.map(steps), exact, rtol=0, atol=1e-15)


def test_mapped_columns_equal_numpy(name: str) -> None:
    domain = Domain(2.0, 9.0, FAMILIES[name].window)
    x = np.linspace(2, 9, 50)
    for k, column in enumerate(FAMILIES[name].columns(domain.map(x), 12)):
        expected = CLASSES[name].basis(k, domain=(2.0, 9.0))(x)
        np.testing.assert_allclose(column, expected, rtol=0, atol=2e-12 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(
    ("a", "b"), [(1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf")), (-1.7e308, 1.7e308)]
)
def test_domain_is_two_finite_numbers_in_ascending_order(a: float, b: float) -> None:
    with pytest.raises(ArgumentError, match="domain"):
        Domain(a, b)


def test_family_is_found_in_any_letter_case() -> None:
    assert FAMILIES["Chebyshev"] is FAMILIES["chebyshev"]
    with pytest.raises(UnknownNameError, match="did you mean 'chebyshev'"):
        FAMILIES["chebychev"]
