"""Stable and best rates of SGD: against eigenvalues of its iteration matrix, and against runs of torch.optim.SGD."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim import Status, train
from polyoptim.bases import FAMILIES
from polyoptim.certificate import (
    best_rate,
    best_rate_and_momentum,
    condition_number,
    contraction,
    largest_stable_rate,
    stable_rates,
    steps_per_digit,
)
from polyoptim.domain import Domain
from polyoptim.losses import LOSSES
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
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
        "engine": "fused",
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


Array = npt.NDArray[np.float64]
PAIR = np.array([0.5, 2.0])


def radius(eigenvalues: Array, lr: float, momentum: float, **options: Any) -> float:
    """The largest abs(eigenvalue) of one step of torch's SGD as a matrix, where there is curvature."""
    radii = [0.0]
    for eigenvalue in eigenvalues:
        columns = [torch_step(eigenvalue, lr, momentum, *state, **options) for state in ((1.0, 0.0), (0.0, 1.0))]
        sign = -1 if options["maximize"] else 1
        if sign * eigenvalue + options["weight_decay"] != 0:
            radii.append(float(np.abs(np.linalg.eigvals(np.array(columns).T)).max()))
    return max(radii)


def torch_step(
    eigenvalue: float,
    lr: float,
    momentum: float,
    coef: float,
    buffer: float,
    *,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[float, float]:
    """One later step of torch's _single_tensor_sgd on eigenvalue · coef² / 2."""
    grad = eigenvalue * coef
    if maximize:
        grad = -grad
    grad = grad + weight_decay * coef
    if momentum != 0:
        buffer = momentum * buffer + (1 - dampening) * grad
        return coef - lr * (grad + momentum * buffer if nesterov else buffer), buffer
    return coef - lr * grad, 0.0  # torch keeps no buffer


def run(eigenvalues: Array, steps: int, **options: Any) -> float:
    """Return the largest coefficient after steps of torch.optim.SGD that start at 1."""
    coef = torch.ones(len(eigenvalues), dtype=torch.float64, requires_grad=True)
    curvature = torch.from_numpy(eigenvalues)
    optimizer = torch.optim.SGD([coef], **options)
    for _ in range(steps):
        coef.grad = curvature * coef.detach()
        optimizer.step()
    return float(coef.detach().abs().max())


spectra = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5).map(lambda values: np.array(sorted(values)))


@st.composite
def choices(draw: st.DrawFn) -> tuple[Array, float, dict[str, Any]]:
    """Draw eigenvalues, a momentum and options that torch accepts and for which some lr is stable."""
    eigenvalues = draw(spectra)
    nesterov = draw(st.booleans())
    momentum = draw(st.floats(0.01, 0.95) if nesterov else st.just(0.0) | st.floats(0.01, 0.95))
    options: dict[str, Any] = {"nesterov": nesterov, "maximize": draw(st.booleans())}
    options["dampening"] = 0.0 if nesterov else draw(st.sampled_from([0.0, 0.3, 0.9, momentum]))
    over = draw(st.floats(1.1, 3.0))
    options["weight_decay"] = over * float(eigenvalues[-1]) if options["maximize"] else draw(st.floats(0.0, 1.0))
    return eigenvalues, momentum, options


@given(choices())
@settings(max_examples=10, deadline=None)
def test_torch_stays_below_the_edge_and_leaves_above_it(choice: tuple[Array, float, dict[str, Any]]) -> None:
    eigenvalues, momentum, options = choice
    low, high = stable_rates(eigenvalues, momentum, **options)
    assert low == 0
    assert run(eigenvalues, 5000, lr=0.999 * float(high), momentum=momentum, **options) < 0.01
    assert run(eigenvalues, 5000, lr=1.001 * float(high), momentum=momentum, **options) > 100


@given(choices())
@settings(deadline=None)
def test_contraction_is_one_at_the_edge(choice: tuple[Array, float, dict[str, Any]]) -> None:
    eigenvalues, momentum, options = choice
    high = stable_rates(eigenvalues, momentum, **options)[1]
    below, at, above = contraction(eigenvalues, np.array([0.999, 1.0, 1.001]) * high, momentum, **options)
    assert below < 1 < above
    assert at == pytest.approx(1, abs=1e-13)


@given(
    spectra,
    st.floats(1e-3, 3.0),
    st.floats(0.0, 1.5),
    st.floats(0.0, 3.0),
    st.floats(0.0, 20.0),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None)
def test_contraction_and_stable_rates_equal_those_of_the_iteration_matrix(
    eigenvalues: Array,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    options = {"dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
    wanted = radius(eigenvalues, lr, momentum, **options)
    found = float(contraction(eigenvalues, lr, momentum, **options))
    # Where two eigenvalues meet, their square root has half of the digits, here as in LAPACK.
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    low, high = stable_rates(eigenvalues, momentum, **options)
    if abs(wanted - 1) > 1e-6:
        assert (low < lr < high) == (wanted < 1)


@given(spectra, st.floats(1.0, 1.5), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(deadline=None)
def test_nesterov_with_momentum_above_one_is_stable_between_two_edges(
    eigenvalues: Array, momentum: float, inside: float, outside: float
) -> None:
    low, high = (float(edge) for edge in stable_rates(eigenvalues, momentum, nesterov=True))
    assert (high > 0) == ((momentum - 1) / momentum * condition(eigenvalues) < 2 * (1 + momentum) / (1 + 2 * momentum))
    if high > 0:
        assert low == pytest.approx((momentum - 1) / momentum / eigenvalues[0])
        between = low + (high - low) * (0.01 + 0.98 * inside)
        assert contraction(eigenvalues, between, momentum, nesterov=True) < 1
        assert contraction(eigenvalues, low * outside, momentum, nesterov=True) > 1 - 1e-12
    assert contraction(eigenvalues, high * (1.01 + outside), momentum, nesterov=True) >= 1


def condition(eigenvalues: Array) -> float:
    found = condition_number(eigenvalues)
    assert found is not None
    return found


MOMENTA = np.array([0.0, 0.25, 0.5, 0.9])


@pytest.mark.parametrize(
    ("options", "momenta", "edges"),
    [
        ({}, MOMENTA, (1 + MOMENTA)),
        ({"nesterov": True}, MOMENTA, (1 + MOMENTA) / (1 + 2 * MOMENTA)),
        ({"dampening": 0.5}, MOMENTA, [1.0, 2.5, 3.0, 3.8]),  # torch ignores dampening without momentum
        ({"weight_decay": 2.0}, MOMENTA, (1 + MOMENTA) / 2),
        ({"maximize": True}, MOMENTA, [0, 0, 0, 0]),
        ({"maximize": True, "weight_decay": 1.0}, MOMENTA, [0, 0, 0, 0]),
        ({"maximize": True, "weight_decay": 2.5}, MOMENTA, 1 + MOMENTA),
        ({"dampening": 1.0}, MOMENTA, [1, 0, 0, 0]),  # the buffer never hears of a gradient again
        ({"dampening": 2.0}, MOMENTA, [1, 0, 0, 0]),
        ({"dampening": 2.0, "maximize": True}, MOMENTA, [0, 1.25, 1.5, 1.9]),  # two wrongs make a right
        ({}, [1.0, 1.5], [0, 0]),
        ({"nesterov": True}, [1.0, 1e9], [2 / 3, 0]),
    ],
)
def test_edge_of_known_eigenvalues(options: Any, momenta: Any, edges: Any) -> None:
    low, high = stable_rates(PAIR, momenta, **options)
    np.testing.assert_allclose(high, edges, rtol=1e-15)
    np.testing.assert_array_equal(low, 0)


def test_rates_and_momenta_are_broadcast() -> None:
    assert stable_rates(PAIR, 0.5)[1].shape == ()
    assert stable_rates(PAIR, np.zeros((2, 3)))[1].shape == (2, 3)
    assert contraction(PAIR, 0.1).shape == ()
    table = contraction(PAIR, np.array([0.1, 0.2, 0.3])[:, None], MOMENTA)
    assert table.shape == (3, 4)
    assert table[1, 2] == contraction(PAIR, 0.2, 0.5)


def test_zero_curvature_does_not_count() -> None:
    flat = np.array([0.0, 0.0, 0.5, 2.0])
    assert stable_rates(flat, 0.5) == stable_rates(PAIR, 0.5)
    assert contraction(flat, 0.3, 0.5) == contraction(PAIR, 0.3, 0.5)
    assert contraction(flat, 0.3, 0.5, weight_decay=0.1) > contraction(PAIR, 0.3, 0.5, weight_decay=0.1)
    assert stable_rates(np.zeros(2), MOMENTA)[1].tolist() == [math.inf] * 4
    assert contraction(np.zeros(2), 0.3) == 0


@given(spectra, st.floats(1e-3, 20.0), st.floats(0.0, 0.999))
@settings(deadline=None)
def test_no_rate_and_no_momentum_is_better_than_the_best(eigenvalues: Array, lr: float, momentum: float) -> None:
    plain, heavy = best_rate(eigenvalues), best_rate_and_momentum(eigenvalues)
    assert plain is not None
    assert heavy is not None
    # At the best momentum eigenvalues meet, and the radius has half of its digits.
    assert contraction(eigenvalues, plain.lr) == pytest.approx(plain.contraction, rel=1e-12, abs=1e-12)
    assert contraction(eigenvalues, heavy.lr, heavy.momentum) == pytest.approx(heavy.contraction, abs=1e-6)
    assert contraction(eigenvalues, lr) >= plain.contraction - 1e-12
    assert contraction(eigenvalues, lr, momentum) >= heavy.contraction - 1e-6
    assert heavy.contraction <= plain.contraction
    kappa = condition(eigenvalues)
    assert plain.contraction == pytest.approx((kappa - 1) / (kappa + 1), abs=1e-14)
    assert heavy.contraction == pytest.approx((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1), abs=1e-14)
    for best in (plain, heavy):
        assert best.steps_per_digit == pytest.approx(steps_per_digit(best.contraction), rel=1e-9)


def test_best_rates_of_a_run_of_torch_divide_the_distance_by_ten_in_the_steps_they_say() -> None:
    eigenvalues = np.array([0.1, 1.0, 3.0, 10.0])
    plain = best_rate(eigenvalues)
    assert plain is not None
    lengths = [run(eigenvalues, steps, lr=plain.lr) for steps in (1000, 1000 + round(5 * plain.steps_per_digit))]
    assert lengths[0] / lengths[1] == pytest.approx(1e5, rel=0.01)


def test_one_curvature_takes_one_step() -> None:
    for found in (best_rate(np.array([4.0])), best_rate_and_momentum(np.full(3, 4.0))):
        assert found is not None
        assert (found.lr, found.momentum, found.contraction, found.steps_per_digit) == (0.25, 0.0, 0.0, 1.0)
    assert condition_number(np.array([4.0])) == 1


@pytest.mark.parametrize("eigenvalues", [[0.0, 1.0], [0.0, 0.0], [1e-320, 1e300]])
def test_nothing_is_best_when_a_direction_is_flat(eigenvalues: list[float]) -> None:
    assert best_rate(np.array(eigenvalues)) is None
    assert best_rate_and_momentum(np.array(eigenvalues)) is None
    assert condition_number(np.array(eigenvalues)) == (math.inf if eigenvalues[-1] else None)


def test_steps_are_known_when_the_contraction_rounds_to_one() -> None:
    steep = np.array([1e-40, 1.0])
    plain, heavy = best_rate(steep), best_rate_and_momentum(steep)
    assert plain is not None
    assert heavy is not None
    assert (plain.lr, plain.contraction) == (2.0, 1.0)
    assert plain.steps_per_digit == pytest.approx(math.log(10) / 2 * 1e40)
    assert heavy.steps_per_digit == pytest.approx(math.log(10) / 2 * 1e20)
    assert heavy.momentum < 1
    assert steps_per_digit(0.9) == pytest.approx(-1 / math.log10(0.9))
    assert steps_per_digit(1.2) == math.inf


def test_largest_stable_rate_is_the_edge_without_momentum() -> None:
    identity = Quadratic(np.eye(3), np.zeros(3), rss=0.0, factor=0.5)
    assert largest_stable_rate(identity) == 2.0
    eigenvalues = identity.eigenvalues()
    assert eigenvalues is not None
    assert eigenvalues.tolist() == [1.0, 1.0, 1.0]
    assert condition_number(eigenvalues) == 1.0
    assert stable_rates(eigenvalues)[1] == 2.0
