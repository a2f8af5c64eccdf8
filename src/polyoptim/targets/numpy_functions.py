"""NumPy's functions for expressions, and those that it lacks.

Each helper stands alone, in terms of numpy and math only: its source text goes into exported programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyoptim.errors import ArgumentError
from polyoptim.targets.backend import Backend, Function, helper
from polyoptim.targets.nodes import FUNCTIONS


def erf(x: np.ndarray) -> np.ndarray:
    """Return the error function, computed in float64."""
    result: np.ndarray = np.vectorize(math.erf, otypes=[float])(x)
    return result.astype(x.dtype)


def erfc(x: np.ndarray) -> np.ndarray:
    """Return 1 - erf(x) without cancellation, computed in float64."""
    result: np.ndarray = np.vectorize(math.erfc, otypes=[float])(x)
    return result.astype(x.dtype)


def gamma(x: np.ndarray) -> np.ndarray:
    """Return the gamma function, computed in float64: nan at its poles, infinite beyond the largest float."""

    def one(value: float) -> float:
        try:
            return math.gamma(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.copysign(math.inf, value)

    result: np.ndarray = np.vectorize(one, otypes=[float])(x)
    return result.astype(x.dtype)


def lgamma(x: np.ndarray) -> np.ndarray:
    """Return log(abs(gamma(x))), computed in float64: inf at the poles of gamma."""

    def one(value: float) -> float:
        try:
            return math.lgamma(value)
        except (ValueError, OverflowError):
            return math.inf

    result: np.ndarray = np.vectorize(one, otypes=[float])(x)
    return result.astype(x.dtype)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), by an exponential that cannot overflow."""
    small = np.exp(-np.abs(x))
    result: np.ndarray = np.where(x >= 0, 1, small) / (1 + small)
    return result


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x)), by an exponential that cannot overflow."""
    result: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x times the normal distribution function, in float64 and without cancellation for negative x."""
    value = x.astype(float)
    result: np.ndarray = 0.5 * value * np.vectorize(math.erfc, otypes=[float])(-value / math.sqrt(2))
    return result.astype(x.dtype)


def silu(x: np.ndarray) -> np.ndarray:
    """Return x / (1 + exp(-x)), by an exponential that cannot overflow."""
    small = np.exp(-np.abs(x))
    result: np.ndarray = np.where(x >= 0, x, x * small) / (1 + small)
    return result


def _run(compute: Callable[[Any], Any], x: Any) -> Any:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise ArgumentError(f"x must hold floats, got {x.dtype}; convert it with x.astype(float).")
    with np.errstate(all="ignore"):
        # A copy, because the expression may be x itself, or a NumPy scalar where x has no axes.
        return np.array(compute(x), dtype=x.dtype)


_INVERSE = ("sin", "cos", "tan", "sinh", "cosh", "tanh")

BACKEND = Backend(
    functions={
        **{name: Function(f"np.{name}({{}})", getattr(np, name)) for name in FUNCTIONS if hasattr(np, name)},
        **{f"a{name}": Function(f"np.arc{name}({{}})", getattr(np, f"arc{name}")) for name in _INVERSE},
        **{call.__name__: helper(call) for call in (erf, erfc, gamma, lgamma, sigmoid, softplus, gelu, silu)},
        "relu": Function("np.maximum({}, 0)", lambda x: np.maximum(x, 0)),
        "min": Function("np.minimum({}, {})", np.minimum),
        "max": Function("np.maximum({}, {})", np.maximum),
        "where": Function("np.where({}, {}, {})", np.where),
    },
    array=Function("x.dtype.type({})", lambda x, number: x.dtype.type(number)),
    fill=Function("np.full_like(x, {})", np.full_like),
    run=_run,
)
