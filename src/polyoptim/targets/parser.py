"""From the text of an expression to its tree, by way of Python's own parser and a whitelist.

Nothing is ever evaluated here. `words` has bounded the text before Python's parser sees it; every node of Python's tree
is then one of those listed in `_Walker`, or an error.
"""

from __future__ import annotations

import ast
import keyword
import warnings

from polyoptim.errors import ArgumentError, ExpressionError
from polyoptim.targets.nodes import CONSTANTS, FUNCTIONS, Comparison, Constant, Node, Number, Operation, Variable
from polyoptim.targets.words import GREEK, check_words, plain

MAX_LENGTH = 4000  # characters
MAX_DEPTH = 200  # levels of the tree; a sum of n terms has n levels

_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def parse_tree(text: str, variable: str | None = "x") -> Node:
    """Return the tree of an expression in `variable`, or of one without any variable where that is None.

    Raises
    ------
    ExpressionError
        With the place in the text.

    Examples
    --------
    >>> parse_tree("0.1*x")
    Operation(name='*', operands=(Number(text='0.1'), Variable(name='x')))
    """
    if not isinstance(text, str):
        raise ArgumentError(f"an expression must be text such as 'sin(x)', got {type(text).__name__}.")
    if variable is not None:
        _check_variable(variable)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression has {len(text)} characters, more than {MAX_LENGTH}; shorten it.")
    if not text.strip():
        raise ExpressionError("the expression is empty; write one such as sin(x).", text, 0)
    check_words(text, variable)
    return _Walker(text, variable).tree()


def _check_variable(variable: str) -> None:
    named = isinstance(variable, str) and variable.isascii() and variable.isidentifier()
    if not named or keyword.iskeyword(variable) or variable in FUNCTIONS or variable in CONSTANTS:
        raise ArgumentError(f"variable must be a name that is not taken, such as 'x', got {variable!r}.")


class _Walker:
    """Turns Python's tree into ours."""

    def __init__(self, text: str, variable: str | None) -> None:
        self.text = text
        self.variable = variable
        self.source = f"({plain(text)})"  # in brackets, leading blanks are no indentation
        self.bytes = self.source.encode()

    def tree(self) -> Node:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about "1or 2"
                root = ast.parse(self.source, mode="eval").body
            self._check_depth(root)
            return self._value(root)
        except ExpressionError:
            raise
        except SyntaxError as error:
            place = min(max((error.offset or 2) - 2, 0), len(self.text) - 1)
            reason = "this cannot be read as an expression; check operators and brackets here."
            raise ExpressionError(reason, self.text, place) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("the expression is nested too deeply; use fewer brackets.") from None
        except ValueError:
            # Python limits the digits of a whole number, by default to 4300; a user may have lowered that.
            raise ExpressionError("a whole number has too many digits; write it as a decimal such as 1e500.") from None

    def _check_depth(self, root: ast.expr) -> None:
        level: list[ast.expr] = [root]
        for _ in range(MAX_DEPTH):
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            if not level:
                return
        raise self._error(
            f"the expression is more than {MAX_DEPTH} levels deep; group long sums with brackets.", level[0]
        )

    def _error(self, reason: str, node: ast.expr) -> ExpressionError:
        # ast counts the bytes of UTF-8; the bracket in front is one of them.
        position = len(self.bytes[: node.col_offset].decode()) - 1
        return ExpressionError(reason, self.text, position)

    def _value(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant(value=int() | float()):
                return Number(self.bytes[node.col_offset : node.end_col_offset].decode())
            case ast.Name(id=name) if name == self.variable:
                return Variable(name)
            case ast.Name(id=name) if GREEK.get(name, name) in CONSTANTS:
                return Constant(GREEK.get(name, name))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._value(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Operation("neg", (self._value(operand),))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
                return Operation(_ARITHMETIC[type(operator)], (self._value(left), self._value(right)))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                return self._call(name, args, node)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self._error(
                    "a condition is not a number; use where(condition, a, b) to choose between two.", node
                )
        raise self._error("this is not supported; write numbers, operators and functions only.", node)

    def _call(self, name: str, args: list[ast.expr], node: ast.Call) -> Node:
        least, most = FUNCTIONS[name]
        if len(args) < least or (most is not None and len(args) > most):
            wanted = {1: "1 argument", 2: "2 or more arguments", 3: "3 arguments (condition, a, b)"}[least]
            raise self._error(f"{name} takes {wanted}, got {len(args)}; write {_SHAPES[least].format(name)}.", node)
        if name == "where":
            return Operation(name, (self._condition(args[0], name), *map(self._value, args[1:])))
        return Operation(name, tuple(map(self._value, args)))

    def _condition(self, node: ast.expr, owner: str) -> Node:
        match node:
            case ast.Compare(left=left, ops=operators, comparators=others):
                if all(type(operator) in _COMPARISONS for operator in operators):
                    return self._comparison(operators, [left, *others])
            case ast.BoolOp(op=operator, values=values):
                name = "and" if isinstance(operator, ast.And) else "or"
                return Operation(name, tuple(self._condition(value, name) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Operation("not", (self._condition(operand, "not"),))
        raise self._error(f"{owner} needs a condition here, not a number; write one such as x > 0.", node)

    def _comparison(self, operators: list[ast.cmpop], operands: list[ast.expr]) -> Node:
        # A chain computes what stands in its middle twice; chains within chains would double at every level.
        for middle in operands[1:-1]:
            if any(isinstance(part, ast.Compare) for part in ast.walk(middle)):
                raise self._error(
                    "a chain of comparisons contains another one here; join them with 'and' instead.", middle
                )
        names = tuple(_COMPARISONS[type(operator)] for operator in operators)
        return Comparison(names, tuple(map(self._value, operands)))


_SHAPES = {1: "{}(x)", 2: "{}(x, 1)", 3: "{}(x > 0, x, 0)"}
