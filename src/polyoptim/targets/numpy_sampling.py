"""Sample a function in NumPy's arithmetic, on the points that torch's linspace gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import DataError
from polyoptim.targets.expression import Expression

Array = npt.NDArray[np.float64]


def sample(
    target: Expression | Callable[[Any], Any], a: float, b: float, samples: int, dtype: str, what: str
) -> tuple[Array, Array]:
    """Return x = ``torch.linspace(a, b, samples, dtype=float64)``, made without torch, and y = target(x)."""
    del dtype  # float64 is the only one here
    x = linspace(a, b, samples)
    return x, target.evaluate("numpy", x) if isinstance(target, Expression) else call(target, x, what)


def linspace(a: float, b: float, samples: int) -> Array:
    """Return `samples` points from a to b, float for float those of torch in float64.

    torch counts from the nearer end, and adds the multiple of the step with one rounding (FMA).
    """
    if samples == 1:
        return np.array([a])
    step = (b - a) / (samples - 1)
    # Two halves of the step, of 26 bits each, whose products with a count below 2**27 are exact.
    high = np.float64(step * 134217729.0) - (np.float64(step * 134217729.0) - step)
    if not np.isfinite(high):
        high = np.float64(step)
    low = step - high
    half = samples // 2
    counts = np.arange(half).tolist()
    first = [math.fsum((a, high * count, low * count)) for count in counts]
    counts = np.arange(samples - half)[::-1].tolist()
    second = [math.fsum((b, -high * count, -low * count)) for count in counts]
    return np.array(first + second)


def call(target: Callable[[Any], Any], x: npt.NDArray[Any], what: str) -> Array:
    """Return target(x) as float64, of the shape of x; what cannot be used is a DataError."""
    try:
        with np.errstate(all="ignore"):
            found = target(x.copy())
    except Exception as error:
        raise DataError(
            f"{what} failed on an array of {len(x)} values: {type(error).__name__}: {error}. "
            "It must take an array and return one of the same length (numpy.where chooses between two values, "
            "numpy.vectorize makes such a function of any)."
        ) from error
    return checked(found, x, what)


def checked(found: Any, x: npt.NDArray[Any], what: str) -> Array:
    """Return what a function has returned as float64, of the shape of x; one number counts for all."""
    y = np.asarray(found)
    if y.dtype.kind not in "fiub":
        raise DataError(f"{what} returned {type(found).__name__} of {y.dtype}, not real numbers.")
    y = np.array(y, dtype=np.float64)
    if y.shape == ():
        y = np.full(x.shape, float(y))
    if y.shape != x.shape:
        raise DataError(f"{what} returned shape {y.shape} for {len(x)} values of x. Return one value for each.")
    return y


def round_to(values: Array, dtype: str) -> Array:
    """Return `values`: float64 is the only dtype here."""
    del dtype
    return values
