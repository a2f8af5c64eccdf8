"""RMSprop: the step is divided by a running root mean square of the gradient.

    g ← ∇f(θ) + λ θ
    v ← α v + (1 − α) g²
    centered:  m ← m + (1 − α) (g − m),  s ← √(v − m²) + ε;  else  s ← √v + ε
    momentum:  b ← μ b + g / s,  θ ← θ − γ b;  else  θ ← θ − γ g / s

γ is lr, α alpha, ε eps, λ weight_decay, μ momentum.

References
----------
T. Tieleman, G. Hinton, Neural Networks for Machine Learning, lecture 6.5, 2012.
A. Graves, Generating sequences with recurrent neural networks, arXiv:1308.0850, for the centered form. As in torch, ε
stands outside the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, constant, zeros
from polyoptim.primitives import divide, lerp, sqrt, where


def rmsprop(*, with_weight_decay: bool, with_momentum: bool, centered: bool, maximize: bool) -> Functions:
    """Return the functions of RMSprop."""

    def update(coef: float, grad: float, state: Floats, hyper: Floats, _scalars: Floats) -> tuple[float, Floats]:
        lr, alpha, eps, weight_decay, momentum = hyper
        square_avg, momentum_buffer, grad_avg = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        square_avg = alpha * square_avg + (1.0 - alpha) * grad * grad
        variance = square_avg
        if centered:
            grad_avg = lerp(grad_avg, grad, 1.0 - alpha)
            variance = square_avg - grad_avg * grad_avg
        avg = sqrt(variance) + eps
        plain = divide(lr * grad, avg)
        if not with_momentum:
            return coef - plain, (square_avg, momentum_buffer, grad_avg)
        # Where momentum is zero, torch leaves the buffer alone.
        ahead = momentum * momentum_buffer + divide(grad, avg)
        momentum_buffer = where(momentum == 0.0, momentum_buffer, ahead)
        return coef - where(momentum == 0.0, plain, lr * ahead), (square_avg, momentum_buffer, grad_avg)

    return zeros(3), constant, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "momentum", "weight_decay", "alpha")


RMSprop = Rule(
    name="RMSprop",
    options={
        "lr": 0.01,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0,
        "momentum": 0,
        "centered": False,
        "maximize": False,
    },
    refuse=refuse,
    hyper=("lr", "alpha", "eps", "weight_decay", "momentum"),
    flags=("with_weight_decay", "with_momentum", "centered", "maximize"),
    state=("square_avg", "momentum_buffer", "grad_avg"),
    functions=rmsprop,
)
