"""States of torch as plain numbers, lists and mappings, and back bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from polyoptim.errors import ArgumentError

TENSOR = "$tensor"


def packed(value: Any) -> Any:
    """Return a state in plain terms; functions are left out of mappings, since they are made again.

    Raises
    ------
    TypeError
        Names the type of what has no plain terms.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, torch.Tensor):
        return _packed_tensor(value)
    if isinstance(value, Mapping):
        return {key: packed(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, (list, tuple)):
        return type(value)([packed(item) for item in value]) if type(value) in (list, tuple) else packed([*value])
    raise TypeError(type(value).__name__)


def _packed_tensor(tensor: torch.Tensor) -> dict[str, Any]:
    flat = tensor.detach().cpu().reshape(-1)
    # float64 holds every value of the shorter formats.
    values = flat.double().tolist() if flat.is_floating_point() else flat.tolist()
    kind = str(tensor.dtype).removeprefix("torch.")
    return {TENSOR: [kind, list(tensor.shape), str(tensor.device), packed(values)]}


def unpacked(value: Any) -> Any:
    """Return what `packed` was given."""
    if isinstance(value, Mapping) and TENSOR in value:
        kind, shape, device, values = value[TENSOR]
        dtype = getattr(torch, kind)
        exact = torch.tensor(values, dtype=torch.float64 if dtype.is_floating_point else dtype)
        return exact.to(dtype).reshape(shape).to(device)
    if isinstance(value, Mapping):
        return {key: unpacked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(unpacked(item) for item in value)
    return value


def state_of(kind: str, made: Any) -> Any:
    """Return the state of an optimizer, a schedule or a loss.

    Raises
    ------
    ArgumentError
        Where it is an object of the user's own that does not tell its state.
    """
    name = type(made).__name__
    if not (hasattr(made, "state_dict") and hasattr(made, "load_state_dict")):
        raise ArgumentError(
            f"{kind} {name!r} cannot be kept in a checkpoint: it has no state_dict and load_state_dict. "
            "Give it these, or leave out checkpoint."
        )
    try:
        return packed(made.state_dict())
    except TypeError as error:
        raise ArgumentError(
            f"{kind} {name!r} cannot be kept in a checkpoint: its state holds a {error}. "
            "Let its state_dict be tensors, numbers, texts, lists and mappings, or leave out checkpoint."
        ) from None


def restore_optimizer(optimizer: Any, state: Any) -> None:
    """Give an optimizer its state back.

    ``Optimizer.load_state_dict`` would cast each tensor to the dtype of its parameter: NAdam's mu_product, a float32
    beside float64 parameters, would be rounded in another way from then on.
    """
    own: Any = getattr(type(optimizer), "load_state_dict", None)
    if own is not torch.optim.Optimizer.load_state_dict:
        optimizer.load_state_dict(unpacked(state))
        return
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for group, found in zip(optimizer.param_groups, state["param_groups"], strict=True):
        group.update({name: unpacked(value) for name, value in found.items() if name != "params"})
    optimizer.state.clear()
    optimizer.state.update(
        {params[key] if isinstance(key, int) else key: unpacked(value) for key, value in state["state"].items()}
    )


def restore_schedule(schedule: Any, state: Any) -> None:
    """Give a schedule its state back; what has not changed since it was made keeps its type (a Counter, say)."""
    schedule.load_state_dict(_merged(schedule.state_dict(), state))


def _merged(fresh: Any, state: Any) -> Any:
    try:
        if packed(fresh) == state:
            return fresh
    except TypeError:
        return fresh
    if isinstance(fresh, Mapping) and isinstance(state, Mapping):
        kept = {key: value for key, value in fresh.items() if callable(value)}
        return kept | {
            key: _merged(fresh[key], item) if key in fresh else unpacked(item) for key, item in state.items()
        }
    if isinstance(fresh, list) and isinstance(state, list) and len(fresh) == len(state):
        return [_merged(old, item) for old, item in zip(fresh, state, strict=True)]
    return unpacked(state)


def generator_state(generator: torch.Generator) -> bytes:
    """Return the state of a generator of the CPU."""
    return bytes(generator.get_state().tolist())


def restore_generator(generator: torch.Generator, state: bytes) -> None:
    """Give a generator its state back."""
    generator.set_state(torch.tensor([*state], dtype=torch.uint8))
