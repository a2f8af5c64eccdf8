"""A text of arithmetic as a list of operations."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from polyoptim import primitives
from polyoptim.engines.kernels import HEADERS, lines_of
from polyoptim.losses import LOSSES
from polyoptim.optim.rules import RULES
from polyoptim.tracing import BASIC, RECORDING, NotTraceableError, Tape, Traced, name_of, rebound, traceable

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-310, 1e300, math.inf, -math.inf, math.nan)


def run(tape: Tape, names: dict[str, Any]) -> dict[str, Any]:
    """Return all values, as the plain text of the operations gives them."""
    space: dict[str, Any] = {**names}
    exec(HEADERS[False] + "\n".join(lines_of(tape.operations, compiled=False)), space)  # noqa: S102
    return space


def same(a: Any, b: Any) -> bool:
    return bool(a == b) and math.copysign(1, a) == math.copysign(1, b) if a == a else bool(b != b)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "2 + b": lambda _, b: 2 + b,
    "a - b": lambda a, b: a - b,
    "2 - b": lambda _, b: 2 - b,
    "a * b": lambda a, b: a * b,
    "-0.5 * b": lambda _, b: -0.5 * b,
    "a / 3": lambda a, _: a / 3,
    "a < b": lambda a, b: a < b,
    "a <= b": lambda a, b: a <= b,
    "a > b": lambda a, b: a > b,
    "a >= b": lambda a, b: a >= b,
    "a == b": lambda a, b: a == b,
    "a != b": lambda a, b: a != b,
    "-a": lambda a, _: -a,
    "abs(a)": lambda a, _: abs(a),
    "a - -1": lambda a, _: a - -1,
    "inf * a": lambda a, _: math.inf * a,
    "nan + a": lambda a, _: math.nan + a,
    "-inf + a": lambda a, _: -math.inf + a,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_is_traced_as_python_computes_it(name: str) -> None:
    tape = Tape()
    traced = OPERATORS[name](tape.variable("a"), tape.variable("b"))
    for a in SPECIAL:
        for b in SPECIAL:
            assert same(run(tape, {"a": a, "b": b})[traced.name], OPERATORS[name](a, b))


@pytest.mark.parametrize("name", ["where", "maximum", "minimum", "sign", "sqrt", "divide", "to_float32", "lerp"])
def test_primitive_is_traced_as_it_computes(name: str) -> None:
    plain = getattr(primitives, name)
    count = plain.__code__.co_argcount
    draw = random.Random(name)  # noqa: S311 - draws examples, not secrets
    tape = Tape()
    traced = RECORDING[name](*(tape.variable(f"v{k}") for k in range(count)))
    for _ in range(300):
        values = [draw.choice(SPECIAL) for _ in range(count)]
        if name == "where":
            values[0] = draw.random() < 0.5
        found = run(tape, {f"v{k}": value for k, value in enumerate(values)})
        assert same(found[traced.name], plain(*values))


def test_primitive_of_plain_numbers_is_computed_at_once() -> None:
    for name in BASIC:
        count = getattr(primitives, name).__code__.co_argcount
        assert isinstance(RECORDING[name](*[0.5] * count), float)


def test_operation_that_is_made_twice_stands_there_once() -> None:
    tape = Tape("k")
    x, y = tape.variable("x"), tape.variable("y")
    total = x * y + x * y
    assert tape.operations == [("k0", "*", ("x", "y")), ("k1", "+", ("k0", "k0"))]
    assert (x * y).name == "k0"
    assert total.name == "k1"
    assert (y * x).name == "k2"  # in Python's order: nothing is assumed of the numbers


def test_number_has_one_name_and_a_variable_its_own() -> None:
    tape = Tape()
    assert name_of(tape.variable("lr")) == "lr"
    assert name_of(2) == name_of(2.0) == "2.0"
    assert float(name_of(0.1)) == 0.1
    assert repr(tape.variable("lr")) == "<lr>"


def test_text_that_decides_by_a_value_is_refused() -> None:
    def relu(x: Any) -> Any:
        return x if x > 0 else 0.0

    with pytest.raises(NotTraceableError, match="where"):
        traceable(relu)(Tape().variable("x"))
    with pytest.raises(TypeError):
        hash(Tape().variable("x"))
    with pytest.raises(TypeError, match="no plain function"):
        rebound(math.sqrt, {})


def test_rebinding_leaves_the_module_as_it_was() -> None:
    loss = LOSSES["huber"].residual
    tape = Tape()
    value, _ = traceable(loss)(tape.variable("r"), delta=tape.variable("d"))
    assert isinstance(value, Traced)
    assert loss(3.0, delta=1.0) == (2.5, 1.0)
    assert primitives.lerp(1.0, 2.0, 0.75) == 1.75


@pytest.mark.parametrize("name", LOSSES)
def test_traced_loss_computes_what_its_text_does(name: str) -> None:
    loss, tape = LOSSES[name], Tape()
    options = {option: known.default for option, known in loss.options.items()}
    value, slope = traceable(loss.residual)(tape.variable("r"), **{o: tape.variable(o) for o in options})
    own = {"exp": primitives.exp, "log1p": primitives.log1p, "math": math}
    for r in (*SPECIAL, 0.999, 1.001, -2.5):
        found = run(tape, {"r": r, **options, **own})
        expected = loss.residual(r, **options)
        assert same(found[value.name], expected[0])
        assert same(found[slope.name], expected[1])


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].functions is not None])
def test_rule_may_be_traced_with_any_flags_on(name: str) -> None:
    rule, tape = RULES[name], Tape()
    assert rule.functions is not None
    _, flags = rule.read({})
    init, schedule, update = traceable(rule.functions)(**dict.fromkeys(flags, True))
    hyper: Any = tuple(tape.variable(f"h{k}") for k in range(len(rule.hyper)))
    scalars = schedule(tape.variable("n"), hyper, tuple(tape.variable(f"s{k}") for k in range(len(rule.scalars))))
    coef: Any = tape.variable("c")
    state: Any = tuple(tape.variable(f"e{k}") for k in range(len(init(coef, hyper))))
    moved, after = update(coef, tape.variable("g"), state, hyper, scalars)
    assert isinstance(moved, Traced)
    assert len(after) == len(rule.state)
    known = {"n", "c", "g", *(part.name for part in (*hyper, *state)), *(f"s{k}" for k in range(len(rule.scalars)))}
    for own, operation, operands in tape.operations:  # each uses only what stands before it
        assert operation
        for operand in operands:
            assert operand in known or float(operand) == float(operand)
        known.add(own)
