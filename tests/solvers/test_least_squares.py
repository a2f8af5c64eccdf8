"""The optimum of the squared loss against least squares in rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import train
from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.losses import LOSSES
from polyoptim.problem import Problem
from polyoptim.solution import Optimum
from polyoptim.solvers.least_squares import least_squares
from polyoptim.targets.samples import Samples

EPS = 2.0**-52


def exact(x: Any, y: Any, powers: tuple[int, ...], weight: Any = None) -> Fraction:
    """The least weighted sum of squares, by the normal equations in rational numbers."""
    x, y = [Fraction(float(value)) for value in x], [Fraction(float(value)) for value in y]
    w = [Fraction(1)] * len(x) if weight is None else [Fraction(float(value)) for value in weight]
    rows = [
        [sum(wi * xi ** (j + k) for wi, xi in zip(w, x, strict=True)) for k in powers]
        + [sum(wi * yi * xi**j for wi, xi, yi in zip(w, x, y, strict=True))]
        for j in powers
    ]
    size = len(powers)
    place, pivots = 0, []
    for column in range(size):
        found = next((row for row in range(place, size) if rows[row][column] != 0), None)
        if found is None:
            continue  # a free unknown: any value gives the same least loss, so 0
        rows[place], rows[found] = rows[found], rows[place]
        rows[place] = [value / rows[place][column] for value in rows[place]]
        for row in range(size):
            if row != place and rows[row][column] != 0:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[place], strict=True)]
        pivots.append(column)
        place += 1
    coef = [Fraction(0)] * size
    for row, column in enumerate(pivots):
        coef[column] = rows[row][-1]
    residual = [sum(c * xi**k for c, k in zip(coef, powers, strict=True)) - yi for xi, yi in zip(x, y, strict=True)]
    return sum((wi * r * r for wi, r in zip(w, residual, strict=True)), Fraction(0))


def solve(
    x: Any,
    y: Any,
    powers: Any = (0, 1, 2, 3),
    weight: Any = None,
    reduction: str = "sum",
    basis: str = "power",
    mapped: bool = False,
) -> Optimum:
    x = np.asarray(x, dtype=float)
    samples = Samples(x, np.asarray(y, dtype=float), None if weight is None else np.asarray(weight, dtype=float))
    family = FAMILIES[basis]
    domain = Domain(float(x.min()) - 1e-300, float(x.max()) + 1e-300 + (x.min() == x.max()), None)
    if mapped:
        domain = Domain(domain.a, domain.b, family.window)
    return least_squares(Problem(samples, family, domain, tuple(powers), LOSSES["squared"], {}, reduction), EPS)[0]


# The reference run


def test_optimum_of_the_lesson_in_float32() -> None:
    result = train("sin(x)", steps=0)
    assert result.optimum == pytest.approx(8.8171675322, abs=5e-11)
    assert result.optimum_kind == "exact"
    assert result.optimum_coef == pytest.approx([0, 0.856740843, 0, -0.0933303890], abs=2e-7)


def test_optimum_of_the_lesson_in_float64() -> None:
    result = train("sin(x)", steps=0, dtype="float64")
    assert result.optimum == pytest.approx(8.81716541000703, abs=5e-14 * 100)
    assert result.optimum_coef == pytest.approx([0, 0.856740843, 0, -0.0933303890], abs=5e-10)


@pytest.mark.parametrize("basis", list(FAMILIES))
@pytest.mark.parametrize("mapped", [True, False])
def test_optimum_is_the_same_in_every_basis(basis: str, mapped: bool) -> None:
    result = train("sin(x)", steps=0, dtype="float64", basis=basis, mapped=mapped)
    assert result.optimum == pytest.approx(8.81716541000703, rel=1e-13)


def test_optimum_is_reached_by_its_coefficients() -> None:
    result = train("exp(x)", steps=0, dtype="float64", degree=6, basis="chebyshev", domain=(0, 5), samples=300)
    x = np.linspace(0, 5, 300)
    residual = np.polynomial.Chebyshev(result.optimum_coef, domain=(0, 5))(x) - np.exp(x)
    assert residual @ residual == pytest.approx(result.optimum, rel=1e-8)


@pytest.mark.parametrize("arguments", [{"degree": 0}, {"powers": [0, 2]}, {"powers": [2, 4]}])
def test_optimum_has_coefficients_when_the_best_polynomial_is_zero(arguments: dict[str, Any]) -> None:
    result = train("sin(x)", steps=0, **arguments)  # odd, so no even polynomial is better than about 0
    assert result.optimum_coef == pytest.approx([0] * len(result.coef), abs=1e-6)


# Rational arithmetic


def problems() -> st.SearchStrategy[tuple[list[float], list[float], list[float]]]:
    numbers = st.integers(-40, 40).map(lambda value: value / 8)
    rows = st.tuples(numbers, numbers, st.integers(0, 16).map(lambda value: value / 4))
    return st.lists(rows, min_size=1, max_size=12).map(lambda found: tuple(map(list, zip(*found, strict=True))))  # type: ignore[arg-type,return-value]


POWERS = st.one_of(
    st.integers(0, 4).map(lambda degree: tuple(range(degree + 1))),
    st.sets(st.integers(0, 6), min_size=1, max_size=4).map(lambda powers: tuple(sorted(powers))),
)


@settings(max_examples=150, deadline=None)
@given(problems(), POWERS, st.booleans(), st.sampled_from(["sum", "mean"]))
def test_optimum_equals_rational_least_squares(
    rows: tuple[list[float], list[float], list[float]], powers: tuple[int, ...], weighted: bool, reduction: str
) -> None:
    x, y, weight = rows
    if not any(weight):
        weight = [1.0] * len(x)
    given_weight = weight if weighted else None
    found = solve(x, y, powers, given_weight, reduction)
    factor = Fraction(1) if reduction == "sum" else 1 / Fraction(sum(weight) if weighted else len(x))
    expected = float(exact(x, y, powers, given_weight) * factor)
    largest = sum(value * value * (w if weighted else 1) for value, w in zip(y, weight, strict=True)) * float(factor)
    assert found.value is not None
    assert found.value == pytest.approx(expected, rel=1e-9, abs=1e-22 * largest + 1e-300)
    assert found.kind == "exact"
    if expected > 1e-20 * largest:
        assert not found.is_zero


@pytest.mark.parametrize(
    ("x", "powers"),
    [
        ([0.0, 0.0, 0.125, -1.125], (0, 1, 3)),
        ([0.0, 0.0, 0.125, 2.25], (0, 2, 3)),  # the coefficients are large, so rounded columns leave more
        ([0.0, 0.0, 0.125, 2.25], (0, 1, 2)),
    ],
)
def test_optimum_is_zero_when_the_polynomial_meets_every_sample(x: list[float], powers: tuple[int, ...]) -> None:
    y = [0.0, 0.0, 0.125, 0.0]
    assert exact(x, y, powers) == 0
    assert solve(x, y, powers).is_zero


@pytest.mark.parametrize("powers", [(0, 1, 2, 3), (1, 3, 5), (0, 2, 4), (0, 1, 4), (2, 5), (0, 3, 4, 9), (7,), (0,)])
@pytest.mark.parametrize("basis", ["power", "legendre"])
def test_optimum_equals_rational_least_squares_when_powers_have_gaps(powers: tuple[int, ...], basis: str) -> None:
    x = np.linspace(-2, 3, 25)
    y = np.cos(x) + x
    if basis == "legendre":
        # a sum of chosen Legendre polynomials is another space than that of the same powers
        family = FAMILIES[basis]
        columns = family.columns(x, max(powers))
        design = np.stack([columns[k] for k in powers], axis=-1)
        coef, *_ = np.linalg.lstsq(design, y, rcond=None)
        expected = float(np.sum((design @ coef - y) ** 2))
    else:
        expected = float(exact(x, y, powers))
    assert solve(x, y, powers, basis=basis).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("powers", [(0, 1, 2, 3), (1, 3, 5), (0, 1, 4), (0, 3)])
@pytest.mark.parametrize("basis", ["power", "chebyshev", "hermite", "laguerre"])
def test_optimum_is_of_the_mapped_columns_when_the_domain_is_mapped(powers: tuple[int, ...], basis: str) -> None:
    x = np.linspace(1, 4, 40)
    y = np.sin(3 * x)
    low, high = FAMILIES[basis].window
    u = (x - 2.5) * (high - low) / 3 + (low + high) / 2
    columns = FAMILIES[basis].columns(u, max(powers))
    design = np.stack([columns[k] for k in powers], axis=-1)
    coef, *_ = np.linalg.lstsq(design, y, rcond=None)
    expected = float(np.sum((design @ coef - y) ** 2))
    result = train(x, y, powers=powers, basis=basis, mapped=True, dtype="float64", steps=0)
    assert result.optimum == pytest.approx(expected, rel=1e-9)
    assert result.optimum_coef is not None
    found = FAMILIES[basis].evaluate(result.optimum_coef, u)
    assert np.sum((found - y) ** 2) == pytest.approx(expected, rel=1e-9)


def test_optimum_equals_rational_least_squares_when_the_domain_is_far_away() -> None:
    x = 1.7e9 + 3600.0 * np.arange(24)
    y = 20 + 5 * np.sin(np.arange(24) / 4)
    expected = float(exact(x - 1.7e9, y, tuple(range(6))))  # the space of all powers does not know the origin
    assert solve(x, y, range(6)).value == pytest.approx(expected, rel=1e-9)
    assert solve(x, y, range(6), basis="chebyshev", mapped=True).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("powers", [(0, 2, 5), (1, 2), (0, 1, 3)])
def test_optimum_equals_rational_least_squares_when_gaps_meet_a_far_domain(powers: tuple[int, ...]) -> None:
    x = 1000.0 + np.arange(20)
    y = np.sin(np.arange(20) / 3)
    assert solve(x, y, powers).value == pytest.approx(float(exact(x, y, powers)), rel=1e-6)


def test_optimum_equals_rational_least_squares_when_x_repeats() -> None:
    x, y = [0.0, 0.0, 1.0, 1.0, 1.0], [1.0, 2.0, 5.0, 6.0, 10.0]
    for degree in range(1, 8):
        found = solve(x, y, range(degree + 1))
        assert found.value == pytest.approx(0.5 + 14.0, rel=1e-13)
        assert found.coef is not None
        assert np.polyval(found.coef[::-1], [0.0, 1.0]) == pytest.approx([1.5, 7.0])


def test_optimum_equals_rational_least_squares_when_all_x_are_equal() -> None:
    assert solve([2.0] * 3, [1.0, 2.0, 3.0]).value == pytest.approx(2.0)
    assert solve([0.0] * 3, [1.0, 2.0, 3.0], (1, 2)).value == pytest.approx(14.0)


@pytest.mark.parametrize("exponent", [150, 100, -100, -150])
def test_optimum_scales_with_y_when_y_is_huge_or_tiny(exponent: int) -> None:
    x = np.linspace(-1, 1, 30)
    y = np.sin(3 * x)
    plain = solve(x, y, (0, 1))
    scaled = solve(x, y * 10.0**exponent, (0, 1))
    assert plain.value is not None
    assert scaled.value == pytest.approx(plain.value * 10.0 ** (2 * exponent), rel=1e-12)
    assert scaled.gap(scaled.excess(2 * scaled.value)) == pytest.approx(1)


@pytest.mark.parametrize("exponent", [300, 200, -170, -200, -300])
def test_run_survives_squares_beyond_float64(exponent: int) -> None:
    x = np.linspace(-1, 1, 30)
    result = train(x, np.sin(3 * x) * 10.0**exponent, dtype="float64", steps=3, seed=0)
    assert result.gap is None or math.isfinite(result.gap)


def test_optimum_survives_x_beyond_float64() -> None:
    x = np.linspace(-1e200, 1e200, 30)
    assert solve(x, np.sin(np.arange(30.0)), range(4)).value == pytest.approx(
        solve(x / 1e200, np.sin(np.arange(30.0)), range(4)).value, rel=1e-10
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("target", ["2*x**3 - x + 1/4", "x", "3", "0", "0*x", "1/3", "(x - 1)*(x + 1)*(x + 2)"])
def test_gap_is_none_when_the_target_is_such_a_polynomial(target: str, dtype: str) -> None:
    result = train(target, dtype=dtype, domain=(-1, 1), samples=200, steps=2, reduction="mean")
    assert result.gap is None
    assert all(row["gap"] is None for row in result.trace)
    assert result.optimum == pytest.approx(0, abs=1e-4)
    assert result.excess == result.loss - result.optimum


@pytest.mark.parametrize("target", ["x**4", "sin(x)", "x**3 + abs(x)/100"])
def test_gap_is_a_number_when_the_target_is_no_such_polynomial(target: str) -> None:
    for dtype in ("float64", "float32"):
        assert train(target, dtype=dtype, steps=0).gap is not None


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-90, 1e90), st.floats(0, 1e200))
def test_excess_and_gap_are_laws(value: float, loss: float) -> None:
    optimum = Optimum(value, None, "exact")
    assert optimum.excess(loss) == loss - value
    assert optimum.gap(optimum.excess(loss)) == optimum.excess(loss) / value
    assert Optimum(value, None, "exact", is_zero=True).gap(loss) is None
    assert Optimum().excess(loss) is None
    assert Optimum().gap(loss) is None


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_weight_0_leaves_a_sample_out(reduction: str) -> None:
    x, y = np.arange(8.0), np.array([1.0, 4, 2, 8, 5, 7, 1, 3])
    weight = np.array([1.0, 1, 0, 1, 1, 0, 1, 1])
    kept = weight > 0
    found = solve(x, y, weight=weight, reduction=reduction)
    assert found.value == pytest.approx(solve(x[kept], y[kept], reduction=reduction).value, rel=1e-12)


def test_no_polynomial_is_below_the_optimum() -> None:
    """A law: the loss of the best coefficients, moved in any direction, is larger."""
    generator = np.random.default_rng(0)
    x = np.linspace(-1, 2, 40)
    y = np.exp(x)
    found = solve(x, y)
    assert found.value is not None
    assert found.coef is not None
    for _ in range(20):
        coef = found.coef + 1e-3 * generator.normal(size=4)
        assert np.sum((np.polyval(coef[::-1], x) - y) ** 2) > found.value


def test_divergence_where_everything_overflows_keeps_the_result() -> None:
    result = train("sin(x)", degree=30, domain=(1.6e9, 1.6e9 + 1e5), optimizer="SGD", dtype="float64", seed=0)
    assert result.status == "diverged"
    assert result.optimum is not None
