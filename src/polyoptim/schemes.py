"""Schemes: in which order a polynomial is evaluated, as a list of operations on one number x.

What reads such a program - a printer of C, an evaluation in a number format, a bound of its rounding - does each
operation as it stands, so that all of them speak of the same evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from polyoptim.registry import match

SCHEMES = ("horner", "estrin")
GUARDS = ("none", "clamp", "nan")  # of inputs outside the domain


@dataclass(frozen=True, slots=True)
class Operation:
    """One rounded operation: ``result = a * b`` ("mul"), ``a + b`` ("add") or ``a * b + c``, rounded once ("fma")."""

    result: str
    kind: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """The operations of an evaluation, in order.

    Parameters
    ----------
    scheme, fma : as asked for.
    powers : whose coefficients are read, by the names "c0", "c1", …; x is "x".
    operations : each names its result.
    output : the name that holds the value in the end.

    Examples
    --------
    >>> for one in program((0, 1, 2), "horner").operations:
    ...     print(one.result, one.kind, *one.inputs)
    p1 fma c2 x c1
    p2 fma p1 x c0
    """

    scheme: str
    fma: bool
    powers: tuple[int, ...]
    operations: tuple[Operation, ...]
    output: str

    def count(self, kind: str) -> int:
        """Return how many operations are of a kind: "mul", "add" or "fma"."""
        return sum(one.kind == kind for one in self.operations)

    @property
    def depth(self) -> int:
        """How many operations the longest chain has in which each waits for the one before."""
        depths: dict[str, int] = {}
        for one in self.operations:
            depths[one.result] = 1 + max(depths.get(name, 0) for name in one.inputs)
        return depths.get(self.output, 0)


@dataclass
class _Writer:
    """Operations as they are asked for; a power of x is computed once."""

    fma: bool
    operations: list[Operation] = field(default_factory=list)
    known: dict[int, str] = field(default_factory=lambda: {1: "x"})
    count: int = 0

    def power(self, exponent: int) -> str:
        """Return the name of a power of x, at least the first, as a product of two about half as high."""
        if exponent not in self.known:
            half = exponent // 2
            inputs = (self.power(exponent - half), self.power(half))
            self.known[exponent] = self._write(f"x{exponent}", "mul", inputs)
        return self.known[exponent]

    def product(self, a: str, b: str) -> str:
        """Return the name of ``a * b``."""
        return self._write(self._next(), "mul", (a, b))

    def sum_of(self, a: str, b: str, c: str) -> str:
        """Return the name of ``a * b + c``, in one operation or in two."""
        if self.fma:
            return self._write(self._next(), "fma", (a, b, c))
        product = self._write(f"m{self.count + 1}", "mul", (a, b))
        return self._write(self._next(), "add", (product, c))

    def _next(self) -> str:
        self.count += 1
        return f"p{self.count}"

    def _write(self, result: str, kind: str, inputs: tuple[str, ...]) -> str:
        self.operations.append(Operation(result, kind, inputs))
        return result


def program(powers: Sequence[int], scheme: str = "horner", fma: bool = True) -> Program:
    """Return the evaluation of a polynomial with some powers of x.

    Where powers have gaps, the powers of x between them are computed; a lowest power above 0 is factored out.

    Parameters
    ----------
    powers : whose coefficients are not zero, in any order, at least one.
    scheme : "horner", one step after the other with the fewest operations, or "estrin", pairs of terms, pairs of
        pairs, and so on, in fewer steps that wait for each other.
    fma : whether a product and a sum are one operation, rounded once.

    Raises
    ------
    UnknownNameError
        For another scheme.

    Notes
    -----
    G. Estrin, Organization of computer systems: the fixed plus variable structure computer, Proc. Western Joint
    Comput. Conf., 33-40, 1960, doi:10.1145/1460361.1460365.
    """
    ascending = tuple(sorted(set(powers)))
    make = {"horner": _horner, "estrin": _estrin}[match("scheme", scheme, SCHEMES)]
    writer = _Writer(fma)
    output = make(ascending, writer)
    if ascending[0]:
        output = writer.product(output, writer.power(ascending[0]))
    return Program(scheme, fma, ascending, tuple(writer.operations), output)


def program_of(coef: Mapping[int, Fraction], scheme: str = "horner", fma: bool = True) -> Program:
    """Return the evaluation of a polynomial with given coefficients; those that are 0 cost nothing."""
    return program([power for power, value in coef.items() if value] or [min(coef)], scheme, fma)


def _horner(powers: Sequence[int], writer: _Writer) -> str:
    value, last = f"c{powers[-1]}", powers[-1]
    for power in reversed(powers[:-1]):
        value = writer.sum_of(value, writer.power(last - power), f"c{power}")
        last = power
    return value


def _estrin(powers: Sequence[int], writer: _Writer) -> str:
    lowest = powers[0]
    step = math.gcd(*(power - lowest for power in powers)) or 1
    terms = {(power - lowest) // step: f"c{power}" for power in powers}
    return _paired(terms, 1 << max(terms).bit_length(), step, writer)


def _paired(terms: Mapping[int, str], size: int, step: int, writer: _Writer) -> str:
    """Return a polynomial of fewer than `size` powers of x**step, as that of its lower half and of its upper half."""
    if size == 1:
        return terms[0]
    half = size // 2
    low = {place: name for place, name in terms.items() if place < half}
    high = {place - half: name for place, name in terms.items() if place >= half}
    if not high:
        return _paired(low, half, step, writer)
    above = _paired(high, half, step, writer)
    factor = writer.power(step * half)
    return writer.sum_of(above, factor, _paired(low, half, step, writer)) if low else writer.product(above, factor)
