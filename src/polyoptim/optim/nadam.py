"""NAdam: Adam with Nesterov's look ahead.

    g ← ∇f(θ) + λ θ;  decoupled: θ ← (1 − γ λ) θ instead
    μₜ = β₁ (1 − ½ · 0.96^(t ψ)),  Π ← Π μₜ
    m ← m + (1 − β₁) (g − m)
    v ← β₂ v + (1 − β₂) g²
    s = √(v / (1 − β₂ᵗ)) + ε
    θ ← θ − γ (1 − μₜ) / (1 − Π) · g / s − γ μₜ₊₁ / (1 − Π μₜ₊₁) · m / s

γ is lr, β₁ and β₂ betas, ε eps, λ weight_decay, ψ momentum_decay, t the step. Π, torch's mu_product, is a float32 there
and rounded to that here.

References
----------
T. Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016, openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, betas_outside, zeros
from polyoptim.primitives import divide, lerp, sqrt, to_float32


def nadam(*, with_weight_decay: bool, decoupled_weight_decay: bool, maximize: bool) -> Functions:
    """Return the functions of NAdam."""

    def schedule(_step: float, hyper: Floats, scalars: Floats) -> Floats:
        lr, beta1, beta2, _, _, decay = hyper
        beta2_power, decay_power, mu_product, _, _ = scalars
        beta2_power = beta2_power * beta2
        decay_power = decay_power * decay
        mu = beta1 * (1.0 - 0.5 * decay_power)
        mu_next = beta1 * (1.0 - 0.5 * (decay_power * decay))
        mu_product = to_float32(mu_product * to_float32(mu))
        rate = divide(lr * (1.0 - mu), 1.0 - mu_product)
        rate_next = divide(lr * mu_next, 1.0 - mu_product * mu_next)
        return beta2_power, decay_power, mu_product, rate, rate_next

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        lr, beta1, beta2, eps, weight_decay, _ = hyper
        beta2_power, _, _, rate, rate_next = scalars
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
        denom = sqrt(exp_avg_sq / (1.0 - beta2_power)) + eps
        coef = coef - divide(rate * grad, denom)
        return coef - divide(rate_next * exp_avg, denom), (exp_avg, exp_avg_sq)

    return zeros(2), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "weight_decay", "momentum_decay")
    yield from betas_outside(options)


NAdam = Rule(
    name="NAdam",
    options={
        "lr": 2e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "momentum_decay": 4e-3,
        "decoupled_weight_decay": False,
        "maximize": False,
    },
    refuse=refuse,
    hyper=("lr", "beta1", "beta2", "eps", "weight_decay", "decay"),
    parts={"betas": ("beta1", "beta2")},
    flags=("with_weight_decay", "decoupled_weight_decay", "maximize"),
    complete=lambda options: {**options, "decay": 0.96 ** options["momentum_decay"]},
    state=("exp_avg", "exp_avg_sq"),
    scalars={"beta2_power": 1.0, "decay_power": 1.0, "mu_product": 1.0, "rate": 0.0, "rate_next": 0.0},
    functions=nadam,
)
