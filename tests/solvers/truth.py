"""The truth about errors: expressions and polynomials in mpmath's precision."""

from __future__ import annotations

import operator
from fractions import Fraction

import mpmath

from polyoptim.targets.nodes import Comparison, Constant, Number, Operation, fold
from polyoptim.targets.parser import parse_tree


def gamma(x):
    """mpmath's, not above 1e6, where it wants as many digits of pi as the value has."""
    return mpmath.gamma(x) if x < 10**6 else mpmath.nan


IN_DIGITS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "**": lambda a, b: mpmath.mpf(a) ** b, "neg": lambda a: -a, "not": lambda a: not a,
    "and": lambda *values: all(values), "or": lambda *values: any(values),
    "where": lambda condition, a, b: a if condition else b, "abs": abs, "min": min, "max": max,
    "exp2": lambda x: mpmath.mpf(2) ** x, "log2": lambda x: mpmath.log(x, 2),
    "gamma": gamma, "lgamma": lambda x: mpmath.log(abs(gamma(x))),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "relu": lambda x: max(x, mpmath.mpf(0)), "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "silu": lambda x: x / (1 + mpmath.exp(-x)), "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "asinh": lambda x: mpmath.sign(x) * mpmath.asinh(abs(x)),
}  # fmt: skip
COMPARED = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def mpf(value):
    return mpmath.mpf(value.numerator) / value.denominator


def in_digits(tree, x=None):
    """The value of an expression in mpmath's precision."""

    def visit(node, values):
        match node:
            case Number(text):
                return mpf(Fraction(text))
            case Constant(name):
                return {"pi": mpmath.pi, "e": mpmath.e, "tau": 2 * mpmath.pi}[name] * 1
            case Comparison(signs, _):
                return all(COMPARED[sign](a, b) for sign, a, b in zip(signs, values[:-1], values[1:], strict=True))
            case Operation(name):
                return IN_DIGITS.get(name, getattr(mpmath, name, None))(*values)
        return x

    return fold(tree, visit)


def error_in_digits(text, coef, error):
    """abs(e) as a function, in mpmath's precision; -1 where the formula is 0 / 0."""
    tree = parse_tree(text)
    coef = coef if isinstance(coef, dict) else dict(enumerate(coef))
    plain = [mpf(Fraction(coef.get(power, 0))) for power in range(max(coef), -1, -1)]

    def size(x):
        try:
            value = in_digits(tree, x)
            difference = mpmath.polyval(plain, x) - value
            if error == "absolute":
                return abs(difference)
            return abs(difference / value if error == "relative" else difference * in_digits(parse_tree(error), x))
        except ZeroDivisionError:
            return mpmath.mpf(-1)

    return size
