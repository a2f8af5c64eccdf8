"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions.

    f(t) ≤ f(0) + c₁ t f′(0)  and  |f′(t)| ≤ −c₂ f′(0)

First steps outwards until an interval holds such a point, then zooms into it; each trial is the minimum of a cubic
through the values and slopes at both ends.

References
----------
J. Nocedal, S. J. Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6, doi:10.1007/978-0-387-40065-5. The order
of operations is torch's, which follows M. Schmidt's minFunc.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from polyoptim.primitives import divide, sqrt

DECREASE = 1e-4  # c₁
SLOPE = 0.9  # c₂


class Point(NamedTuple):
    """A place on the line: how far, the loss, its gradient, its slope along the line."""

    t: float
    loss: float
    grad: list[float]
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through both points is least, within the bounds; their middle where it has none."""
    low, high = bounds
    d1 = a.slope + b.slope - divide(3.0 * (a.loss - b.loss), a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:
        return (low + high) / 2.0
    if a.t > b.t:
        a, b = b, a
    d2 = sqrt(square)
    t = b.t - (b.t - a.t) * divide(b.slope + d2 - d1, b.slope - a.slope + 2.0 * d2)
    return min(max(t, low), high)


def bracket(probe: Callable[[float], Point], start: Point, t: float, largest: int) -> tuple[list[Point], int]:
    """Return two points around what is wanted, or that one point, and how many trials came after the first."""
    previous, new = start, probe(t)
    for trials in range(largest):
        if new.loss > start.loss + DECREASE * new.t * start.slope or (trials > 1 and new.loss >= previous.loss):
            return [previous, new], trials
        if abs(new.slope) <= -SLOPE * start.slope:
            return [new], trials
        if new.slope >= 0.0:
            return [previous, new], trials
        t = cubic_minimum(previous, new, (new.t + 0.01 * (new.t - previous.t), new.t * 10.0))
        previous, new = new, probe(t)
    return [start, new], max(largest, 0)


def strong_wolfe(
    probe: Callable[[float], Point], start: Point, t: float, size: float, tolerance_change: float, largest: int
) -> Point:
    """Return the point to go to.

    Parameters
    ----------
    probe : evaluates loss and gradient at a distance.
    start : where the line starts, t = 0.
    t : the first trial.
    size : the largest change of a coefficient at t = 1.
    tolerance_change : the interval is small enough below this change of a coefficient.
    largest : how many trials may come after the first.
    """
    ends, trials = bracket(probe, start, t, largest)
    low, high = _order(ends)
    stalled = False
    while len(ends) == 2 and trials < largest:
        left, right = min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t)
        if abs(ends[1].t - ends[0].t) * size < tolerance_change:
            break
        t = cubic_minimum(ends[0], ends[1], (left, right))
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stalled = near
        new = probe(t)
        trials += 1
        if new.loss > start.loss + DECREASE * t * start.slope or new.loss >= ends[low].loss:
            ends[high] = new
            low, high = _order(ends)
        elif abs(new.slope) <= -SLOPE * start.slope:
            return new
        else:
            if new.slope * (ends[high].t - ends[low].t) >= 0.0:
                ends[high] = ends[low]
            ends[low] = new
    return ends[low]


def _order(ends: list[Point]) -> tuple[int, int]:
    """Return where the lower and the higher end stand; both where there is one."""
    return (0, -1) if ends[0].loss <= ends[-1].loss else (-1, 0)
