"""The immutable tree of an expression, the names that may stand in it, and one way to walk it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

CONSTANTS = ("pi", "e", "tau")
# The numbers of arguments, least and most; None is any.
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), (1, 1)),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"), (1, 1)),
    **dict.fromkeys(("erf", "erfc", "gamma", "lgamma", "abs", "sign", "floor", "ceil"), (1, 1)),
    **dict.fromkeys(("sigmoid", "softplus", "relu", "gelu", "silu"), (1, 1)),
    **dict.fromkeys(("min", "max"), (2, None)),
    "where": (3, 3),
}


class Node:
    """A part of an expression. `args` are its parts, none for a leaf."""

    __slots__ = ()

    @property
    def args(self) -> tuple[Node, ...]:
        """The parts, from left to right."""
        return ()


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal, as it was typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """One of `CONSTANTS`."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """The variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """An operator (``+ - * / ** neg and or not``) or one of `FUNCTIONS`, on its operands."""

    name: str
    operands: tuple[Node, ...]

    @property
    def args(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``a < b``, or a chain ``a < b <= c``: one operator fewer than operands."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]

    @property
    def args(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


R = TypeVar("R")


def fold(root: Node, visit: Callable[[Node, list[R]], R]) -> R:
    """Call ``visit(node, results of its args)`` from the leaves to the root, from left to right.

    Without recursion, so that the depth of a tree costs no stack.

    >>> tree = Operation("*", (Variable("x"), Operation("+", (Variable("x"), Number("1")))))
    >>> fold(tree, lambda node, counts: 1 + sum(counts))
    5
    """
    order, todo = [], [root]
    while todo:
        node = todo.pop()
        order.append(node)
        todo.extend(node.args)
    results: list[R] = []
    for node in reversed(order):
        first = len(results) - len(node.args)
        results[first:] = [visit(node, results[first:])]
    return results[0]
