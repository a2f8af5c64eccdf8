"""torch's own functions for expressions, so that the floats are those of a plain PyTorch program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

import torch

from polyoptim.errors import ArgumentError
from polyoptim.targets.backend import Backend, Function
from polyoptim.targets.torch_source import SOURCE


def _run(compute: Callable[[Any], Any], x: Any) -> Any:
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise ArgumentError(f"x must be a tensor of floats, got {got}; convert it with torch.as_tensor(x, dtype=...).")
    result = compute(x)
    return x.clone() if result is x else result


def _loaded(function: Function) -> Function:
    """Return the entry with the function of torch that its text names."""
    if function.helper:
        return function
    path = function.code.partition("(")[0].removeprefix("torch.")
    return replace(function, call=attrgetter(path)(torch))


BACKEND = Backend(
    functions={
        **{name: _loaded(function) for name, function in SOURCE.functions.items()},
        "softplus": replace(SOURCE.functions["softplus"], call=partial(torch.nn.functional.softplus, threshold=40)),
    },
    array=replace(SOURCE.array, call=lambda x, number: x.new_tensor(number)),
    fill=_loaded(SOURCE.fill),
    run=_run,
)
