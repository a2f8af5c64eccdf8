"""1, u, u², … (numpy.polynomial.Polynomial)."""

from typing import Any

from polyoptim.bases.family import Family


def power(k: Any) -> tuple[Any, Any, Any]:  # noqa: ARG001 - the same for every k
    """Return a, b, c of P_{k+1} = (a u + b) P_k - c P_{k-1}."""
    return 1, 0, 0


POWER = Family("power", "", (-1.0, 1.0), mapped=False, recurrence=power)
