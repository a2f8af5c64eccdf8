"""Orthogonal on [-1, 1] with weight 1 (numpy.polynomial.Legendre)."""

from typing import Any

from polyoptim.bases.family import Family


def legendre(k: Any) -> tuple[Any, Any, Any]:
    """Return a, b, c of P_{k+1} = (a u + b) P_k - c P_{k-1}: Bonnet's recurrence."""
    return (2 * k + 1) / (k + 1), 0, k / (k + 1)


LEGENDRE = Family("legendre", "P", (-1.0, 1.0), mapped=True, recurrence=legendre)
