"""L-BFGS: Newton's direction from the last changes of the coefficients and of the gradient.

    y = g − g₋₁,  s = t d₋₁;  kept where y·s > 1e-10
    d = −H g,  H from the kept pairs by the two loops, starting from (y·s / y·y) I
    θ ← θ + t d;  t = γ, at the very first iteration min(1, 1 / |g|₁) γ; or found by the line search

One step makes up to max_iter iterations and max_eval evaluations; it ends earlier where the largest entry of the
gradient is at most tolerance_grad, or where coefficients or loss change by at most tolerance_change. All tensors are
one vector.

References
----------
J. Nocedal, Updating quasi-Newton matrices with limited storage, 1980, doi:10.1090/S0025-5718-1980-0572855-7.
D. C. Liu, J. Nocedal, On the limited memory BFGS method for large scale optimization, 1989, doi:10.1007/BF01589116.
Without a line search, t = γ is torch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polyoptim.optim.line_search import FAR, GRADIENT, LOSS, RISE, dot, line_size, start_of, strong_wolfe
from polyoptim.optim.rule import Evaluate, Floats, Look, Memory, Rule, Tensors, Vector, Whole, below_zero, evaluate
from polyoptim.primitives import divide

STATE: dict[str, Any] = {
    "func_evals": 0,
    "n_iter": 0,
    "d": [],
    "t": 0.0,
    "old_dirs": [],
    "old_stps": [],
    "ro": [],
    "H_diag": 1.0,
    "prev_flat_grad": [],
    "prev_loss": 0.0,
}

# Behind the coefficients stand these numbers, the gradient before, and the line, whose direction is d. Then come the
# kept pairs, a ring: y, s, 1 / y·s, and room for a number.
FUNC_EVALS, N_ITER, T, H_DIAG, PREV_LOSS, KEPT, NEWEST, NUMBERS = 0, 1, 2, 3, 4, 5, 6, 7


def line_of(columns: int) -> int:
    """Return where the line stands."""
    return columns + NUMBERS + columns


def pairs_of(columns: int) -> int:
    """Return where the kept pairs stand."""
    return line_of(columns) + line_size(columns)


def add(memory: Memory, a: int, step: float, b: int, columns: int) -> None:
    """Set a to a + step b."""
    for k in range(columns):
        memory[a + k] = memory[a + k] + step * memory[b + k]


def largest(memory: Memory, place: int, factor: float, columns: int) -> float:
    """Return the largest absolute value, each times a factor; not a number where one is not."""
    found = 0.0
    for k in range(columns):
        value = abs(memory[place + k] * factor)
        found = value if not value <= found else found
        if found != found:
            break
    return found


def remember(columns: int, memory: Memory) -> None:
    """Keep the last change of coefficients and gradient where it shows enough curvature."""
    previous, d, pairs = columns + NUMBERS, line_of(columns), pairs_of(columns)
    grad, t = start_of(columns, d) + GRADIENT, memory[columns + T]
    ys = 0.0
    for k in range(columns):
        ys = ys + (memory[grad + k] - memory[previous + k]) * (memory[d + k] * t)
    if ys > 1e-10:
        room = (len(memory) - pairs) // (2 * columns + 2)
        kept, newest = int(memory[columns + KEPT]), int(memory[columns + NEWEST]) + 1
        newest = newest if newest < room else 0
        y = pairs + newest * (2 * columns + 2)
        for k in range(columns):
            memory[y + k] = memory[grad + k] - memory[previous + k]
            memory[y + columns + k] = memory[d + k] * t
        memory[y + 2 * columns] = 1.0 / ys
        memory[columns + KEPT] = float(min(kept + 1, room))
        memory[columns + NEWEST] = float(newest)
        memory[columns + H_DIAG] = divide(ys, dot(memory, y, y, columns))


def turn(columns: int, memory: Memory) -> None:
    """Set the direction to −H g by the two loops over the kept pairs."""
    d, pairs, size = line_of(columns), pairs_of(columns), 2 * columns + 2
    grad = start_of(columns, d) + GRADIENT
    for k in range(columns):
        memory[d + k] = -memory[grad + k]
    slot, kept = int(memory[columns + NEWEST]), int(memory[columns + KEPT])
    for _ in range(kept):
        y = pairs + slot * size
        al = dot(memory, y + columns, d, columns) * memory[y + 2 * columns]
        memory[y + 2 * columns + 1] = al
        add(memory, d, -al, y, columns)
        slot = slot - 1 if slot > 0 else kept - 1
    for k in range(columns):
        memory[d + k] = memory[d + k] * memory[columns + H_DIAG]
    for _ in range(kept):
        slot = slot + 1 if slot + 1 < kept else 0
        y = pairs + slot * size
        be = dot(memory, y, d, columns) * memory[y + 2 * columns]
        add(memory, d, memory[y + 2 * columns + 1] - be, y + columns, columns)


def pace(columns: int, memory: Memory, lr: float) -> float:
    """Return how far along the direction to go, or to try first."""
    if memory[columns + N_ITER] > 1.0:
        return lr
    grad, total = start_of(columns, line_of(columns)) + GRADIENT, 0.0
    for k in range(columns):
        total = total + abs(memory[grad + k])
    return min(1.0, divide(1.0, total)) * lr


def measure(columns: int, memory: Memory, look: Look) -> bool:
    """Find loss and gradient where the coefficients are, and count; False where no evaluation is left."""
    memory[columns + FUNC_EVALS] += 1.0
    return evaluate(look, memory, 0, start_of(columns, line_of(columns)) + LOSS)


def search(columns: int, memory: Memory, tolerance_change: float, left: float, look: Look) -> bool:
    """Go to where the line search leads, with the loss and the gradient there; False where no evaluation is left."""
    line = line_of(columns)
    here, size = start_of(columns, line), largest(memory, line, 1.0, columns)
    t = memory[columns + T]
    memory[here + FAR] = 0.0
    found, trials = strong_wolfe(columns, memory, line, t, size, tolerance_change, left, look)
    if found < 0:
        return False
    for k in range(GRADIENT + columns):
        memory[here + k] = memory[found + k]
    memory[columns + FUNC_EVALS] += float(trials + 1)
    memory[columns + T] = memory[here + FAR]
    add(memory, 0, memory[columns + T], line, columns)
    return True


def settled(columns: int, memory: Memory, tolerance_grad: float, tolerance_change: float) -> bool:
    """Tell whether gradient, coefficients or loss hardly changed, or will."""
    d = line_of(columns)
    here = start_of(columns, d)
    if largest(memory, here + GRADIENT, 1.0, columns) <= tolerance_grad:
        return True
    if largest(memory, d, memory[columns + T], columns) <= tolerance_change:
        return True
    return abs(memory[here + LOSS] - memory[columns + PREV_LOSS]) < tolerance_change


def iterate(_number: float, columns: int, flags: tuple[bool, ...], hyper: Floats, memory: Memory, look: Look) -> bool:
    """Make a step; False where no evaluation was left for it."""
    lr, max_iter, max_eval, tolerance_grad, tolerance_change, _ = hyper
    d, previous = line_of(columns), columns + NUMBERS
    here = start_of(columns, d)
    grad, before, n_iter = here + GRADIENT, memory[columns + FUNC_EVALS], 0.0
    if not measure(columns, memory, look):
        return False
    if largest(memory, grad, 1.0, columns) <= tolerance_grad:
        return True
    while n_iter < max_iter:
        n_iter += 1.0
        memory[columns + N_ITER] += 1.0
        if memory[columns + N_ITER] > 1.0:
            remember(columns, memory)
        turn(columns, memory)
        for k in range(columns):
            memory[previous + k] = memory[grad + k]
        memory[columns + PREV_LOSS] = memory[here + LOSS]
        memory[columns + T] = pace(columns, memory, lr)
        memory[here + RISE] = dot(memory, grad, d, columns)
        if memory[here + RISE] > -tolerance_change:
            break
        if flags[0]:
            left = max_eval - (memory[columns + FUNC_EVALS] - before)
            if not search(columns, memory, tolerance_change, left, look):
                return False
        else:
            add(memory, 0, memory[columns + T], d, columns)
            # after the last iteration nobody would look at it
            if n_iter != max_iter and not measure(columns, memory, look):
                return False
        if n_iter == max_iter or memory[columns + FUNC_EVALS] - before >= max_eval:
            break
        if settled(columns, memory, tolerance_grad, tolerance_change):
            break
    return True


def packed(
    coef: Sequence[float], state: Mapping[str, Any], hyper: Floats, steps: float, evaluations: float
) -> list[float]:
    """Return coefficients and state as one row, with room for the pairs of so many steps and evaluations more."""
    columns, kept = len(coef), len(state["ro"])
    more = max(min(hyper[-1] - kept, steps * hyper[1], evaluations), 0.0)
    nothing = [0.0] * columns
    numbers = [float(state[name]) for name in ("func_evals", "n_iter", "t", "H_diag", "prev_loss")]
    row = [*coef, *numbers, float(kept), kept - 1.0, *(state["prev_flat_grad"] or nothing)]
    row += [*(state["d"] or nothing), *([0.0] * (line_size(columns) - columns))]
    for y, s, ro in zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True):
        row += [*y, *s, ro, 0.0]
    return row + [0.0] * ((2 * columns + 2) * int(more))


def unpacked(columns: int, memory: list[float]) -> dict[str, Any]:
    """Return the state out of such a row; the inverse of `packed`."""
    d, pairs, size = line_of(columns), pairs_of(columns), 2 * columns + 2
    func_evals, n_iter, t, h_diag, prev_loss, kept, newest = memory[columns : columns + NUMBERS]
    slots = [int(newest + 1.0 + place) % int(kept) for place in range(int(kept))]
    kept_pairs = [memory[pairs + slot * size : pairs + (slot + 1) * size] for slot in slots]
    begun = n_iter > 0.0
    return {
        "func_evals": int(func_evals),
        "n_iter": int(n_iter),
        "d": memory[d : d + columns] if begun else [],
        "t": t,
        "old_dirs": [pair[:columns] for pair in kept_pairs],
        "old_stps": [pair[columns:-2] for pair in kept_pairs],
        "ro": [pair[-2] for pair in kept_pairs],
        "H_diag": h_diag,
        "prev_flat_grad": memory[columns + NUMBERS : d] if begun else [],
        "prev_loss": prev_loss,
    }


def flat(tensors: Tensors) -> list[float]:
    """Return all entries in one list."""
    return [value for tensor in tensors for value in tensor]


def shaped(values: Sequence[float], tensors: Tensors) -> Tensors:
    """Return the entries in the shapes of the tensors; the inverse of `flat`."""
    rest = iter(values)
    return [[next(rest) for _ in tensor] for tensor in tensors]


def lbfgs(*, with_line_search_fn: bool) -> Vector:
    """Return the functions of L-BFGS."""

    def begin(_tensors: Tensors, _hyper: Floats) -> Any:
        return dict(STATE)

    def step(
        number: float, tensors: Tensors, state: Any, hyper: Floats, closure: Evaluate
    ) -> tuple[float, Tensors, Any]:
        coef, losses = flat(tensors), []
        columns, memory = len(coef), packed(coef, state, hyper, 1.0, math.inf)

        def look(memory: Memory, place: int, into: int) -> bool:
            loss, grads = closure(shaped(memory[place : place + columns], tensors))
            memory[into : into + 1 + columns] = [loss, *flat(grads)]
            losses.append(loss)
            return True

        iterate(number, columns, (with_line_search_fn,), hyper, memory, look)
        return losses[0], shaped(memory, tensors), unpacked(columns, memory)

    return begin, step


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses, or stumbles over in a step."""
    yield from below_zero(options, "lr")
    if not (isinstance(options["history_size"], int) and options["history_size"] >= 1):
        yield f"history_size must be an integer >= 1, got {options['history_size']!r}."
    # From here on torch takes the values, and stumbles in the line search.
    searches = options["line_search_fn"] is not None and options["max_iter"] >= 1
    if searches and options["lr"] == 0.0 and complete(dict(options))["max_eval"] > 1:
        yield "lr must be > 0 for a line search, got 0."
    if searches and options["max_eval"] is not None and not options["max_eval"] >= 1:
        yield f"max_eval must be >= 1 for a line search, got {options['max_eval']!r}."


def complete(options: dict[str, Any]) -> dict[str, Any]:
    """Fill in the number of evaluations."""
    given = options["max_eval"]
    return {**options, "max_eval": options["max_iter"] * 5 // 4 if given is None else given}


LBFGS = Rule(
    name="LBFGS",
    options={
        "lr": 1,
        "max_iter": 20,
        "max_eval": None,
        "tolerance_grad": 1e-7,
        "tolerance_change": 1e-9,
        "history_size": 100,
        "line_search_fn": None,
    },
    refuse=refuse,
    choices={"line_search_fn": (None, "strong_wolfe")},
    hyper=("lr", "max_iter", "max_eval", "tolerance_grad", "tolerance_change", "history_size"),
    flags=("with_line_search_fn",),
    complete=complete,
    state=tuple(STATE),
    vector=lbfgs,
    whole=Whole(packed, unpacked, iterate),
    reevaluates=True,
)
