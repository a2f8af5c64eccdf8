"""What residuals of a robust fit say: their scale, the weight of each row, the covariance of the coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from polyoptim.solvers.penalties import Penalty
from polyoptim.solvers.rows import Array, Rows

NORMAL = NormalDist()
TO_SIGMA = 1 / NORMAL.inv_cdf(0.75)  # 1.4826: of normal residuals the standard deviation over the median size
FARTHEST = 1e150  # beyond it a weight is 0
LEVEL = 0.05  # of the intervals for which Hall and Sheather chose their bandwidth
# Shares of the residuals on each side: windows from which a chord is corrected, and beyond which it tells nothing.
WIDE, WIDEST = 0.15, 0.4
STRAIGHT = 100.0  # so many times the largest residual is as good as infinitely far, where rows are few
NORMAL_RESIDUALS = np.array([NORMAL.inv_cdf((place + 0.5) / 2000) for place in range(2000)])


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


def smooth_covariance(rows: Rows, penalty: Penalty, length: float, z: Array, bend: float = 1.0) -> Array | None:
    """Return the covariance of z, times the identity that ``Aᵀ W A`` is; None where it cannot be told.

    ``K² (Σ w psi² / (n - m)) / (Σ w psi' / Σ w)²`` with ``K = 1 + (m / n) var(psi') / mean(psi')²``: P. J. Huber
    (1981), Robust Statistics, section 7.6, doi:10.1002/0471725250. For the squared loss it is that of least squares.
    Where psi bends within fewer residuals than it takes to see its slope there, psi' is the slope of a chord.

    Parameters
    ----------
    bend : up to which residual, in lengths, psi is about straight.
    """
    count, m = rows.q.shape
    if count <= m:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        t = rows.residual(z) / length
        half = window(0.5, count)
        curve = penalty.curve(t)
        if half > WIDEST and bend < STRAIGHT * float(np.abs(t).max()):
            return None
        if half <= WIDEST:
            wide = float(np.quantile(np.abs(t), 2 * half, method="median_unbiased"))
            curve = chords(penalty.slope, t, wide, scale_of(t), count) if wide > bend else curve
        whole = rows.total(np.ones(count))
        mean = rows.total(curve) / whole
        if not (mean > 0 and 0 < mean * mean < math.inf):
            return None
        correction = 1 + m / count * (rows.total((curve - mean) ** 2) / whole) / mean**2
        spread = rows.total(penalty.slope(t) ** 2) / (count - m)
        found = float(np.square(correction * length / mean) * spread)
    return np.eye(m) * found if math.isfinite(found) else None


def window(q: float, count: int) -> float:
    """Return how far around q the quantiles of so many residuals tell a slope, as a share of them.

    P. Hall, S. J. Sheather (1988), On the distribution of a studentized quantile, J. R. Statist. Soc. B 50, 381-391,
    doi:10.1111/j.2517-6161.1988.tb01735.x
    """
    center = NORMAL.inv_cdf(q)
    shape = 1.5 * NORMAL.pdf(center) ** 2 / (2 * center**2 + 1)
    return float((NORMAL.inv_cdf(1 - LEVEL / 2) ** 2 * shape / count) ** (1 / 3))


def chords(slope: Callable[[Array], Array], t: Array, wide: float, scale: float, count: int) -> Array:
    """Return the slope of psi over the window around each residual.

    A chord is flatter than what it stands for; by how much is taken from normal residuals of the same scale, where what
    counts is the slope over the distance by which an estimate from so many rows varies.

    Parameters
    ----------
    slope : psi.
    t : residuals, some or all.
    wide : half the width of the window, the quantile of abs(residual) at twice `window`.
    scale, count : of all residuals.
    """
    normal, normal_wide = scale * NORMAL_RESIDUALS, scale * NORMAL.inv_cdf(0.5 + window(0.5, count))

    def chord(at: Array, distance: float) -> Array:
        return (slope(at + distance) - slope(at - distance)) / (2 * distance)

    near = chord(normal, min(scale / math.sqrt(count), normal_wide)).mean()
    return chord(t, wide) * float(near / chord(normal, normal_wide).mean())


def quantile_covariance(rows: Rows, q: float, z: Array) -> Array | None:
    """Return the covariance of z for independent errors of one distribution; None where it cannot be told.

    ``q (1 - q) s²`` times the identity, where s, the sparsity, is the slope of the quantiles of the residuals at q over
    a window: R. Koenker (2005), Quantile Regression, section 3.4, doi:10.1017/CBO9780511754098. Over a wide window the
    quantiles rise faster than at q; by how much is taken from the normal distribution. A weight counts as so many rows.
    """
    count, m = rows.q.shape
    ends = quantile_ends(count, q)
    if count <= m or ends is None:
        return None
    known = np.quantile(-rows.residual(z), ends, method="median_unbiased")
    found: Array = np.eye(m) * quantile_factor(count, m, q, known.tolist())
    return found


def quantile_ends(count: int, q: float) -> tuple[float, float] | None:
    """Return the shares of the residuals at the ends of the window; None where they do not tell a slope."""
    half = window(q, count)
    low, high = q - half, q + half
    return None if half > WIDEST or low < 0.5 / count or high > 1 - 0.5 / count else (low, high)


def quantile_factor(count: int, m: int, q: float, ends: Sequence[float]) -> float:
    """Return ``q (1 - q) s² n / (n - m)`` from the residuals at the `quantile_ends`."""
    half = window(q, count)
    sparsity = (ends[1] - ends[0]) / (2 * half)
    if half > WIDE:
        sparsity /= (NORMAL.inv_cdf(q + half) - NORMAL.inv_cdf(q - half)) / (2 * half) * NORMAL.pdf(NORMAL.inv_cdf(q))
    return q * (1 - q) * sparsity**2 * count / (count - m)
