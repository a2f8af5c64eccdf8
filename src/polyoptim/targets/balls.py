"""Expressions in ball arithmetic: rigorous enclosures of values and of Taylor coefficients (python-flint).

A ball is an interval: a midpoint, and a radius that is rounded up. One table of functions serves balls and power series
of balls, so that a value and its derivatives cannot disagree; what flint has for balls only is composed for series.
Where a series cannot tell on which side of a corner it is, `UndecidedError` asks for a smaller ball.

F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comput. 66, 1281-1292,
2017, arXiv:1611.02831.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

from flint import arb, arb_series, ctx, fmpq

from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, fold

CONSTANTS: dict[str, Callable[[], arb]] = {"pi": arb.pi, "e": arb.const_e, "tau": lambda: 2 * arb.pi()}
LARGEST_POWER = 1 << 16  # whole powers up to here are products


class UndecidedError(ArithmeticError):
    """A ball lies on both sides of a corner or a jump."""


def rational(value: Fraction) -> arb:
    """Return the ball of a rational number."""
    return arb(fmpq(value.numerator, value.denominator))


def evaluate(tree: Node, x: arb) -> arb:
    """Return a ball that holds the values of an expression everywhere in the ball x; not finite where it has none.

    In the precision of flint's context.

    >>> from polyoptim.targets.expression import parse
    >>> evaluate(parse("exp(x) - 1").root, arb(0)).contains(0)
    True
    """
    return arb(_computed(tree, x))


def expand(tree: Node, x: arb, order: int) -> list[arb]:
    """Return balls of the Taylor coefficients 0 to order - 1 of an expression at every point of the ball x.

    Raises
    ------
    UndecidedError
        Where x lies on both sides of a corner.
    """
    before = ctx.cap
    ctx.cap = order
    try:
        found = arb_series(_computed(tree, arb_series([x, 1], order)), order)
        return [found[place] for place in range(order)]
    finally:
        ctx.cap = before


def _computed(tree: Node, x: Any) -> Any:
    def visit(node: Node, values: list[Any]) -> Any:
        match node:
            case Number(text):
                return rational(Fraction(text))
            case Constant(name):
                return CONSTANTS[name]()
            case Comparison(operators, _):
                pairs = zip(operators, values[:-1], values[1:], strict=True)
                return reduce(_and, (_compared(name, a, b) for name, a, b in pairs))
            case Operation(name):
                return FUNCTIONS[name](*values)
        return x

    return fold(tree, visit)


def _first(value: Any) -> arb:
    """Return a ball, or the constant of a series."""
    return value[0] if isinstance(value, arb_series) else value


def _is_series(value: Any) -> bool:
    return isinstance(value, arb_series)


def _side(value: Any) -> int | None:
    """Return the sign of a ball, None where it holds numbers of both signs."""
    ball = _first(value)
    return 1 if ball > 0 else -1 if ball < 0 else 0 if ball.is_zero() and not _is_series(value) else None


def _compared(name: str, a: Any, b: Any) -> bool | None:
    """Return whether a comparison holds everywhere (True), nowhere (False) or in a part."""
    a, b = _first(a), _first(b)
    call = getattr(operator, {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}[name])
    against = getattr(operator, {"<": "ge", "<=": "gt", ">": "le", ">=": "lt", "==": "ne", "!=": "eq"}[name])
    return True if call(a, b) else False if against(a, b) else None


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else None if a is None or b is None else True


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


def _where(condition: bool | None, a: Any, b: Any) -> Any:
    if condition is not None:
        return a if condition else b
    return _either(a, b)


def _either(a: Any, b: Any) -> Any:
    """Return what holds both."""
    if _is_series(a) or _is_series(b):
        raise UndecidedError("a ball lies on both sides of a corner.")
    return a.union(b)


def _power(a: Any, b: Any) -> Any:
    exponent = _first(b)
    if (whole := _whole(b, 1)) is not None:
        return _whole_power(a, whole)
    if (whole := _whole(b, 2)) is not None:
        return _whole_power(a.sqrt(), whole)
    base = _first(a)
    if not _is_series(a) and not _is_series(b) and base.contains(0) and base >= 0 and exponent > 0:
        top = base.upper()
        return arb(0).union((exponent * top.log()).exp()) if top > 0 else arb(0)
    return (b * _log(a)).exp()


def _whole(b: Any, times: int) -> int | None:
    """Return a multiple of an exponent where that is a whole number, and not too large for products."""
    if _is_series(b) or not (times * b).is_integer():
        return None
    whole = int((times * b).unique_fmpz())
    return whole if abs(whole) <= LARGEST_POWER else None


def _whole_power(a: Any, whole: int) -> Any:
    """Return a power by products: flint's own has no value for a ball that holds 0."""
    if whole < 0:
        return 1 / _whole_power(a, -whole)
    even = whole > 0 and whole % 2 == 0
    found: Any = arb(1)
    square = a
    while whole:
        if whole & 1:
            found = found * square
        whole >>= 1
        if whole:
            square = square * square
    return found.nonnegative_part() if even and not _is_series(found) else found


def _log(a: Any) -> Any:
    return a.log()


def _cbrt(a: Any) -> Any:
    side = _side(a)
    if side == 1:
        return (_log(a) / 3).exp()
    if side == -1:
        return -((_log(-a) / 3).exp())
    if _is_series(a):
        raise UndecidedError("the cube root has no derivative at 0.")
    low, high = _first(a).lower(), _first(a).upper()
    return _edge(low).union(_edge(high))


def _edge(value: arb) -> arb:
    return arb(0) if value.is_zero() else value.root(3) if value > 0 else -((-value).root(3))


def _abs(a: Any) -> Any:
    if not _is_series(a):
        return abs(a)
    side = _side(a)
    if side is None:
        raise UndecidedError("abs has a corner at 0.")
    return a if side > 0 else -a


def _step(name: str) -> Callable[[Any], Any]:
    """Return a function that is constant between its jumps."""

    def stepped(a: Any) -> Any:
        first = _first(a)
        found = getattr(first, name)() if first.is_finite() else arb.nan()  # flint: the sign of nan is [-1, 1]
        if _is_series(a) and not found.is_exact():
            raise UndecidedError(f"{name} has a jump.")
        return found

    return stepped


def _least(a: Any, b: Any) -> Any:
    found = _compared("<=", a, b)
    return a if found else b if found is False else _pick(a, b, "min")


def _greatest(a: Any, b: Any) -> Any:
    found = _compared(">=", a, b)
    return a if found else b if found is False else _pick(a, b, "max")


def _pick(a: Any, b: Any, name: str) -> Any:
    if _is_series(a) or _is_series(b):
        raise UndecidedError(f"{name} has a corner.")
    return getattr(a, name)(b)


def _lgamma(a: Any) -> Any:
    return a.lgamma() if _side(a) == 1 else _log(_abs(a.gamma()))


def _own(name: str, composed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return flint's function of balls, composed for series."""
    return lambda a: composed(a) if _is_series(a) else getattr(a, name)()


def _tanh_series(a: arb_series) -> arb_series:
    """Return the tanh of a series by that of its constant, so that nothing cancels near 0."""
    first = arb(a[0]).tanh()
    rest = arb_series([arb(0), *(a[place] for place in range(1, ctx.cap))], ctx.cap)
    power = (2 * rest).exp() - 1
    other = power / (power + 2)
    return (first + other) / (1 + first * other)


def _erfc_half(a: Any) -> Any:
    """Return the normal distribution function."""
    return (-a / arb(2).sqrt()).erfc() / 2


def _softplus(a: Any) -> Any:
    return FUNCTIONS["log1p"](a.exp())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "neg": operator.neg,
    "**": _power,
    "and": _and,
    "or": lambda a, b: _not(_and(_not(a), _not(b))),
    "not": _not,
    "where": _where,
    "sqrt": lambda a: a.sqrt(),
    "cbrt": _cbrt,
    "exp": lambda a: a.exp(),
    "exp2": lambda a: (a * arb.const_log2()).exp(),
    "expm1": _own("expm1", lambda a: a.exp() - 1),
    "log": _log,
    "log2": lambda a: _log(a) / arb.const_log2(),
    "log10": lambda a: _log(a) / arb.const_log10(),
    "log1p": _own("log1p", lambda a: _log(1 + a)),
    "sin": lambda a: a.sin(),
    "cos": lambda a: a.cos(),
    "tan": lambda a: a.tan(),
    "asin": lambda a: a.asin(),
    "acos": lambda a: a.acos(),
    "atan": lambda a: a.atan(),
    "sinh": _own("sinh", lambda a: (a.exp() - (-a).exp()) / 2),
    "cosh": _own("cosh", lambda a: (a.exp() + (-a).exp()) / 2),
    "tanh": _own("tanh", _tanh_series),
    "asinh": _own("asinh", lambda a: _log(a + (a * a + 1).sqrt())),
    "acosh": _own("acosh", lambda a: _log(a + (a - 1).sqrt() * (a + 1).sqrt())),
    "atanh": _own("atanh", lambda a: (_log(1 + a) - _log(1 - a)) / 2),
    "erf": lambda a: a.erf(),
    "erfc": lambda a: a.erfc(),
    "gamma": lambda a: a.gamma(),
    "lgamma": _lgamma,
    "abs": _abs,
    "sign": _step("sgn"),
    "floor": _step("floor"),
    "ceil": _step("ceil"),
    "sigmoid": lambda a: 1 / (1 + (-a).exp()),
    "softplus": _softplus,
    "relu": lambda a: _greatest(a, arb(0)),
    "gelu": lambda a: a * _erfc_half(a),
    "silu": lambda a: a / (1 + (-a).exp()),
    "min": lambda *values: reduce(_least, values),
    "max": lambda *values: reduce(_greatest, values),
}
