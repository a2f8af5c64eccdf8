"""PolynomialFeatures and Polynomial as ordinary torch modules."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from numpy import polynomial as reference

from polyoptim import ArgumentError, nn

CLASSES = {
    "power": reference.Polynomial,
    "chebyshev": reference.Chebyshev,
    "legendre": reference.Legendre,
    "hermite": reference.Hermite,
    "laguerre": reference.Laguerre,
}
BASES = list(CLASSES)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,), (4, 1, 2)])
@pytest.mark.parametrize("basis", BASES)
def test_shapes(basis: str, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    assert nn.PolynomialFeatures(4, basis=basis)(x).shape == (*shape, 4)
    assert nn.PolynomialFeatures(powers=[0, 3], basis=basis)(x).shape == (*shape, 2)
    assert nn.PolynomialFeatures(0, basis=basis)(x).shape == (*shape, 0)
    assert nn.Polynomial(4, basis=basis)(x).shape == shape
    assert nn.Polynomial(powers=[1, 3], basis=basis)(x).shape == shape
    assert nn.Polynomial(0, basis=basis)(x).shape == shape


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("basis", BASES)
def test_dtype_is_that_of_the_input(basis: str, dtype: torch.dtype) -> None:
    x = torch.linspace(0, 1, 7, dtype=dtype)
    assert nn.PolynomialFeatures(3, basis=basis, domain=(0, 1))(x).dtype is dtype
    assert nn.Polynomial(3, basis=basis, dtype=dtype)(x).dtype is dtype


@pytest.mark.parametrize("domain", [None, (2.0, 9.0), ("-pi", "pi")])
@pytest.mark.parametrize("basis", BASES)
def test_columns_equal_numpy(basis: str, domain: Any) -> None:
    window = CLASSES[basis].window
    ends = {None: window, (2.0, 9.0): (2.0, 9.0)}.get(domain, (-np.pi, np.pi))
    x = np.linspace(*ends, 40)
    columns = nn.PolynomialFeatures(powers=range(13), basis=basis, domain=domain)(torch.from_numpy(x)).numpy()
    for k in range(13):
        expected = CLASSES[basis].basis(k, domain=ends)(x)
        np.testing.assert_allclose(columns[:, k], expected, rtol=0, atol=2e-12 * max(1.0, np.abs(expected).max()))


def test_power_columns_have_the_floats_of_pow() -> None:
    x = torch.linspace(-3, 3, 101)
    assert torch.equal(nn.PolynomialFeatures(3)(x), x.unsqueeze(-1).pow(torch.tensor([1, 2, 3])))


@pytest.mark.parametrize("powers", [None, [0, 2, 5], [1, 4], [3], [0]])
@pytest.mark.parametrize("basis", BASES)
def test_polynomial_equals_numpy(basis: str, powers: list[int] | None) -> None:
    torch.manual_seed(0)
    p = nn.Polynomial(5, powers=powers, basis=basis, domain=(-2, 3), dtype=torch.float64)
    x = np.linspace(-2, 3, 30)
    coef = p.coef.detach().numpy()
    assert coef.shape == (max(powers or range(6)) + 1,)
    missing = set(range(len(coef))) - set(powers or range(6))
    assert all(coef[k] == 0 for k in missing)
    expected = CLASSES[basis](coef, domain=(-2, 3))(x)
    np.testing.assert_allclose(p(torch.from_numpy(x)).detach().numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("basis", BASES)
def test_gradients_are_right(basis: str) -> None:
    torch.manual_seed(0)
    p = nn.Polynomial(4, basis=basis, domain=(-1.5, 2.5), dtype=torch.float64)
    x = torch.linspace(-1, 2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(p, (x,))
    assert torch.autograd.gradgradcheck(p, (x,))

    def of_parameters(weight: Any, bias: Any) -> Any:
        return torch.func.functional_call(p, {"linear.weight": weight, "linear.bias": bias}, (x.detach(),))

    assert torch.autograd.gradcheck(of_parameters, (p.linear.weight, p.linear.bias))


@pytest.mark.parametrize("basis", BASES)
def test_gradients_at_zero_are_finite(basis: str) -> None:
    x = torch.zeros(3, requires_grad=True)
    nn.Polynomial(3, basis=basis)(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_coef_is_differentiable() -> None:
    p = nn.Polynomial(powers=[0, 2])
    p.coef.square().sum().backward()
    assert torch.allclose(p.linear.weight.grad, 2 * p.linear.weight)
    assert torch.allclose(p.linear.bias.grad, 2 * p.linear.bias)


def test_polynomial_trains_inside_a_network() -> None:
    torch.manual_seed(0)
    x = torch.linspace(-2, 2, 200).unsqueeze(-1)
    y = torch.sin(2 * x).squeeze(-1)
    network = torch.nn.Sequential(
        nn.PolynomialFeatures(5, basis="chebyshev", domain=(-2, 2)),
        torch.nn.Flatten(1),
        torch.nn.Linear(5, 8),
        nn.Polynomial(3, domain=(-4, 4)),
        torch.nn.Linear(8, 1),
        torch.nn.Flatten(0),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    start = None
    for _ in range(300):
        loss = torch.nn.functional.mse_loss(network(x), y)
        start = loss.item() if start is None else start
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(p.grad is not None for p in network.parameters())
    assert loss.item() < start / 20


def test_state_dict_round_trip() -> None:
    first = nn.Polynomial(4, basis="hermite", domain=(0, 2), dtype=torch.float64)
    second = nn.Polynomial(4, basis="hermite", domain=(0, 2), dtype=torch.float64)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    x = torch.linspace(0, 2, 9, dtype=torch.float64)
    assert torch.equal(first(x), second(x))
    assert set(first.state_dict()) == {"linear.weight", "linear.bias"}


def test_initialisation_is_that_of_linear() -> None:
    torch.manual_seed(4)
    p = nn.Polynomial(3)
    torch.manual_seed(4)
    linear = torch.nn.Linear(3, 1)
    assert p.coef.tolist() == [linear.bias.item(), *linear.weight[0].tolist()]


@pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself
def test_polynomial_compiles() -> None:
    torch.manual_seed(0)
    for p in (nn.Polynomial(4, basis="legendre", domain=(-1, 3)), nn.Polynomial(3)):
        x = torch.linspace(-1, 3, 33)
        compiled = torch.compile(p, fullgraph=True)
        torch.testing.assert_close(compiled(x), p(x))
        compiled(x).sum().backward()
        found = p.linear.weight.grad.clone()
        p.zero_grad()
        p(x).sum().backward()
        torch.testing.assert_close(found, p.linear.weight.grad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degree": -1}, "degree must be an integer >= 0, got -1"),
        ({"degree": 2.5}, "degree"),
        ({"degree": 10**6}, "degree"),
        ({"powers": [1, 1]}, "differ"),
        ({"powers": [-2]}, "powers"),
        ({"powers": "12"}, "powers"),
        ({"basis": "chebychev"}, "did you mean 'chebyshev'"),
        ({"domain": (2, 1)}, "domain"),
        ({"domain": (1, 2, 3)}, "domain"),
    ],
)
@pytest.mark.parametrize("module", [nn.PolynomialFeatures, nn.Polynomial])
def test_wrong_argument_is_one_clear_error(module: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        module(**arguments)


def test_polynomial_needs_at_least_one_power() -> None:
    with pytest.raises(ArgumentError, match="powers"):
        nn.Polynomial(powers=[])


def test_repr_says_what_it_is() -> None:
    text = repr(nn.Polynomial(powers=[0, 1, 3], basis="legendre", domain=(0, 1)))
    assert "powers=[1, 3]" in text
    assert "basis='legendre'" in text
    assert "domain=(0.0, 1.0)" in text
