"""The largest error of a polynomial on intervals, enclosed: from below by a witness, from above by cells.

Best first: of all cells the one with the largest upper bound is looked at again, until no bound is above the lower one
by more than what is asked for. A cell whose expansion leaves much over is divided; one whose remainder is small is
bounded by Bernstein's form between the extrema of its polynomial. Where there is no expansion the cell is expanded
about its ends (removable singularities, roots, corners), divided at the simplest fraction inside it, where the
singularities of formulas that people write tend to be, and bounded by plain balls meanwhile.

Every bound is that of balls: floats choose where to cut and where to look for a witness, and bound nothing.

flint's context is global: precision and order are set here for the time of a call, and restored. What another thread
does to the precision meanwhile costs sharpness, not truth; an order that another thread makes smaller shortens series,
and a shorter series counts as one. One call at a time is advised.

S. Chevillard, J. Harrison, M. Joldes, C. Lauter, Efficient and accurate computation of upper bounds of approximation
errors, Theor. Comput. Sci. 412, 1523-1543, 2011, doi:10.1016/j.tcs.2010.11.052.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import count

from flint import arb, ctx, fmpq, fmpq_poly

from polyoptim.errors import ArgumentError
from polyoptim.solvers.bernstein import above, below
from polyoptim.solvers.cells import ErrorFunction, bounded, parts, summits
from polyoptim.solvers.enclosure import Cell, Enclosure, End, Statement
from polyoptim.solvers.expansion import expand_on
from polyoptim.solvers.models import Panel, UnexpandableError, settle
from polyoptim.solvers.rationals import fraction, rational
from polyoptim.targets.nodes import Node

FIRST_BITS, MOST_BITS = 128, 4096
BITS_A_TERM, MOST_TERMS = 8, 128  # Taylor coefficients of a cell, the remainder's included: 16 to 128
SLACK = 8  # bounds are raised by within / SLACK, so that other arithmetic finds them true as well
NARROWEST = fmpq(1, 2**64)  # a cell without any bound, against its interval
SAMPLES = 1000  # steps through an interval where there is no proof
WAY_OUT = "Leave that point out of the domain, or take another error."


def enclose(
    root: Node,
    coef: Mapping[int, Fraction],
    domains: Sequence[tuple[End, End]],
    *,
    error: str | Node = "absolute",
    within: float = 1e-6,
    budget: int = 4000,
) -> Enclosure:
    """Enclose the largest error of a polynomial on intervals.

    A function is taken at its limit where its formula is 0 / 0 in a point, as sin(x) / x at 0. Ends that are no
    rational numbers are rounded outwards to the precision for the upper bound, and inwards for the lower one.

    Parameters
    ----------
    root : the target f, as a tree.
    coef : of the polynomial p, by powers of x, exact.
    domains : pairs of ends, each a rational number or a tree without a variable.
    error : "absolute" for p - f, "relative" for (p - f) / f, or a tree w for w (p - f).
    within : (upper - lower) / upper that is enough.
    budget : how many cells may be looked at, about 0.3 ms each; with 0 the error is sampled.

    Returns
    -------
    Enclosure
        With `proved` False and a reason where the budget, the precision or the function did not allow it. Then `lower`
        is the largest error at some sampled points: a bound from below still.

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.

    Examples
    --------
    >>> from polyoptim.targets.expression import parse
    >>> coef = {0: Fraction(1), 1: Fraction(1), 2: Fraction(1, 2)}
    >>> found = enclose(parse("exp(x)").root, coef, [(Fraction(-1), Fraction(1))])
    >>> found.proved, round(found.lower, 6), found.witness
    (True, 0.218282, Fraction(1, 1))
    """
    _check(coef, domains, error, within, budget)
    statement = Statement(root, coef, error, tuple(domains))
    bits = FIRST_BITS
    while True:
        with _context(bits):
            try:
                return _Search(statement, bits).run(within, budget)
            except _PrecisionError:
                bits *= 2


class _PrecisionError(ArithmeticError):
    """The balls are too wide for the error sought."""


@contextmanager
def _context(bits: int) -> Iterator[None]:
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = bits, MOST_TERMS
    try:
        yield
    finally:
        ctx.prec, ctx.cap = before


def _check(
    coef: Mapping[int, Fraction], domains: Sequence[tuple[End, End]], error: str | Node, within: float, budget: int
) -> None:
    wrong = []
    if any(power < 0 for power in coef):
        wrong.append(f"coef must have powers >= 0, got {min(coef)}.")
    if not domains:
        wrong.append("domains must hold at least one pair of ends, got none.")
    if isinstance(error, str) and error not in ("absolute", "relative"):
        wrong.append(f"error must be 'absolute', 'relative' or the tree of a weight, got {error!r}.")
    if not 0 < within < 1:
        wrong.append(f"within must be between 0 and 1, got {within!r}.")
    if budget < 0:
        wrong.append(f"budget must be >= 0, got {budget!r}.")
    for pair in domains:
        with _context(FIRST_BITS):
            try:
                (low, _), (_, high) = map(_end, pair)
            except ArgumentError as found:
                wrong.append(str(found))
                continue
        if low > high:
            wrong.append(f"a domain must have its lower end first, got {float(low)!r} and {float(high)!r}.")
    if wrong:
        raise ArgumentError("\n".join(wrong))


def _end(end: End) -> tuple[fmpq, fmpq]:
    """Return the numbers next below and above an end in the precision; twice itself where it is rational."""
    if not isinstance(end, Node):
        return (rational(Fraction(end)),) * 2
    panel = Panel(fmpq_poly([0]), arb(0), 1, one_sided=True)
    try:
        value = expand_on(panel, end)
        ball = settle(panel, value).ball[0]
    except UnexpandableError as error:
        raise ArgumentError(f"an end of a domain must be a number, got one without a value: {error}.") from None
    if isinstance(value, fmpq_poly):
        return value[0], value[0]
    if not ball.is_finite():
        raise ArgumentError("an end of a domain must be a number, got one without a finite value.")
    return rational(ball.lower()), rational(ball.upper())


class _Search:
    """Cells by their upper bounds, and the best witness so far."""

    def __init__(self, statement: Statement, bits: int) -> None:
        self.statement = statement
        self.bits = bits
        self.error = ErrorFunction(statement, min(bits // BITS_A_TERM, MOST_TERMS))
        ends = [(_end(low), _end(high)) for low, high in statement.domains]
        self.intervals = [(low[0], high[1]) for low, high in ends]
        self.inner = [(low[1], high[0]) for low, high in ends]
        self.heap: list[tuple[float, int, Cell]] = []
        self.ticket = count(0, -1)  # of cells of one bound the last comes first, so that a singularity is soon narrow
        self.lower = 0.0
        self.witness: fmpq | None = None
        self.seen = 0

    def run(self, within: float, budget: int) -> Enclosure:
        """Return the enclosure: proved, or with samples."""
        try:
            reason = self.refine(within, budget)
        except UnexpandableError as error:
            self.heap = []
            reason = f"the error has no bound: {error}. {WAY_OUT}"
        points = self.sample() if reason else 0
        if not reason:
            self.slacken(within)
        upper = max((cell.bound for _, _, cell in self.heap), default=math.inf)
        cells = tuple(sorted((cell for _, _, cell in self.heap), key=lambda cell: (cell.low, cell.high)))
        witness = None if self.witness is None else fraction(self.witness)
        return Enclosure(
            self.lower, upper, not reason, witness, reason, points, self.seen, self.bits, cells, self.statement
        )

    def refine(self, within: float, budget: int) -> str:
        """Look at the cell with the largest bound again and again; return why that led to no end, or nothing."""
        if not budget:
            return "no cells were allowed: the budget is 0. Raise it."
        if empty := [low for low, high in self.inner if low > high]:
            self.raise_precision()
            return f"a domain is one irrational number, near {float(empty[0]):.6g}. Give one with rational ends."
        for low, high in self.intervals:
            self.add(low, high)
        while not (cell := self.heap[0][2]).bound * (1 - within * (1 - 2 / SLACK)) <= self.lower:
            if self.seen >= budget:
                place = f"near x = {float(cell.centre):.6g}"
                return f"{self.seen} cells did not bring the bounds together {place}. Raise the budget."
            reason = self.reason_to_stop(cell, within)
            if reason:
                return reason
            heapq.heappop(self.heap)
            room = self.room(within)
            if cell.coef and cell.tail <= room and not cell.is_tight:
                self.push(bounded(cell, arb(self.lower) * (1 + within / 2)))
            else:
                for low, high in parts(cell, room):
                    self.add(low, high)
        return ""

    def room(self, within: float) -> arb:
        """Return what a tail or a noise may be."""
        return arb(self.lower) * within / (4 * SLACK)

    def reason_to_stop(self, cell: Cell, within: float) -> str:
        """Return why a cell cannot be bounded better in this precision, or nothing."""
        place = f"near x = {float(cell.centre):.6g}"
        if cell.coef:
            if self.lower == sys.float_info.max:
                return f"the error is above the largest float {place}. Scale the target, or shorten the domain."
            noise = cell.noise
            drowned = noise > self.room(within) and noise > cell.tail / 2
            if drowned or self.lower == 0 or cell.low == cell.high:
                self.raise_precision()
                return f"{self.bits} bits do not tell the error from zero {place}."
        elif cell.bound == math.inf and self.is_narrow(cell):
            if self.statement.error == "relative" and self.error.target_may_vanish(cell):
                return f"the target seems to be zero {place}, where a relative error has no bound. {WAY_OUT}"
            return f"no finite value was found {place}: a pole, or nothing defined. {WAY_OUT}"
        return ""

    def raise_precision(self) -> None:
        """Begin again with more bits, as long as there are more."""
        if self.bits < MOST_BITS:
            raise _PrecisionError

    def is_narrow(self, cell: Cell) -> bool:
        """Return whether a cell is tiny beside its interval."""
        return any(
            low <= cell.low and cell.high <= high and cell.high - cell.low <= (high - low) * NARROWEST
            for low, high in self.intervals
        )

    def add(self, low: fmpq, high: fmpq) -> None:
        """Take a part of the domain in, and look for a witness there."""
        self.seen += 1
        cell = self.error.cell(low, high)
        if self.witness is None or cell.bound > self.lower:
            before = self.lower
            for s in summits(cell):
                self.try_at(cell.x(s))
                if self.lower > before:
                    break
        self.push(cell)

    def push(self, cell: Cell) -> None:
        """Put a cell where its bound says."""
        heapq.heappush(self.heap, (-cell.bound, next(self.ticket), cell))

    def try_at(self, x: fmpq) -> None:
        """Take a point, or the end next to it, as the witness where the error there is the largest so far."""
        for (low, high), (inner_low, inner_high) in zip(self.intervals, self.inner, strict=True):
            inside = min(max(x, inner_low), inner_high)
            if not low <= x <= high or inner_low > inner_high:
                continue
            try:
                found = below(arb(self.error.at(inside).abs_lower()))
            except UnexpandableError:
                continue
            if found > self.lower or (self.witness is None and found == 0):
                self.lower, self.witness = found, inside

    def sample(self) -> int:
        """Try evenly spaced points; return how many."""
        places = [
            low + (high - low) * fmpq(place, SAMPLES)
            for low, high in self.inner
            for place in range(SAMPLES + 1 if low < high else 1)
        ]
        for x in places:
            self.try_at(x)
        return len(places)

    def slacken(self, within: float) -> None:
        """Raise the bounds, the largest by within / SLACK, and others by more, but not above it."""
        top = above(arb(max(cell.bound for _, _, cell in self.heap)) * (1 + arb(within) / SLACK))
        for _, _, cell in self.heap:
            cell.bound = min(top, 1.25 * cell.bound)
