"""Expressions as models on a panel: which function does what where its argument is at a corner, a root or a jump.

What has no singularity is a function of `polyoptim.targets.balls`, of both series of a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

from flint import arb, fmpq, fmpq_poly

from polyoptim.solvers.models import (
    LARGEST_DEGREE,
    Model,
    Panel,
    UnexpandableError,
    Value,
    constant,
    holds_zero,
    lift,
    minus,
    negative,
    over,
    plus,
    reduced,
    settle,
    sharpened,
    side,
    times,
)
from polyoptim.targets.balls import CONSTANTS, FUNCTIONS
from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, fold


def expand_on(panel: Panel, tree: Node) -> Value:
    """Return an expression as an exact polynomial in s, or as a `Model`.

    Raises
    ------
    UnexpandableError
        Where it has none: the panel holds a singularity, a corner or a jump, or is too wide for the balls.
    """
    found = fold(tree, lambda node, values: _visit(panel, node, values))
    if isinstance(found, UnexpandableError):
        raise found
    return found


def _visit(panel: Panel, node: Node, values: list[Value]) -> Value:
    try:
        match node:
            case Number(text):
                value = Fraction(text)
                return fmpq_poly([fmpq(value.numerator, value.denominator)])
            case Constant(name):
                return constant(panel, CONSTANTS[name]())
            case Comparison(operators, _):
                pairs = zip(operators, values[:-1], values[1:], strict=True)
                return _all(_compared(panel, *pair) for pair in pairs)
            case Operation("and"):
                return _all(values)
            case Operation("or"):
                return _not(_all(map(_not, values)))
            case Operation("where"):
                return values[0] if isinstance(values[0], UnexpandableError) else values[1 if values[0] else 2]
            case Operation(name):
                return _applied(panel, name, values)
    except UnexpandableError as error:
        # A branch that `where` does not take may have no value; and a part's pole need not be one of the whole.
        return UnexpandableError(str(error), error.root, hole=error.hole)
    except (ArithmeticError, ValueError) as error:  # ValueError: flint's word for a quotient that is no series
        return UnexpandableError(str(error))
    return panel.x


def _applied(panel: Panel, name: str, values: list[Value]) -> Value:
    for value in values:
        if isinstance(value, UnexpandableError):
            return value
    if name in RULES:
        return RULES[name](panel, *values)
    models = [settle(panel, value) for value in values]
    call = FUNCTIONS[name]
    return Model(0, call(*(model.point for model in models)), call(*(model.ball for model in models)))


def _all(values: Any) -> Value:
    found = list(values)
    if any(value is False for value in found):
        return False
    return next((value for value in found if isinstance(value, UnexpandableError)), True)


def _not(value: Value) -> Value:
    return value if isinstance(value, UnexpandableError) else not value


COMPARED: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
    "==": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
}


def _compared(panel: Panel, name: str, a: Value, b: Value) -> Value:
    for value in (a, b):
        if isinstance(value, UnexpandableError):
            return value
    try:
        return COMPARED[name](side(panel, minus(panel, a, b)))
    except UnexpandableError as error:
        return error


def _power(panel: Panel, a: Value, b: Value) -> Value:
    if isinstance(b, fmpq_poly) and b.degree() < 1:
        return _rational_power(panel, a, Fraction(int(b[0].p), int(b[0].q)))
    logarithm = _applied(panel, "log", [a])
    return _applied(panel, "exp", [times(panel, b, logarithm)])


def _rational_power(panel: Panel, a: Value, power: Fraction) -> Value:
    if power == 0:
        return fmpq_poly([1])
    if power < 0:
        return over(panel, fmpq_poly([1]), _rational_power(panel, a, -power))
    whole = power.numerator
    if power.denominator == 1 and isinstance(a, fmpq_poly) and max(a.degree(), 1) * whole <= LARGEST_DEGREE:
        return a**whole
    if (isinstance(a, fmpq_poly) and not a) or (panel.is_point and lift(panel, a).point[0].is_zero()):
        return fmpq_poly([0])
    model = lift(panel, a)
    if power.denominator == 1:
        return Model(model.low * whole, *(FUNCTIONS["**"](one, arb(whole)) for one in (model.point, model.ball)))
    if holds_zero(model):
        model = sharpened(panel, reduced(panel, a))
    if not model.ball[0] > 0:
        raise UnexpandableError("a root of what may be negative is here")
    low = model.low * power
    if low.denominator != 1:
        raise UnexpandableError("a root has no derivative here", low.denominator)
    if model.low and not panel.one_sided:
        raise UnexpandableError("a root has a corner here")
    exponent = arb(fmpq(power.numerator, power.denominator))
    return Model(int(low), *(FUNCTIONS["**"](one, exponent) for one in (model.point, model.ball)))


def _cube_root(panel: Panel, a: Value) -> Value:
    sign = side(panel, a)
    root = _rational_power(panel, a if sign >= 0 else negative(panel, a), Fraction(1, 3))
    return root if sign >= 0 else negative(panel, root)


def _absolute(panel: Panel, a: Value) -> Value:
    return a if side(panel, a) >= 0 else negative(panel, a)


def _greatest(panel: Panel, *values: Value) -> Value:
    return reduce(lambda a, b: a if side(panel, minus(panel, a, b)) >= 0 else b, values)


def _least(panel: Panel, *values: Value) -> Value:
    return reduce(lambda a, b: a if side(panel, minus(panel, a, b)) <= 0 else b, values)


def _floor(panel: Panel, a: Value) -> Value:
    """Return the whole number below, at s > 0 where it jumps at 0."""
    first = float(lift(panel, a).point[0])
    near = fmpq_poly([round(first) if math.isfinite(first) else 0])
    start = near - 1 if side(panel, minus(panel, a, near)) < 0 else near
    if side(panel, minus(panel, a, start)) < 0 or side(panel, minus(panel, start + 1, a)) <= 0:
        raise UnexpandableError("it is too wide here for floor")
    return start


def _arc(panel: Panel, name: str, a: Value) -> Value:
    """Return asin or acos, near ±1 by a root whose argument vanishes there."""
    model = settle(panel, a)
    if abs(model.ball[0]) < 1:
        return Model(0, *(FUNCTIONS[name](one) for one in (model.point, model.ball)))
    sign = 1 if model.ball[0] > 0 else -1
    half = times(panel, minus(panel, fmpq_poly([1]), times(panel, a, fmpq_poly([sign]))), fmpq_poly([fmpq(1, 2)]))
    arc = times(panel, fmpq_poly([2]), _applied(panel, "asin", [_rational_power(panel, half, Fraction(1, 2))]))
    near = arc if sign > 0 else minus(panel, constant(panel, arb.pi()), arc)  # acos(a)
    return near if name == "acos" else minus(panel, constant(panel, arb.pi() / 2), near)


def _arcosh(panel: Panel, a: Value) -> Value:
    if settle(panel, a).ball[0] > 1:
        model = settle(panel, a)
        return Model(0, *(FUNCTIONS["acosh"](one) for one in (model.point, model.ball)))
    half = times(panel, minus(panel, a, fmpq_poly([1])), fmpq_poly([fmpq(1, 2)]))
    root = _rational_power(panel, half, Fraction(1, 2))
    return times(panel, fmpq_poly([2]), _applied(panel, "asinh", [root]))


def _arsinh(panel: Panel, a: Value) -> Value:
    """Return asinh, an odd function whose formula cancels where a is negative."""
    model = settle(panel, a)
    if model.ball[0] < 0:
        return negative(panel, _arsinh(panel, negative(panel, model)))
    return Model(0, *(FUNCTIONS["asinh"](one) for one in (model.point, model.ball)))


RULES: dict[str, Callable[..., Value]] = {
    "+": plus,
    "-": minus,
    "*": times,
    "/": over,
    "neg": negative,
    "**": _power,
    "not": lambda _, a: _not(a),
    "sqrt": lambda panel, a: _rational_power(panel, a, Fraction(1, 2)),
    "cbrt": _cube_root,
    "abs": _absolute,
    "sign": lambda panel, a: fmpq_poly([side(panel, a)]),
    "floor": _floor,
    "ceil": lambda panel, a: negative(panel, _floor(panel, negative(panel, a))),
    "relu": lambda panel, a: _greatest(panel, a, fmpq_poly([0])),
    "min": _least,
    "max": _greatest,
    "asin": lambda panel, a: _arc(panel, "asin", a),
    "acos": lambda panel, a: _arc(panel, "acos", a),
    "acosh": _arcosh,
    "asinh": _arsinh,
}
