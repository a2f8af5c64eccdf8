"""RAdam: Adam that takes plain momentum steps until the variance of its scale is bounded.

    g ← ∇f(θ) + λ θ;  decoupled: θ ← (1 − γ λ) θ instead
    m ← m + (1 − β₁) (g − m)
    v ← β₂ v + (1 − β₂) g²
    ρ∞ = 2 / (1 − β₂) − 1,  ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
    ρ > 5:  r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)),  θ ← θ − γ m / (1 − β₁ᵗ) · r √(1 − β₂ᵗ) / (√v + ε)
    else:   θ ← θ − γ m / (1 − β₁ᵗ)

γ is lr, β₁ and β₂ betas, ε eps, λ weight_decay, t the step.

References
----------
L. Liu et al., On the variance of the adaptive learning rate and beyond, arXiv:1908.03265; torch's limit for ρ is 5,
theirs is 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, betas_outside, zeros
from polyoptim.primitives import divide, lerp, power, sqrt, where


def radam(*, with_weight_decay: bool, decoupled_weight_decay: bool, maximize: bool, cycled: bool) -> Functions:
    """Return the functions of RAdam."""

    def schedule(step: float, hyper: Floats, scalars: Floats) -> Floats:
        _, beta1, beta2, _, _ = hyper
        beta1_power, beta2_power, _, _, _ = scalars
        beta1_power = power(beta1, step) if cycled else beta1_power * beta1
        beta2_power = beta2_power * beta2
        bias_correction2 = 1.0 - beta2_power
        rho_inf = 2.0 / (1.0 - beta2) - 1.0
        rho = rho_inf - 2.0 * step * beta2_power / bias_correction2
        square = divide((rho - 4.0) * (rho - 2.0) * rho_inf, (rho_inf - 4.0) * (rho_inf - 2.0) * rho)
        return beta1_power, beta2_power, rho, where(rho > 5.0, sqrt(square), 1.0), sqrt(bias_correction2)

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        lr, beta1, beta2, eps, weight_decay = hyper
        beta1_power, _, rho, rect, bias_correction2_sqrt = scalars
        exp_avg, exp_avg_sq = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            if decoupled_weight_decay:
                coef = coef * (1.0 - lr * weight_decay)
            else:
                grad = grad + weight_decay * coef
        exp_avg = lerp(exp_avg, grad, 1.0 - beta1)
        exp_avg_sq = beta2 * exp_avg_sq + (1.0 - beta2) * grad * grad
        step = divide(exp_avg, 1.0 - beta1_power) * lr
        adaptive = step * divide(bias_correction2_sqrt, sqrt(exp_avg_sq) + eps) * rect
        return coef - where(rho > 5.0, adaptive, step), (exp_avg, exp_avg_sq)

    return zeros(2), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "weight_decay")
    yield from betas_outside(options)


RAdam = Rule(
    name="RAdam",
    options={
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "decoupled_weight_decay": False,
        "maximize": False,
    },
    refuse=refuse,
    hyper=("lr", "beta1", "beta2", "eps", "weight_decay"),
    parts={"betas": ("beta1", "beta2")},
    flags=("with_weight_decay", "decoupled_weight_decay", "maximize", "cycled"),
    state=("exp_avg", "exp_avg_sq"),
    scalars={"beta1_power": 1.0, "beta2_power": 1.0, "rho": 0.0, "rect": 0.0, "bias_correction2_sqrt": 0.0},
    functions=radam,
)
