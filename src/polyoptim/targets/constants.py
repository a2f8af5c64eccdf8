"""Numbers that a user writes, exactly: rational where their text is, else enclosed as closely as wanted."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, ctx

from polyoptim.errors import ArgumentError, ExpressionError
from polyoptim.targets.balls import evaluate
from polyoptim.targets.expression import number
from polyoptim.targets.nodes import Node, Number, Operation, fold
from polyoptim.targets.parser import parse_tree

MOST_BITS = 4096  # of an exact power


@dataclass(frozen=True)
class Constant:
    """A finite number.

    Parameters
    ----------
    text : as it was written.
    exact : where it is rational.
    root : its tree, where it is not.
    """

    text: str
    exact: Fraction | None
    root: Node | None = None

    def below(self, bits: int) -> Fraction:
        """Return the number, or a rational number so many bits long that is not above it."""
        return self._edge(bits, -1)

    def above(self, bits: int) -> Fraction:
        """Return the number, or a rational number so many bits long that is not below it."""
        return self._edge(bits, 1)

    def nearest(self, bits: int) -> Fraction:
        """Return the number, or a rational number near it."""
        return self.exact if self.exact is not None else (self.below(bits) + self.above(bits)) / 2

    def _edge(self, bits: int, side: int) -> Fraction:
        if self.exact is not None:
            return self.exact
        assert self.root is not None  # noqa: S101 - one of both is there
        with ctx.workprec(bits):
            ball = evaluate(self.root, arb(0))
            mantissa, exponent = (ball.upper() if side > 0 else ball.lower()).man_exp()
        return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def read_constant(value: Any, name: str) -> Constant:
    """Return a finite number from a number or a text such as "-pi/4" or "0.1": decimals are exact.

    >>> read_constant("0.1", "x").exact, read_constant(0.5, "x").exact
    (Fraction(1, 10), Fraction(1, 2))
    >>> read_constant("pi", "x").below(80) < read_constant("pi", "x").above(80)
    True
    """
    near = number(value, name)  # with its sentences for what is no number
    if not isinstance(value, str):
        exact = Fraction(value) if isinstance(value, (numbers.Rational, float)) else Fraction(near)
        return Constant(f"{near!r}" if isinstance(value, float) else str(value), exact)
    try:
        root = parse_tree(value, variable=None)
    except ExpressionError as error:
        raise ArgumentError(f"{name} must be a number, got {value!r}: {error.reason}") from None
    return Constant(value.strip(), fold(root, _exact), root)


def _exact(node: Node, values: list[Fraction | None]) -> Fraction | None:
    """Return the rational number that a node stands for, or None."""
    if isinstance(node, Number):
        return Fraction(node.text)
    if not isinstance(node, Operation) or any(value is None for value in values):
        return None
    known = [value for value in values if value is not None]
    match node.name, known:
        case "neg", [a]:
            return -a
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return a - b
        case "*", [a, b]:
            return a * b
        case "/", [a, b] if b:
            return a / b
        case "**", [a, b] if b.denominator == 1 and _bits(a) * abs(b) < MOST_BITS and (a or b > 0):
            return Fraction(a ** int(b))
    return None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
