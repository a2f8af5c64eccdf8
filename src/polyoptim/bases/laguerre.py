"""Orthogonal on [0, ∞) with weight exp(-u) (numpy.polynomial.Laguerre)."""

from typing import Any

from polyoptim.bases.family import Family


def laguerre(k: Any) -> tuple[Any, Any, Any]:
    """Return a, b, c of L_{k+1} = (a u + b) L_k - c L_{k-1}."""
    return -1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1)


LAGUERRE = Family("laguerre", "L", (0.0, 1.0), mapped=True, recurrence=laguerre)
