"""Adafactor: the mean squares of a matrix are kept as one number a row and one a column, and the step is clipped.

    b = t^δ,  ρ = min(γ, 1 / √t),  α = max(ε₂, RMS(θ)) ρ
    θ ← (1 − γ λ) θ
    matrix:  R ← R + b (|row of G|² / n − R),  C ← C + b (G² − C),  V = R C / max(mean R, ε₁)
    vector:  V ← V + b (g² − V)
    U = g / √max(V, ε₁²)
    θ ← θ − α / max(1, RMS(U) / d) · U

γ is lr, δ beta2_decay, ε₁ and ε₂ eps, d the clipping threshold, λ weight_decay, t the step, RMS the root mean square of
the entries of one tensor. ε₁ = None is the spacing of float64 at 1. The weight of a linear model is a matrix of one
row.

References
----------
N. Shazeer, M. Stern, Adafactor: adaptive learning rates with sublinear memory cost, arXiv:1804.04235. As in torch, ε₁
bounds the estimate from below and is not added to the squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Evaluate, Floats, Rule, Tensors, Vector, below_zero
from polyoptim.primitives import divide, lerp, maximum, minimum, power, sqrt, where


def norm(values: list[float]) -> float:
    """Return the Euclidean norm."""
    total = 0.0
    for value in values:
        total = total + value * value
    return sqrt(total)


def adafactor(*, with_weight_decay: bool, maximize: bool) -> Vector:
    """Return the functions of Adafactor."""

    def begin(tensors: Tensors, _hyper: Floats) -> Any:
        # row_var and col_var of the matrix, which comes first; the others have no rows, and col_var is their variance
        return [([0.0] if place == 0 else [], [0.0] * len(tensor)) for place, tensor in enumerate(tensors)]

    def update(
        number: float, coef: list[float], grad: list[float], state: tuple[list[float], list[float]], hyper: Floats
    ) -> tuple[list[float], tuple[list[float], list[float]]]:
        lr, beta2_decay, eps1, eps2, d, weight_decay = hyper
        row_var, variance = state
        size = float(len(coef))
        share = power(number, beta2_decay)
        alpha = maximum(eps2, divide(norm(coef), sqrt(size))) * minimum(lr, 1.0 / sqrt(number))
        if maximize:
            grad = [-g for g in grad]
        if with_weight_decay:
            coef = [c * (1.0 - lr * weight_decay) for c in coef]
        variance = [lerp(v, g * g, share) for v, g in zip(variance, grad, strict=True)]
        row_var = [lerp(row, divide(norm(grad) * norm(grad), size), share) for row in row_var]
        estimate = variance
        for row in row_var:
            estimate = [divide(row * v, maximum(row, eps1)) for v in variance]
        step = [divide(1.0, sqrt(maximum(v, eps1 * eps1))) * g for v, g in zip(estimate, grad, strict=True)]
        clip = divide(norm(step), sqrt(size) * d)
        rate = alpha / where(clip > 1.0, clip, 1.0)
        return [c - rate * s for c, s in zip(coef, step, strict=True)], (row_var, variance)

    def step(
        number: float, tensors: Tensors, state: Any, hyper: Floats, evaluate: Evaluate
    ) -> tuple[float, Tensors, Any]:
        loss, grads = evaluate(tensors)
        moved = [update(number, coef, grad, own, hyper) for coef, grad, own in zip(tensors, grads, state, strict=True)]
        return loss, [coef for coef, _ in moved], [own for _, own in moved]

    return begin, step


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr", "weight_decay")
    eps1, eps2 = options["eps"]
    if not ((eps1 is None or eps1 >= 0.0) and eps2 >= 0.0):
        yield f"eps must be two numbers >= 0, the first may be None, got {options['eps']!r}."
    if not options["beta2_decay"] <= 0.0:
        yield f"beta2_decay must be <= 0, got {options['beta2_decay']!r}."
    if not options["d"] >= 1.0:
        yield f"d must be >= 1, got {options['d']!r}."


def complete(options: dict[str, Any]) -> dict[str, Any]:
    """Fill in the spacing of float64 for the first eps."""
    eps1, eps2 = options["eps"]
    return {**options, "eps": (2.0**-52 if eps1 is None else eps1, eps2)}


Adafactor = Rule(
    name="Adafactor",
    options={
        "lr": 0.01,
        "beta2_decay": -0.8,
        "eps": (None, 1e-3),
        "d": 1.0,
        "weight_decay": 0.0,
        "maximize": False,
    },
    refuse=refuse,
    hyper=("lr", "beta2_decay", "eps1", "eps2", "d", "weight_decay"),
    parts={"eps": ("eps1", "eps2")},
    flags=("with_weight_decay", "maximize"),
    complete=complete,
    state=("row_var", "col_var", "variance"),
    vector=adafactor,
)
