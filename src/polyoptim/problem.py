"""Problem = samples × basis × loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.bases import products
from polyoptim.bases.family import Family
from polyoptim.domain import Domain, domain_of_range
from polyoptim.losses import Loss
from polyoptim.moments import Index, indices
from polyoptim.targets.samples import Samples


@dataclass(frozen=True)
class Problem:
    """Which polynomial is looked for, and what makes it good.

    Parameters
    ----------
    samples : the points, as the engine sees them.
    family, domain : the basis; u = domain.map(x).
    powers : the degrees of the columns, ascending; 0 is the constant. With several columns of x, their places.
    loss : one of the losses by name, or the user's own object, called with (prediction, y).
    reduction : "sum" or "mean" (weighted: divided by the sum of the weights, as torch does).
    terms, domains : with several columns of x: the degree of each column in each product, that of the constant first,
        and the domain of each column; `domain` is then the first. None with one column.
    """

    samples: Samples
    family: Family
    domain: Domain
    powers: tuple[int, ...]
    loss: Loss | Any
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    reduction: str = "sum"
    terms: tuple[Index, ...] | None = None
    domains: tuple[Domain, ...] | None = None

    @property
    def degree(self) -> int:
        """The highest power."""
        return max(self.powers)

    @property
    def total_degree(self) -> int:
        """The highest power, with several columns of x the highest total power."""
        return self.degree if self.terms is None else max(map(sum, self.terms))

    @property
    def is_wide(self) -> bool:
        """Whether there are several columns of x and fewer samples than products of them."""
        return self.terms is not None and len(self.samples) < len(self.terms)

    @property
    def is_squared(self) -> bool:
        """Whether the loss is the squared loss, whose least value is solved."""
        return isinstance(self.loss, Loss) and self.loss.name == "squared"

    @property
    def factor(self) -> float:
        """What the sum of squares is multiplied by: 1, or 1 / (sum of the weights) for the mean."""
        if self.reduction == "sum":
            return 1.0
        weight = self.samples.weight
        return 1.0 / (len(self.samples) if weight is None else float(weight.sum()))

    def design(self) -> npt.NDArray[np.float64]:
        """Return the columns P_k(u) for k in `powers`, in float64, shape (samples, columns)."""
        if self.terms is not None and self.domains is not None:
            return products.columns(self.family, self.domains, self.terms, self.samples.x)
        columns = self.family.columns(self.domain.map(self.samples.x), self.degree)
        return np.stack([columns[k] for k in self.powers], axis=-1)

    def values(self, coef: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the polynomial with dense coefficients at the samples, shape (samples,)."""
        if self.terms is not None:
            return self.design() @ coef
        return np.asarray(self.family.evaluate(coef, self.domain.map(self.samples.x)))

    def dense(self, coef: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return coefficients of `powers`, shape (…, m), as dense ones, lowest degree first, shape (…, degree + 1)."""
        if self.terms is not None:
            return coef
        full = np.zeros((*coef.shape[:-1], self.degree + 1))
        full[..., list(self.powers)] = coef
        return full


def problem_in_columns(
    samples: Samples,
    family: Family,
    degree: int,
    window: tuple[float, float] | None,
    loss: Loss | Any,
    loss_options: Mapping[str, Any],
    reduction: str,
) -> Problem:
    """Return the problem of all polynomials up to a total degree in several columns of x, shape (n, p).

    Each column is mapped from its range; one value alone stands in the middle of an interval of width 2.
    """
    terms = indices(samples.x.shape[1], degree)
    lows, highs = samples.x.min(axis=0).tolist(), samples.x.max(axis=0).tolist()
    domains = tuple(domain_of_range(low, high, window) for low, high in zip(lows, highs, strict=True))
    powers = tuple(range(len(terms)))
    return Problem(samples, family, domains[0], powers, loss, loss_options, reduction, tuple(terms), domains)
