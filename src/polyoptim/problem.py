"""Problem = samples × basis × loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.losses import Loss
from polyoptim.targets.samples import Samples


@dataclass(frozen=True)
class Problem:
    """Which polynomial is looked for, and what makes it good.

    Parameters
    ----------
    samples : the points, as the engine sees them.
    family, domain : the basis; u = domain.map(x).
    powers : the degrees of the columns, ascending; 0 is the constant.
    loss : one of the losses by name, or the user's own object, called with (prediction, y).
    reduction : "sum" or "mean" (weighted: divided by the sum of the weights, as torch does).
    """

    samples: Samples
    family: Family
    domain: Domain
    powers: tuple[int, ...]
    loss: Loss | Any
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    reduction: str = "sum"

    @property
    def degree(self) -> int:
        """The highest power."""
        return max(self.powers)

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
        columns = self.family.columns(self.domain.map(self.samples.x), self.degree)
        return np.stack([columns[k] for k in self.powers], axis=-1)

    def dense(self, coef: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return coefficients of `powers` as a dense array, lowest degree first, shape (degree + 1,)."""
        full = np.zeros(self.degree + 1)
        full[list(self.powers)] = coef
        return full
