"""What can be said about a problem whoever solves it: conditioning."""

from __future__ import annotations

import math

from polyoptim.quadratic import Quadratic


def largest_stable_rate(quadratic: Quadratic) -> float | None:
    """Return 2/λmax of the squared loss: plain SGD converges for every lr below it and diverges above it.

    λmax is the largest eigenvalue of the Hessian, which is 2 AᵀWA (divided by the sum of the weights for the mean) for
    the columns A of the basis on the samples. None where λmax is zero or not finite.

    Notes
    -----
    Polyak (1964), Some methods of speeding up the convergence of iteration methods, doi:10.1016/0041-5553(64)90137-5.
    """
    largest = quadratic.largest_eigenvalue()
    return 2 / largest if 0 < largest < math.inf else None
