"""ASGD: gradient descent that also keeps the mean of where it was.

    g ← ∇f(θ) + κ θ
    θ ← (1 − λ η) θ − η g
    a ← a + μ (θ − a),  or θ while μ = 1
    η ← γ / (1 + λ γ t)^α,  μ ← 1 / max(1, t − t₀)

γ is lr, λ lambd, α alpha, t₀ t0, κ weight_decay, t the step; η starts at lr, μ at 1. Both are float32 in torch and
rounded to that here. The mean a, torch's ax, is kept beside θ and does not act on it.

References
----------
B. T. Polyak, A. B. Juditsky, Acceleration of stochastic approximation by averaging, 1992, doi:10.1137/0330046.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, zeros
from polyoptim.primitives import divide, maximum, power, to_float32, where


def asgd(*, with_weight_decay: bool, maximize: bool) -> Functions:
    """Return the functions of ASGD."""

    # eta and mu are torch's after the step; the step itself uses those that the step before has left.
    def schedule(step: float, hyper: Floats, scalars: Floats) -> Floats:
        lr, lambd, alpha, t0, _ = hyper
        eta, mu, _, _ = scalars
        eta_now = where(step == 1.0, to_float32(lr), eta)
        eta = to_float32(divide(lr, power(1.0 + lambd * lr * step, alpha)))
        return eta, to_float32(1.0 / maximum(1.0, step - t0)), eta_now, mu

    def update(coef: float, grad: float, state: Floats, hyper: Floats, scalars: Floats) -> tuple[float, Floats]:
        _, lambd, _, _, weight_decay = hyper
        _, _, eta, mu = scalars
        (ax,) = state
        if maximize:
            grad = -grad
        if with_weight_decay:
            grad = grad + weight_decay * coef
        coef = coef * (1.0 - lambd * eta) - eta * grad
        return coef, (where(mu == 1.0, coef, ax + (coef - ax) * mu),)

    return zeros(1), schedule, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "weight_decay")


ASGD = Rule(
    name="ASGD",
    options={"lr": 0.01, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0, "maximize": False},
    refuse=refuse,
    hyper=("lr", "lambd", "alpha", "t0", "weight_decay"),
    flags=("with_weight_decay", "maximize"),
    state=("ax",),
    scalars={"eta": 0.0, "mu": 1.0, "eta_now": 0.0, "mu_now": 1.0},
    functions=asgd,
)
