"""The least value of each loss: every corner tried in rational arithmetic, Newton with 40 digits, and laws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polyoptim.errors import DataError
from polyoptim.losses import LOSSES
from polyoptim.solution import Status
from polyoptim.solvers.robust import Robust, minimize

Array = npt.NDArray[np.float64]

# A case of each route of each loss.
SMOOTH: list[tuple[str, dict[str, float]]] = [
    ("squared", {}),
    ("huber", {"delta": 0.05}),
    ("huber", {"delta": 1e-3}),
    ("smooth_l1", {"beta": 0.2}),
    ("soft_l1", {"delta": 0.1}),
    ("soft_l1", {"delta": 1e-3}),
    ("logcosh", {}),
    ("pnorm", {"p": 1.2}),
    ("pnorm", {"p": 1.5}),
    ("pnorm", {"p": 2.0}),
    ("pnorm", {"p": 3.0}),
    ("pnorm", {"p": 8.0}),
]
CORNERED: list[tuple[str, dict[str, float]]] = [
    ("absolute", {}),
    ("smooth_l1", {"beta": 0.0}),
    ("pnorm", {"p": 1.0}),
    ("quantile", {"q": 0.25}),
    ("quantile", {"q": 0.9}),
]
ROUGH: list[tuple[str, dict[str, float]]] = [("tukey", {"c": 0.3}), ("tukey", {"c": 4.685})]
CASES = [*SMOOTH, *CORNERED, *ROUGH]
CONVEX = [*SMOOTH, *CORNERED]
LENGTHS = ("delta", "beta", "c")


def chebyshev(x: npt.ArrayLike, degree: int) -> Array:
    return np.polynomial.chebyshev.chebvander(np.asarray(x, dtype=float), degree)


def noisy(count: int = 60, degree: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Columns and a y with a few far outliers."""
    noise = np.random.default_rng(seed)
    x = np.linspace(-1, 1, count)
    return chebyshev(x, degree), np.sin(3 * x) + 0.1 * noise.standard_t(1.5, count)


def solve(columns: Any, y: Any, name: str, options: dict[str, float], weight: Any = None) -> Robust:
    weight = None if weight is None else np.asarray(weight, dtype=float)
    return minimize(np.asarray(columns, dtype=float), np.asarray(y, dtype=float), weight, LOSSES[name], options)


def value_at(columns: Array, y: Array, name: str, options: dict[str, float], coef: Array, weight: Any = None) -> float:
    weight = np.ones(len(y)) if weight is None else weight
    each = [LOSSES[name].residual(float(r), **options)[0] for r in columns @ coef - y]
    return math.fsum(w * loss for w, loss in zip(weight, each, strict=True))


# Every corner


def solved(rows: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """The solution of a square system in rational numbers, None where it is singular."""
    table = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for place in range(len(table)):
        pivot = next((k for k in range(place, len(table)) if table[k][place]), None)
        if pivot is None:
            return None
        table[place], table[pivot] = table[pivot], table[place]
        table[place] = [value / table[place][place] for value in table[place]]
        for k, row in enumerate(table):
            if k != place and row[place]:
                table[k] = [a - row[place] * b for a, b in zip(row, table[place], strict=True)]
    return [row[-1] for row in table]


def least_of_all_corners(
    columns: list[list[int]], y: list[int], weight: list[int], low: Fraction, high: Fraction
) -> Fraction:
    """The least sum of max(low r, high r): some corner has it, where the columns are independent."""
    found = None
    for corner in itertools.combinations(range(len(y)), len(columns[0])):
        coef = solved([[Fraction(a) for a in columns[k]] for k in corner], [Fraction(y[k]) for k in corner])
        if coef is None:
            continue
        r = [
            sum((c * a for c, a in zip(coef, row, strict=True)), Fraction(-b))
            for row, b in zip(columns, y, strict=True)
        ]
        total = sum((w * max(low * value, high * value) for w, value in zip(weight, r, strict=True)), Fraction(0))
        found = total if found is None else min(found, total)
    assume(found is not None)
    assert found is not None
    return found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_value_is_that_of_the_lowest_corner(data: st.DataObject) -> None:
    """Small integers: corners in which many rows meet, rows that repeat, optima that are not unique."""
    m = data.draw(st.integers(1, 3))
    count = data.draw(st.integers(m, 9))
    columns = [
        [1, *row]
        for row in data.draw(
            st.lists(st.lists(st.integers(-3, 3), min_size=m - 1, max_size=m - 1), min_size=count, max_size=count)
        )
    ]
    y = data.draw(st.lists(st.integers(-4, 4), min_size=count, max_size=count))
    weight = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    assume(any(weight))
    q = data.draw(st.sampled_from([Fraction(1, 2), Fraction(1, 4), Fraction(7, 8)]))
    kept = [k for k in range(count) if weight[k]]
    expected = least_of_all_corners(
        [columns[k] for k in kept], [y[k] for k in kept], [weight[k] for k in kept], -q, 1 - q
    )
    found = solve(columns, y, "quantile", {"q": float(q)}, weight)
    assert found.kind == "exact"
    assert found.value == pytest.approx(float(expected), rel=1e-12, abs=1e-13)
    assert found.bound is not None
    assert found.bound <= float(expected) + 1e-13 * (1 + float(expected))


def test_absolute_loss_of_a_constant_is_met_by_the_median() -> None:
    y = np.array([5.0, 1.0, 2.0, 9.0, 4.0])
    assert solve(np.ones((5, 1)), y, "absolute", {}).coef == pytest.approx([4.0], abs=1e-15)
    weight = [1.0, 1.0, 9.0, 1.0, 1.0]
    assert solve(np.ones((5, 1)), y, "absolute", {}, weight).coef == pytest.approx([2.0], abs=1e-15)


@pytest.mark.parametrize("q", [0.05, 0.3, 0.5, 0.95])
def test_quantile_has_its_share_of_the_samples_below(q: float) -> None:
    columns, y = noisy(500, 4)
    found = solve(columns, y, "quantile", {"q": q})
    r = columns @ found.coef - y
    on = np.abs(r) < 1e-12
    assert on.sum() >= 5
    assert (r > 1e-12).sum() <= q * 500 <= (r > 1e-12).sum() + on.sum()  # Koenker and Bassett, theorem 3.4


def test_corner_is_optimal_in_rational_arithmetic() -> None:
    """The slopes of the rows that are met, which follow from those of the others, are between -1 and 1."""
    columns, y = noisy(400, 3)
    found = solve(columns, y, "absolute", {})
    r = columns @ found.coef - y
    met = np.argsort(np.abs(r))[:4]
    rest = np.setdiff1d(np.arange(400), met)
    exact = [[Fraction(float(a)) for a in row] for row in columns]
    sums = [-sum((exact[k][j] * int(np.sign(r[k])) for k in rest), Fraction(0)) for j in range(4)]
    slopes = solved([[exact[k][j] for k in met] for j in range(4)], sums)
    assert slopes is not None
    assert all(abs(slope) <= 1 for slope in slopes)
    assert np.abs(r[met]).max() < 1e-14


# Newton with many digits


def precise(name: str, options: dict[str, float]) -> Callable[[Any], tuple[Any, Any, Any]]:
    """Value, slope and curvature of one residual, from the formulas of textbooks."""
    mpf = mpmath.mpf
    length = mpf(options.get("delta", options.get("beta", 1)))

    def huber(r: Any) -> tuple[Any, Any, Any]:
        inside = abs(r) <= length
        return (r * r / 2, r, 1) if inside else (length * (abs(r) - length / 2), length * mpmath.sign(r), 0)

    def soft(r: Any) -> tuple[Any, Any, Any]:
        root = mpmath.sqrt(1 + (r / length) ** 2)
        return 2 * length**2 * (root - 1), 2 * r / root, 2 / root**3

    def power(r: Any) -> tuple[Any, Any, Any]:
        p, size = mpf(options.get("p", 2)), abs(r)
        return size**p, p * size ** (p - 1) * mpmath.sign(r), p * (p - 1) * size ** (p - 2)

    return {
        "huber": huber,
        "smooth_l1": lambda r: tuple(part / length for part in huber(r)),
        "soft_l1": soft,
        "logcosh": lambda r: (mpmath.log(mpmath.cosh(r)), mpmath.tanh(r), mpmath.sech(r) ** 2),
        "squared": power,
        "pnorm": power,
    }[name]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options"), SMOOTH)
def test_smooth_loss_agrees_with_newton_in_40_digits(name: str, options: dict[str, float], weighted: bool) -> None:
    columns, y = noisy(40, 2, seed=3)
    weight = np.random.default_rng(5).uniform(0.1, 3, 40) if weighted else np.ones(40)
    found = solve(columns, y, name, options, weight)
    assert (found.kind, found.status) == ("exact", Status.CONVERGED)
    each = precise(name, options)
    with mpmath.workdps(40):
        a = [[mpmath.mpf(float(value)) for value in row] for row in columns]
        z = mpmath.matrix([mpmath.mpf(float(value)) for value in found.coef])
        for _ in range(6):
            total, gradient, hessian = mpmath.mpf(0), mpmath.zeros(3, 1), mpmath.zeros(3, 3)
            for row, b, w in zip(a, y.tolist(), weight.tolist(), strict=True):
                value, slope, curve = each(sum(z[k] * row[k] for k in range(3)) - mpmath.mpf(b))
                total += w * value
                for k in range(3):
                    gradient[k] += w * slope * row[k]
                    for j in range(3):
                        hessian[k, j] += w * curve * row[k] * row[j]
            z -= mpmath.lu_solve(hessian, gradient)
        assert mpmath.norm(gradient) < mpmath.mpf(10) ** -25
        expected, coef = float(total), [float(value) for value in z]
    assert found.value == pytest.approx(expected, rel=1e-14)
    assert found.coef == pytest.approx(coef, rel=1e-10, abs=1e-11)


# Laws


def problems() -> st.SearchStrategy[tuple[Array, Array, Array]]:
    """Columns of a line or a parabola, y with outliers, weights."""
    numbers = st.floats(-2, 2).map(lambda value: round(value, 6))
    rows = st.tuples(numbers, st.one_of(numbers, numbers, numbers.map(lambda value: 1000 * value)), st.integers(0, 4))
    lists = st.lists(rows, min_size=4, max_size=25)
    return st.tuples(lists, st.integers(1, 2)).map(
        lambda found: (
            chebyshev([row[0] for row in found[0]], found[1]),
            np.array([row[1] for row in found[0]]),
            np.array([row[2] / 2 for row in found[0]]),
        )
    )


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize(("name", "options"), CONVEX)
@given(problem=problems())
def test_convex_loss_is_certified_and_goes_down(
    name: str, options: dict[str, float], problem: tuple[Array, Array, Array]
) -> None:
    columns, y, weight = problem
    assume(weight.any())
    found = solve(columns, y, name, options, weight)
    assert found.bound is not None
    assert found.bound <= found.value
    if options.get("p", 0) > 4 and found.kind is None:  # without curvature at rows that are met, fewer digits are known
        assert found.value - found.bound <= 1e-8 * found.value
        return
    assert found.kind == "exact"
    rounding = 1e-14 * float(np.abs(y).max()) * float(weight.sum()) * max(1.0, 2000 ** options.get("p", 1.0))
    assert found.value - found.bound <= 1e-12 * found.value + rounding
    assert all(after <= before * (1 + 2e-15) for before, after in itertools.pairwise(found.values))
    assert found.value <= value_at(columns, y, name, options, np.zeros(columns.shape[1]), weight) * (1 + 1e-14)
    assert ((found.row_weight >= 0) & (found.row_weight <= 1)).all()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_value_is_the_loss_at_coef(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    weight = np.random.default_rng(2).uniform(0, 2, len(y))
    found = solve(columns, y, name, options, weight)
    assert found.value == pytest.approx(value_at(columns, y, name, options, found.coef, weight), rel=1e-13)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_no_coefficients_nearby_are_better(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    found, noise = solve(columns, y, name, options), np.random.default_rng(0)
    for size in (1e-6, 1e-3, 0.1):
        for _ in range(10):
            coef = found.coef + size * noise.normal(size=4)
            assert value_at(columns, y, name, options, coef) >= found.value * (1 - 1e-14)


@pytest.mark.parametrize("exponent", [-40, -3, 5, 60])
@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] != "logcosh"])
def test_coef_scales_with_y_and_the_length_of_the_loss(name: str, options: dict[str, float], exponent: int) -> None:
    columns, y = noisy()
    unit = 2.0**exponent
    scaled = {key: value * unit if key in LENGTHS else value for key, value in options.items()}
    plain, found = solve(columns, y, name, options), solve(columns, unit * y, name, scaled)
    assert found.coef == pytest.approx(unit * plain.coef, rel=1e-12)
    assert found.scale == pytest.approx(unit * plain.scale, rel=1e-12)
    assert found.row_weight == pytest.approx(plain.row_weight, abs=1e-9)
    assert found.kind == plain.kind
    if plain.covariance is None:
        assert name == "tukey" or options["p"] > 2
        assert found.covariance is None
    else:
        assert found.covariance == pytest.approx(unit * unit * plain.covariance, rel=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_weights_are_known_up_to_a_factor(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    plain, found = solve(columns, y, name, options, weight), solve(columns, y, name, options, 1e6 * weight)
    assert found.coef == pytest.approx(plain.coef, rel=1e-11, abs=1e-12)
    assert found.value == pytest.approx(1e6 * plain.value, rel=1e-13)


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_order_of_the_rows_does_not_matter(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    plain = solve(columns, y, name, options)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        found = solve(columns[order], y[order], name, options)
        assert found.value == pytest.approx(plain.value, rel=1e-14)
        assert found.coef == pytest.approx(plain.coef, abs=1e-11)
        assert found.row_weight == pytest.approx(plain.row_weight[order], abs=1e-9)


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_integer_weights_count_rows(name: str, options: dict[str, float]) -> None:
    columns, y = noisy(30)
    weight = np.random.default_rng(1).integers(0, 4, 30)
    found = solve(columns, y, name, options, weight)
    repeated = solve(columns.repeat(weight, axis=0), y.repeat(weight), name, options)
    assert found.value == pytest.approx(repeated.value, rel=1e-13)


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_columns_of_the_same_space_have_the_same_value(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    turn = np.random.default_rng(4).normal(size=(4, 4))
    found, plain = solve(columns @ turn, y, name, options), solve(columns, y, name, options)
    assert found.value == pytest.approx(plain.value, rel=1e-13)
    assert turn @ found.coef == pytest.approx(plain.coef, abs=1e-9)


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_path_is_short(name: str, options: dict[str, float]) -> None:
    for degree in (3, 8):
        columns, y = noisy(2000, degree)
        found = solve(columns, y, name, options)
        assert found.kind == "exact"
        assert found.iterations <= 45


# Losses meet at their limits


def test_short_huber_is_the_absolute_loss_and_long_huber_the_squared_one() -> None:
    columns, y = noisy()
    absolute, squared = solve(columns, y, "absolute", {}), solve(columns, y, "squared", {})
    for delta in (1e-9, 1e-12, 1e-14, 1e-60, 1e-200):
        found = solve(columns, y, "huber", {"delta": delta})
        assert found.kind == "exact"
        assert found.value / delta == pytest.approx(absolute.value, rel=1e3 * delta + 1e-12) or delta < 1e-100
        assert found.coef == pytest.approx(absolute.coef, abs=1e-8)
    for delta in (1e3, 1e20, 1e200):
        found = solve(columns, y, "huber", {"delta": delta})
        assert 2 * found.value == pytest.approx(squared.value, rel=1e-13)


def test_median_is_half_the_absolute_loss() -> None:
    columns, y = noisy()
    median, absolute = solve(columns, y, "quantile", {"q": 0.5}), solve(columns, y, "absolute", {})
    assert 2 * median.value == pytest.approx(absolute.value, rel=1e-14)
    assert median.covariance == pytest.approx(absolute.covariance, rel=1e-12)


def test_pnorm_goes_from_the_absolute_loss_to_the_largest_residual() -> None:
    columns, y = noisy(seed=7)
    near_one = solve(columns, y, "pnorm", {"p": 1 + 1e-9})
    assert near_one.value == pytest.approx(solve(columns, y, "absolute", {}).value, rel=1e-7)
    high = solve(columns, y, "pnorm", {"p": 300.0})
    assert high.kind == "exact"
    largest = np.abs(columns @ high.coef - y)
    assert np.sum(largest > 0.97 * largest.max()) >= 5  # an equioscillation of degree + 2 points


# What is not convex


def test_tukey_leaves_a_cluster_of_outliers_alone() -> None:
    noise = np.random.default_rng(0)
    x = np.linspace(-1, 1, 200)
    y = np.where(np.arange(200) % 5 < 2, 30.0, 2 * x) + 0.05 * noise.normal(size=200)  # 2 of 5 are outliers
    found = solve(chebyshev(x, 1), y, "tukey", {"c": 0.3})
    assert found.kind == "best found"
    assert "no optimum" in found.message
    assert found.bound is None
    assert found.coef == pytest.approx([0, 2], abs=0.02)
    assert (found.row_weight[np.arange(200) % 5 < 2] == 0).all()


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([0.1, 1.0, 50.0]))
def test_tukey_goes_down_and_is_never_exact(problem: tuple[Array, Array, Array], c: float) -> None:
    columns, y, weight = problem
    assume(weight.any())
    found = solve(columns, y, "tukey", {"c": c}, weight)
    assert found.kind == "best found"
    assert all(after <= before * (1 + 2e-15) for before, after in itertools.pairwise(found.values))
    for other in (solve(columns, y, "absolute", {}, weight), solve(columns, y, "squared", {}, weight)):
        assert found.value <= value_at(columns, y, "tukey", {"c": c}, other.coef, weight) * (1 + 1e-12) + 1e-19


# What the residuals say


def test_squared_loss_has_the_covariance_of_least_squares() -> None:
    columns, y = noisy()
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    found = solve(columns, y, "squared", {}, weight)
    r = columns @ found.coef - y
    expected = np.linalg.inv(columns.T @ (weight[:, None] * columns)) * (weight @ (r * r)) / (len(y) - 4)
    assert found.covariance == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert (found.row_weight == 1).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("absolute", {}),
        ("quantile", {"q": 0.8}),
        ("huber", {"delta": 0.15}),
        ("logcosh", {}),
        ("soft_l1", {"delta": 0.1}),
        ("pnorm", {"p": 1.5}),
        ("tukey", {"c": 0.5}),
    ],
)
def test_standard_errors_are_those_of_repeated_samples(name: str, options: dict[str, float]) -> None:
    noise = np.random.default_rng(0)
    columns = chebyshev(np.linspace(-1, 1, 200), 1)
    fits = [solve(columns, columns @ [1.0, 2.0] + 0.1 * noise.normal(size=200), name, options) for _ in range(300)]
    said = np.sqrt(np.mean([np.diagonal(fit.covariance) for fit in fits], axis=0))  # type: ignore[arg-type]
    seen = np.std([fit.coef for fit in fits], axis=0)
    assert said == pytest.approx(seen, rel=0.12)  # 300 fits give a standard deviation to 4 %


def test_scale_is_the_standard_deviation_of_normal_residuals() -> None:
    noise = np.random.default_rng(0)
    columns = chebyshev(np.linspace(-1, 1, 20_000), 2)
    y = columns @ [1.0, 2.0, 3.0] + 0.1 * noise.normal(size=20_000)
    y[::10] += 50
    assert solve(columns, y, "huber", {"delta": 0.15}).scale == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    ("name", "options", "weight"),
    [
        ("huber", {"delta": 0.5}, lambda r: min(1, 0.5 / r)),
        ("soft_l1", {"delta": 0.5}, lambda r: (1 + 4 * r * r) ** -0.5),
        ("logcosh", {}, lambda r: math.tanh(r) / r),
        ("tukey", {"c": 5.0}, lambda r: max(0, 1 - r * r / 25) ** 2),
    ],
)
def test_row_weight_is_slope_over_residual(name: str, options: dict[str, float], weight: Any) -> None:
    columns, y = noisy()
    found = solve(columns, y, name, options)
    expected = [weight(max(abs(float(r)), 1e-9)) for r in columns @ found.coef - y]
    assert found.row_weight == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("name", "options"), [*CORNERED, ("pnorm", {"p": 1.5})])
def test_row_weight_without_a_value_at_0_is_1_up_to_the_scale(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    found = solve(columns, y, name, options)
    size = np.abs(columns @ found.coef - y)
    assert (found.row_weight[size < found.scale] == 1).all()
    far = size > 1.001 * found.scale
    assert found.row_weight[far] == pytest.approx((found.scale / size[far]) ** (2 - options.get("p", 1)), rel=1e-9)


# Rows that decide nothing, or everything


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("size", [1e300, 1e150, 1.0, 1e-20, 1e-300, 0.0])
def test_polynomial_through_all_rows_is_found(name: str, options: dict[str, float], size: float) -> None:
    columns = chebyshev(np.linspace(-1, 1, 30), 2)
    wanted = size * np.array([1.0, -2.0, 0.5])
    found = solve(columns, columns @ wanted, name, options)
    assert found.coef == pytest.approx(wanted, rel=1e-13)
    assert found.kind == ("best found" if name == "tukey" else "exact")


@pytest.mark.parametrize(("name", "options"), CASES)
def test_as_many_rows_as_columns_are_met(name: str, options: dict[str, float]) -> None:
    columns, y = noisy(4)
    found = solve(columns, y, name, options)
    assert columns @ found.coef == pytest.approx(y, abs=1e-14)
    assert found.covariance is None


@pytest.mark.parametrize(("name", "options"), CASES)
def test_fewer_distinct_rows_than_columns_take_short_coefficients(name: str, options: dict[str, float]) -> None:
    columns = chebyshev(np.repeat([-0.5, 0.25], 5), 4)
    y = np.tile([1.0, 2.0, 3.0, 4.0, 50.0], 2)
    found = solve(columns, y, name, options)
    line = solve(chebyshev(np.repeat([-0.5, 0.25], 5), 1), y, name, options)
    assert found.value == pytest.approx(line.value, rel=1e-12)
    assert np.abs(found.coef).max() <= 100


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rows_of_weight_0_are_left_out_but_weighed(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    weight = (np.arange(60) % 3 > 0).astype(float)
    kept = weight > 0
    found, alone = solve(columns, y, name, options, weight), solve(columns[kept], y[kept], name, options)
    assert found.value == pytest.approx(alone.value, rel=1e-13)
    assert found.row_weight[kept] == pytest.approx(alone.row_weight, abs=1e-9)
    assert len(found.row_weight) == 60


def test_weights_that_cannot_be_are_said() -> None:
    columns, y = noisy()
    for weight in (np.zeros(60), -np.ones(60)):
        with pytest.raises(DataError, match="weight"):
            solve(columns, y, "huber", {}, weight)


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_columns_of_zeros_and_of_any_size_are_no_trouble(name: str, options: dict[str, float]) -> None:
    columns, y = noisy()
    sizes = np.array([1e200, 1e-200, 1.0, 1e9])
    found, plain = solve(columns * sizes, y, name, options), solve(columns, y, name, options)
    assert found.value == pytest.approx(plain.value, rel=1e-13)
    assert found.coef * sizes == pytest.approx(plain.coef, rel=1e-9)
    assert solve(columns * [1.0, 1.0, 1.0, 0.0], y, name, options).coef[3] == 0
    assert solve(0 * columns, y, name, options).kind == "exact"


@pytest.mark.parametrize(("name", "options"), CONVEX)
def test_many_rows_are_solved(name: str, options: dict[str, float]) -> None:
    columns, y = noisy(50_000, 4)
    assert solve(columns, y, name, options).kind == "exact"


@pytest.mark.parametrize(("name", "options"), [*CORNERED, ("huber", {"delta": 1e-3}), ("soft_l1", {"delta": 1e-9})])
def test_corner_in_which_most_rows_meet_is_left_soon(name: str, options: dict[str, float]) -> None:
    """280 of 400 rows are 0 in the optimum, so that edges have no length: the simplex method alone goes in circles."""
    noise = np.random.default_rng(0)
    columns = chebyshev(np.cbrt(noise.uniform(-1, 1, 400)), 8)
    wanted = np.arange(-4.0, 5.0)
    y = columns @ wanted + np.where(np.arange(400) % 10 < 3, noise.integers(-9, 10, 400), 0)
    found = solve(columns, y, name, options)
    assert found.kind == "exact"
    assert found.iterations <= 120
    if "q" not in options:
        assert found.coef == pytest.approx(wanted, abs=1e-2)


@pytest.mark.parametrize("weight", [[1e-8, 1e-3, 1.0], [1.0, 1e-8, 1e-6], [1e-6, 1e-8, 1e-6]])
def test_light_rows_far_away_leave_the_curve_near_a_heavy_row_its_digits(weight: list[float]) -> None:
    """The loss is the absolute one to 14 digits, but not so its bound: the heavy row is where the loss is a curve."""
    found = solve(np.ones((3, 1)), [1e8, 1e14, 5e7], "logcosh", {}, weight)
    assert found.kind == "exact"


@pytest.mark.parametrize("p", [1.0003, 1.004, 1.01, 1.03])
def test_power_just_above_1_is_solved_on_a_slower_path(p: float) -> None:
    for seed in range(4):
        columns, y = noisy(400, 12, seed)
        assert solve(columns, y, "pnorm", {"p": p}, np.arange(400) % 3).kind == "exact"


@pytest.mark.parametrize("p", [2.5, 3.0, 5.0])
def test_high_power_leaves_a_start_in_which_a_row_is_met(p: float) -> None:
    """There the curvature is 0 in one direction, at least squares already."""
    columns, y = [[1.0, 0.25], [1.0, -0.757812], [1.0, 0.25]], [0.0, 1.0, -1.0]
    found = solve(columns, y, "pnorm", {"p": p}, [1.0, 1.0, 0.5])
    share = 1 / (1 + 2 ** (1 / (p - 1)))  # of the distance of two rows of weights 1 and 1/2, at the heavier one
    assert found.kind == "exact"
    assert found.value == pytest.approx(share**p + (1 - share) ** p / 2, rel=1e-12)


def test_soft_loss_finds_the_middle_of_a_flat_valley() -> None:
    found = solve([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1000.0, 0.0], "soft_l1", {"delta": 1e-3})
    assert found.kind == "exact"
    assert found.coef == pytest.approx([500, -500], rel=1e-3)
