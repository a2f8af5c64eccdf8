"""Schedules that raise the lr and let it fall again, and may move the momentum against it."""

from __future__ import annotations

import math
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates.form import Each, Form, Group, StepFunction, direct
from polyoptim.registry import unknown

MODES = ("triangular", "triangular2", "exp_range")


def cyclic_lr(
    group: Group,
    base_lr: Each,
    max_lr: Each,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: StepFunction | None = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: Each = 0.8,
    max_momentum: Each = 0.9,
) -> Form:
    r"""Rise and fall in triangles, whose height may shrink.

    .. math:: \eta_t = \eta_{base} + (\eta_{max} - \eta_{base}) \, h_t \, s(i), \quad
              m_t = m_{max} - (m_{max} - m_{base}) \, h_t \, s(i)

    h goes from 0 to 1 in `step_size_up` steps and back in `step_size_down`; s is the scale: 1, :math:`2^{1-i}` or
    :math:`\gamma^i` by `mode`, or the user's own; i is the cycle, from 1, or for exp_range the step. From L. N. Smith,
    Cyclical Learning Rates for Training Neural Networks (2015), arXiv:1506.01186.
    """
    group.lr = base_lr
    up = float(step_size_up)
    size = up + (up if step_size_down is None else float(step_size_down))
    turn = up / size
    scale, by_cycle = _scale(mode, gamma, scale_fn, scale_mode)
    if cycle_momentum:
        group.cycle(base_momentum, max_momentum)

    def height(t: int, span: float) -> float:
        cycle = math.floor(1 + t / size)
        x = 1.0 + t / size - cycle
        return span * (x / turn if x <= turn else (x - 1) / (turn - 1)) * scale(cycle if by_cycle else t)

    return direct(
        lambda t: base_lr + height(t, max_lr - base_lr),
        (lambda t: max_momentum - height(t, max_momentum - base_momentum)) if cycle_momentum else None,
        # base_lr comes into force with the first step: among others, until then the lr is theirs.
        made=group.base(),
    )


def _scale(mode: str, gamma: float, scale_fn: StepFunction | None, scale_mode: str) -> tuple[StepFunction, bool]:
    """Return the scale, and whether it is a function of the cycle; else it is one of the step."""
    if scale_fn is not None:
        if scale_mode not in ("cycle", "iterations"):
            raise unknown("scale_mode", scale_mode, ["cycle", "iterations"])
        return scale_fn, scale_mode == "cycle"
    if mode not in MODES:
        raise unknown("CyclicLR mode", mode, MODES)
    scales: dict[str, StepFunction] = {
        "triangular": lambda _cycle: 1.0,
        "triangular2": lambda cycle: 1 / 2.0 ** (cycle - 1),
        "exp_range": lambda t: float(gamma**t),
    }
    return scales[mode], mode != "exp_range"


def one_cycle_lr(
    group: Group,
    max_lr: Each,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: Each = 0.85,
    max_momentum: Each = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Form:
    r"""Rise once and fall to almost nothing.

    From :math:`\eta_{max} / d` to :math:`\eta_{max}` at :math:`t = p T - 1`, then to :math:`\eta_{max} / (d f)` at
    :math:`t = T - 1`; with `three_phase` by way of :math:`\eta_{max} / d` at :math:`t = 2 p T - 2`. With q running from
    0 to 1, a phase is :math:`b + (a - b) (1 + \cos \pi q) / 2`, or the line :math:`a + (b - a) q`. The momentum goes
    from max to base and back. From L. N. Smith, N. Topin, Super-Convergence (2017), arXiv:1708.07120.
    """
    total = _total(total_steps, epochs, steps_per_epoch)
    if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
        raise ArgumentError(f"pct_start must be a float between 0.0 and 1.0, got {pct_start!r}.")
    if anneal_strategy not in ("cos", "linear"):
        raise unknown("anneal_strategy", anneal_strategy, ["cos", "linear"])
    group.initial_lr = max_lr / div_factor
    group.max_lr, group.min_lr = max_lr, group.initial_lr / final_div_factor
    if cycle_momentum:
        group.cycle(base_momentum, max_momentum)
    # Phase i goes from corner i to corner i + 1. The corners are names: a later OneCycleLR overwrites their values.
    ends = [float(pct_start * total) - 1, total - 1]
    corners = ["initial_lr", "max_lr", "min_lr"]
    momenta = ["max_momentum", "base_momentum", "max_momentum"]
    if three_phase:
        ends.insert(1, float(2 * pct_start * total) - 2)
        corners.insert(2, "initial_lr")
        momenta.append("max_momentum")
    anneal = _cosine if anneal_strategy == "cos" else _line

    def along(t: int, names: list[str]) -> float:
        if t > total:
            raise ArgumentError(f"OneCycleLR ends after total_steps={total}. Use as many as steps are made.")
        phase = next((i for i, end in enumerate(ends) if t <= end), len(ends) - 1)
        start = ends[phase - 1] if phase else 0.0
        begin, end = getattr(group, names[phase]), getattr(group, names[phase + 1])
        return anneal(begin, end, (t - start) / (ends[phase] - start))

    return direct(lambda t: along(t, corners), (lambda t: along(t, momenta)) if cycle_momentum else None)


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ArgumentError("OneCycleLR needs total_steps, or epochs and steps_per_epoch.")
    counts = {"total_steps": total_steps}
    if total_steps is None:
        counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for option, count in counts.items():
        if not isinstance(count, int) or count <= 0:
            raise ArgumentError(f"{option} must be an integer >= 1, got {count!r}.")
    return math.prod(counts.values())


def _cosine(begin: float, end: float, part: float) -> float:
    return end + (begin - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _line(begin: float, end: float, part: float) -> float:
    return (end - begin) * part + begin
