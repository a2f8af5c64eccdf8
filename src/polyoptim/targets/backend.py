"""What a library of arrays offers to an expression, and the one lowering that evaluation and source text share.

`lower` makes every decision (which plain number becomes an array, how a chain of comparisons is taken apart) as a
change of the tree. Computing it and printing it are then two plain walks over the same tree, so they cannot disagree.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, NoReturn

from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, Variable, fold

# Whole numbers up to here are exact in float64 and stay whole numbers in source text.
_LARGEST_EXACT_INTEGER = 2**53
# torch refuses a plain number beyond the largest float16 in some places ("cannot be converted without overflow").
_LARGEST_FLOAT16 = 65504


def _text_only(*arguments: Any) -> NoReturn:
    raise TypeError(f"this function is known as text only, it was called with {arguments}")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a library: how it is called, and how the same call is written.

    Parameters
    ----------
    code : its call as source text, with ``{}`` for each argument.
    call : the function; left out where only the text is wanted, and the library may be missing.
    arrays : whether every argument must be an array; otherwise plain numbers may stand beside one.
    """

    code: str
    call: Callable[..., Any] = _text_only
    arrays: bool = False

    @property
    def helper(self) -> bool:
        """Whether `call` is ours, and its source text has to come along."""
        return self.code.startswith(f"{getattr(self.call, '__name__', '')}(")


def helper(call: Callable[[Any], Any]) -> Function:
    """Return the entry of a function that the library lacks."""
    return Function(f"{call.__name__}({{}})", call)


@dataclass(frozen=True, slots=True)
class Backend:
    """A library of arrays.

    Parameters
    ----------
    functions : an entry for each of `nodes.FUNCTIONS`; those of min and max take two arguments.
    array : makes a plain number an array without axes, in the dtype and on the device of x; called as (x, number).
    fill : makes an array like x with one value everywhere; called as (x, number or array without axes).
    run : calls its first argument on its second, x, with the checks and the floating-point state of the library.
    """

    functions: Mapping[str, Function]
    array: Function
    fill: Function
    run: Callable[[Callable[[Any], Any], Any], Any] = _text_only


class _Operator(NamedTuple):
    """A Python operator: how tightly it binds, and how tightly its operands have to, not to need brackets."""

    call: Callable[..., Any]
    code: str
    binds: int
    operands: tuple[int, ...]


_UNARY, _POWER, _ATOM = 6, 7, 8
_OPERATORS = {
    **{
        sign: _Operator(call, f"{{}} {sign} {{}}", 1, (2, 2))
        for sign, call in {
            "<": operator.lt,
            "<=": operator.le,
            ">": operator.gt,
            ">=": operator.ge,
            "==": operator.eq,
            "!=": operator.ne,
        }.items()
    },
    "or": _Operator(operator.or_, "{} | {}", 2, (2, 3)),
    "and": _Operator(operator.and_, "{} & {}", 3, (3, 4)),
    "+": _Operator(operator.add, "{} + {}", 4, (4, 5)),
    "-": _Operator(operator.sub, "{} - {}", 4, (4, 5)),
    "*": _Operator(operator.mul, "{} * {}", 5, (5, 6)),
    "/": _Operator(operator.truediv, "{} / {}", 5, (5, 6)),
    "not": _Operator(operator.invert, "~{}", _UNARY, (_UNARY,)),
    "neg": _Operator(operator.neg, "-{}", _UNARY, (_UNARY,)),
    # To its right, a sign binds tighter than the power: x**-2.
    "**": _Operator(operator.pow, "{} ** {}", _POWER, (_ATOM, _UNARY)),
}


def plain_number(text: str) -> int | float:
    """Return the Python number of a literal: an int where it is whole and exact in float64, else the nearest float.

    >>> plain_number("2"), plain_number("1e-3"), plain_number("9" * 4000)
    (2, 0.001, inf)
    """
    value = float(text)
    return int(value) if re.fullmatch(r"[\d_]+", text) and value < _LARGEST_EXACT_INTEGER else value


def _is_plain(node: Node) -> bool:
    """Return whether a node is a literal or a constant, with or without a sign."""
    if isinstance(node, Operation) and node.name == "neg":
        return isinstance(node.operands[0], Number | Constant)
    return isinstance(node, Number | Constant)


def _is_beyond_float16(node: Node) -> bool:
    inner = node.args[0] if node.args else node
    return _is_plain(node) and isinstance(inner, Number) and abs(plain_number(inner.text)) > _LARGEST_FLOAT16


def _array(node: Node) -> Node:
    return Operation("array", (node,)) if _is_plain(node) else node


def lower(root: Node, backend: Backend) -> Node:
    """Return the tree whose operations are exactly the calls that `backend` makes.

    A literal beside an array stays a plain number, as people write it. Where an operation would see plain numbers only,
    its first becomes an array of x's dtype, so that ``9**9**9`` is inf at once and not a number of 370 million digits.
    """
    tree = fold(root, lambda node, args: _lower_node(node, args, backend))
    if fold(tree, lambda node, inside: isinstance(node, Variable) or (node.args != () and any(inside))):
        return tree
    return Operation("fill", (_array(tree) if _is_beyond_float16(tree) else tree,))


def _lower_node(node: Node, args: list[Node], backend: Backend) -> Node:
    if isinstance(node, Comparison):
        pairs = zip(node.operators, args[:-1], args[1:], strict=True)
        compared = [Operation(name, (_array(a) if _is_plain(b) else a, b)) for name, a, b in pairs]
        return reduce(lambda a, b: Operation("and", (a, b)), compared)
    if not isinstance(node, Operation):
        return node
    if node.name == "neg" and _is_plain(args[0]):
        return _negated(args[0])
    condition, values = (args[:1], args[1:]) if node.name == "where" else ([], args)
    everywhere = node.name in backend.functions and backend.functions[node.name].arrays
    if everywhere:
        values = [_array(value) for value in values]
    elif node.name in ("**", "where"):
        values = [_array(value) if _is_beyond_float16(value) else value for value in values]
    if all(map(_is_plain, values[:2])):
        values[0] = _array(values[0])
    if node.name in ("min", "max", "and", "or"):
        return reduce(lambda a, b: Operation(node.name, (a, b)), values)
    return Operation(node.name, (*condition, *values))


def _negated(node: Node) -> Node:
    if isinstance(node, Operation):
        return node.operands[0]
    # Minus a whole zero would lose its sign.
    zero = isinstance(node, Number) and plain_number(node.text) == 0
    return Operation("neg", (Number("0.0") if zero else node,))


def compute(tree: Node, backend: Backend, x: Any) -> Any:
    """Return the value of a lowered tree at `x`."""

    def visit(node: Node, values: list[Any]) -> Any:
        match node:
            case Number(text):
                return plain_number(text)
            case Constant(name):
                return getattr(math, name)
            case Operation("array"):
                return backend.array.call(x, *values)
            case Operation("fill"):
                return backend.fill.call(x, *values)
            case Operation(name):
                return (_OPERATORS[name] if name in _OPERATORS else backend.functions[name]).call(*values)
        return x

    return fold(tree, visit)


class _Code(NamedTuple):
    text: str
    binds: int = _ATOM


def source(tree: Node, backend: Backend) -> tuple[str, list[str]]:
    """Return a lowered tree as Python source text, and the source texts of the functions that the library lacks."""
    helpers: dict[str, str] = {}

    def visit(node: Node, parts: list[_Code]) -> _Code:
        match node:
            case Number(text):
                value = plain_number(text)
                return _Code("math.inf" if value == math.inf else repr(value))
            case Constant(name):
                return _Code(f"math.{name}")
            case Operation(name) if name in _OPERATORS:
                return _operation(_OPERATORS[name], parts)
            case Operation(name):
                function = {"array": backend.array, "fill": backend.fill}.get(name) or backend.functions[name]
                if function.helper:
                    helpers[name] = inspect.getsource(function.call)
                return _Code(function.code.format(*(part.text for part in parts)))
        return _Code("x")

    code = fold(tree, visit).text
    return code, [helpers[name] for name in sorted(helpers)]


def _operation(sign: _Operator, parts: list[_Code]) -> _Code:
    texts = [
        part.text if part.binds >= needed else f"({part.text})"
        for part, needed in zip(parts, sign.operands, strict=True)
    ]
    # As formatters do: a power of simple operands is written without blanks.
    simple = sign.binds == _POWER and all(re.fullmatch(r"-?[\w.]+", text) for text in texts)
    return _Code((sign.code.replace(" ", "") if simple else sign.code).format(*texts), sign.binds)
