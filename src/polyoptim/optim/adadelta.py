"""Adadelta: steps in the units of the coefficients, from running means of squared gradients and squared steps.

    g ← ∇f(θ) + λ θ
    v ← ρ v + (1 − ρ) g²
    Δ = √(u + ε) / √(v + ε) · g
    u ← ρ u + (1 − ρ) Δ²
    θ ← θ − γ Δ

γ is lr, ρ rho, ε eps, λ weight_decay; v is square_avg, u acc_delta.

References
----------
M. D. Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701; lr is torch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, constant, zeros
from polyoptim.primitives import divide, sqrt


def adadelta(*, with_weight_decay: bool, maximize: bool) -> Functions:
    """Return the functions of Adadelta."""

    def update(coef: float, grad: float, state: Floats, hyper: Floats, _scalars: Floats) -> tuple[float, Floats]:
        lr, rho, eps, weight_decay = hyper
        square_avg, acc_delta = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        square_avg = rho * square_avg + (1.0 - rho) * grad * grad
        delta = divide(sqrt(acc_delta + eps), sqrt(square_avg + eps)) * grad
        acc_delta = rho * acc_delta + (1.0 - rho) * delta * delta
        return coef - lr * delta, (square_avg, acc_delta)

    return zeros(2), constant, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "eps", "weight_decay")
    if not 0.0 <= options["rho"] <= 1.0:
        yield f"rho must be >= 0 and <= 1, got {options['rho']!r}."


Adadelta = Rule(
    name="Adadelta",
    options={"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0, "maximize": False},
    refuse=refuse,
    hyper=("lr", "rho", "eps", "weight_decay"),
    flags=("with_weight_decay", "maximize"),
    state=("square_avg", "acc_delta"),
    functions=adadelta,
)
