r"""Schedules that multiply the lr.

Each has a closed form :math:`\eta_t = \eta_0 c_t`, and a step :math:`\eta_t = \eta_{t-1} c_t / c_{t-1}`, which
multiplies whatever lr it finds, so that several can be chained.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates.form import EachFunction, Form, Group, direct, read_milestones


def lambda_lr(group: Group, lr_lambda: EachFunction) -> Form:
    r"""Multiply the initial lr by the user's function: :math:`\eta_t = \eta_0 f(t)`."""
    base = group.base()
    return direct(lambda t: base * lr_lambda(t))


def multiplicative_lr(group: Group, lr_lambda: EachFunction) -> Form:
    r"""Multiply the lr before by the user's function: :math:`\eta_t = \eta_{t-1} f(t)`, which has no closed form."""
    group.base()
    return Form(None, lambda t, lr: lr * lr_lambda(t), waits=True)


def step_lr(group: Group, step_size: int, gamma: float = 0.1) -> Form:
    r"""Multiply by gamma every `step_size` steps: :math:`\eta_t = \eta_0 \gamma^{\lfloor t / s \rfloor}`."""
    if step_size == 0:
        raise ArgumentError("step_size must not be 0. Use 1 for a change at every step.")
    base = group.base()
    return Form(
        closed=lambda t: base * gamma ** (t // step_size),
        chain=lambda t, lr: lr if t == 0 or t % step_size != 0 else lr * gamma,
    )


def multi_step_lr(group: Group, milestones: Iterable[int], gamma: float = 0.1) -> Form:
    r"""Multiply by gamma at each milestone: :math:`\eta_t = \eta_0 \gamma^{\#\{m \le t\}}`; one may be named twice."""
    times = Counter(read_milestones(milestones))
    ascending = sorted(times.elements())
    base = group.base()
    return Form(
        closed=lambda t: base * gamma ** bisect_right(ascending, t),
        chain=lambda t, lr: lr * gamma ** times[t] if t in times else lr,
    )


def constant_lr(group: Group, factor: float = 1.0 / 3, total_iters: int = 5) -> Form:
    r"""Multiply by a factor for the first steps: :math:`\eta_t = \eta_0 f` where :math:`t < T`, then :math:`\eta_0`."""
    if not 0 <= factor <= 1:
        raise ArgumentError(f"factor must be between 0 and 1, got {factor!r}.")
    base = group.base()

    def chain(t: int, lr: float) -> float:
        if t == 0:
            return lr * factor
        # Not lr / factor, which rounds differently.
        return lr * (1.0 / factor) if t == total_iters else lr

    return Form(lambda t: base * (factor + (t >= total_iters) * (1 - factor)), chain)


def linear_lr(group: Group, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5) -> Form:
    r"""Move the factor along a line: :math:`\eta_t = \eta_0 (a + (b - a) \min(t, T) / T)`."""
    if not 0 < start_factor <= 1:
        raise ArgumentError(f"start_factor must be above 0 and at most 1, got {start_factor!r}.")
    if not 0 <= end_factor <= 1:
        raise ArgumentError(f"end_factor must be between 0 and 1, got {end_factor!r}.")
    base, rise = group.base(), end_factor - start_factor

    def chain(t: int, lr: float) -> float:
        if t == 0:
            return lr * start_factor
        if t > total_iters:
            return lr
        return lr * (1.0 + rise / (total_iters * start_factor + (t - 1) * rise))

    return Form(lambda t: base * (start_factor + rise * min(total_iters, t) / total_iters), chain)


def exponential_lr(group: Group, gamma: float) -> Form:
    r"""Multiply by gamma at every step: :math:`\eta_t = \eta_0 \gamma^t`."""
    base = group.base()
    return Form(lambda t: base * gamma**t, lambda _t, lr: lr * gamma, waits=True)


def polynomial_lr(group: Group, total_iters: int = 5, power: float = 1.0) -> Form:
    r"""Fall to zero as a power: :math:`\eta_t = \eta_0 (1 - \min(t, T) / T)^p`."""
    base = group.base()

    def chain(t: int, lr: float) -> float:
        if t > total_iters:
            return lr
        return lr * float(((1.0 - t / total_iters) / (1.0 - (t - 1) / total_iters)) ** power)

    return Form(lambda t: base * float((1.0 - min(total_iters, t) / total_iters) ** power), chain, waits=True)
