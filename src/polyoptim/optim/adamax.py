"""Adamax: Adam with a decaying largest gradient in place of the root mean square.

    g ← ∇f(θ) + λ θ
    m ← m + (1 − β₁) (g − m)
    u ← max(β₂ u, |g| + ε)
    θ ← θ − γ / (1 − β₁ᵗ) · m / u

γ is lr, β₁ and β₂ betas, ε eps, λ weight_decay, t the step.

References
----------
D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, arXiv:1412.6980, section 7.1; ε is torch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, betas_outside, zeros
from polyoptim.primitives import divide, lerp, maximum, power


def adamax(*, with_weight_decay: bool, maximize: bool, cycled: bool) -> Functions:
    """Return the functions of Adamax."""

    def schedule(step: float, hyper: Floats, scalars: Floats) -> Floats:
        lr, beta1, _, _, _ = hyper
        beta1_power, _ = scalars
        beta1_power = power(beta1, step) if cycled else beta1_power * beta1
        return beta1_power, divide(lr, 1.0 - beta1_power)

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        _, beta1, beta2, eps, weight_decay = hyper
        _, clr = scalars
        exp_avg, exp_inf = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        exp_avg = lerp(exp_avg, grad, 1.0 - beta1)
        exp_inf = maximum(beta2 * exp_inf, abs(grad) + eps)
        return coef - divide(clr * exp_avg, exp_inf), (exp_avg, exp_inf)

    return zeros(2), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "weight_decay")
    yield from betas_outside(options)


Adamax = Rule(
    name="Adamax",
    options={"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "maximize": False},
    refuse=refuse,
    hyper=("lr", "beta1", "beta2", "eps", "weight_decay"),
    parts={"betas": ("beta1", "beta2")},
    flags=("with_weight_decay", "maximize", "cycled"),
    state=("exp_avg", "exp_inf"),
    scalars={"beta1_power": 1.0, "clr": 0.0},
    functions=adamax,
)
