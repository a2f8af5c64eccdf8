"""Adam, AdamW and AMSGrad: running means of the gradient and of its square.

    g ← ∇f(θ) + λ θ;  decoupled (AdamW): θ ← (1 − γ λ) θ instead
    m ← m + (1 − β₁) (g − m)
    v ← β₂ v + (1 − β₂) g²
    amsgrad:  w ← max(w, v);  else  w = v
    θ ← θ − γ / (1 − β₁ᵗ) · m / (√w / √(1 − β₂ᵗ) + ε)

γ is lr, β₁ and β₂ betas, ε eps, λ weight_decay, t the step.

References
----------
D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, arXiv:1412.6980.
I. Loshchilov, F. Hutter, Decoupled weight decay regularization, arXiv:1711.05101.
S. J. Reddi, S. Kale, S. Kumar, On the convergence of Adam and beyond, arXiv:1904.09237; as in torch, the largest v is
taken before the bias is corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, betas_outside, zeros
from polyoptim.primitives import divide, lerp, maximum, power, sqrt


def adam(
    *, with_weight_decay: bool, decoupled_weight_decay: bool, amsgrad: bool, maximize: bool, cycled: bool
) -> Functions:
    """Return the functions of Adam and its relatives."""

    def schedule(step: float, hyper: Floats, scalars: Floats) -> Floats:
        lr, beta1, beta2, _, _ = hyper
        beta1_power, beta2_power, _, _ = scalars
        beta1_power = power(beta1, step) if cycled else beta1_power * beta1
        beta2_power = beta2_power * beta2
        return beta1_power, beta2_power, divide(lr, 1.0 - beta1_power), sqrt(1.0 - beta2_power)

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        lr, beta1, beta2, eps, weight_decay = hyper
        _, _, step_size, bias_correction2_sqrt = scalars
        exp_avg, exp_avg_sq, max_exp_avg_sq = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            if decoupled_weight_decay:
                coef = coef * (1.0 - lr * weight_decay)
            else:
                grad = grad + weight_decay * coef
        exp_avg = lerp(exp_avg, grad, 1.0 - beta1)
        exp_avg_sq = beta2 * exp_avg_sq + (1.0 - beta2) * grad * grad
        largest = exp_avg_sq
        if amsgrad:
            max_exp_avg_sq = maximum(max_exp_avg_sq, exp_avg_sq)
            largest = max_exp_avg_sq
        denom = sqrt(largest) / bias_correction2_sqrt + eps
        return coef - divide(step_size * exp_avg, denom), (exp_avg, exp_avg_sq, max_exp_avg_sq)

    return zeros(3), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "weight_decay")
    yield from betas_outside(options)
    if not all(isinstance(beta, float) for beta in options["betas"]):
        yield f"betas must be floats, as torch wants them here, got {options['betas']!r}; write 0.0 for 0."


Adam = Rule(
    name="Adam",
    options={
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "amsgrad": False,
        "maximize": False,
        "decoupled_weight_decay": False,
    },
    refuse=refuse,
    hyper=("lr", "beta1", "beta2", "eps", "weight_decay"),
    parts={"betas": ("beta1", "beta2")},
    flags=("with_weight_decay", "decoupled_weight_decay", "amsgrad", "maximize", "cycled"),
    state=("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    scalars={"beta1_power": 1.0, "beta2_power": 1.0, "step_size": 0.0, "bias_correction2_sqrt": 0.0},
    functions=adam,
)

AdamW = replace(
    Adam,
    name="AdamW",
    options={
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 1e-2,
        "amsgrad": False,
        "maximize": False,
    },
    complete=lambda options: {**options, "decoupled_weight_decay": True},
)
