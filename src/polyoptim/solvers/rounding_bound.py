"""What rounding adds: a proved bound of how far an evaluation in a format is from that in exact arithmetic.

On each part of the domain every operation of the scheme gets a ball that holds its exact values, and a bound of what
the roundings before it have moved it by; its own rounding moves it by at most half the spacing of the numbers there
(J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., 2018, chapter 5). The parts with the largest
bounds are divided, so that the ranges of values are those of small parts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

from flint import arb, ctx, fmpq, fmpq_poly

from polyoptim.formats import Format, power_of_two
from polyoptim.schemes import Program
from polyoptim.solvers.bernstein import above
from polyoptim.solvers.enclosure import Statement
from polyoptim.solvers.expansion import expand_on
from polyoptim.solvers.models import Panel, UnexpandableError, settle, sharpened
from polyoptim.solvers.rationals import rational
from polyoptim.targets.balls import UndecidedError, evaluate
from polyoptim.targets.nodes import Node

BITS, ORDER = 96, 12
PARTS, BUDGET = 32, 256  # of an interval at first, and how often the worst is divided then
NEAR_ZERO = 3  # parts of each halving towards a zero of the target
MOST_HALVINGS = 6000  # of parts without any bound
NARROWEST = fmpq(1, 2**64)

Pieces = Sequence[tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class RoundingBound:
    """What rounding adds to the weighted error at most.

    Parameters
    ----------
    bound : rounded up; inf where there is none.
    reason : why there is none.
    least : the bound holds at 0 and where abs(x) is at least this, which is the whole domain where it is 0: nearer to a
        zero of the target at 0, products leave the normal numbers.
    """

    bound: float
    reason: str = ""
    least: Fraction = Fraction(0)


def rounding_bound(
    statement: Statement, pieces: Pieces, program: Program, own: Format, output: Format | None = None
) -> RoundingBound:
    """Bound what the roundings of an evaluation add to the weighted error.

    Parameters
    ----------
    statement : the target, the coefficients and the weight.
    pieces : intervals with rational ends that hold the domain.
    program, own : the operations, and the format in which each is rounded to nearest; every x is a number of it.
    output : the format to which the value is rounded in the end, where that is another.
    """
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = BITS, ORDER
    try:
        bounds = _Bounds(statement, program, own, output or own)
        return bounds.over([(rational(low), rational(high)) for low, high in pieces])
    finally:
        ctx.prec, ctx.cap = before


class _Bounds:
    """Bounds on parts of the domain."""

    def __init__(self, statement: Statement, program: Program, own: Format, output: Format) -> None:
        self.target, self.error = statement.target, statement.error
        self.program, self.own, self.output = program, own, output
        self.coef = {f"c{power}": arb(rational(Fraction(statement.coef[power]))) for power in program.powers}
        self.least = max(power_of_two((one.finest or 0) + (one.digits or 0)) for one in (own, output))
        self.ticket = count()
        self.heap: list[tuple[float, int, fmpq, fmpq]] = []

    def over(self, intervals: Sequence[tuple[fmpq, fmpq]]) -> RoundingBound:
        """Return the bound on all of some intervals."""
        for low, high in intervals:
            for start, end in ((low, min(high, fmpq(0))), (max(low, fmpq(0)), high)):
                self.divide(start, end, PARTS)
        tiny, halvings = False, 0
        for _ in range(MOST_HALVINGS):
            if not self.heap:
                break
            size, _, low, high = self.heap[0]
            without = size == -math.inf
            if not without and halvings >= BUDGET:
                break
            heapq.heappop(self.heap)
            if without and (reason := self.hopeless(low, high)):
                return RoundingBound(math.inf, reason)
            if without and max(-low, high) <= rational(self.least):
                tiny = True  # a zero of the target at 0
                continue
            halvings += not without
            self.halve(low, high)
        largest = max((-size for size, *_ in self.heap), default=0.0)
        if largest == math.inf:
            return RoundingBound(math.inf, "the parts near a zero of the target are too many")
        return RoundingBound(largest, "", self.least if tiny else Fraction(0))

    def hopeless(self, low: fmpq, high: fmpq) -> str:
        """Return why a part has no bound however it is divided, or nothing."""
        middle = (low + high) / 2
        place = f"near x = {float(middle):.6g}"
        if not self.moved(arb(middle)).is_finite():
            return f"a number leaves the range of {self.own} {place}"
        if high - low < max(abs(low), abs(high)) * NARROWEST:
            return f"the target is 0 {place}, where any rounding is too large"
        return ""

    def halve(self, low: fmpq, high: fmpq) -> None:
        """Divide a part; one with an end at 0 into one that has, and several others."""
        middle = (low + high) / 2
        if low == 0:
            self.add(low, middle)
            self.divide(middle, high, NEAR_ZERO)
        elif high == 0:
            self.divide(low, middle, NEAR_ZERO)
            self.add(middle, high)
        else:
            self.add(low, middle)
            self.add(middle, high)

    def divide(self, low: fmpq, high: fmpq, parts: int) -> None:
        """Divide an interval evenly; one point is a part."""
        if low > high or (low == high == 0 and self.heap):
            return
        step = (high - low) / parts
        for place in range(parts if low < high else 1):
            self.add(low + step * place, low + step * (place + 1))

    def add(self, low: fmpq, high: fmpq) -> None:
        """Bound a part, and put it where its bound says."""
        bound = above(self.moved(arb(low).union(arb(high))) * self.weight(low, high))
        heapq.heappush(self.heap, (-bound, next(self.ticket), low, high))

    def moved(self, x: arb) -> arb:
        """Return how far rounding moves the value; inf where a number may leave the range."""
        values = {**self.coef, "x": x}
        moves = dict.fromkeys(values, arb(0))
        for one in self.program.operations:
            a, *rest = one.inputs
            value, move = values[a], moves[a]
            if one.kind != "add":
                b = rest.pop(0)
                move = abs(value) * moves[b] + abs(values[b]) * move + move * moves[b]
                value = value * values[b]
            for c in rest:
                value, move = value + values[c], move + moves[c]
            values[one.result] = value
            moves[one.result] = (move + _rounding(abs(value) + move, self.own, one.kind)).upper()
        value, move = values[self.program.output], moves.get(self.program.output, arb(0))
        return arb(move) if self.output == self.own else move + _rounding(abs(value) + move, self.output, "")

    def weight(self, low: fmpq, high: fmpq) -> arb:
        """Return a bound of the weight on a part."""
        if self.error == "absolute":
            return arb(1)
        if isinstance(self.error, Node):
            return arb(self.size(self.error, low, high, zero=True).abs_upper())
        least = arb(self.size(self.target, low, high, zero=False).abs_lower())
        return 1 / least if least > 0 else arb("inf")

    def size(self, tree: Node, low: fmpq, high: fmpq, *, zero: bool) -> arb:
        """Return a ball of all values of an expression on a part; by an expansion where its formula has none.

        `zero` says whether a ball that holds 0 is good enough.
        """
        middle = (low + high) / 2
        try:
            found = evaluate(tree, arb(low).union(arb(high)))
            if found.is_finite() and (zero or not found.contains(0)):
                return found
        except (UndecidedError, ValueError):
            pass
        for centre, side in ((middle, 0), (low, 1), (high, -1)):
            reach = arb(low - centre).union(arb(high - centre)) if side == 0 else arb(0).union(arb(high - low))
            panel = Panel(fmpq_poly([centre, side or 1]), reach, ORDER, one_sided=side != 0)
            try:
                ball = settle(panel, sharpened(panel, expand_on(panel, tree))).ball[0]
            except (UnexpandableError, ValueError):
                continue
            if ball.is_finite() and not panel.opened:
                return ball
        return arb("inf")


def _rounding(size: arb, own: Format, kind: str) -> arb:
    """Return half the spacing of a format's numbers up to a size."""
    if not size < arb(rational(min(own.largest or Fraction(0), -(own.least or Fraction(0))))):
        return arb("inf")
    if own.digits is None:
        return arb(0) if kind == "add" else arb(2) ** ((own.finest or 0) - 1)
    mantissa, exponent = size.upper().man_exp()
    high = int(exponent) + int(mantissa).bit_length() if mantissa else -(10**6)
    return arb(2) ** (max(high - own.digits, own.finest or 0) - 1)
