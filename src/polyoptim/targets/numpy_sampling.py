"""Sample a function in NumPy's arithmetic, on the points that torch's linspace gives."""

from __future__ import annotations

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
    half = samples // 2
    starts, counts = np.full(samples, a), np.arange(samples, dtype=np.float64)
    starts[half:] = b
    counts[half:] -= samples - 1
    return fused_sum(starts, step, counts)


@np.errstate(over="ignore", invalid="ignore")
def fused_sum(starts: Array, step: float, counts: Array) -> Array:
    """Return start + step · count with one rounding, for counts of a size below 2**26.

    The product is split exactly (Dekker 1971, doi:10.1007/BF01397083), and the three parts are added by rounding the
    small ones to odd first (Boldo and Melquiond 2008, doi:10.1109/TC.2007.70819).
    """
    split = step * 134217729.0
    high = split - (split - step)
    if not np.isfinite(high):
        return starts + step * counts
    product = step * counts
    rest = (high * counts - product) + (step - high) * counts
    total, error = _two_sum(starts, product)
    small, lost = _two_sum(error, rest)
    even = (small.view(np.int64) & 1) == 0
    toward = np.where(lost > 0, np.inf, -np.inf)
    odd = np.where((lost != 0) & even, np.nextafter(small, toward), small)
    return total + odd


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded sum and what rounding took from it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


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
