"""A target as text in x: parsed by our own whitelist, computed in NumPy or torch, printed as LaTeX or as a program."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from polyoptim.errors import ArgumentError, ExpressionError
from polyoptim.registry import Registry
from polyoptim.targets.backend import compute, lower, source
from polyoptim.targets.latex_functions import latex
from polyoptim.targets.nodes import Node, Number, Operation, fold
from polyoptim.targets.parser import parse_tree

BACKENDS = Registry(
    "backend",
    {
        "numpy": "polyoptim.targets.numpy_functions:BACKEND",
        "torch": "polyoptim.targets.torch_functions:BACKEND",
    },
)

# The text of a program can be written where the library that runs it is missing.
SOURCES = Registry(
    "backend",
    {
        "numpy": "polyoptim.targets.numpy_functions:BACKEND",
        "torch": "polyoptim.targets.torch_source:SOURCE",
    },
)

_LARGEST_EXACT_INTEGER = 2**53
_MOST_BITS = 1024


@dataclass(frozen=True, slots=True)
class Expression:
    """A function of one variable, from text; made by `parse`.

    Parameters
    ----------
    text : as it was typed.
    root : its tree (see `polyoptim.targets.nodes`), with literals as they were typed.
    variable : the name of its variable.
    """

    text: str
    root: Node
    variable: str = "x"

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are made from the text: shorter, and as deep as the tree may be.
        return parse, (self.text, self.variable)

    def evaluate(self, backend: str, x: Any) -> Any:
        """Return the values at `x`, of its shape, dtype and device.

        Everything is computed in floats of that dtype. A literal beside something that depends on x is a plain Python
        number, as in a program that people write; other parts without x are computed in x's dtype first. What is not
        finite comes out as inf or nan, without a warning.

        Parameters
        ----------
        backend : ``"numpy"`` or ``"torch"``.
        x : an array or a tensor of floats.

        Examples
        --------
        >>> parse("exp2(x) - 1/2").evaluate("numpy", np.array([0.0, 1.0, 2000.0]))
        array([0.5, 1.5, inf])
        """
        library = BACKENDS[backend]
        tree = lower(self.root, library)
        return library.run(lambda checked: compute(tree, library, checked), x)

    def latex(self) -> str:
        r"""Return the expression as LaTeX, for math mode.

        Examples
        --------
        >>> print(parse("exp(-x**2)*cos(3*x)").latex())
        e^{-x^{2}} \cos\left(3 x\right)
        """
        return latex(self.root)

    def source(self, backend: str) -> tuple[str, list[str]]:
        """Return Python source text which computes the same floats as `evaluate`, bit for bit, and its helpers.

        The text stands in a program that imports math and torch (or numpy as np) and where the samples are called x.
        The helpers are functions that the library lacks, as source text, each complete in itself.

        Examples
        --------
        >>> parse("exp(-x**2)*cos(3*x)").source("numpy")
        ('np.exp(-x**2) * np.cos(3 * x)', [])
        """
        library = SOURCES[backend]
        return source(lower(self.root, library), library)


def parse(text: str, variable: str = "x") -> Expression:
    """Return the expression that `text` stands for.

    Parameters
    ----------
    text : numbers, the variable, ``pi``, ``e``, ``tau``, ``+ - * / **``, brackets, the functions of
        `polyoptim.targets.nodes.FUNCTIONS`, and, as the condition of ``where``, comparisons with ``and``, ``or``,
        ``not``. Blanks and line breaks mean nothing.
    variable : the name of the variable.

    Raises
    ------
    ExpressionError
        With what is wrong, its place in the text, and what to write instead.

    Examples
    --------
    >>> parse("where(x < 0, 0, sqrt(x))").source("torch")[0]
    'torch.where(x < 0, 0, torch.sqrt(x))'
    >>> parse("x^2")
    Traceback (most recent call last):
    polyoptim.errors.ExpressionError: ^ is no power here; use ** for powers.
      x^2
       ^
    """
    return _parsed(text, variable) if isinstance(text, str) else Expression(text, parse_tree(text, variable), variable)


@lru_cache(maxsize=256)
def _parsed(text: str, variable: str) -> Expression:
    return Expression(text, parse_tree(text, variable), variable)


def number(value: Any, name: str = "value") -> float:
    """Return a finite float from a number, or from text such as ``"2**-20"`` or ``"-pi/2"``, computed in float64.

    Raises
    ------
    ArgumentError
        In one sentence that names the argument and its value.

    Examples
    --------
    >>> number("2**-3"), number("1e-3"), number(3)
    (0.125, 0.001, 3.0)
    >>> number("fast", "lr")
    Traceback (most recent call last):
    polyoptim.errors.ArgumentError: lr must be a number or text such as '2**-20', got 'fast': unknown name 'fast'; ...
    """
    if isinstance(value, str):
        result = _computed(value, name)
    elif _is_real(value):
        result = _rounded(value)
    else:
        raise ArgumentError(f"{name} must be a number or text such as '2**-20', got {_shown(value)}.")
    if not math.isfinite(result):
        raise ArgumentError(f"{name} must be a finite number, got {_shown(value)}.")
    return result


def integer(value: Any, name: str = "value", minimum: int = 0) -> int:
    """Return a whole number >= `minimum` from a number, or from text such as ``"2**11"``.

    Raises
    ------
    ArgumentError
        In one sentence that names the argument and its value.

    Examples
    --------
    >>> integer("2**11"), integer(2000.0)
    (2048, 2000)
    >>> integer(-1, "degree")
    Traceback (most recent call last):
    polyoptim.errors.ArgumentError: degree must be an integer >= 0, got -1.
    """
    result = _whole(value)
    if result is None or result < minimum:
        raise ArgumentError(f"{name} must be an integer >= {minimum}, got {_shown(value)}.")
    return result


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,400}\s*", value):
        return int(value)
    if _is_real(value) and isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, str):
        try:
            exact = fold(parse_tree(value, variable=None), _exact)
        except ExpressionError:
            return None
        if exact is not None:
            return exact
    try:
        result = number(value)
    except ArgumentError:
        return None
    # Beyond 2**53 a float no longer tells one whole number from the next.
    return int(result) if result.is_integer() and abs(result) <= _LARGEST_EXACT_INTEGER else None


def _exact(node: Node, values: list[int | None]) -> int | None:
    """Return the whole number that a node stands for, of at most a few hundred digits, or None."""
    if isinstance(node, Number):
        return int(node.text) if re.fullmatch(r"[0-9_]{1,400}", node.text) else None
    if not isinstance(node, Operation) or None in values:
        return None
    whole = [value for value in values if value is not None]
    match node.name, whole:
        case "neg", [a]:
            return -a
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return a - b
        case "*", [a, b] if a.bit_length() + b.bit_length() < _MOST_BITS:
            return a * b
        case "**", [a, b] if 0 <= b < _MOST_BITS and a.bit_length() * b < _MOST_BITS:
            return int(a**b)
    return None


def _is_real(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def _rounded(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _computed(text: str, name: str) -> float:
    try:
        return _constant(text)
    except ExpressionError as error:
        shape = f"{name} must be a number or text such as '2**-20'"
        raise ArgumentError(f"{shape}, got {_shown(text)}: {error.reason}") from None


@lru_cache(maxsize=256)
def _constant(text: str) -> float:
    return float(Expression(text, parse_tree(text, variable=None)).evaluate("numpy", np.zeros(())))


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # a whole number of more digits than Python prints
        return "a number of thousands of digits"
    if isinstance(value, str) and re.fullmatch(r"[+-]?[\d.]+", value):
        text = value  # a number that a command line brings as text is a number to the reader
    return text if len(text) <= 60 else f"{text[:57]}…"
