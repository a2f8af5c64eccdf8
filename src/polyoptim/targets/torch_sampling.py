"""Sample a function, or round data, in torch's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from polyoptim.errors import DataError
from polyoptim.targets import numpy_sampling
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
        y = numpy_sampling.call(target, array, what)
    except DataError as first:
        # torch's own functions refuse NumPy arrays, and functions such as math.sin refuse both.
        try:
            found = target(x.clone())
        except Exception:  # noqa: BLE001 - the user's own function may raise anything; the first reason is said
            raise first from first.__cause__
        if isinstance(found, torch.Tensor):
            found = found.detach().cpu()
            found = (found.double() if found.is_floating_point() else found).numpy()
        y = numpy_sampling.checked(found, array, what)
    return torch.from_numpy(y).to(x.dtype)


def round_to(values: npt.NDArray[np.float64], dtype: str) -> npt.NDArray[np.float64]:
    """Return `values` rounded to the nearest of `dtype`, held in float64."""
    return torch.tensor(values).to(getattr(torch, dtype)).double().numpy()
