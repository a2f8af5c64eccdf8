"""SGD: stochastic gradient descent with momentum.

    g ← ∇f(θ) + λ θ
    b ← g at the first step, then μ b + (1 − τ) g
    θ ← θ − γ b,  with Nesterov θ ← θ − γ (g + μ b)

γ is lr, μ momentum, τ dampening, λ weight_decay.

References
----------
B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964, doi:10.1016/0041-5553(64)90137-5.
I. Sutskever, J. Martens, G. Dahl, G. Hinton, On the importance of initialization and momentum in deep learning, ICML
2013; their velocity holds lr, this one does not, as in torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, zeros
from polyoptim.primitives import where


def sgd(*, with_momentum: bool, with_weight_decay: bool, nesterov: bool, maximize: bool) -> Functions:
    """Return the functions of SGD."""

    # torch makes the buffer at the first step whose momentum is not zero, and leaves it alone where momentum is zero.
    def schedule(_step: float, hyper: Floats, scalars: Floats) -> Floats:
        _, momentum, dampening, _ = hyper
        begun, _, _ = scalars
        kept = where(momentum == 0.0, 1.0, where(begun == 0.0, 0.0, momentum))
        taken = where(momentum == 0.0, 0.0, where(begun == 0.0, 1.0, 1.0 - dampening))
        return where(momentum == 0.0, begun, 1.0), kept, taken

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        lr, momentum, _, weight_decay = hyper
        _, kept, taken = scalars
        (momentum_buffer,) = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        if with_momentum:
            momentum_buffer = kept * momentum_buffer + taken * grad
            ahead = grad + momentum * momentum_buffer
            grad = ahead if nesterov else where(momentum == 0.0, grad, momentum_buffer)
        return coef - lr * grad, (momentum_buffer,)

    return zeros(1), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "momentum", "weight_decay")
    if options["nesterov"] and (options["momentum"] <= 0.0 or options["dampening"] != 0.0):
        yield "nesterov needs momentum > 0 and dampening = 0."


SGD = Rule(
    name="SGD",
    options={"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False},
    refuse=refuse,
    hyper=("lr", "momentum", "dampening", "weight_decay"),
    flags=("with_momentum", "with_weight_decay", "nesterov", "maximize"),
    state=("momentum_buffer",),
    scalars={"begun": 0.0, "kept": 0.0, "taken": 0.0},
    functions=sgd,
    linear=True,
)
