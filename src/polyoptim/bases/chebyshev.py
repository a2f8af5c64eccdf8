"""T_k(cos t) = cos(k t) (numpy.polynomial.Chebyshev)."""

from typing import Any

from polyoptim.bases.family import Family


def chebyshev(k: Any) -> tuple[Any, Any, Any]:
    """Return a, b, c of T_{k+1} = (a u + b) T_k - c T_{k-1}."""
    return (1, 0, 0) if k == 0 else (2, 0, 1)


CHEBYSHEV = Family("chebyshev", "T", (-1.0, 1.0), mapped=True, recurrence=chebyshev)
