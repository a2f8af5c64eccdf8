"""Lion: the sign of an interpolation between the momentum and the gradient. torch has no such optimizer.

    u = sign(β₁ m + (1 − β₁) g)
    θ ← (1 − γ λ) θ − γ u
    m ← β₂ m + (1 − β₂) g

γ is lr, β₁ and β₂ betas, λ weight_decay.

References
----------
X. Chen et al., Symbolic discovery of optimization algorithms, arXiv:2302.06675, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, betas_outside, constant, zeros
from polyoptim.primitives import sign


def lion(*, with_weight_decay: bool) -> Functions:
    """Return the functions of Lion."""

    def update(coef: float, grad: float, state: Floats, hyper: Floats, _scalars: Floats) -> tuple[float, Floats]:
        lr, beta1, beta2, weight_decay = hyper
        (exp_avg,) = state
        if with_weight_decay:
            coef = coef * (1.0 - lr * weight_decay)
        coef = coef - lr * sign(beta1 * exp_avg + (1.0 - beta1) * grad)
        return coef, (beta2 * exp_avg + (1.0 - beta2) * grad,)

    return zeros(1), constant, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that cannot be used, in the manner of torch's Adam."""
    yield from below_zero(options, "lr", "weight_decay")
    yield from betas_outside(options)


Lion = Rule(
    name="Lion",
    options={"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0},
    refuse=refuse,
    hyper=("lr", "beta1", "beta2", "weight_decay"),
    parts={"betas": ("beta1", "beta2")},
    flags=("with_weight_decay",),
    state=("exp_avg",),
    functions=lion,
    in_torch=False,
)
