"""Value and slope of each loss, as one text: on floats, on arrays and compiled, against torch's autograd."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.engines.criterion import make_criterion
from polyoptim.engines.loops import compiled_sums
from polyoptim.engines.objective import WHOLE_ARRAYS, DataObjective
from polyoptim.losses import LOSSES, Loss
from polyoptim.problem import Problem
from polyoptim.targets.samples import Samples
from polyoptim.tracing import rebound

# Of every option, some values that it allows; the ends of what it allows first.
VALUES = {
    "delta": (0.3, 1.0, 2.5),
    "beta": (0.0, 0.3, 1.0),
    "p": (1.0, 1.5, 2.0, 3.0),
    "q": (0.1, 0.5, 0.8),
    "c": (0.5, 4.685),
}
CASES = [
    (name, dict(zip(loss.options, values, strict=True)))
    for name, loss in LOSSES.items()
    for values in itertools.product(*(VALUES[option] for option in loss.options))
]
WIDE = (*np.linspace(-4, 4, 81).tolist(), 1e-9, -1e-9, 1e-200, 40.0, -700.0, 1e5)


def residuals(options: dict[str, float]) -> list[float]:
    """Residuals of any size, and those at the kinks."""
    kinks = [0.0, -0.0, *options.values(), *(-value for value in options.values())]
    beside = [math.nextafter(kink, side) for kink in kinks for side in (-math.inf, math.inf)]
    return [*WIDE, *kinks, *beside]


def by_torch(loss: Loss, options: dict[str, float], at: list[float]) -> tuple[list[float], list[float]]:
    """Return each value and each slope, by autograd."""
    prediction = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    zero = torch.zeros_like(prediction)
    if loss.function is None:
        value = getattr(torch.nn, str(loss.torch_class))(reduction="none", **options)(prediction, zero)
    else:
        value = loss.function(prediction, zero, **options)
    value.sum().backward()
    assert prediction.grad is not None
    return value.tolist(), prediction.grad.tolist()


def close(found: Any, expected: Any, slack: float = 1) -> None:
    np.testing.assert_allclose(found, expected, rtol=slack * 4e-16, atol=slack * 3e-16)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_residual_equals_torchs_value_and_slope(name: str, options: dict[str, float]) -> None:
    loss, at = LOSSES[name], residuals(options)
    pairs = [loss.residual(r, **options) for r in at]
    value, slope = by_torch(loss, options, at)
    close([pair[0] for pair in pairs], value)
    # Of a formula of several terms autograd adds up slopes that cancel: its last digits are rounding.
    close([pair[1] for pair in pairs], slope, slack=16 if name in ("soft_l1", "tukey") else 1)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_residual_of_arrays_equals_that_of_floats(name: str, options: dict[str, float]) -> None:
    loss, at = LOSSES[name], residuals(options)
    with np.errstate(all="ignore"):
        value, slope = rebound(loss.residual, WHOLE_ARRAYS)(np.array(at), **options)
    pairs = [loss.residual(r, **options) for r in at]
    close(value, [pair[0] for pair in pairs])
    close(slope, [pair[1] for pair in pairs])


def objective(
    name: str, options: dict[str, float], y: Any, weight: Any = None, x: Any = None, degree: int = 0
) -> DataObjective:
    x = np.linspace(-1, 1, len(y)) if x is None else x
    samples = Samples(x, np.array(y), None if weight is None else np.array(weight))
    powers = tuple(range(degree + 1))
    problem = Problem(samples, FAMILIES["power"], Domain(-1, 1), powers, LOSSES[name], options, "sum")
    return DataObjective(problem, LOSSES[name], options)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_compiled_residual_equals_that_of_floats(name: str, options: dict[str, float]) -> None:
    loss, at = LOSSES[name], residuals(options)
    data = objective(name, options, [-r for r in at])  # the polynomial is 0: each residual is -y
    sums = compiled_sums(data)
    found = [sums(data, np.zeros(1), place, place + 1) for place in range(len(at))]
    pairs = [loss.residual(r, **options) for r in at]
    close([sum_[0] for sum_ in found], [pair[0] for pair in pairs])
    close([sum_[1] for sum_ in found], [pair[1] for pair in pairs])
    assert [sum_[2] for sum_ in found] == [1.0] * len(at)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_sums_equal_torchs_loss_and_gradient(name: str, options: dict[str, float], weighted: bool) -> None:
    noise = np.random.default_rng(0)
    x, y, coef = noise.uniform(-1, 1, 1000), noise.normal(size=1000), noise.normal(size=4)
    weight = noise.uniform(0, 2, 1000) if weighted else None
    data = objective(name, options, y, weight, x, degree=3)
    at = torch.tensor(coef, requires_grad=True)
    features = torch.tensor(np.vander(x, 4, increasing=True))
    criterion = make_criterion(LOSSES[name], options, "sum")
    loss = criterion(features @ at, torch.tensor(y), None if weight is None else torch.tensor(weight))
    loss.backward()
    assert at.grad is not None
    for sums in (DataObjective.array_sums, compiled_sums(data)):
        found = sums(data, coef, 0, 1000)
        assert found[0] == pytest.approx(loss.item(), rel=1e-13)
        np.testing.assert_allclose(found[1:-1], at.grad.numpy(), rtol=1e-12, atol=1e-11)
        assert found[-1] == pytest.approx(1000.0 if weight is None else weight.sum(), rel=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_not_a_number_and_infinity_are_seen_in_the_loss(name: str, options: dict[str, float]) -> None:
    for bad in (math.nan, math.inf, -math.inf):
        assert not math.isfinite(LOSSES[name].residual(bad, **options)[0])
        data = objective(name, options, [0.5, -bad, 0.25])
        assert not math.isfinite(compiled_sums(data)(data, np.zeros(1), 0, 3)[0])
        assert not math.isfinite(data.array_sums(np.zeros(1), 0, 3)[0])


def test_soft_l1_is_scipys_rho_of_its_documentation() -> None:
    for r, delta in itertools.product((-3.0, -0.1, 0.0, 1e-9, 0.5, 40.0), (0.3, 1.0, 2.5)):
        z = (r / delta) ** 2
        value = LOSSES["soft_l1"].residual(r, delta=delta)[0]
        assert value == pytest.approx(delta**2 * 2 * ((1 + z) ** 0.5 - 1), rel=1e-13, abs=1e-15 * delta**2 * 4)
        assert value == pytest.approx(r * r, rel=1e-8) or abs(r) > 1e-4  # no digit is lost near 0


def test_quantile_weighs_a_sample_above_the_polynomial_with_q() -> None:
    assert LOSSES["quantile"].residual(-2.0, q=0.9) == (pytest.approx(1.8), -0.9)
    assert LOSSES["quantile"].residual(2.0, q=0.9) == (pytest.approx(0.2), pytest.approx(0.1))


def test_tukey_is_flat_from_c_on() -> None:
    for r in (4.685, -5.0, 1e100):
        assert LOSSES["tukey"].residual(r, c=4.685) == (pytest.approx(4.685**2 / 6), 0.0)
    assert [name for name, loss in LOSSES.items() if not loss.convex] == ["tukey"]
