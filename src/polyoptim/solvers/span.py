"""The space that the columns of a problem span on its samples: an orthonormal basis, and coefficients from values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic

Array = npt.NDArray[np.float64]

LARGEST_EXACT = 60  # the fractions of higher powers grow too long


def orthonormal(problem: Problem, root: Array) -> tuple[Array, Array | None]:
    """Return orthonormal columns, shape (n, rank), that span root · P_k(u) for k in the problem's powers.

    And, where they come from columns of the problem rather than from Arnoldi's process, these columns, scaled.
    """
    if problem.terms is not None:
        return _of_products(problem, root)
    x, powers = problem.samples.x, problem.powers
    if powers == tuple(range(len(powers))):  # all polynomials of the degree, whatever the family and the map
        return _arnoldi(x, root, len(powers)), None
    plain = problem.family.name == "power"
    columns = root[:, None] * (_chosen_powers(problem.domain.map(x), powers) if plain else problem.design())
    norms = np.linalg.norm(columns, axis=0)
    rounding = len(x) * np.finfo(float).eps
    if plain:  # columns of size 1: one that vanishes on the samples is rounding only
        columns[:, norms <= rounding * np.linalg.norm(root)] = 0
    columns = columns / np.where(norms > 0, norms, 1)
    q, r = np.linalg.qr(columns)
    directions, sizes, _ = np.linalg.svd(r)
    # With fewer distinct samples than columns some directions are rounding only: leave them out.
    return np.ascontiguousarray(q @ directions[:, : len(sizes)][:, sizes > rounding * sizes.max()]), columns


def _of_products(problem: Problem, root: Array) -> tuple[Array, Array]:
    """Return the same for products in several columns of x, which may be more than the samples."""
    columns = root[:, None] * problem.design()
    columns = columns / _lengths(columns)
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    kept = sizes > max(columns.shape) * np.finfo(float).eps * sizes.max()
    return np.ascontiguousarray(left[:, kept]), columns


def _chosen_powers(u: Array, powers: tuple[int, ...]) -> Array:
    """Return columns, shape (n, columns), that span u^k for k in `powers` and are far from parallel.

    Far from zero the powers themselves are all but parallel. In the Chebyshev polynomials of the centred variable they
    are combinations with rational coefficients; exact elimination makes these combinations plain before they are
    rounded. Powers beyond `LARGEST_EXACT` are taken as they are.
    """
    low, high = float(u.min()), float(u.max())
    center, half = low / 2 + high / 2, (high - low) / 2
    if powers[-1] > LARGEST_EXACT or half == 0:
        columns: Array = (u / (float(np.abs(u).max()) or 1.0))[:, None] ** np.array(powers)
        return columns
    rows = _chebyshev_rows(powers, Fraction(center), Fraction(half))
    plain = np.array([[float(value) for value in row] for row in _eliminated(rows)])
    return np.asarray(np.polynomial.chebyshev.chebvander((u - center) / half, powers[-1]) @ plain.T)


def _chebyshev_rows(powers: tuple[int, ...], center: Fraction, half: Fraction) -> list[list[Fraction]]:
    """Return for each power k the Chebyshev coefficients of (center + half t)^k, exactly.

    The law: t T_j = (T_{j+1} + T_{|j-1|}) / 2.
    """
    row = [Fraction(1)] + [Fraction(0)] * powers[-1]
    found = []
    for k in range(powers[-1] + 1):
        if k in powers:
            found.append(row)
        following = [center * value for value in row]
        for j in range(min(k, powers[-1] - 1) + 1):
            share = half * row[j] / (1 if j == 0 else 2)
            following[j + 1] += share
            if j:
                following[j - 1] += share
        row = following
    return found


def _eliminated(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """Return rows of the same span, each with a 1 where the others have 0 (Gauss and Jordan, the largest as pivot)."""
    rows = [list(row) for row in rows]
    for place in range(len(rows)):
        largest = max(rows[place], key=abs)
        pivot = rows[place].index(largest)
        row = rows[place] = [value / largest for value in rows[place]]
        for other, values in enumerate(rows):
            factor = values[pivot]
            if other != place and factor:
                rows[other] = [value - factor * own for value, own in zip(values, row, strict=True)]
    return rows


def _arnoldi(x: Array, root: Array, count: int) -> Array:
    """Return an orthonormal basis of the span of root · x^k for k < count."""
    low, high = float(x.min()), float(x.max())
    step = x - (low / 2 + high / 2)  # the origin of x does not matter, so take the middle
    step = step / (float(np.abs(step).max()) or 1.0)
    found: list[Array] = []
    column = root
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


def coefficients(problem: Problem, design: Array, quadratic: Quadratic, fitted: Array, largest: float) -> Array | None:
    """Return dense coefficients in the problem's basis that reproduce `fitted`, or None where float64 cannot."""
    for solve in (_by_small_system, _by_samples):
        coef = solve(design, quadratic, fitted)
        if coef is not None and np.abs(design @ coef - fitted).max() <= 1e-9 * largest:
            return problem.dense(coef)
    return None


def _by_small_system(_design: Array, quadratic: Quadratic, _fitted: Array) -> Array | None:
    """Return the solution of R c = q where R is square and, its columns scaled to length 1, far from singular."""
    r, norms = quadratic.r, _lengths(quadratic.r)
    if r.shape[0] != r.shape[1] or not np.linalg.cond(r / norms) < 1e8:
        return None
    return np.asarray(np.linalg.solve(r / norms, quadratic.q) / norms)


def _by_samples(design: Array, _quadratic: Quadratic, fitted: Array) -> Array:
    """Return the least solution on the samples: where there are many, the one of the smallest size."""
    norms = _lengths(design)
    return np.asarray(np.linalg.lstsq(design / norms, fitted, rcond=None)[0] / norms)


def _lengths(columns: Array) -> Array:
    """Return the length of each column, and 1 for a column of zeros."""
    norms = np.linalg.norm(columns, axis=0)
    return np.where(norms > 0, norms, 1)
