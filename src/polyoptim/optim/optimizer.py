"""The optimizers of torch.optim by name, and the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from polyoptim.optim.members import find, make, members


def optimizers() -> dict[str, type]:
    """Return every optimizer class of the installed torch, by name."""
    return members(torch.optim, torch.optim.Optimizer)


def find_optimizer(wanted: Any) -> Callable[..., Any]:
    """Return the optimizer class of that name, in any letter case, or the user's own class or factory."""
    return find("optimizer", wanted, optimizers())


def make_optimizer(
    maker: Callable[..., Any], params: Iterable[torch.Tensor], lr: float | None, options: Mapping[str, Any]
) -> Any:
    """Return the optimizer; `lr` is passed on where it is given."""
    return make("optimizer", maker, params, dict(options) if lr is None else {"lr": lr, **options})


def needs_closure(optimizer: Any) -> bool:
    """Tell whether ``step`` wants a function that evaluates the loss again (LBFGS)."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty
