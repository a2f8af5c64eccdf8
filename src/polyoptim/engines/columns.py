"""A polynomial in several columns of x as a torch module, on columns that float64 has computed."""

from __future__ import annotations

import torch

from polyoptim.nn import linear_of
from polyoptim.problem import Problem


class Columns(torch.nn.Module):
    """Linear on the products of the columns of x, its bias the constant.

    Parameters
    ----------
    problem : with several columns of x.
    dtype, generator : as in ``polyoptim.nn.Polynomial``.
    """

    def __init__(self, problem: Problem, dtype: torch.dtype, generator: torch.Generator) -> None:
        super().__init__()
        self._design = problem.design()[:, 1:]
        self.linear = linear_of(self._design.shape[1], True, dtype, generator)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the products above the constant, rounded once to the dtype of x, shape (n, columns)."""
        return torch.from_numpy(self._design).to(x.dtype).to(x.device)

    @property
    def coef(self) -> torch.Tensor:
        """The coefficients, that of the constant first."""
        return torch.cat([self.linear.bias, self.linear.weight[0]])
