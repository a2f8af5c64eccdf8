"""What residuals of a robust fit say: their scale, the weight of each row, the covariance of the coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import Array, Rows

NORMAL = NormalDist()
TO_SIGMA = 1 / NORMAL.inv_cdf(0.75)  # 1.4826: of normal residuals the standard deviation over the median size
FARTHEST = 1e150  # beyond it a weight is 0
LEVEL = 0.05  # of the intervals for which Hall and Sheather chose their bandwidth


def scale_of(residual: Array) -> float:
    """Return the normalised median absolute residual, 1.4826 median abs(r)."""
    return TO_SIGMA * float(np.median(np.abs(residual)))


def penalty_weight(penalty: Penalty, residual: Array) -> Array:
    """Return slope(r) / r over its value at 0, in [0, 1]."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        t = np.clip(residual / penalty.length, -FARTHEST, FARTHEST)
        return np.clip(penalty.ratio(t) / float(penalty.curve(np.zeros(1))[0]), 0, 1)


def power_weight(p: float, residual: Array, scale: float) -> Array:
    """Return slope(r) / r over its value at the scale, at most 1: where p < 2 there is no value at 0."""
    size = np.abs(residual)
    far = size > scale
    return np.where(far, (scale / np.where(far, size, 1)) ** max(2 - p, 0.0), 1.0)


def smooth_covariance(rows: Rows, penalty: Penalty, length: float, z: Array) -> Array | None:
    """Return the covariance of z, times the identity that ``Aᵀ W A`` is; None without degrees of freedom.

    ``K² (Σ w psi² / (n - m)) / (Σ w psi' / Σ w)²`` with ``K = 1 + (m / n) var(psi') / mean(psi')²``: P. J. Huber
    (1981), Robust Statistics, section 7.6, doi:10.1002/0471725250. For the squared loss it is that of least squares.
    """
    count, m = rows.q.shape
    if count <= m:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        t = rows.residual(z) / length
        curve, whole = penalty.curve(t), rows.total(np.ones(count))
        mean = rows.total(curve) / whole
        if not (mean > 0 and 0 < mean * mean < math.inf):
            return None
        correction = 1 + m / count * (rows.total((curve - mean) ** 2) / whole) / mean**2
        spread = rows.total(penalty.slope(t) ** 2) / (count - m)
        found = float(np.square(correction * length / mean) * spread)
    return np.eye(m) * found if math.isfinite(found) else None


def quantile_covariance(rows: Rows, q: float, z: Array) -> Array | None:
    """Return the covariance of z for independent errors of one distribution; None without degrees of freedom.

    ``q (1 - q) s²`` times the identity, where s, the sparsity, is the slope of the quantiles of the residuals at q over
    the bandwidth of P. Hall, S. J. Sheather (1988), On the distribution of a studentized quantile, J. R. Statist. Soc.
    B 50, 381-391, doi:10.1111/j.2517-6161.1988.tb01735.x: R. Koenker (2005), Quantile Regression, section 3.4,
    doi:10.1017/CBO9780511754098. A weight counts as so many rows.
    """
    count, m = rows.q.shape
    if count <= m:
        return None
    ends = np.quantile(-rows.residual(z), quantile_ends(count, q), method="median_unbiased")
    found: Array = np.eye(m) * quantile_factor(count, m, q, ends.tolist())
    return found


def quantile_ends(count: int, q: float) -> tuple[float, float]:
    """Return the two shares of the residuals from which their density at q is taken."""
    center = NORMAL.inv_cdf(q)
    density = NORMAL.pdf(center)
    shape = 1.5 * density**2 / (2 * center**2 + 1)
    half = (NORMAL.inv_cdf(1 - LEVEL / 2) ** 2 * shape / count) ** (1 / 3)
    return max(q - half, 0.5 / count), min(q + half, 1 - 0.5 / count)


def quantile_factor(count: int, m: int, q: float, ends: Sequence[float]) -> float:
    """Return ``q (1 - q) s² n / (n - m)`` from the residuals at the `quantile_ends`."""
    low, high = quantile_ends(count, q)
    sparsity = (ends[1] - ends[0]) / (high - low)
    return q * (1 - q) * sparsity**2 * count / (count - m)
