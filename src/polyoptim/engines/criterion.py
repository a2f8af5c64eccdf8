"""The losses as torch computes them: weights and reduction around the loss of each residual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from polyoptim.errors import ArgumentError
from polyoptim.losses import Loss

Criterion = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


def make_criterion(loss: Loss | Any, options: Mapping[str, Any], reduction: str) -> Criterion:
    """Return a function (prediction, y, weight or None) -> the loss, a tensor of shape ().

    A loss of one's own is called with (prediction, y); where it returns one value for each sample, weights and
    reduction are applied here, where it returns one number, that is the loss.
    """
    if not isinstance(loss, Loss):
        return _own(loss, options, reduction)
    each = loss.function
    if each is not None:
        return lambda prediction, y, weight: reduce(each(prediction, y, **options), weight, reduction)
    made = getattr(torch.nn, str(loss.torch_class))
    whole, single = made(reduction=reduction, **options), made(reduction="none", **options)

    def criterion(prediction: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        if weight is None:
            return whole(prediction, y)  # type: ignore[no-any-return]
        return reduce(single(prediction, y), weight, reduction)

    return criterion


def reduce(each: torch.Tensor, weight: torch.Tensor | None, reduction: str) -> torch.Tensor:
    """Return the (weighted) sum of `each`, or for the mean that sum divided by the sum of the weights."""
    if weight is None:
        return each.sum() if reduction == "sum" else each.mean()
    total = (weight * each).sum()
    return total if reduction == "sum" else total / weight.sum()


def _own(loss: Any, options: Mapping[str, Any], reduction: str) -> Criterion:
    try:
        made = loss(**options) if isinstance(loss, type) else loss
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"loss {loss.__name__!r} cannot be made: {error}.") from error
    if isinstance(made, torch.nn.Module) and list(made.parameters()):
        raise ArgumentError("a loss with parameters of its own is not trained here; fix them in it first.")
    name = type(made).__name__

    def criterion(prediction: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        value = made(prediction, y)
        if not isinstance(value, torch.Tensor):
            raise ArgumentError(f"loss {name!r} must return a tensor, got {type(value).__name__}.")
        if value.shape == prediction.shape:
            return reduce(value, weight, reduction)
        if value.numel() != 1:
            raise ArgumentError(
                f"loss {name!r} returned shape {tuple(value.shape)}. Return one number, or one for each sample."
            )
        if weight is not None:
            raise ArgumentError(
                f"loss {name!r} returns one number, so weights cannot be applied to it. "
                "Return one value for each sample (reduction='none'), or leave the weights out."
            )
        return value.reshape(())

    return criterion
