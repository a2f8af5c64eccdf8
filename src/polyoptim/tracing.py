"""Trace a text of arithmetic: what it computes, written down operation by operation.

A rule or a loss is plain Python on floats. Called with `Traced` numbers instead, the same text leaves a list of
operations on a `Tape`: each has a name, is used by name, and stands there once however often it is wanted. From it a
compiled loop can be written, for one run or for many, without a second version of any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from polyoptim import primitives

# Its name, what is done, and to what: names and numbers as text.
Operation = tuple[str, str, tuple[str, ...]]


class NotTraceableError(TypeError):
    """A text decides by a value that is not known yet."""


class Traced:
    """A number, or a truth, that is known by its name on a tape only."""

    __hash__ = None  # type: ignore[assignment]  # == is an operation here

    def __init__(self, tape: Tape, name: str) -> None:
        self.tape, self.name = tape, name

    def __bool__(self) -> bool:
        raise NotTraceableError("a traced text must choose by where(), not by the value of a number.")

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __add__(self, other: Any) -> Traced:
        return self.tape.record("+", self, other)

    def __radd__(self, other: Any) -> Traced:
        return self.tape.record("+", other, self)

    def __sub__(self, other: Any) -> Traced:
        return self.tape.record("-", self, other)

    def __rsub__(self, other: Any) -> Traced:
        return self.tape.record("-", other, self)

    def __mul__(self, other: Any) -> Traced:
        return self.tape.record("*", self, other)

    def __rmul__(self, other: Any) -> Traced:
        return self.tape.record("*", other, self)

    def __truediv__(self, other: Any) -> Traced:
        return self.tape.record("/", self, other)

    def __rtruediv__(self, other: Any) -> Traced:
        return self.tape.record("/", other, self)

    def __neg__(self) -> Traced:
        return self.tape.record("negative", self)

    def __abs__(self) -> Traced:
        return self.tape.record("abs", self)

    def __lt__(self, other: Any) -> Traced:
        return self.tape.record("<", self, other)

    def __le__(self, other: Any) -> Traced:
        return self.tape.record("<=", self, other)

    def __gt__(self, other: Any) -> Traced:
        return self.tape.record(">", self, other)

    def __ge__(self, other: Any) -> Traced:
        return self.tape.record(">=", self, other)

    def __eq__(self, other: object) -> Traced:  # type: ignore[override]
        return self.tape.record("==", self, other)

    def __ne__(self, other: object) -> Traced:  # type: ignore[override]
        return self.tape.record("!=", self, other)


class Tape:
    """Operations in the order in which they are made.

    Parameters
    ----------
    prefix : what their names begin with.

    Attributes
    ----------
    operations : (name, operation, operands) each; an operand is a name or a number as text.

    Examples
    --------
    >>> tape = Tape()
    >>> x = tape.variable("x")
    >>> (x * x - 1.0).name, tape.operations
    ('t1', [('t0', '*', ('x', 'x')), ('t1', '-', ('t0', '1.0'))])
    """

    def __init__(self, prefix: str = "t") -> None:
        self._prefix = prefix
        self.operations: list[Operation] = []
        self._known: dict[tuple[str, ...], Traced] = {}

    def variable(self, name: str) -> Traced:
        """Return the number of that name, which comes from elsewhere."""
        return Traced(self, name)

    def record(self, operation: str, *operands: Any) -> Traced:
        """Return the outcome of an operation, as it was named where it has been made before."""
        key = (operation, *(name_of(operand) for operand in operands))
        if key not in self._known:
            name = f"{self._prefix}{len(self.operations)}"
            self.operations.append((name, operation, key[1:]))
            self._known[key] = Traced(self, name)
        return self._known[key]


def name_of(value: Any) -> str:
    """Return the name of a traced number, or a plain one as text."""
    return value.name if isinstance(value, Traced) else repr(float(value))


def rebound(function: Callable[..., Any], names: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a module's function with other meanings for some names, also where it calls its neighbours.

    >>> import polyoptim.primitives
    >>> rebound(polyoptim.primitives.lerp, {"where": lambda _, then, __: then})(1.0, 2.0, 0.75)
    1.75
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function!r} is no plain function.")
    space = {**function.__globals__}
    for name, value in function.__globals__.items():
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            space[name] = _moved(value, space)
    space.update(names)
    return _moved(function, space)


def _moved(function: FunctionType, space: dict[str, Any]) -> FunctionType:
    moved = FunctionType(function.__code__, space, function.__name__, function.__defaults__, function.__closure__)
    moved.__kwdefaults__ = function.__kwdefaults__
    return moved


def _recording(operation: str) -> Callable[..., Any]:
    plain = getattr(primitives, operation)

    def record(*operands: Any) -> Any:
        tape = next((operand.tape for operand in operands if isinstance(operand, Traced)), None)
        return plain(*operands) if tape is None else tape.record(operation, *operands)

    return record


BASIC = ("where", "maximum", "minimum", "sign", "sqrt", "divide", "power", "to_float32", "exp", "log1p")
RECORDING: dict[str, Callable[..., Any]] = {name: _recording(name) for name in BASIC}
RECORDING["lerp"] = rebound(primitives.lerp, RECORDING)


def traceable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule's factory, or a loss, that takes traced numbers."""
    return rebound(function, RECORDING)
