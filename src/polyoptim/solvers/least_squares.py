"""The least squared loss of a family on its samples, by an orthogonal basis built on the samples themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.solution import Optimum
from polyoptim.solvers.span import coefficients, orthonormal

Array = npt.NDArray[np.float64]


@np.errstate(over="ignore", invalid="ignore")  # what overflows ends in None
def least_squares(problem: Problem, eps: float) -> tuple[Optimum, Quadratic | None]:
    """Return the exact optimum of the squared loss, and this loss without the samples.

    The space of the polynomials, not their coefficients, decides the optimum. For all polynomials of a degree an
    orthonormal basis of that space is built by Arnoldi's process with reorthogonalisation, which stays accurate where a
    matrix of powers has lost every digit. For chosen powers the space is brought into plain columns by exact
    elimination, for chosen members of another family it has them; these are orthogonalised by QR.

    Parameters
    ----------
    problem : with the squared loss.
    eps : spacing of the dtype in which the samples were computed; where the root mean square residual is below
        4 eps max abs(y), the optimum is called zero to rounding.

    Returns
    -------
    The optimum, without a value where it overflows; and the quadratic, or None where the columns overflow.

    Notes
    -----
    Cost O(n m²) for n samples and m columns. Brubeck, Nakatsukasa, Trefethen (2021), Vandermonde with Arnoldi,
    SIAM Review 63, 405-415, doi:10.1137/19M130100X.
    """
    y, weight = problem.samples.y, problem.samples.weight
    root = np.ones_like(y) if weight is None else np.sqrt(weight)
    basis, columns = orthonormal(problem, root)
    wanted = root * y
    # An exponent is taken out, so that squares neither overflow nor vanish (y of 1e300, y of 1e-300).
    largest = float(np.abs(wanted).max())
    unit = float(2.0 ** np.floor(np.log2(largest))) if largest > 0 else 1.0
    wanted = wanted / unit
    residual = wanted - basis @ (basis.T @ wanted)
    residual -= basis @ (basis.T @ residual)
    sum_of_squares = float(residual @ residual)
    counted = float(np.count_nonzero(root))
    limit = counted * (4 * eps * (float(np.abs(wanted).max()) + _noise(columns, wanted))) ** 2
    rss = sum_of_squares * unit * unit
    value = rss * problem.factor
    if not np.isfinite(value):
        return Optimum(), None
    is_zero = sum_of_squares <= limit or value == 0
    design = problem.design()
    if weight is not None:
        design *= root[:, None]
    if not np.isfinite(design).all():
        return Optimum(value, None, "exact", is_zero), None
    r = basis.T @ design
    r = np.triu(r) if columns is None else r  # by degree: what stands below the diagonal is rounding
    quadratic = Quadratic(r, basis.T @ wanted * unit, rss, problem.factor)
    coef = coefficients(problem, design, quadratic, (wanted - residual) * unit, largest)
    return Optimum(value, coef, "exact", is_zero), quadratic


def _noise(columns: Array | None, wanted: Array) -> float:
    """Return the size of the terms that cancel in columns that are not orthogonal: their rounding stays behind."""
    if columns is None:
        return 0.0
    coef, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    return float(np.abs(coef) @ np.abs(columns).max(axis=0))
