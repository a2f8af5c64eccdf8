"""torch's own functions for expressions, so that the floats are those of a plain PyTorch program; and the two it lacks.

Each helper stands alone, in terms of torch and math only: its source text goes into exported programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from polyoptim.errors import ArgumentError
from polyoptim.targets.backend import Backend, Function, helper
from polyoptim.targets.nodes import FUNCTIONS


def cbrt(x: torch.Tensor) -> torch.Tensor:
    """Return the real cube root, in float64: a power, then one step of Newton's method."""
    value = x.double()
    root = torch.copysign(value.abs() ** (1 / 3), value)
    better = root + (value / (root * root) - root) / 3
    return torch.where(torch.isfinite(better), better, root).to(x.dtype)


def gamma(x: torch.Tensor) -> torch.Tensor:
    """Return the gamma function, one by one in float64: nan at its poles, infinite beyond the largest float."""

    def one(value: float) -> float:
        try:
            return math.gamma(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.copysign(math.inf, value)

    values = [one(value) for value in x.flatten().tolist()]
    return torch.tensor(values, dtype=torch.float64).reshape(x.shape).to(x)


def _run(compute: Callable[[Any], Any], x: Any) -> Any:
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise ArgumentError(f"x must be a tensor of floats, got {got}; convert it with torch.as_tensor(x, dtype=...).")
    result = compute(x)
    return x.clone() if result is x else result


_F = torch.nn.functional

BACKEND = Backend(
    functions={
        **{name: Function(getattr(torch, name), f"torch.{name}({{}})") for name in FUNCTIONS if hasattr(torch, name)},
        **{call.__name__: helper(call) for call in (cbrt, gamma)},
        # torch's default threshold of 20 drops digits of float64; float32 and below have the same bits with either.
        "softplus": Function(partial(_F.softplus, threshold=40), "torch.nn.functional.softplus({}, threshold=40)"),
        "gelu": Function(_F.gelu, "torch.nn.functional.gelu({})"),
        "silu": Function(_F.silu, "torch.nn.functional.silu({})"),
        "min": Function(torch.minimum, "torch.minimum({}, {})", arrays=True),
        "max": Function(torch.maximum, "torch.maximum({}, {})", arrays=True),
        "where": Function(torch.where, "torch.where({}, {}, {})"),
    },
    array=Function(lambda x, number: x.new_tensor(number), "x.new_tensor({})"),
    fill=Function(torch.full_like, "torch.full_like(x, {})"),
    run=_run,
)
