r"""Schedules along a cosine.

From I. Loshchilov, F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2016), arXiv:1608.03983, eq. 5:

.. math:: \eta = \eta_{min} + (\eta_0 - \eta_{min}) \, (1 + \cos(\pi T_{cur} / T_i)) / 2
"""

from __future__ import annotations

import math
from dataclasses import replace

from polyoptim.errors import ArgumentError
from polyoptim.optim.rates.form import Form, Group, direct


def cosine_annealing_lr(group: Group, T_max: int, eta_min: float = 0.0) -> Form:  # noqa: N803 - torch's spelling
    r"""Fall along half a cosine, and beyond `T_max` rise again.

    The closed form is the equation above with :math:`T_{cur} = t` and :math:`T_i = T_{max}`. The step multiplies the
    distance to eta_min; one step after each trough, where that distance was zero, it adds to the lr that it finds.
    """
    if T_max == 0:
        raise ArgumentError("T_max must not be 0. Use the number of steps from the highest to the lowest lr.")
    base = group.base()

    def half(t: int) -> float:
        return 1 + math.cos(math.pi * t / T_max)

    def chain(t: int, lr: float) -> float:
        if (t - 1 - T_max) % (2 * T_max) == 0:
            return lr + (base - eta_min) * (1 - math.cos(math.pi / T_max)) / 2
        return half(t) / half(t - 1) * (lr - eta_min) + eta_min

    return Form(lambda t: eta_min + (base - eta_min) * half(t) / 2, chain, waits=True)


def cosine_annealing_warm_restarts(group: Group, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> Form:  # noqa: N803
    r"""Fall along half a cosine, then start anew, each time `T_mult` times as long.

    The equation above, where :math:`T_i = T_0 T_{mult}^i` and :math:`T_{cur} = t - \sum_{j<i} T_j`.
    """
    if not isinstance(T_0, int) or T_0 <= 0:
        raise ArgumentError(f"T_0 must be an integer >= 1, got {T_0!r}.")
    if not isinstance(T_mult, int) or T_mult < 1:
        raise ArgumentError(f"T_mult must be an integer >= 1, got {T_mult!r}.")
    base = group.base()

    def closed(t: int) -> float:
        within, length = t, T_0
        if T_mult == 1:
            within = t % T_0
        while within >= length:  # as often as there were restarts, which is logarithmic in t
            within, length = within - length, length * T_mult
        return eta_min + (base - eta_min) * (1 + math.cos(math.pi * within / length)) / 2

    return replace(direct(closed), from_zero=True)
