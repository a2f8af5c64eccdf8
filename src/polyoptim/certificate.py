"""What can be said about a problem whoever solves it: conditioning."""

from __future__ import annotations

import numpy as np

from polyoptim.problem import Problem


def largest_stable_rate(problem: Problem) -> float | None:
    """Return 2/λmax of the squared loss: plain SGD converges for every lr below it and diverges above it.

    λmax is the largest eigenvalue of the Hessian 2 AᵀWA (divided by the sum of the weights for the mean), A the
    columns of the basis on the samples. None where λmax is zero or not finite.

    Notes
    -----
    Polyak (1964), Some methods of speeding up the convergence of iteration methods, doi:10.1016/0041-5553(64)90137-5.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        design = problem.design()
        if problem.samples.weight is not None:
            design = design * np.sqrt(problem.samples.weight)[:, None]
    if not np.isfinite(design).all():
        return None
    largest = 2 * problem.factor * float(np.linalg.norm(design, 2)) ** 2
    return 2 / largest if 0 < largest < np.inf else None
