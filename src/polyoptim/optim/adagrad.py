"""Adagrad: the step is divided by the root of the sum of squared gradients.

    g ← ∇f(θ) + λ θ
    s ← s + g²
    θ ← θ − γ / (1 + (t − 1) η) · g / (√s + ε)

γ is lr, η lr_decay, λ weight_decay, ε eps, t the step; s starts at initial_accumulator_value.

References
----------
J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning and stochastic optimization, Journal of
Machine Learning Research 12, 2011, doi:10.5555/1953048.2021068.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero
from polyoptim.primitives import divide, sqrt


def adagrad(*, with_weight_decay: bool, maximize: bool) -> Functions:
    """Return the functions of Adagrad."""

    def init(_coef: float, hyper: Floats) -> Floats:
        _, _, _, initial_accumulator_value, _ = hyper
        return (initial_accumulator_value,)

    def schedule(step: float, hyper: Floats, _scalars: Floats) -> Floats:
        lr, lr_decay, _, _, _ = hyper
        return (lr / (1.0 + (step - 1.0) * lr_decay),)

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        _, _, weight_decay, _, eps = hyper
        (clr,) = scalars
        (total,) = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        total = total + grad * grad
        return coef - divide(clr * grad, sqrt(total) + eps), (total,)

    return init, schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")


Adagrad = Rule(
    name="Adagrad",
    options={
        "lr": 0.01,
        "lr_decay": 0,
        "weight_decay": 0,
        "initial_accumulator_value": 0,
        "eps": 1e-10,
        "maximize": False,
    },
    refuse=refuse,
    hyper=("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
    flags=("with_weight_decay", "maximize"),
    state=("sum",),
    scalars={"clr": 0.0},
    functions=adagrad,
)
