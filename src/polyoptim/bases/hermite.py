"""The physicists' Hermite polynomials, weight exp(-u²) (numpy.polynomial.Hermite)."""

from typing import Any

from polyoptim.bases.family import Family


def hermite(k: Any) -> tuple[Any, Any, Any]:
    """Return a, b, c of H_{k+1} = (a u + b) H_k - c H_{k-1}."""
    return 2, 0, 2 * k


HERMITE = Family("hermite", "H", (-1.0, 1.0), mapped=True, recurrence=hermite)
