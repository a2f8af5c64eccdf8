"""Rules, quadratics and losses as operations, one by one: what every compiled loop is written from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from polyoptim.engines.objective import slope
from polyoptim.losses import find_loss
from polyoptim.optim.rule import Rule, Tensors, vector_step
from polyoptim.optim.rules import RULES
from polyoptim.tracing import Operation, Tape, name_of, traceable

# Beyond these many coefficients their lines become a loop: compiling them would take longer than they save.
MOST_UNROLLED = 9
# A rule that couples its coefficients has no loop over one of them.
MOST_COUPLED = 16


@dataclass(frozen=True)
class Kind:
    """What a loop is made for.

    Parameters
    ----------
    rule, flags : the update rule, and its flags as (name, value) pairs.
    columns : how many coefficients.
    bias : whether the first of them is the constant, which is torch's bias.
    momentum : the rule's number that a schedule moves beside lr, or None.
    """

    rule: str
    flags: tuple[tuple[str, bool], ...]
    columns: int
    bias: bool
    momentum: str | None = None

    @property
    def unrolled(self) -> bool:
        """Whether each coefficient has lines of its own."""
        return self.columns <= MOST_UNROLLED or RULES[self.rule].functions is None


def kind_of(rule: Rule, flags: Mapping[str, bool], columns: int, bias: bool, momentum: str | None = None) -> Kind:
    """Return the kind of a run."""
    return Kind(rule.name, tuple(sorted(flags.items())), columns, bias, momentum)


@dataclass(frozen=True)
class Step:
    """A traced step.

    Parameters
    ----------
    setup, initial : the operations that begin a run, and the names of the state with which it begins.
    once : the operations that are made once a step; all of them where the coefficients are unrolled.
    each : for a loop, the operations of one coefficient, ``c`` with gradient ``g`` and state ``e0``, ….
    coef : the names of the new coefficients c0, …, in the order of the powers; for a loop, of the one.
    state : the names of the new state s0, …, in the order of `flat`; for a loop, of the scalars and of one coefficient.
    changed : which of these a step changes at all.
    scalars : how many scalars lead the state.
    """

    setup: list[Operation]
    initial: list[str]
    once: list[Operation]
    each: list[Operation]
    coef: list[str]
    state: list[str]
    changed: list[bool]
    scalars: int


@lru_cache(maxsize=256)
def traced_step(kind: Kind) -> Step | None:
    """Return the step of a kind of run, or None where there is no such text: it evaluates again, or is too long."""
    rule = RULES[kind.rule]
    if rule.reevaluates or (rule.functions is None and kind.columns > MOST_COUPLED):
        return None
    symbolic = replace(
        rule,
        functions=rule.functions and traceable(rule.functions),
        vector=rule.vector and traceable(rule.vector),
    )
    return _unrolled(symbolic, kind) if kind.unrolled else _looped(symbolic, kind)


def _unrolled(rule: Rule, kind: Kind) -> Step:
    tape, bias = Tape(), kind.bias
    begin, step = vector_step(rule, dict(kind.flags))
    hyper: Any = tuple(tape.variable(f"h_{name}") for name in rule.hyper)
    coef: Any = [tape.variable(f"c{k}") for k in range(kind.columns)]
    gradient: Any = [tape.variable(f"g{k}") for k in range(kind.columns)]
    like = begin(shaped(coef, bias), hyper)
    initial, setup = flat(rule, like, bias), len(tape.operations)
    before = [tape.variable(f"s{k}") for k in range(len(initial))]

    def evaluate(_tensors: Tensors) -> Any:
        return 0.0, shaped(gradient, bias)

    number: Any = tape.variable("number")
    _, tensors, after = step(number, shaped(coef, bias), unflat(rule, before, like, bias), hyper, evaluate)
    names = [name_of(value) for value in flat(rule, after, bias)]
    return Step(
        setup=tape.operations[:setup],
        initial=[name_of(value) for value in initial],
        once=tape.operations[setup:],
        each=[],
        coef=[name_of(value) for value in ordered(tensors, bias)],
        state=names,
        changed=[new != old.name for new, old in zip(names, before, strict=True)],
        scalars=len(rule.scalars),
    )


def _looped(rule: Rule, kind: Kind) -> Step:
    assert rule.functions is not None  # noqa: S101
    tape = Tape()
    init, schedule, update = rule.functions(**dict(kind.flags))
    hyper: Any = tuple(tape.variable(f"h_{name}") for name in rule.hyper)
    number: Any = tape.variable("number")
    coef: Any = tape.variable("c")
    grad: Any = tape.variable("g")
    scalars: Any = tuple(tape.variable(f"s{k}") for k in range(len(rule.scalars)))
    initial = [*rule.scalars.values(), *init(coef, hyper)]
    setup = len(tape.operations)
    now = schedule(number, hyper, scalars)
    once = len(tape.operations)
    own: Any = tuple(tape.variable(f"e{k}") for k in range(len(initial) - len(scalars)))
    moved, after = update(coef, grad, own, hyper, now)
    names = [name_of(value) for value in (*now, *after)]
    return Step(
        setup=tape.operations[:setup],
        initial=[name_of(value) for value in initial],
        once=tape.operations[setup:once],
        each=tape.operations[once:],
        coef=[name_of(moved)],
        state=names,
        changed=[new != old.name for new, old in zip(names, (*scalars, *own), strict=True)],
        scalars=len(rule.scalars),
    )


@dataclass(frozen=True)
class Formula:
    """Traced operations and the names of what they give.

    Parameters
    ----------
    operations : in order.
    value : the name of the value.
    slope : the names of its slope.
    """

    operations: list[Operation]
    value: str
    slope: list[str]


@lru_cache(maxsize=64)
def traced_slope(columns: int) -> Formula:
    """Return the value and slope of a quadratic at c0, …, from R as r0_0, …, q as q0, … and 2 factor R as d0_0, …."""
    tape, span = Tape("e"), range(columns)
    rows: Any = [[tape.variable(f"r{i}_{j}") for j in range(i, columns)] for i in span]
    down: Any = [[tape.variable(f"d{i}_{j}") for i in range(j + 1)] for j in span]
    wanted: Any = [tape.variable(f"q{i}") for i in span]
    coef: Any = [tape.variable(f"c{k}") for k in span]
    value, gradient = slope(coef, rows, wanted, down)
    return Formula(tape.operations, name_of(value), [name_of(part) for part in gradient])


@lru_cache(maxsize=64)
def traced_loss(name: str) -> Formula:
    """Return the value and slope of a loss of the residual ``r``; its options are ``o0``, … in their order."""
    tape, loss = Tape("l"), find_loss(name)
    options = {option: tape.variable(f"o{place}") for place, option in enumerate(loss.options)}
    value, derivative = traceable(loss.residual)(tape.variable("r"), **options)
    return Formula(tape.operations, name_of(value), [name_of(derivative)])


# The state of a rule as one row of numbers.
def flat(rule: Rule, state: Any, bias: bool) -> list[Any]:
    """Return the state of ``vector_step`` as a list: the scalars, then one coefficient after the other."""
    if rule.functions is None:
        return _leaves(state)
    scalars, tensors = state
    return [*scalars, *_leaves(ordered(tensors, bias))]


def unflat(rule: Rule, values: Iterable[Any], like: Any, bias: bool) -> Any:
    """Return a list as a state of the shape of `like`; the inverse of `flat`."""
    rest = iter(values)
    if rule.functions is None:
        return _planted(like, rest)
    scalars = tuple(next(rest) for _ in like[0])
    return scalars, shaped(_planted(ordered(like[1], bias), rest), bias)


def shaped(coef: Sequence[Any], bias: bool) -> list[list[Any]]:
    """Return coefficients, in the order of the powers, as torch's weight and bias."""
    return [list(coef[1:]), list(coef[:1])] if bias else [list(coef)]


def ordered(tensors: Sequence[Sequence[Any]], bias: bool) -> list[Any]:
    """Return weight and bias as coefficients in the order of the powers; the inverse of `shaped`."""
    return [*tensors[1], *tensors[0]] if bias else [*tensors[0]]


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in _leaves(branch)]
    return [tree]


def _planted(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, (list, tuple)):
        return type(tree)(_planted(branch, values) for branch in tree)
    return next(values)
