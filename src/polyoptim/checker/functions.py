"""The functions of expressions, for germs: from a tree to a germ."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

from flint import arb, fmpq

from polyoptim.checker.germs import Frame, Germ, HoleError, UndefinedError
from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, fold

HALF = Fraction(1, 2)
CONSTANTS: dict[str, Callable[[], arb]] = {"pi": arb.pi, "e": arb.const_e, "tau": lambda: 2 * arb.pi()}
SIGNS = {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}, "==": {0}, "!=": {-1, 1}}  # of a - b where a < b, …


def computed(tree: Node, frame: Frame) -> Germ:
    """Return the germ of an expression.

    Raises
    ------
    UndefinedError
        Where it has none.
    """

    def visit(node: Node, values: list[Any]) -> Any:
        try:
            return _at_node(node, values, frame)
        except HoleError as error:
            return error
        except (ArithmeticError, ValueError) as error:  # matters only if the branch of `where` is taken
            return UndefinedError(str(error))

    found = fold(tree, visit)
    if isinstance(found, UndefinedError):
        raise found
    return found  # type: ignore[no-any-return]


def _at_node(node: Node, values: list[Any], frame: Frame) -> Any:
    """Return a germ, the truth of a condition (None: not known), or the error of a part that has no germ.

    A comparison of what has no value is not known: NumPy calls it false.
    """
    match node:
        case Number(text):
            value = Fraction(text)
            return frame.germ(fmpq(value.numerator, value.denominator))
        case Constant(name):
            return frame.germ(CONSTANTS[name]())
        case Operation("where"):
            return _where(*values)
        case Operation("and" | "or" as name):
            decisive = name == "or"
            return decisive if any(one is decisive for one in values) else _known(values, not decisive)
        case Operation("not"):
            return (not values[0]) if isinstance(values[0], bool) else values[0]
        case Comparison(operators, _):
            undefined = any(isinstance(value, UndefinedError) for value in values)
            return None if undefined else _compared(operators, values)
        case Operation(name):
            error = next((value for value in values if isinstance(value, UndefinedError)), None)
            return FUNCTIONS[name](*values) if error is None else error
    return frame.germ(frame.x)


def _known(values: list[Any], truth: bool) -> Any:
    return next((one for one in values if one is not truth), truth)


def _compared(operators: tuple[str, ...], values: list[Germ]) -> bool | None:
    found = []
    for name, a, b in zip(operators, values[:-1], values[1:], strict=True):
        sign = (a - b).sign()
        found.append(None if sign is None else sign in SIGNS[name])
    return False if False in found else _known(found, truth=True)


def _where(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, UndefinedError):
        return condition
    if condition is not None:
        return a if condition else b
    return next((one for one in (a, b) if isinstance(one, UndefinedError)), None) or a.either(b)


def _native(name: str) -> Callable[[Germ], Germ]:
    return lambda a: a.apply(lambda series: getattr(series, name)())


def _composed(name: str, call: Callable[[Germ], Germ]) -> Callable[[Germ], Germ]:
    """Return a function that series have not; of plain balls it is flint's, which is sharper where they are wide."""

    def found(a: Germ) -> Germ:
        if a.frame.order > 1 or a.frame.is_point:
            return call(a)
        value = getattr(a.value(), name)()
        return a.frame.germ(value) if value.is_finite() else call(a)

    return found


exp, log, arcsine = _native("exp"), _native("log"), _native("asin")


def _power(a: Germ, b: Germ) -> Germ:
    if b.exact is not None and b.exact.degree() < 1:
        return a ** Fraction(int(b.exact[0].p), int(b.exact[0].q))
    return exp(b * log(a))


def _absolute(a: Germ) -> Germ:
    sign = a.sign()
    return a.frame.germ(abs(a.plain()).nonnegative_part()) if sign is None else a * sign


def _greatest(a: Germ, b: Germ) -> Germ:
    sign = (a - b).sign()
    return a.frame.germ(a.plain().max(b.plain())) if sign is None else a if sign >= 0 else b


def _least(a: Germ, b: Germ) -> Germ:
    return -_greatest(-a, -b)


def _sign(a: Germ) -> Germ:
    sign = a.sign()
    if sign is None and not a.value().is_finite():
        raise UndefinedError("the sign of nothing")
    return a.frame.germ(a.plain().sgn() if sign is None else fmpq(sign))


def _floor(a: Germ) -> Germ:
    """Return the whole number below; for plain balls what holds all of them."""
    if a.frame.order == 1 and not a.frame.is_point:
        return a.frame.germ(a.value().floor())
    near = a.frame.germ(fmpq(round(float(a.settled().at[0]))))
    sign = (a - near).sign()
    if (a - near + 1).sign() not in (0, 1) or (near + 1 - a).sign() != 1:
        raise UndefinedError("floor of a wide ball")
    if sign is None:
        raise UndefinedError("a jump")
    return near if sign >= 0 else near - 1


def _cube_root(a: Germ) -> Germ:
    sign = a.sign()
    if sign is None:
        edges = [a.value().lower(), a.value().upper()]
        roots = [arb(0) if edge.is_zero() else edge.root(3) if edge > 0 else -((-edge).root(3)) for edge in edges]
        return a.frame.germ(roots[0]).either(a.frame.germ(roots[1]))
    return (a * sign) ** Fraction(1, 3) * sign if sign else a


def _arccos(a: Germ) -> Germ:
    if abs(a.value()) < 1:
        return _native("acos")(a)
    if a.value() > 0:
        return arcsine(((-a + 1) / 2) ** HALF) * 2
    return a.frame.germ(arb.pi()) - arcsine(((a + 1) / 2) ** HALF) * 2


def _arcsin(a: Germ) -> Germ:
    return arcsine(a) if abs(a.value()) < 1 else a.frame.germ(arb.pi() / 2) - _arccos(a)


def _arsinh(a: Germ) -> Germ:
    if a.value() < 0:
        return -_arsinh(-a)
    return log(a + (a * a + 1) ** HALF)


def _tanh(a: Germ) -> Germ:
    return (exp(a * 2) + 1) ** Fraction(-1) * -2 + 1


def _sigmoid(a: Germ) -> Germ:
    return (exp(-a) + 1) ** Fraction(-1)


def _lgamma(a: Germ) -> Germ:
    return _native("lgamma")(a) if a.value() > 0 else log(_absolute(_native("gamma")(a)))


FUNCTIONS: dict[str, Callable[..., Germ]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": _power,
    "neg": lambda a: -a,
    **{name: _native(name) for name in ("exp", "log", "sin", "cos", "tan", "atan", "erf", "erfc", "gamma")},
    "sqrt": lambda a: a**HALF,
    "cbrt": _cube_root,
    "exp2": lambda a: exp(a * arb.const_log2()),
    "expm1": _composed("expm1", lambda a: exp(a) - 1),
    "log2": lambda a: log(a) / arb.const_log2(),
    "log10": lambda a: log(a) / arb.const_log10(),
    "log1p": _composed("log1p", lambda a: log(a + 1)),
    "asin": _arcsin,
    "acos": _arccos,
    "sinh": _composed("sinh", lambda a: (exp(a) - exp(-a)) / 2),
    "cosh": _composed("cosh", lambda a: (exp(a) + exp(-a)) / 2),
    "tanh": _composed("tanh", _tanh),
    "asinh": _composed("asinh", _arsinh),
    "acosh": lambda a: _arsinh(((a - 1) / 2) ** HALF) * 2,
    "atanh": _composed("atanh", lambda a: (log(a + 1) - log(-a + 1)) / 2),
    "lgamma": _lgamma,
    "abs": _absolute,
    "sign": _sign,
    "floor": _floor,
    "ceil": lambda a: -_floor(-a),
    "sigmoid": _sigmoid,
    "softplus": lambda a: log(exp(a) + 1),
    "relu": lambda a: _greatest(a, a.frame.germ(fmpq(0))),
    "gelu": lambda a: a * _native("erfc")(-a / arb(2).sqrt()) / 2,
    "silu": lambda a: a * _sigmoid(a),
    "min": lambda *values: reduce(_least, values),
    "max": lambda *values: reduce(_greatest, values),
}
