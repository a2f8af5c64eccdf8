"""How torch writes each function of an expression; without torch, so that a program can be written where it is missing.

Each helper stands alone, in terms of the methods of a tensor and math: its source text goes into exported programs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from polyoptim.targets.backend import Backend, Function, helper
from polyoptim.targets.nodes import FUNCTIONS

if TYPE_CHECKING:
    import torch


def cbrt(x: torch.Tensor) -> torch.Tensor:
    """Return the real cube root, in float64: a power, then one step of Newton's method."""
    value = x.double()
    root = (value.abs() ** (1 / 3)).copysign(value)
    better = root + (value / (root * root) - root) / 3
    return better.where(better.isfinite(), root).to(x.dtype)


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
    return x.double().new_tensor(values).reshape(x.shape).to(x.dtype)


SOURCE = Backend(
    functions={
        **{name: Function(f"torch.{name}({{}})") for name in FUNCTIONS},
        **{call.__name__: helper(call) for call in (cbrt, gamma)},
        # torch's default threshold of 20 drops digits of float64; float32 and below have the same bits with either.
        "softplus": Function("torch.nn.functional.softplus({}, threshold=40)"),
        "gelu": Function("torch.nn.functional.gelu({})"),
        "silu": Function("torch.nn.functional.silu({})"),
        "min": Function("torch.minimum({}, {})", arrays=True),
        "max": Function("torch.maximum({}, {})", arrays=True),
        "where": Function("torch.where({}, {}, {})"),
    },
    array=Function("x.new_tensor({})"),
    fill=Function("torch.full_like(x, {})"),
)
