"""Bounds of an error on a part of its domain: by an expansion about a point of it, or by plain balls."""

from __future__ import annotations

import math
from fractions import Fraction

from flint import arb, arb_poly, fmpq, fmpq_poly

from polyoptim.solvers.bernstein import above, bound, extrema
from polyoptim.solvers.enclosure import Cell, Statement
from polyoptim.solvers.expansion import expand_on
from polyoptim.solvers.models import Panel, UnexpandableError, Value, lift, minus, over, settle, sharpened, times
from polyoptim.solvers.rationals import near, rational, root_above, simplest
from polyoptim.targets.balls import UndecidedError, evaluate

LARGEST_ROOT = 24  # as in x**(1/24)
MOST_PARTS = 8  # into which a cell is divided


class ErrorFunction:
    """The error e of a polynomial, in the precision of flint's context.

    Parameters
    ----------
    statement : what e is.
    order : of expansions, the remainder's term included.
    """

    def __init__(self, statement: Statement, order: int) -> None:
        self.statement = statement
        self.order = order
        powers = range(max(statement.coef, default=-1) + 1)
        self.polynomial = fmpq_poly([rational(Fraction(statement.coef.get(power, 0))) for power in powers])

    def on(self, panel: Panel) -> Value:
        """Return the expansion of e."""
        target = expand_on(panel, self.statement.target)
        difference = minus(panel, self.polynomial(panel.x), target)
        if self.statement.error == "absolute":
            return difference
        difference = sharpened(panel, difference)
        if isinstance(self.statement.error, str):
            return over(panel, difference, target)
        return times(panel, expand_on(panel, self.statement.error), difference)

    def at(self, x: fmpq) -> arb:
        """Return a ball of e at a point.

        Raises
        ------
        UnexpandableError
            Where it has no value; with `hole` where the formula is 0 / 0.
        """
        panel = Panel(fmpq_poly([x]), arb(0), 1, one_sided=True)
        return settle(panel, self.on(panel)).ball[0]

    def cell(self, low: fmpq, high: fmpq) -> Cell:
        """Return [low, high] with a bound: from an expansion about its middle or an end, or from plain balls.

        The bound is inf where there is none.

        Raises
        ------
        UnexpandableError
            Where e is known to have a pole.
        """
        middle = near((low + high) / 2, high - low) if low < high else low
        for centre, side in [(middle, 0), (low, 1), (high, -1)][: 3 if low < high else 1]:
            try:
                return self.expanded(low, high, centre, side)
            except UnexpandableError as error:
                if error.pole:
                    raise UnexpandableError(f"{error} at x = {float(centre):.6g}", pole=True) from None
        return self.plain(low, high, middle)

    def expanded(self, low: fmpq, high: fmpq, centre: fmpq, side: int = 0, root: int = 1) -> Cell:
        """Return a cell expanded about a point of it, to both sides (0) or from an end (1 the lower one, -1)."""
        if root > LARGEST_ROOT:
            raise UnexpandableError("a root has no derivative here")
        start, end = (low - centre, high - centre) if side == 0 else (fmpq(0), root_above(high - low, root))
        x = fmpq_poly([centre] + [0] * (root - 1) + [side or 1])
        panel = Panel(x, arb(start).union(arb(end)), self.order, one_sided=side != 0)
        try:
            model = settle(panel, self.on(panel))
        except UnexpandableError as error:
            if error.root > 1 and root == 1 and side:
                return self.expanded(low, high, centre, side, error.root)
            raise
        order = min(model.point.prec, model.ball.prec)
        coef = [model.point[place] for place in range(order - 1)]
        rest = model.ball[order - 1]
        if not rest.is_finite() or not all(one.is_finite() for one in coef):
            raise UnexpandableError("it has no finite value here")
        cell = Cell(low, high, centre, side, root, panel.order, coef, [start, end] if start < end else [start])
        cell.tail = (rest.abs_upper() * cell.reach ** (order - 1)).upper()
        cell.apart = self.apart(centre) if panel.opened else arb(0)
        return bounded(cell)

    def apart(self, x: fmpq) -> arb:
        """Return abs(e) at a point; 0 where the formula is 0 / 0, so that only limits count."""
        try:
            return self.at(x).abs_upper()
        except UnexpandableError as error:
            if error.hole:
                return arb(0)
            raise

    def plain(self, low: fmpq, high: fmpq, centre: fmpq) -> Cell:
        """Return a cell that is bounded by the balls of plain values."""
        cell = Cell(low, high, centre, cuts=[low - centre, high - centre], tail=arb("inf"))
        reach = arb(low - centre).union(arb(high - centre))
        panel = Panel(fmpq_poly([centre, 1]), reach, 1, one_sided=False)
        try:
            target = evaluate(self.statement.target, centre + reach)
            error = lift(panel, self.polynomial(panel.x)).ball[0] - target
            if not isinstance(self.statement.error, str):
                error = error * evaluate(self.statement.error, centre + reach)
            elif self.statement.error == "relative":
                error = error / target
        except (UndecidedError, ValueError):
            return cell
        cell.tail = error.abs_upper() if error.is_finite() else arb("inf")
        cell.bound = above(cell.tail)
        return cell

    def target_may_vanish(self, cell: Cell) -> bool:
        """Return whether the target has values around 0 on a cell, as far as plain balls tell."""
        try:
            around = evaluate(self.statement.target, arb(cell.low).union(arb(cell.high)))
        except (UndecidedError, ValueError):
            return False
        return bool(around.is_finite() and around.contains(0))


def bounded(cell: Cell, target: arb | None = None) -> Cell:
    """Set the bound of an expanded cell; where a target is given between its extrema, which is tight."""
    if target is not None:
        start, end = cell.cuts[0], cell.cuts[-1]
        cell.cuts = list(dict.fromkeys([start, *extrema(cell.coef, start, end), end]))
        cell.is_tight = True
    limit = arb("inf") if target is None else arb((target - cell.tail).max(0))
    size = bound(cell.coef, cell.cuts, limit)
    cell.bound = above(arb((size + cell.tail).max(cell.apart)))
    return cell


def summits(cell: Cell) -> list[fmpq]:
    """Return parameters of a cell where abs(e) seems largest, and one a little inward, where e has a value if any."""
    if not cell.coef:
        return [fmpq(0)]
    start, end = cell.cuts[0], cell.cuts[-1]
    polynomial = arb_poly(cell.coef)
    best = max(
        dict.fromkeys([start, *extrema(cell.coef, start, end), end]), key=lambda s: float(abs(polynomial(arb(s))))
    )
    inward = (end - start) / 2**60
    return [best, best + (inward if best < end else -inward)]


def parts(cell: Cell, room: arb) -> list[tuple[fmpq, fmpq]]:
    """Divide a cell: evenly, as many times as its tail is above `room`, or at a fraction where a singularity may be."""
    width = cell.high - cell.low
    if not cell.coef:
        cuts = [simplest(cell.low + width / 4, cell.high - width / 4)]
    else:
        excess = float((cell.tail / room).upper()) if room > 0 else math.inf
        count = 2 if excess > 1e200 else min(MOST_PARTS, max(2, math.ceil(excess ** (1 / (len(cell.coef) + 1)))))
        cuts = [near(cell.low + width * place / count, width / count) for place in range(1, count)]
    return list(zip([cell.low, *cuts], [*cuts, cell.high], strict=True))
