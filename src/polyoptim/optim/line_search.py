"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions.

    f(t) ≤ f(0) + c₁ t f′(0)  and  |f′(t)| ≤ −c₂ f′(0)

First steps outwards until an interval holds such a point, then zooms into it; each trial is the minimum of a cubic
through the values and slopes at both ends.

All numbers stand in one flat sequence, `memory`: the coefficients in front and, from `line` on, the direction, a place
to evaluate at, and the four points of `POINTS`. A point is named by the index of its first number: how far along the
line, the slope there, the loss, and then the gradient.

References
----------
J. Nocedal, S. J. Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6, doi:10.1007/978-0-387-40065-5. The order
of operations is torch's, which follows M. Schmidt's minFunc.
"""

from __future__ import annotations

from polyoptim.optim.rule import Look, Memory, evaluate
from polyoptim.primitives import divide, sqrt

DECREASE = 1e-4  # c₁
SLOPE = 0.9  # c₂

# The start, and three more: the ends of the interval and the next trial.
POINTS = 4
# What a point holds before its gradient.
FAR, RISE, LOSS, GRADIENT = 0, 1, 2, 3


def line_size(columns: int) -> int:
    """Return how many numbers a line takes."""
    return 2 * columns + POINTS * (GRADIENT + columns)


def start_of(columns: int, line: int) -> int:
    """Return the first point, where the line starts."""
    return line + 2 * columns


def dot(memory: Memory, a: int, b: int, columns: int) -> float:
    """Return the sum of the products of what stands at two places."""
    total = 0.0
    for k in range(columns):
        total = total + memory[a + k] * memory[b + k]
    return total


def cubic_minimum(memory: Memory, a: int, b: int, low: float, high: float) -> float:
    """Return where the cubic through two points is least, within the bounds; their middle where it has none."""
    d1 = memory[a + RISE] + memory[b + RISE]
    d1 = d1 - divide(3.0 * (memory[a + LOSS] - memory[b + LOSS]), memory[a + FAR] - memory[b + FAR])
    square = d1 * d1 - memory[a + RISE] * memory[b + RISE]
    if not square >= 0.0:
        return (low + high) / 2.0
    if memory[a + FAR] > memory[b + FAR]:
        a, b = b, a
    d2 = sqrt(square)
    share = divide(memory[b + RISE] + d2 - d1, memory[b + RISE] - memory[a + RISE] + 2.0 * d2)
    t = memory[b + FAR] - (memory[b + FAR] - memory[a + FAR]) * share
    return min(max(t, low), high)


def probe(columns: int, memory: Memory, line: int, point: int, t: float, look: Look) -> bool:
    """Evaluate at a distance, and leave what is found in a point; False where no evaluation is left."""
    place = line + columns
    for k in range(columns):
        memory[place + k] = memory[k] + t * memory[line + k]
    if not evaluate(look, memory, place, point + LOSS):
        return False
    memory[point + FAR] = t
    memory[point + RISE] = dot(memory, point + GRADIENT, line, columns)
    return True


def spare(columns: int, line: int, a: int, b: int) -> int:
    """Return a point after the first that is neither of these two."""
    found = start_of(columns, line) + GRADIENT + columns
    while found in (a, b):
        found += GRADIENT + columns
    return found


def bracket(columns: int, memory: Memory, line: int, t: float, largest: float, look: Look) -> tuple[int, int, int]:
    """Return two points around what is wanted, or it twice, and how many trials came after the first.

    The points are -1 where no evaluation is left.
    """
    start = start_of(columns, line)
    previous, new, trials = start, spare(columns, line, start, start), 0
    if not probe(columns, memory, line, new, t, look):
        return -1, -1, trials
    while trials + 1 <= largest:
        bound = memory[start + LOSS] + DECREASE * memory[new + FAR] * memory[start + RISE]
        if memory[new + LOSS] > bound or (trials > 1 and memory[new + LOSS] >= memory[previous + LOSS]):
            return previous, new, trials
        if abs(memory[new + RISE]) <= -SLOPE * memory[start + RISE]:
            return new, new, trials
        if memory[new + RISE] >= 0.0:
            return previous, new, trials
        low = memory[new + FAR] + 0.01 * (memory[new + FAR] - memory[previous + FAR])
        t = cubic_minimum(memory, previous, new, low, memory[new + FAR] * 10.0)
        previous, new = new, spare(columns, line, previous, new)
        if not probe(columns, memory, line, new, t, look):
            return -1, -1, trials
        trials += 1
    return start, new, trials


def strong_wolfe(
    columns: int,
    memory: Memory,
    line: int,
    t: float,
    size: float,
    tolerance_change: float,
    largest: float,
    look: Look,
) -> tuple[int, int]:
    """Return the point to go to, -1 where no evaluation is left, and how many trials came after the first.

    Parameters
    ----------
    columns : how many coefficients.
    memory : they, and the line.
    line : where the line stands, its direction and its first point filled in.
    t : the first trial.
    size : the largest change of a coefficient at t = 1.
    tolerance_change : the interval is small enough below this change of a coefficient.
    largest : how many trials may come after the first.
    look : how loss and gradient are found.
    """
    start = start_of(columns, line)
    first, last, trials = bracket(columns, memory, line, t, largest, look)
    if first < 0:
        return -1, trials
    rising = memory[first + LOSS] <= memory[last + LOSS]
    stalled = False
    while first != last and trials + 1 <= largest:
        left = min(memory[first + FAR], memory[last + FAR])
        right = max(memory[first + FAR], memory[last + FAR])
        if abs(memory[last + FAR] - memory[first + FAR]) * size < tolerance_change:
            break
        t = cubic_minimum(memory, first, last, left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stalled = near
        new = spare(columns, line, first, last)
        if not probe(columns, memory, line, new, t, look):
            return -1, trials
        trials += 1
        low, high = (first, last) if rising else (last, first)
        bound = memory[start + LOSS] + DECREASE * t * memory[start + RISE]
        if memory[new + LOSS] > bound or memory[new + LOSS] >= memory[low + LOSS]:
            first, last = (low, new) if rising else (new, low)
            rising = memory[first + LOSS] <= memory[last + LOSS]
        elif abs(memory[new + RISE]) <= -SLOPE * memory[start + RISE]:
            return new, trials
        else:
            if memory[new + RISE] * (memory[high + FAR] - memory[low + FAR]) >= 0.0:
                high = low
            first, last = (new, high) if rising else (high, new)
    return (first if rising else last), trials
