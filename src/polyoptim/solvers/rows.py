"""Rows: a weighted linear model in orthonormal columns, with y of size 1; what every robust solver works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Rows:
    """Residuals ``A z - y`` with weights w, where the columns ``sqrt(w) A`` are orthonormal.

    Parameters
    ----------
    q : sqrt(w) A, shape (n, rank).
    root : sqrt(w), positive, shape (n,); the largest is 1.
    y : divided by `unit`, so that its largest size is between 1 and 2 (or y is 0), shape (n,).
    back : from z to the coefficients of the columns that were given, over `unit`, shape (m, rank).
    unit : a power of two.
    heaviest : the largest weight that was given.
    """

    q: Array
    root: Array
    y: Array
    back: Array
    unit: float
    heaviest: float

    def residual(self, z: Array) -> Array:
        """Return A z - y."""
        return self.along(z) - self.y

    def along(self, z: Array) -> Array:
        """Return A z."""
        found: Array = (self.q @ z) / self.root
        return found

    def gather(self, u: Array) -> Array:
        """Return Aᵀ W u."""
        found: Array = self.q.T @ (self.root * u)
        return found

    def gram(self, each: Array) -> Array:
        """Return Aᵀ W diag(each) A."""
        found: Array = self.q.T @ (self.q * each[:, None])
        return found

    def total(self, each: Array) -> float:
        """Return the weighted sum."""
        return float(np.sum(self.root * self.root * each))  # pairwise: rounding grows with log n

    def least_squares(self) -> Array:
        """Return the z with the least weighted sum of squares, refined once."""
        wanted = self.root * self.y
        z = self.q.T @ wanted
        found: Array = z + self.q.T @ (wanted - self.q @ z)
        return found

    def noise(self, z: Array) -> float:
        """Return how far off a residual may be by rounding."""
        terms = len(z) + 4
        return 4 * terms * EPS * float(np.abs(self.y).max(initial=0.0) + np.abs(self.along(z)).max(initial=0.0))


def make_rows(columns: Array, y: Array, weight: Array | None) -> Rows:
    """Return the rows; directions of the columns that are rounding only are left out.

    Then the coefficients are the shortest ones in columns scaled to length 1.
    """
    heaviest = 1.0 if weight is None else float(weight.max())
    root = np.ones(len(y)) if weight is None else np.sqrt(weight / heaviest)
    largest = float(np.abs(y).max(initial=0.0))
    unit = 2.0 ** float(np.floor(np.log2(largest))) if largest > 0 else 1.0
    sizes = np.abs(columns).max(axis=0, initial=0.0)
    sizes = np.where(sizes > 0, 2.0 ** np.floor(np.log2(np.where(sizes > 0, sizes, 1))), 1)
    design = (columns / sizes) * root[:, None]
    norms = np.linalg.norm(design, axis=0)
    norms = np.where(norms > 0, norms, 1)
    q, r = np.linalg.qr(design / norms)
    left, singular, right = np.linalg.svd(r)
    kept = singular > len(y) * EPS * singular.max(initial=0.0)
    count = int(np.count_nonzero(kept))
    back = (right[:count].T / singular[:count]) / (norms * sizes)[:, None]
    return Rows(np.ascontiguousarray(q @ left[:, :count]), root, y / unit, back, unit, heaviest)
