"""Polynomial and PolynomialFeatures as ordinary torch modules, for use inside any network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from polyoptim.arguments import check_powers, resolve_domain
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family


class PolynomialFeatures(torch.nn.Module):
    """Columns P_k(u) of a polynomial family, u being x mapped from `domain` onto the window of the family.

    Parameters
    ----------
    degree : highest power; ignored where `powers` is given.
    powers : which columns there are, ascending; the default is 1, …, degree: the constant is left to a bias.
    basis : "power", "chebyshev", "legendre", "hermite" or "laguerre", in numpy.polynomial's definitions.
    domain : the interval (a, b) that is mapped; None takes x as it is.

    Notes
    -----
    Input of any shape (…), output of shape (…, columns), in the dtype of the input. Powers are
    ``x.unsqueeze(-1).pow(exponents)``; the other families follow their three-term recurrence. The map is computed in
    float64 and rounded once, because float32 would lose the digits of a domain far from zero.

    Examples
    --------
    >>> import torch
    >>> PolynomialFeatures(3)(torch.tensor([2.0]))
    tensor([[2., 4., 8.]])
    >>> PolynomialFeatures(2, basis="chebyshev", domain=(0, 4))(torch.tensor([0.0, 4.0]))
    tensor([[-1.,  1.],
            [ 1.,  1.]])
    """

    exponents: torch.Tensor

    def __init__(
        self,
        degree: int = 3,
        *,
        powers: Sequence[int] | None = None,
        basis: str = "power",
        domain: tuple[Any, Any] | None = None,
    ) -> None:
        super().__init__()
        self.family: Family = FAMILIES[basis]
        self.powers = check_powers(degree, powers)[1:] if powers is None else _sorted(powers)
        self.domain = None if domain is None else resolve_domain(domain, self.family.window)
        self.register_buffer("exponents", torch.tensor(self.powers, dtype=torch.int64), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the columns for x of shape (…) as a tensor of shape (…, columns)."""
        u = x if self.domain is None else self.domain.map(x.double()).to(x.dtype)
        if self.family.name == "power":
            return u.unsqueeze(-1).pow(self.exponents)
        if not self.powers:
            return u.new_zeros((*u.shape, 0))
        columns = self.family.columns(u, self.powers[-1])
        return torch.stack([columns[k] for k in self.powers], dim=-1)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of the module's repr."""
        domain = "" if self.domain is None else f", domain=({self.domain.a}, {self.domain.b})"
        return f"powers={list(self.powers)}, basis={self.family.name!r}{domain}"


class Polynomial(torch.nn.Module):
    """A polynomial whose coefficients are learned: Linear on the columns above the constant, its bias the constant.

    Parameters
    ----------
    degree, powers, basis, domain : as in `PolynomialFeatures`, but `powers` includes the constant as 0; without a 0
        there is no bias.
    dtype, device : of the parameters, drawn on the CPU by torch's default initialisation of Linear.
    generator : of the CPU, from which they are drawn; None takes torch's global one.

    Examples
    --------
    >>> import torch
    >>> p = Polynomial(3)
    >>> p(torch.zeros(5, 2)).shape, p.coef.shape
    (torch.Size([5, 2]), torch.Size([4]))
    """

    def __init__(
        self,
        degree: int = 3,
        *,
        powers: Sequence[int] | None = None,
        basis: str = "power",
        domain: tuple[Any, Any] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.powers = check_powers(degree, powers)
        above = [k for k in self.powers if k > 0]
        self.features = PolynomialFeatures(powers=above, basis=basis, domain=domain).to(device)
        self.linear = linear_of(len(above), 0 in self.powers, dtype, generator).to(device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return p(x), of the shape of x."""
        return self.linear(self.features(x)).squeeze(-1)  # type: ignore[no-any-return]

    @property
    def coef(self) -> torch.Tensor:
        """Dense coefficients in the basis, lowest degree first, shape (degree + 1,); differentiable."""
        dense = self.linear.weight.new_zeros(max(self.powers) + 1)
        dense = dense.index_copy(0, self.features.exponents, self.linear.weight[0])
        if self.linear.bias is not None:
            dense = dense.index_copy(0, self.features.exponents.new_zeros(1), self.linear.bias)
        return dense


def _sorted(powers: Sequence[int]) -> tuple[int, ...]:
    return check_powers(None, powers) if len(powers) else ()


def linear_of(
    columns: int, bias: bool, dtype: torch.dtype | None, generator: torch.Generator | None
) -> torch.nn.Linear:
    """Return a Linear initialised as its constructor does, number for number, but from `generator`."""
    kind = dtype or torch.get_default_dtype()
    linear: Any = torch.nn.utils.skip_init(torch.nn.Linear, columns or 1, 1, bias=bias, dtype=kind, device="cpu")
    if not columns:  # a constant alone: torch's constructor would warn that there is nothing to initialise
        linear.in_features, linear.weight = 0, torch.nn.Parameter(linear.weight.detach()[:, :0])
    else:
        torch.nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=generator)
    if bias:
        bound = 1 / math.sqrt(columns) if columns else 0.0
        torch.nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
    return linear  # type: ignore[no-any-return]
