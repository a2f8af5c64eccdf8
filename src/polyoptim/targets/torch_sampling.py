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
    kind = getattr(torch, dtype)
    if max(abs(a), abs(b)) > torch.finfo(kind).max:
        raise DataError(f"domain [{a!r}, {b!r}] is beyond the range of {dtype}. Use dtype='float64'.")
    x = torch.linspace(a, b, samples, dtype=kind, device="cpu")
    y = target.evaluate("torch", x) if isinstance(target, Expression) else _call(target, x, what)
    return x.double().numpy(), y.double().numpy()


def _call(target: Callable[[Any], Any], x: torch.Tensor, what: str) -> torch.Tensor:
    array = (x.double() if x.dtype is torch.bfloat16 else x).numpy()
    try:
        with np.errstate(all="ignore"):
            found = target(array.copy())
    except Exception as first:  # noqa: BLE001 - the user's own function may raise anything; torch is tried next
        # torch's own functions refuse NumPy arrays, and functions such as math.sin refuse both.
        try:
            found = target(x.clone())
        except Exception:  # noqa: BLE001 - the user's own function may raise anything; the first reason is said
            raise DataError(
                f"{what} failed on an array of {len(x)} values: {type(first).__name__}: {first}. "
                "It must take an array and return one of the same length (numpy.where chooses between two values, "
                "numpy.vectorize makes such a function of any)."
            ) from first
    y = found.detach().cpu() if isinstance(found, torch.Tensor) else np.asarray(found)
    if isinstance(y, np.ndarray):
        if y.dtype.kind not in "fiub":
            raise DataError(f"{what} returned {type(found).__name__} of {y.dtype}, not real numbers.")
        y = torch.from_numpy(np.array(y, dtype=np.float64))
    elif y.is_complex():
        raise DataError(f"{what} returned complex numbers, not real ones.")
    if y.shape == ():
        y = y.expand(x.shape)
    if y.shape != x.shape:
        raise DataError(f"{what} returned shape {tuple(y.shape)} for {len(x)} values of x. Return one value for each.")
    return y.to(x.dtype)


def round_to(values: npt.NDArray[np.float64], dtype: str) -> npt.NDArray[np.float64]:
    """Return `values` rounded to the nearest of `dtype`, held in float64."""
    return torch.from_numpy(values).to(getattr(torch, dtype)).double().numpy()
