"""Sample a function, or round data, in torch's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from polyoptim.errors import DataError
from polyoptim.targets.expression import Expression


def sample(
    target: Expression | Callable[[Any], Any], a: float, b: float, samples: int, dtype: str, what: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return x = torch.linspace(a, b, samples) and y = target(x), both of shape (samples,).

    The values are those of `dtype`, held in float64. A callable gets a NumPy array; one that wants torch
    (``torch.sin``) gets the tensor.
    """
    x = torch.linspace(a, b, samples, dtype=getattr(torch, dtype))
    y = target.evaluate("torch", x) if isinstance(target, Expression) else _call(target, x, what)
    return x.double().numpy(), y.double().numpy()


def _call(target: Callable[[Any], Any], x: torch.Tensor, what: str) -> torch.Tensor:
    array = (x.double() if x.dtype is torch.bfloat16 else x).numpy()
    try:
        with np.errstate(all="ignore"):
            found = target(array.copy())
    except (TypeError, AttributeError, ValueError, RuntimeError) as first:
        # torch's own functions refuse NumPy arrays, and functions such as math.sin refuse both.
        try:
            found = target(x.clone())
        except (TypeError, AttributeError, ValueError, RuntimeError):
            raise DataError(
                f"{what} failed on an array of {len(x)} values: {first}. "
                "It must take an array and return one of the same length (numpy.vectorize makes such a function)."
            ) from first
    y = found.detach().cpu() if isinstance(found, torch.Tensor) else np.asarray(found)
    if y.shape == ():
        y = torch.full_like(x, float(y))
    if y.shape != x.shape:
        raise DataError(f"{what} returned shape {tuple(y.shape)} for {len(x)} values of x. Return one value for each.")
    if isinstance(y, np.ndarray):
        if y.dtype.kind not in "fiub":
            raise DataError(f"{what} returned {y.dtype}, not real numbers.")
        y = torch.from_numpy(np.array(y, dtype=np.float64))
    return y.to(x.dtype)


def round_to(values: npt.NDArray[np.float64], dtype: str) -> npt.NDArray[np.float64]:
    """Return `values` rounded to the nearest of `dtype`, held in float64."""
    return torch.from_numpy(values).to(getattr(torch, dtype)).double().numpy()
