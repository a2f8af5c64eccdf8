"""What an update rule is: a few plain functions on floats, its options, and where torch refuses them.

A rule moves one coefficient at a time. Its factory takes the flags and returns three functions:

``init(coef, hyper) -> state``
    the state of one coefficient before the first step.
``schedule(step, hyper, scalars) -> scalars``
    what changes once a step; `step` counts from 1. Powers are running products.
``update(coef, grad, state, hyper, scalars) -> (coef, state)``
    the step of one coefficient.

`hyper`, `state` and `scalars` are tuples of floats of fixed length, in the order in which the `Rule` names them. The
text of the three is restricted so that it can be traced, and compiled for one run or for many side by side, or
printed: arithmetic, ``abs``, `primitives`, tuples, and ``if`` on flags, which are constants of the closure. Never
``if`` on a value: `where` chooses.

Nothing is computed in advance from what a schedule changes (the learning rate, the momentum, the first beta): an engine
may replace these entries of `hyper` between steps. A rule whose text holds the power of such an entry has the flag
``cycled``; it must be set where the entry changes, and takes the power anew each step.

A flag that starts with ``with_`` only leaves out what would do nothing: the numbers are the same with it on.

Rules that couple coefficients work on all tensors at once (`Vector`); `vector_step` lifts the others to this form.
Those that decide by values have besides a text that is compiled as it stands (`Whole`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import unknown

Floats = tuple[float, ...]
Init = Callable[[float, Floats], Floats]
Schedule = Callable[[float, Floats, Floats], Floats]
Update = Callable[[float, float, Floats, Floats, Floats], tuple[float, Floats]]
Functions = tuple[Init, Schedule, Update]

# As in torch, a linear model is two tensors: the weight, which is a (1, n) matrix, and the bias, of shape (1,).
Tensors = list[list[float]]
Evaluate = Callable[[Tensors], tuple[float, Tensors]]
Begin = Callable[[Tensors, Floats], Any]
VectorStep = Callable[[float, Tensors, Any, Floats, Evaluate], tuple[float, Tensors, Any]]
Vector = tuple[Begin, VectorStep]

# A row of numbers, which a `Whole` works on, and who finds the loss in it.
Memory = MutableSequence[float]
Look = Callable[[Memory, int, int], bool]

IMPLEMENTATION_ONLY = frozenset({"foreach", "fused", "capturable", "differentiable"})


# Parts that many rules share.
def zeros(count: int) -> Init:
    """Return an `init` that starts with zeros."""
    start = (0.0,) * count

    def init(_coef: float, _hyper: Floats) -> Floats:
        return start

    return init


def constant(_step: float, _hyper: Floats, scalars: Floats) -> Floats:
    """Leave the scalars as they are: the `schedule` of a rule without any."""
    return scalars


# What torch refuses.
def below_zero(options: Mapping[str, Any], *names: str) -> Iterator[str]:
    """Yield a sentence for each of these options that is below zero."""
    for name in names:
        if not options[name] >= 0.0:
            yield f"{name} must be >= 0, got {options[name]!r}."


def betas_outside(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence where a beta is not in [0, 1)."""
    if not all(0.0 <= beta < 1.0 for beta in options["betas"]):
        yield f"betas must be two numbers >= 0 and < 1, got {options['betas']!r}."


def evaluate(look: Look, memory: Memory, place: int, into: int) -> bool:
    """Find the loss at the coefficients at a place, its gradient behind it; False where no evaluation is left.

    The text of a `Whole` calls it; where that is compiled, the engine has its own.
    """
    return look(memory, place, into)


@dataclass(frozen=True)
class Whole:
    """The form of a rule that decides by values: functions on one row of numbers, which are compiled as they stand.

    Parameters
    ----------
    pack : ``pack(coef, state, hyper, steps, evaluations)`` returns the row: the coefficients, in the order of the
        tensors, then the state of `Rule.vector`, with room for so many steps more, and evaluations, at most.
    unpack : ``unpack(columns, row)`` returns the state.
    step : ``step(number, columns, flags, hyper, row, look)`` makes a step of `Rule.vector` on the row, the flags in the
        order of the rule; returns False where no evaluation was left for it. Its text, and that of all functions that
        it names, is plain: numbers, ``if``, ``for`` and ``while``, tuples of fixed length, `primitives`, `evaluate`.
    """

    pack: Callable[[Sequence[float], Any, Floats, float, float], list[float]]
    unpack: Callable[[int, list[float]], Any]
    step: Callable[[float, int, tuple[bool, ...], Floats, Memory, Any], bool]


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Parameters
    ----------
    name : torch's name of the class.
    options : torch's options with torch's defaults, lr first.
    refuse : yields a sentence for each value that torch refuses.
    hyper : the entries of the tuple of numbers.
    choices : for an option that is a word, what it may be.
    parts : for an option that is a pair, the names of its two numbers.
    flags : each is true where the option of that name, without ``with_``, is; false where there is no such option.
    complete : adds to the options, or fills in, what follows from the others.
    state : the state of one coefficient, in torch's names.
    scalars : what `schedule` keeps from step to step, with its start values; what torch keeps too has torch's name.
    functions : the factory of a rule that moves each coefficient by itself.
    vector : the factory of a rule that couples coefficients.
    whole : the same for a rule that decides by values, in the form that is compiled too.
    in_torch : whether torch has a class of this name.
    linear : whether a step is that of gradient descent with momentum, whose stability and pace are known exactly.
    reevaluates : whether a step evaluates the loss more than once; torch's class then wants a closure.

    Examples
    --------
    >>> from polyoptim.optim.rules import RULES
    >>> rule = RULES["SGD"]
    >>> hyper, flags = rule.read({"lr": 0.1, "momentum": 0.9})
    >>> dict(zip(rule.hyper, hyper))
    {'lr': 0.1, 'momentum': 0.9, 'dampening': 0.0, 'weight_decay': 0.0}
    >>> init, schedule, update = rule.functions(**flags)
    >>> update(1.0, 2.0, init(1.0, hyper), hyper, schedule(1.0, hyper, tuple(rule.scalars.values())))
    (0.8, (2.0,))
    """

    name: str
    options: Mapping[str, Any]
    refuse: Callable[[Mapping[str, Any]], Iterator[str]]
    hyper: tuple[str, ...]
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict
    state: tuple[str, ...] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)
    functions: Callable[..., Functions] | None = None
    vector: Callable[..., Vector] | None = None
    whole: Whole | None = None
    in_torch: bool = True
    linear: bool = False
    reevaluates: bool = False

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options with their values.

        Those that only choose one of torch's implementations are taken and left out.

        Raises
        ------
        UnknownNameError
            For an option that the rule does not have, with the nearest.
        ArgumentError
            For each value that torch refuses, and for one that is not a number.
        """
        for name in options:
            if name not in self.options and name not in IMPLEMENTATION_ONLY:
                raise unknown(f"{self.name} option", name, self.options)
        values = {name: options.get(name, default) for name, default in self.options.items()}
        wrong = [
            f"{name} must be {wanted}, got {values[name]!r}."
            for name, default in self.options.items()
            if (wanted := _mismatch(values[name], default, self.choices.get(name)))
        ]
        if not wrong:
            wrong = list(self.refuse(values))
        if wrong:
            raise ArgumentError("\n".join(wrong))
        return values

    def read(self, options: Mapping[str, Any]) -> tuple[Floats, dict[str, bool]]:
        """Return the numbers in the order of `hyper`, and the flags, after `check`."""
        return self.numbers(self.check(options))

    def numbers(self, checked: dict[str, Any]) -> tuple[Floats, dict[str, bool]]:
        """Return the same for options as `check` returns them."""
        values = self.complete({**checked})
        for name, parts in self.parts.items():
            values.update(zip(parts, values[name], strict=True))
        flags = {flag: bool(values.get(flag.removeprefix("with_"), False)) for flag in self.flags}
        return tuple(float(values[name]) for name in self.hyper), flags


def _mismatch(value: Any, default: Any, choices: tuple[Any, ...] | None = None) -> str:
    """Return what an option with this default must be where `value` is not that, else an empty text."""
    if choices:
        known = value is None or isinstance(value, str)
        return "" if known and value in choices else " or ".join(map(repr, choices))
    if isinstance(default, bool):
        return "" if isinstance(value, int) else "True or False"
    if isinstance(default, tuple):
        fits = isinstance(value, (tuple, list)) and len(value) == 2
        return "" if fits and not any(map(_mismatch, value, default)) else "a pair of numbers"
    if default is None:
        return "" if value is None or _is_number(value) else "a number or None"
    return "" if _is_number(value) else "a number"


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not math.isnan(float(value))
    except OverflowError:
        return False


def vector_step(rule: Rule, flags: Mapping[str, bool]) -> Vector:
    """Return ``(begin, step)``, the form on all tensors at once, of any rule.

    ``begin(tensors, hyper)`` returns the state; ``step(number, tensors, state, hyper, evaluate)`` returns the loss
    before the step, the tensors and the state after it, and changes none of what it was given. `tensors` is the
    weight, a (1, n) matrix, and then vectors, such as the bias. ``evaluate(tensors)`` returns the loss and its
    gradients; it is called once where coefficients move by themselves.

    >>> from polyoptim.optim.rules import RULES
    >>> rule = RULES["SGD"]
    >>> hyper, flags = rule.read({"lr": 0.5})
    >>> begin, step = vector_step(rule, flags)
    >>> step(1.0, [[2.0, 4.0], [1.0]], begin([[2.0, 4.0], [1.0]], hyper), hyper, lambda at: (0.0, at))[1]
    [[1.0, 2.0], [0.5]]
    """
    if rule.functions is None:
        assert rule.vector is not None  # noqa: S101
        return rule.vector(**flags)
    init, schedule, update = rule.functions(**flags)

    def begin(tensors: Tensors, hyper: Floats) -> Any:
        return tuple(rule.scalars.values()), [[init(coef, hyper) for coef in tensor] for tensor in tensors]

    def step(
        number: float, tensors: Tensors, state: Any, hyper: Floats, evaluate: Evaluate
    ) -> tuple[float, Tensors, Any]:
        loss, grads = evaluate(tensors)
        scalars = schedule(number, hyper, state[0])
        moved = [
            [update(coef, grad, own, hyper, scalars) for coef, grad, own in zip(*rows, strict=True)]
            for rows in zip(tensors, grads, state[1], strict=True)
        ]
        coefs = [[coef for coef, _ in tensor] for tensor in moved]
        return loss, coefs, (scalars, [[own for _, own in tensor] for tensor in moved])

    return begin, step
