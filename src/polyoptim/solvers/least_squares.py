"""The least squared loss of a family on its samples, by an orthogonal basis built on the samples themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyoptim.problem import Problem
from polyoptim.solution import Optimum

Array = npt.NDArray[np.float64]


def least_squares(problem: Problem, eps: float) -> Optimum:
    """Return the exact optimum of the squared loss.

    The space of the polynomials, not their coefficients, decides the optimum. For all polynomials of a degree, and for
    equally spaced powers (odd ones, even ones), an orthonormal basis of that space is built by Arnoldi's process with
    reorthogonalisation, which stays accurate where a matrix of powers has lost every digit; other choices use QR of
    the scaled columns.

    Parameters
    ----------
    problem : with the squared loss.
    eps : spacing of the dtype in which the samples were computed; where the root mean square residual is below
        4 eps max abs(y), the optimum is called zero to rounding.

    Notes
    -----
    Cost O(n m²) for n samples and m columns. Brubeck, Nakatsukasa, Trefethen (2021), Vandermonde with Arnoldi,
    SIAM Review 63, 405-415, doi:10.1137/19M130100X.
    """
    x, y, weight = problem.samples.x, problem.samples.y, problem.samples.weight
    root = np.ones_like(x) if weight is None else np.sqrt(weight)
    basis, columns = _orthonormal(problem, root)
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
    value = sum_of_squares * unit * unit * problem.factor
    if not np.isfinite(value):
        return Optimum()
    coef = _coefficients(problem, root, (wanted - residual) * unit, largest)
    return Optimum(value, coef, "exact", is_zero=sum_of_squares <= limit or value == 0)


def _noise(columns: Array | None, wanted: Array) -> float:
    """Return the size of the terms that cancel in columns that are not orthogonal: their rounding stays behind."""
    if columns is None:
        return 0.0
    coef, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    return float(np.abs(coef) @ np.abs(columns).max(axis=0))


def _orthonormal(problem: Problem, root: Array) -> tuple[Array, Array | None]:
    """Return orthonormal columns, shape (n, rank), that span root · P_k(u) for k in the problem's powers.

    And, where they come from columns of the problem rather than from Arnoldi's process, these columns, scaled.
    """
    x, powers = problem.samples.x, problem.powers
    gaps = set(np.diff(powers).tolist()) or {1}
    if powers == tuple(range(len(powers))):  # all polynomials of the degree, whatever the family and the map
        return _arnoldi(x, root, 0, 1, len(powers)), None
    if problem.family.name == "power" and len(gaps) == 1:
        return _arnoldi(problem.domain.map(x), root, powers[0], gaps.pop(), len(powers)), None
    if problem.family.name == "power":
        u = problem.domain.map(x)
        columns = root[:, None] * (u / (float(np.abs(u).max()) or 1.0))[:, None] ** np.array(powers)
    else:
        columns = root[:, None] * problem.design()
    norms = np.linalg.norm(columns, axis=0)
    columns = columns / np.where(norms > 0, norms, 1)
    q, r = np.linalg.qr(columns)
    # A column that depends on the ones before it adds a direction of noise: leave it out.
    return np.ascontiguousarray(q[:, np.abs(np.diag(r)) > len(x) * np.finfo(float).eps]), columns


def _arnoldi(x: Array, root: Array, first: int, gap: int, count: int) -> Array:
    """Return an orthonormal basis of the span of root · x^first · (x^gap)^j for j < count."""
    if first == 0 and gap == 1:
        low, high = float(x.min()), float(x.max())  # all powers: the origin of x does not matter, so take the middle
        step = x - (low / 2 + high / 2)
    else:
        step = x
    step = step / (float(np.abs(step).max()) or 1.0)
    start = root * step**first
    step = step**gap
    found: list[Array] = []
    column = start
    for _ in range(count):
        size = np.linalg.norm(column)
        for _twice in range(2):
            for earlier in found:
                column = column - earlier * (earlier @ column)
        norm = np.linalg.norm(column)
        if norm <= len(x) * np.finfo(float).eps * size or norm == 0:
            break  # fewer distinct samples than columns: the span is complete
        found.append(column / norm)
        column = step * found[-1]
    return np.stack(found, axis=-1) if found else np.zeros((len(x), 0))


def _coefficients(problem: Problem, root: Array, fitted: Array, largest: float) -> Array | None:
    """Return dense coefficients in the problem's basis that reproduce `fitted`, or None where float64 cannot."""
    with np.errstate(over="ignore", invalid="ignore"):
        design = problem.design() * root[:, None]
    if not np.isfinite(design).all():
        return None
    norms = np.linalg.norm(design, axis=0)
    norms = np.where(norms > 0, norms, 1)
    coef, *_ = np.linalg.lstsq(design / norms, fitted, rcond=None)
    error = np.abs(design @ (coef / norms) - fitted).max()
    return problem.dense(coef / norms) if error <= 1e-9 * largest else None
