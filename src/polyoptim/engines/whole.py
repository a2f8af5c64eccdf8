"""Runs of rules that decide by values: their text as it stands, compiled with the loss and the loop around it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from polyoptim import primitives
from polyoptim.compiler import compiled
from polyoptim.engines.kernels import (
    COMPILED,
    FLOAT,
    FLOATS,
    HEADERS,
    QUADRATIC,
    UPDATES,
    WHOLE,
    function_text,
    looped_slope,
)
from polyoptim.engines.lanes import Outcome, shared
from polyoptim.engines.method import Method
from polyoptim.engines.objective import QuadraticObjective
from polyoptim.engines.steps import NOWHERE, RuleSteps
from polyoptim.engines.traces import shaped
from polyoptim.engines.watch import CALM_UPDATES, DIVERGED_RATIO
from polyoptim.optim.rule import Floats, Rule, evaluate, vector_step
from polyoptim.optim.rules import RULES

Array = npt.NDArray[np.float64]

# Nobody but compiled code calls the parts.
PART = '@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)'
# What `evaluate` looks at. `order` says where each coefficient stands in the rule's row; `counts` are the evaluations
# made, the one that diverged or -1, and for each mark the one that first reached it or -1; `most` is the loss above
# which a run diverges; `work` has room for coefficients, residuals and the gradient.
LOOK = {
    **QUADRATIC,
    "order": "int64[::1]", "marks": FLOATS, "budget": WHOLE, "counts": "int64[::1]", "most": FLOATS, "work": FLOATS,
}  # fmt: skip
# Loss and gradient at a place in the row, judged and counted.
LOOKING = [
    f"{', '.join(LOOK)} = look",
    "columns, spent = order.size, counts[0]",
    "if spent >= budget:",
    "    return False",
    "coef, residual, gradient = work[:columns], work[columns : 2 * columns], work[2 * columns :]",
    "for k in range(columns):",
    "    coef[k] = row[place + order[k]]",
    *looped_slope("columns"),
    "excess = factor * value",
    "loss = optimum + excess",
    "if spent == 0 and loss > 0.0:",
    f"    most[0] = min({DIVERGED_RATIO!r} * loss, most[0])",
    "if not loss <= most[0] and counts[1] < 0:",
    "    counts[1] = spent",
    "for k in range(marks.size):",
    "    if counts[2 + k] < 0 and excess <= marks[k]:",
    "        counts[2 + k] = spent",
    "counts[0] = spent + 1",
    "row[into] = loss",
    "for k in range(columns):",
    "    row[into + 1 + order[k]] = gradient[k]",
    "return True",
]
# What else stands in such a module.
OURS = ("evaluate", "run", "advance")
# Evaluations that no run makes.
NO_END = (1 << 63) - 1
# Runs that a thread makes at a time, of 0.05 to 5 ms each.
AT_ONCE = 8


class Run(NamedTuple):
    """How one run ended, in the words of `lanes.Outcome`."""

    coef: list[float]
    excess: float
    diverged: int
    reached: list[int]
    spent: int


# The text, which does not depend on how many coefficients there are.
@cache
def whole_text(name: str) -> str | None:
    """Return a module with ``run(…)``, all steps of a run on a quadratic; None where the rule has no such text."""
    rule = RULES[name]
    parameters = {**LOOK, "flags": _tuple("boolean", rule.flags), "hyper": _tuple(FLOAT, rule.hyper)}
    body = [
        "before = np.empty(order.size)",
        "for made in range(steps):",
        "    for k in range(order.size):",
        "        before[k] = row[k]",
        "    done = @STEP(float(made + 1), order.size, flags, hyper, row, look)",
        "    still = True",
        "    for k in range(order.size):",
        "        still = still and row[k] == before[k]",
        "    if not done or counts[1] >= 0:",  # such a step does not count
        "        for k in range(order.size):",
        "            row[k] = before[k]",
        "        break",
        *(["    if still:", "        break"] if rule.reevaluates else []),  # such a rule ends by itself
    ]
    return _module(rule, "run", "void", {**parameters, "steps": WHOLE, "row": FLOATS}, body)


@cache
def updates_text(name: str, momentum: str | None) -> str | None:
    """Return a module with ``advance(…)``, as ``kernels.run_text`` does, for a rule that decides by values.

    The loss that an update sees is evaluated once more, to be judged. `momentum` is the number that a schedule moves
    beside lr, or None.
    """
    rule = RULES[name]
    moved = {"lr": "lrs[made * lr_stride]", momentum: "momenta[made * momentum_stride]"}
    hyper = "".join(f"{moved.get(name, f'hyper[{place}]')}, " for place, name in enumerate(rule.hyper))
    updates = {name: kind for name, kind in UPDATES.items() if name not in ("coef", "state", "work")}
    body = [
        "columns = order.size",
        "seen = np.empty(2 * columns + 1)",
        "quiet, last = calm[0], calm[1]",
        "made, mark, place = 0, ahead, 0",
        "while made < count:",
        "    if made == mark:",
        "        for k in range(columns):",
        "            noted[place + k] = row[order[k]]",
        "        mark, place = mark + every, place + columns",
        "    for k in range(columns):",
        "        seen[k] = row[k]",
        "    evaluate(look, seen, 0, columns)",
        "    loss, squares = seen[columns], 0.0",
        "    for k in range(columns + 1, seen.size):",
        "        squares += seen[k] * seen[k]",
        "    if not loss <= limit:",
        "        break",
        "    if squares <= tol_gradient:",
        "        break",
        "    if tol_loss >= 0.0:",
        "        still = abs(loss - last) <= tol_loss * abs(loss)",
        f"        if still and quiet >= {CALM_UPDATES - 1}.0:",
        "            break",
        "        quiet = quiet + 1.0 if still else 0.0",
        "    last = loss",
        f"    @STEP(float(first + made + 1), columns, flags, ({hyper}), row, look)",
        "    made += 1",
        "calm[0], calm[1] = quiet, last",
        "return made",
    ]
    parameters = {**LOOK, **updates, "flags": _tuple("boolean", rule.flags), "row": FLOATS}
    return _module(rule, "advance", WHOLE, parameters, body)


def _tuple(entry: str, names: Sequence[str]) -> str:
    return f"UniTuple({entry}, {len(names)})"


def _module(rule: Rule, name: str, returned: str, parameters: Mapping[str, str], body: Sequence[str]) -> str | None:
    """Return the text of the rule and of the loss, and around them a function; None where there is none."""
    if rule.whole is None:
        return None
    try:
        parts = parts_text(rule.whole.step)
    except OSError:  # installed without its source
        return None
    found = f"{PART}\ndef {evaluate.__name__}(look, row, place, into):\n" + "".join(f"    {line}\n" for line in LOOKING)
    lines = [f"look = ({', '.join(LOOK)})", *(line.replace("@STEP", rule.whole.step.__name__) for line in body)]
    loop = function_text(name, returned, parameters, lines)
    return f"from __future__ import annotations\n\n{HEADERS[True]}{parts}\n\n{found}\n\n{loop}"


def parts_text(function: Callable[..., Any]) -> str:
    """Return the text of a function, and of all functions and numbers that it names, as parts of a compiled module.

    Primitives are spelled as compiled code spells them, `rule.evaluate` is left out, and everything else is taken as it
    stands in its file.

    Raises
    ------
    OSError
        Where that file is not there to be read.

    Examples
    --------
    >>> print(parts_text(primitives.divide))
    @numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    def divide(a, b):
        return a / b
    <BLANKLINE>
    """
    found: dict[str, Any] = {}
    _collect(function, found)
    numbers = "".join(f"{name} = {value!r}\n" for name, value in found.items() if not isinstance(value, FunctionType))
    functions = [f"{PART}\n{_source(value)}" for value in found.values() if isinstance(value, FunctionType)]
    return "\n\n".join([numbers, *functions] if numbers else functions)


def _collect(function: Callable[..., Any], found: dict[str, Any]) -> None:
    """Add a function, what its text names of its module, and so on."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function!r} is no plain function.")
    _add(function.__name__, function, found)
    if function.__module__ == primitives.__name__:
        return
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if value is evaluate or not isinstance(value, (FunctionType, int, float)):
            continue
        if isinstance(value, FunctionType) and name not in found:
            _collect(value, found)
        _add(name, value, found)


def _add(name: str, value: Any, found: dict[str, Any]) -> None:
    """Add what a text names; a name means one thing, and a function has its own."""
    own = value.__name__ if isinstance(value, FunctionType) else name
    if found.setdefault(name, value) is not value or own != name or name in OURS:
        raise TypeError(f"{name} means two things in one text.")


def _source(function: FunctionType) -> str:
    if function.__module__ != primitives.__name__:
        return inspect.getsource(function)
    names = list(inspect.signature(function).parameters)
    return f"def {function.__name__}({', '.join(names)}):\n    return {COMPILED[function.__name__].format(*names)}\n"


# The runs.
def _powers(columns: int, bias: bool) -> list[int]:
    """Return which coefficient stands where in a row."""
    return [power for tensor in shaped(range(columns), bias) for power in tensor]


def _look(
    bias: bool, objective: QuadraticObjective, marks: Array, counts: npt.NDArray[np.int64], budget: int | None
) -> tuple[Any, ...]:
    """Return the values of `LOOK`."""
    rows, down = (np.ascontiguousarray(part).ravel() for part in (objective.rows.T, objective.down))
    columns = len(objective.wanted)
    return (
        rows, objective.wanted, down, objective.factor, objective.optimum,
        np.argsort(_powers(columns, bias)), marks, NO_END if budget is None else budget, counts,
        np.array([sys.float_info.max]), np.empty(3 * columns),
    )  # fmt: skip


def alone(
    rule: Rule,
    flags: Mapping[str, bool],
    bias: bool,
    objective: QuadraticObjective,
    coef: Sequence[float],
    hyper: Floats,
    steps: int,
    budget: int | None,
    marks: Array,
) -> Run:
    """Make a run, compiled; it ends early where its rule stands still or has spent its budget, or where it diverged.

    Parameters
    ----------
    rule, flags, hyper : the rule, for which ``whole_text(rule.name)`` must be there, its flags and its numbers.
    bias : whether there is a constant.
    objective : the loss.
    coef : the start, in the order of the powers.
    steps : how many steps at most.
    budget : evaluations of the gradient at most; a step in the middle of which they are spent does not count.
    marks : sizes of the excess; when each is reached is noted.
    """
    text = whole_text(rule.name)
    assert text is not None  # noqa: S101
    assert rule.whole is not None  # noqa: S101
    begin, _ = vector_step(rule, flags)
    powers, state = _powers(len(coef), bias), begin(shaped(coef, bias), hyper)
    most = np.inf if budget is None else budget
    row = np.array(rule.whole.pack([coef[power] for power in powers], state, hyper, steps, most))
    counts = np.full(2 + len(marks), -1)
    counts[0] = 0
    chosen = tuple(flags[name] for name in rule.flags)
    compiled(text).module.run(*_look(bias, objective, marks, counts, budget), chosen, hyper, steps, row)
    found: list[float] = row[np.argsort(powers)].tolist()
    spent, diverged, *reached = counts.tolist()
    excess = objective.measure(found)[2] if diverged < 0 else None
    return Run(found, np.nan if excess is None else excess, diverged, reached, spent)


def each_alone(
    rule: Rule,
    flags: Mapping[str, bool],
    bias: bool,
    objective: QuadraticObjective,
    starts: Array,
    hyper: Array,
    steps: int,
    budget: int | None,
    marks: Array,
    tell: Callable[[int], object],
) -> Outcome:
    """Make runs as `alone` does, on all cores.

    Parameters
    ----------
    starts, hyper : coefficients in the order of the powers, shape (runs, columns), and the rule's numbers.
    tell : called with the number of runs that have just been done.
    """
    runs, text = len(starts), whole_text(rule.name)
    assert text is not None  # noqa: S101
    compiled(text)  # here, where somebody may be told
    coef, excess = np.empty_like(starts), np.empty(runs)
    diverged, spent = np.empty(runs, dtype=np.int64), np.empty(runs, dtype=np.int64)
    reached = np.empty((len(marks), runs), dtype=np.int64)

    def work(first: int) -> int:
        last = min(first + AT_ONCE, runs)
        for place in range(first, last):
            start, numbers = starts[place].tolist(), tuple(hyper[place].tolist())
            found = alone(rule, flags, bias, objective, start, numbers, steps, budget, marks)
            coef[place], excess[place], diverged[place], reached[:, place], spent[place] = found
        return last - first

    for count in shared(work, range(0, runs, AT_ONCE)):
        tell(count)
    return Outcome(coef, objective.optimum + excess, excess, diverged, reached, spent)


def whole_loop(rule: Rule, momentum: str | None) -> Callable[..., int] | None:
    """Return the compiled loop of `updates_text`, or None where there is none."""
    text = updates_text(rule.name, momentum)
    return None if text is None else compiled(text).module.advance


class WholeSteps:
    """Updates of one run by a rule that decides by values: one by the rule as it stands, or many compiled.

    Parameters
    ----------
    method : rule and schedule.
    coef : the start, in the order of the powers.
    bias : whether there is a constant.
    objective : the loss.
    advance : the loop; it takes the parameters of ``updates_text``.

    Attributes
    ----------
    noted : as in `LoopSteps`.
    """

    def __init__(
        self,
        method: Method,
        coef: Sequence[float],
        bias: bool,
        objective: QuadraticObjective,
        advance: Callable[..., int],
    ) -> None:
        self._method, self._bias, self._advance = method, bias, advance
        self.noted: list[list[float]] = []
        self._plain = RuleSteps(method, coef, bias, objective.evaluate)
        self._look = _look(bias, objective, np.empty(0), np.zeros(2, dtype=np.int64), None)

    @property
    def coef(self) -> list[float]:
        """The coefficients in the order of the powers."""
        return self._plain.coef

    def one(self, first: int, numbers: Floats) -> float:
        """Make an update and return the loss that it saw."""
        return self._plain.one(first, numbers)

    def many(
        self,
        first: int,
        count: int,
        limit: float,
        tolerances: tuple[float, float],
        calm: tuple[float, float],
        marks: range = NOWHERE,
    ) -> tuple[int, list[float]]:
        """Make updates as `LoopSteps.many` does."""
        rule, hyper, coef, state = self._method.rule, self._method.hyper, self.coef, self.snapshot()
        assert rule.whole is not None  # noqa: S101
        powers = _powers(len(coef), self._bias)
        row = np.array(rule.whole.pack([coef[power] for power in powers], state, hyper, count, np.inf))
        lrs, momenta = (np.array(moved, dtype=np.float64) for moved in self._method.coming(count))
        quiet, noted = np.array(calm), np.empty(len(marks) * len(coef))
        made = self._advance(
            *self._look, np.array(hyper), lrs, int(len(lrs) > 1), momenta, int(len(momenta) > 1),
            first, count, limit, *tolerances, quiet, marks.start, marks.step, noted,
            tuple(self._method.flags[name] for name in rule.flags), row,
        )  # fmt: skip
        self.noted = noted.reshape(len(marks), len(coef)).tolist()
        self.restore(row[np.argsort(powers)].tolist(), rule.whole.unpack(len(powers), row.tolist()))
        return int(made), quiet.tolist()

    def snapshot(self) -> Any:
        """Return the state of the rule."""
        return self._plain.snapshot()

    def restore(self, coef: Sequence[float], state: Any) -> None:
        """Take coefficients and a state."""
        self._plain.restore(coef, state)
