"""Quadratic: the squared loss in a few numbers, without the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quadratic:
    """The squared loss of coefficients c as ``factor · (rss + ‖R c − q‖²)``.

    The second term *is* the excess over the optimum: nothing cancels near it, as it does in the expanded form
    ``cᵀG c − 2 bᵀc + yᵀy``, whose matrix G also squares the condition number.

    Parameters
    ----------
    r : shape (rank, m): the columns of the basis in an orthonormal basis of their span.
    q : shape (rank,): the weighted y in the same basis.
    rss : the sum of squares that no coefficients can take away.
    factor : 1 for the sum, 1 / (sum of the weights) for the mean.

    Examples
    --------
    >>> line = Quadratic(np.eye(2), np.array([3.0, 4.0]), rss=1.0)
    >>> line.optimum, line.loss(np.zeros(2)), line.gradient(np.zeros(2))
    (1.0, 26.0, array([-6., -8.]))
    """

    r: Array
    q: Array
    rss: float
    factor: float = 1.0

    @property
    def optimum(self) -> float:
        """The least loss."""
        return self.factor * self.rss

    def excess(self, coef: Array) -> float:
        """Return loss - optimum of the coefficients, shape (m,), accurate to the last digits also near the optimum."""
        residual = self.r @ coef - self.q
        return self.factor * float(residual @ residual)

    def loss(self, coef: Array) -> float:
        """Return the loss of the coefficients, shape (m,)."""
        return self.optimum + self.excess(coef)

    def gradient(self, coef: Array) -> Array:
        """Return the gradient of the loss, shape (m,): 2 factor Rᵀ(R c − q)."""
        slope: Array = 2 * self.factor * (self.r.T @ (self.r @ coef - self.q))
        return slope

    @np.errstate(over="ignore", invalid="ignore")
    def largest_eigenvalue(self) -> float:
        """Return λmax of the Hessian, 2 factor RᵀR."""
        size = float(np.linalg.norm(self.r, 2))
        return 2 * self.factor * size * size  # a product overflows to infinity, where a power of floats would raise
