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

from collections.abc import Iterator, Mapping
from typing import Any

from polyoptim.optim.line_search import Point, strong_wolfe
from polyoptim.optim.rule import Evaluate, Floats, Rule, Tensors, Vector, below_zero
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


def dot(a: list[float], b: list[float]) -> float:
    """Return the sum of the products."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + x * y
    return total


def along(a: list[float], step: float, b: list[float]) -> list[float]:
    """Return a + step b."""
    return [x + step * y for x, y in zip(a, b, strict=True)]


def largest(values: list[float]) -> float:
    """Return the largest absolute value; not a number where one is not."""
    found = 0.0
    for value in values:
        found = abs(value) if not abs(value) <= found else found
        if found != found:
            break
    return found


def flat(tensors: Tensors) -> list[float]:
    """Return all entries in one list."""
    return [value for tensor in tensors for value in tensor]


def shaped(values: list[float], tensors: Tensors) -> Tensors:
    """Return the entries in the shapes of the tensors; the inverse of `flat`."""
    rest = iter(values)
    return [[next(rest) for _ in tensor] for tensor in tensors]


def remember(state: dict[str, Any], grad: list[float], history_size: float) -> None:
    """Keep the last change of coefficients and gradient where it shows enough curvature."""
    y = along(grad, -1.0, state["prev_flat_grad"])
    s = [x * state["t"] for x in state["d"]]
    ys = dot(y, s)
    if ys > 1e-10:
        pairs = {"old_dirs": y, "old_stps": s, "ro": 1.0 / ys}
        for name, new in pairs.items():
            full = int(len(state[name]) == history_size)
            state[name] = [*state[name][full:], new]
        state["H_diag"] = divide(ys, dot(y, y))


def direction(state: Mapping[str, Any], grad: list[float]) -> list[float]:
    """Return −H g by the two loops over the kept pairs."""
    pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    q = [-x for x in grad]
    al = []
    for y, s, ro in reversed(pairs):
        al.append(dot(s, q) * ro)
        q = along(q, -al[-1], y)
    r = [x * state["H_diag"] for x in q]
    for (y, s, ro), alpha in zip(pairs, reversed(al), strict=True):
        r = along(r, alpha - dot(y, r) * ro, s)
    return r


def lbfgs(*, with_line_search_fn: bool) -> Vector:
    """Return the functions of L-BFGS."""

    def begin(_tensors: Tensors, _hyper: Floats) -> Any:
        return dict(STATE)

    def step(
        _number: float, tensors: Tensors, state: Any, hyper: Floats, evaluate: Evaluate
    ) -> tuple[float, Tensors, Any]:
        lr, max_iter, max_eval, tolerance_grad, tolerance_change, history_size = hyper
        state = dict(state)
        coef = flat(tensors)

        def at(values: list[float]) -> tuple[float, list[float]]:
            """Return loss and gradient, and count."""
            state["func_evals"] += 1
            loss, grads = evaluate(shaped(values, tensors))
            return loss, flat(grads)

        def probe(t: float) -> Point:
            loss, grad = at(along(coef, t, d))
            return Point(t, loss, grad, dot(grad, d))

        before = state["func_evals"]
        loss, grad = at(coef)
        first_loss = loss
        if largest(grad) <= tolerance_grad:
            return first_loss, tensors, state

        n_iter = 0
        while n_iter < max_iter:
            n_iter += 1
            state["n_iter"] += 1
            if state["n_iter"] > 1:
                remember(state, grad, history_size)
            state["d"] = d = direction(state, grad)
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            t = lr
            if state["n_iter"] == 1:
                t = min(1.0, divide(1.0, sum(abs(g) for g in grad))) * lr
            state["t"] = t
            slope = dot(grad, d)
            if slope > -tolerance_change:
                break

            if with_line_search_fn:
                left = int(max_eval) - (state["func_evals"] - before)
                start = Point(0.0, loss, grad, slope)
                t, loss, grad, _ = strong_wolfe(probe, start, t, largest(d), tolerance_change, left)
                state["t"] = t
                coef = along(coef, t, d)
            else:
                coef = along(coef, t, d)
                if n_iter != max_iter:  # in the last iteration nobody would look at it
                    loss, grad = at(coef)

            if n_iter == max_iter or state["func_evals"] - before >= max_eval:
                break
            if largest(grad) <= tolerance_grad or largest([x * t for x in d]) <= tolerance_change:
                break
            if abs(loss - state["prev_loss"]) < tolerance_change:
                break
        return first_loss, shaped(coef, tensors), state

    return begin, step


def refuse(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that torch refuses, or stumbles over in a step."""
    yield from below_zero(options, "lr")
    if not (isinstance(options["history_size"], int) and options["history_size"] >= 1):
        yield f"history_size must be an integer >= 1, got {options['history_size']!r}."
    # From here on torch takes the values, and stumbles in the line search.
    searches = options["line_search_fn"] is not None and options["max_iter"] >= 1
    if searches and options["lr"] == 0.0:
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
    reevaluates=True,
)
