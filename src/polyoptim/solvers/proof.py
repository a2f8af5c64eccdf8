"""A proved enclosure as a certificate: a document for JSON from which `polyoptim.checker` proves it again.

All numbers are exact: fractions ``"p/q"`` and floats in hexadecimal. Panels are hints: where to expand, how far, and
where the polynomial turns. What was proved holds on the panels, which cover the domain and, where its ends are no
rational numbers, a little more.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from flint import fmpq

from polyoptim.canonical import spell
from polyoptim.errors import ArgumentError
from polyoptim.solvers.enclosure import Cell, Enclosure, End
from polyoptim.targets.nodes import Comparison, Constant, Node, Number, Operation, Variable, fold
from polyoptim.targets.parser import MAX_LENGTH

KIND, VERSION = "supremum", 1


def to_certificate(enclosure: Enclosure) -> dict[str, Any]:
    """Return the certificate of a proved enclosure.

    Raises
    ------
    ArgumentError
        Where nothing was proved, or where the expression is too long to be read again.

    Examples
    --------
    >>> from polyoptim.solvers.supremum import enclose
    >>> from polyoptim.targets.parser import parse_tree
    >>> found = enclose(parse_tree("exp(x)"), {0: Fraction(1)}, [(Fraction(0), Fraction(1))])
    >>> to_certificate(found)["domains"]
    [['0/1', '1/1']]
    """
    if not enclosure.proved:
        raise ArgumentError(f"there is no certificate, for nothing was proved: {enclosure.reason}")
    statement = enclosure.statement
    names = {text for tree in (statement.target, statement.error) if isinstance(tree, Node) for text in _names(tree)}
    variable = next(iter(names), "x")
    document = {
        "kind": KIND,
        "version": VERSION,
        "target": written(statement.target),
        "variable": variable,
        "error": written(statement.error) if isinstance(statement.error, Node) else statement.error,
        "coef": {str(power): _ratio(Fraction(value)) for power, value in sorted(statement.coef.items())},
        "domains": [[_end(low), _end(high)] for low, high in statement.domains],
        "lower": enclosure.lower.hex(),
        "upper": enclosure.upper.hex(),
        "witness": _ratio(enclosure.witness),
        "precision": enclosure.precision,
        "panels": [_panel(cell) for cell in enclosure.cells],
    }
    sealed: dict[str, Any] = json.loads(spell(document))
    return sealed


def _panel(cell: Cell) -> dict[str, Any]:
    return {
        "low": _ratio(cell.low),
        "high": _ratio(cell.high),
        "centre": _ratio(cell.centre),
        "side": cell.side,
        "root": cell.root,
        "order": cell.order,
        "cuts": [_ratio(cut) for cut in cell.cuts],
        "bound": cell.bound.hex(),
    }


def _ratio(value: fmpq | Fraction | None) -> str:
    if value is None:
        raise ArgumentError("there is no witness. Raise the budget.")
    return f"{value.numerator}/{value.denominator}"


def _end(end: End) -> str:
    return written(end) if isinstance(end, Node) else _ratio(Fraction(end))


def _names(tree: Node) -> set[str]:
    def visit(node: Node, found: list[set[str]]) -> set[str]:
        return {node.name} if isinstance(node, Variable) else set().union(*found)

    return fold(tree, visit)


def written(tree: Node) -> str:
    """Return the text of an expression, with every bracket, from which the same tree is read.

    >>> from polyoptim.targets.parser import parse_tree
    >>> written(parse_tree("-x**2 + where(0 <= x < 1, sin(x), 2)"))
    '((-(x**2))+where((0<=x<1),sin(x),2))'
    """
    text = fold(tree, _spelled)
    if len(text) > MAX_LENGTH:
        raise ArgumentError(f"the expression takes {len(text)} characters, more than {MAX_LENGTH}. Shorten it.")
    return text


def _spelled(node: Node, parts: list[str]) -> str:
    match node:
        case Number(text):
            return text
        case Constant(name) | Variable(name):
            return name
        case Comparison(operators, _):
            pairs = zip(operators, parts[1:], strict=True)
            return f"({parts[0]}{''.join(sign + part for sign, part in pairs)})"
        case Operation("neg"):
            return f"(-{parts[0]})"
        case Operation("not"):
            return f"(not {parts[0]})"
        case Operation("and" | "or" as name):
            return f"({f' {name} '.join(parts)})"
        case Operation("+" | "-" | "*" | "/" | "**" as name):
            return f"({parts[0]}{name}{parts[1]})"
        case Operation(name):
            return f"{name}({','.join(parts)})"
    raise TypeError(type(node).__name__)
