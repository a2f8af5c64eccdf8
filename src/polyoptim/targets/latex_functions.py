r"""LaTeX for expressions: one table of functions, and the brackets that mathematicians expect."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, fold

# How tightly a piece of LaTeX binds. Cases and conditions stand in brackets wherever an operator touches them.
_CASES, _OR, _AND, _COMPARE, _SUM, _PRODUCT, _POWER, _ATOM = range(8)


class _Tex(NamedTuple):
    text: str
    binds: int = _ATOM


_NAMED = {
    **{name: rf"\{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "min", "max")},
    **{f"a{name}": rf"\arc{name}" for name in ("sin", "cos", "tan")},
    **{f"a{name}": rf"\operatorname{{ar{name}}}" for name in ("sinh", "cosh", "tanh")},
    **{name: rf"\operatorname{{{name}}}" for name in ("erf", "erfc", "sigmoid", "softplus")},
    "log": r"\ln",
    "log2": r"\log_{2}",
    "log10": r"\log_{10}",
    "gamma": r"\Gamma",
    "sign": r"\operatorname{sgn}",
    "relu": r"\operatorname{ReLU}",
    "gelu": r"\operatorname{GELU}",
    "silu": r"\operatorname{SiLU}",
}
_SHAPED = {
    "sqrt": (r"\sqrt{%s}", _ATOM),
    "cbrt": (r"\sqrt[3]{%s}", _ATOM),
    "exp": (r"e^{%s}", _POWER),
    "exp2": (r"2^{%s}", _POWER),
    "expm1": (r"e^{%s} - 1", _SUM),
    "lgamma": (r"\ln\left|\Gamma\left(%s\right)\right|", _ATOM),
    "abs": (r"\left|%s\right|", _ATOM),
    "floor": (r"\left\lfloor %s\right\rfloor", _ATOM),
    "ceil": (r"\left\lceil %s\right\rceil", _ATOM),
}
_RELATIONS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne"}
_CONSTANTS = {"pi": r"\pi", "tau": r"\tau", "e": "e"}
# Names after which \sin^{2} is read as the square of the sine.
_SQUARED = ("sin", "cos", "tan", "sinh", "cosh", "tanh")


def latex(root: Node) -> str:
    r"""Return an expression as LaTeX, for math mode.

    >>> print(latex(Operation("/", (Constant("pi"), Operation("sqrt", (Number("2"),))))))
    \frac{\pi}{\sqrt{2}}
    """
    return fold(root, _visit).text


def _visit(node: Node, parts: list[_Tex]) -> _Tex:
    match node:
        case Number(text):
            return _number(text)
        case Constant(name):
            return _Tex(_CONSTANTS[name])
        case Comparison(operators):
            signs = [*(_RELATIONS[sign] for sign in operators), ""]
            terms = (f"{_inside(part, _SUM)} {sign}" for part, sign in zip(parts, signs, strict=True))
            return _Tex(" ".join(terms).rstrip(), _COMPARE)
        case Operation("**", (base, _)):
            return _power(base, *parts)
        case Operation(name):
            return _OPERATIONS[name](*parts) if name in _OPERATIONS else _function(name, parts)
    return _Tex(_variable(node))


def _variable(node: Node) -> str:
    name: str = getattr(node, "name", "x")
    escaped = name.replace("_", r"\_")
    return name if len(name) == 1 and name != "_" else rf"\mathrm{{{escaped}}}"


def _inside(part: _Tex, least: int, signed: bool = True) -> str:
    """Return a piece, in brackets where it binds less than `least`, or begins with a minus that may not."""
    bare = part.binds >= least and (signed or not part.text.startswith("-"))
    return part.text if bare else rf"\left({part.text}\right)"


def _number(text: str) -> _Tex:
    digits, _, exponent = text.replace("_", "").lower().partition("e")
    digits = f"0{digits}" if digits.startswith(".") else digits.removesuffix(".")
    if not exponent:
        return _Tex(digits)
    sign = "-" if exponent.startswith("-") else ""
    power = f"10^{{{sign}{exponent.lstrip('+-0') or '0'}}}"
    return _Tex(power, _POWER) if digits == "1" else _Tex(rf"{digits} \cdot {power}", _PRODUCT)


def _sum(sign: str, left: _Tex, right: _Tex) -> _Tex:
    return _Tex(f"{_inside(left, _SUM)} {sign} {_inside(right, _PRODUCT, signed=False)}", _SUM)


def _product(left: _Tex, right: _Tex) -> _Tex:
    first, second = _inside(left, _PRODUCT), _inside(right, _POWER, signed=False)
    # Two numbers side by side would read as one; a number before a fraction, as their sum.
    numeric = re.match(r"\d", second) or (re.search(r"\d$", first) and second.startswith(r"\frac"))
    return _Tex(rf"{first} \cdot {second}" if numeric else f"{first} {second}", _PRODUCT)


def _power(base: Node, left: _Tex, right: _Tex) -> _Tex:
    if isinstance(base, Operation) and base.name in _SQUARED and right.text.isdigit():
        name = _NAMED[base.name]
        return _Tex(f"{name}^{{{right.text}}}{left.text.removeprefix(name)}", _POWER)
    # A call such as \ln\left(x\right)^{2} could be read as the logarithm of the square.
    called = isinstance(base, Operation) and base.name in (*_NAMED, "lgamma", "log1p")
    return _Tex(f"{_inside(left, _ATOM + called)}^{{{right.text}}}", _POWER)


def _where(condition: _Tex, then: _Tex, otherwise: _Tex) -> _Tex:
    rows = rf"{then.text} & \text{{if }} {condition.text} \\ {otherwise.text} & \text{{otherwise}}"
    return _Tex(rf"\begin{{cases}} {rows} \end{{cases}}", _CASES)


_OPERATIONS: dict[str, Callable[..., _Tex]] = {
    "+": lambda left, right: _sum("+", left, right),
    "-": lambda left, right: _sum("-", left, right),
    "*": _product,
    "/": lambda top, bottom: _Tex(rf"\frac{{{top.text}}}{{{bottom.text}}}", _POWER),
    "neg": lambda part: _Tex(f"-{_inside(part, _PRODUCT, signed=False)}", _PRODUCT),
    "and": lambda *parts: _Tex(r" \land ".join(_inside(part, _AND) for part in parts), _AND),
    "or": lambda *parts: _Tex(r" \lor ".join(_inside(part, _OR) for part in parts), _OR),
    "not": lambda part: _Tex(rf"\lnot {_inside(part, _ATOM)}", _COMPARE),
    "where": _where,
    "log1p": lambda part: _Tex(rf"\ln\left(1 + {_inside(part, _PRODUCT, signed=False)}\right)"),
}


def _function(name: str, parts: list[_Tex]) -> _Tex:
    if name in _SHAPED:
        shape, binds = _SHAPED[name]
        return _Tex(shape % parts[0].text, binds)
    return _Tex(rf"{_NAMED[name]}\left({', '.join(part.text for part in parts)}\right)")
