"""Rprop: only the sign of the gradient counts; each coefficient has its own step size.

    c = sign(g · g₋₁)
    Δ ← min(max(Δ η, Δmin), Δmax) with η = η⁺ where c > 0, η⁻ where c < 0, else 1
    g ← 0 where c < 0
    θ ← θ − Δ sign(g),  g₋₁ ← g

η⁻ and η⁺ are etas, Δmin and Δmax step_sizes; Δ starts at lr.

References
----------
M. Riedmiller, H. Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, 1993,
doi:10.1109/ICNN.1993.298623. torch's form does not step back where the sign changes: the iRprop⁻ of C. Igel, M. Hüsken,
Empirical evaluation of the improved Rprop learning algorithms, 2003, doi:10.1016/S0925-2312(01)00700-7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.rule import Floats, Functions, Rule, below_zero, constant
from polyoptim.primitives import maximum, minimum, sign, where


def rprop(*, maximize: bool) -> Functions:
    """Return the functions of Rprop."""

    def init(_coef: float, hyper: Floats) -> Floats:
        lr, _, _, _, _ = hyper
        return 0.0, lr

    def update(coef: float, grad: float, state: Floats, hyper: Floats, _scalars: Floats) -> tuple[float, Floats]:
        _, etaminus, etaplus, step_size_min, step_size_max = hyper
        prev, step_size = state
        if maximize:
            grad = -grad
        change = sign(grad * prev)
        factor = where(change > 0.0, etaplus, where(change < 0.0, etaminus, 1.0))
        step_size = minimum(maximum(step_size * factor, step_size_min), step_size_max)
        grad = where(change < 0.0, 0.0, grad)
        return coef - sign(grad) * step_size, (grad, step_size)

    return init, constant, update


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses."""
    yield from below_zero(options, "lr")
    if not 0.0 < options["etas"][0] < 1.0 < options["etas"][1]:
        yield f"etas must be a number between 0 and 1 and one above 1, got {options['etas']!r}."


Rprop = Rule(
    name="Rprop",
    options={"lr": 0.01, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50), "maximize": False},
    refuse=refuse,
    hyper=("lr", "etaminus", "etaplus", "step_size_min", "step_size_max"),
    parts={"etas": ("etaminus", "etaplus"), "step_sizes": ("step_size_min", "step_size_max")},
    flags=("maximize",),
    state=("prev", "step_size"),
    functions=rprop,
)
