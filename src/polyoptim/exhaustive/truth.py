"""Truth: a function on runs of inputs as polynomials in panels, each with a bound of its error, and balls for the rest.

A panel's polynomial is a Taylor expansion in ball arithmetic, its leading coefficient in two doubles. The bound of its
error holds the remainder, what the rounding of coefficients takes, and the roundings of its evaluation. Panels are
divided until it is small against a unit in the last place of every value in them: so few inputs are left in doubt, of
which balls of growing precision decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq_poly

from polyoptim.exhaustive.inputs import Run
from polyoptim.exhaustive_kernel import (
    CENTRE,
    COUNT,
    DOUBT,
    EDGE,
    EDGE_DOUBLE,
    GRID,
    KIND,
    LEADING,
    LOW,
    PANEL_FLOATS,
    PANEL_INTEGERS,
    REST,
    START,
    STEP,
    STRIDE,
    TERMS,
)
from polyoptim.formats import Format
from polyoptim.solvers.expansion import expand_on
from polyoptim.solvers.models import Panel, UnexpandableError, settle, sharpened
from polyoptim.solvers.rationals import fraction, rational
from polyoptim.solvers.sought import limit
from polyoptim.targets.balls import UndecidedError, evaluate
from polyoptim.targets.nodes import Node

BITS = 160
MOST_BITS = 4000
FEW = 4  # inputs of a panel that balls decide where no expansion does
MOST = 1 << 18  # inputs of a panel
LEFT = 16  # inputs of a panel that may be left in doubt where the function has a zero
EVALUATION = 2.0**-52  # each term's share of what an evaluation in doubles is off by
SURE = 2.0**-17  # of a unit in the last place: the error of the truth that is aimed at
SURE_DOUBLE = 2.0**-10  # the same, of one of float64


@dataclass(frozen=True)
class Truth:
    """A function on runs of inputs.

    Parameters
    ----------
    tree : the function.
    output : the format in whose units values are judged.
    integers, floats : a row for each panel, as the compiled loop reads them.
    """

    tree: Node
    output: Format
    integers: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return int(self.integers[:, COUNT].sum())


def truth_of(tree: Node, runs: Sequence[Run], output: Format) -> Truth:
    """Return a function on runs of inputs, judged in units in the last place of a format."""
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = BITS, TERMS
    rows: list[tuple[Run, npt.NDArray[np.float64]]] = []
    try:
        for run in runs:
            stack = [run]
            while stack:
                part = stack.pop()
                ctx.prec = BITS + 2 * max(-math.frexp(part.at(part.count // 2).item())[1], 0)  # near 0 parts may cancel
                panel = _panel(tree, part, output)
                if panel is None:
                    middle = part.count // 2
                    stack += [part.part(middle, part.count), part.part(0, middle)]
                else:
                    rows += [(part.part(k, min(k + MOST, part.count)), panel) for k in range(0, part.count, MOST)]
    finally:
        ctx.prec, ctx.cap = before
    integers = np.zeros((len(rows), PANEL_INTEGERS), dtype=np.int64)
    floats = np.zeros((len(rows), PANEL_FLOATS))
    for place, (run, panel) in enumerate(rows):
        integers[place, [KIND, START, STRIDE, COUNT]] = run.kind, run.start, run.stride, run.count
        floats[place] = panel
        floats[place, [LOW, STEP]] = run.low, run.step
    return Truth(tree, output, integers, floats)


def _panel(tree: Node, run: Run, output: Format) -> npt.NDArray[np.float64] | None:
    """Return what describes the truth on a run; None where it has to be divided."""
    low, high = run.at([0, run.count - 1]).tolist()
    centre = low / 2 + high / 2
    found = np.zeros(PANEL_FLOATS)
    found[CENTRE], found[DOUBT] = centre, math.inf
    few = run.count <= FEW
    if few and low == high:
        return found
    c = rational(Fraction(centre))
    ends = [arb(rational(Fraction(end)) - c) for end in (low, high)]
    panel = Panel(fmpq_poly([c, 1]), ends[0].union(ends[1]), TERMS, one_sided=False)
    try:
        model = settle(panel, sharpened(panel, expand_on(panel, tree)))
    except (UnexpandableError, ValueError):
        return found if few else None
    balls = [*(model.point[place] for place in range(TERMS - 1)), model.ball[TERMS - 1]]
    if panel.opened or not all(one.is_finite() for one in balls):
        return found if few else None
    middles = [one.mid() for one in balls]
    found[LEADING] = float(middles[0])
    found[REST] = float(middles[0] - arb(found[LEADING]))
    found[REST + 1 :] = [float(one) for one in middles[1:]]
    if not np.isfinite(found[LEADING:]).all():
        return found if few else None
    reach = max(high - centre, centre - low) * (1 + 2.0**-50)
    terms = np.abs(found[REST:]) * reach ** np.arange(TERMS)
    radii = sum(float(one.rad()) * reach**place for place, one in enumerate(balls))
    spread = float(terms[1:].sum())
    doubt = radii * (1 + 2.0**-40) + EVALUATION * float(terms @ (2.0 * np.arange(TERMS) + 2.0)) + 1e-300
    if few or doubt <= _aim(output, abs(found[LEADING]) - 2 * spread) or _left(run, terms, doubt, output) <= LEFT:
        found[DOUBT] = doubt
        return found
    return None


def _left(run: Run, terms: npt.NDArray[np.float64], doubt: float, output: Format) -> float:
    """Return about how many inputs of a panel about a simple zero of the function are left in doubt."""
    slope = terms[1] - float(terms[2:] @ np.arange(2, TERMS))  # times the reach
    if not slope > 0:
        return math.inf
    first, second, penultimate, last = run.at([0, 1, run.count - 2, run.count - 1]).tolist()
    spacing = run.step if run.kind == GRID else min(second - first, last - penultimate)
    steps = (last - first) / spacing
    return float(doubt / slope * steps * 2.0 ** (output.digits or 0) * (1 + math.log(run.count)))


def _aim(output: Format, least: float) -> float:
    """Return how large the error of the truth may be where no value is smaller than `least`."""
    digits, finest = output.digits or 0, output.finest or 0
    exponent = finest + digits if least <= 0 else math.frexp(least)[1]
    sure = SURE_DOUBLE if _is_double(output) else SURE
    return sure * math.ldexp(1.0, max(exponent - digits, finest))


def settle_one(tree: Node, x: float, value: float, output: Format) -> tuple[float, bool]:
    """Return the error of a value in units in the last place of the truth, and whether it is a flip, by balls.

    Raises
    ------
    UndecidedError
        Where 4000 bits do not decide how the truth is rounded.
    """
    exact = rational(Fraction(x))
    bits = BITS
    while bits <= MOST_BITS:
        with ctx.workprec(bits):
            try:
                ball = evaluate(tree, arb(exact))
            except (UndecidedError, ValueError):
                ball = arb("nan")
            if not ball.is_finite():
                ball = limit(tree, Fraction(x))  # 0 / 0
            found = _judged(ball, value, output) if ball.is_finite() else None
        if found is not None:
            return found
        bits *= 2
    raise UndecidedError(f"{bits // 2} bits do not decide how the value at x = {x!r} is rounded")


def _judged(ball: arb, value: float, output: Format) -> tuple[float, bool] | None:
    ends = [fraction(rational(end)) for end in ((ball, ball) if ball.is_exact() else (ball.lower(), ball.upper()))]
    results = [_nearest(end, output) for end in ends]
    if results[0] != results[1]:
        return None
    right = results[0]
    units = [unit_of(end, output) for end in ends]
    if units[0] != units[1]:
        return None
    unit = units[0]
    if math.isinf(value) or math.isnan(value):
        return (0.0, False) if value == right else (math.inf, True)
    middle = (ends[0] + ends[1]) / 2
    error = abs(Fraction(value) - middle) / unit
    if (ends[1] - ends[0]) / unit > Fraction(1, 1 << 40):
        return None
    return float(error), value != right


def unit_of(value: Fraction, output: Format) -> Fraction:
    """Return the unit in the last place of a value, as far as the range goes.

    A value so near below a power of two that it hardly differs from it counts as that power.
    """
    edge = abs(value) + output.spacing(value) * Fraction(EDGE_DOUBLE if _is_double(output) else EDGE)
    return min(output.spacing(edge), output.spacing(output.largest or Fraction(0)))


def _nearest(value: Fraction, output: Format) -> float:
    """Return the number of a format that is nearest, or infinity."""
    largest = output.largest or Fraction(0)
    if abs(value) >= 2 * largest:
        return math.copysign(math.inf, value)
    unit = output.spacing(value)
    rounded = round(value / unit) * unit
    return math.copysign(math.inf, value) if abs(rounded) > largest else float(rounded)


def _is_double(output: Format) -> bool:
    return output.digits == np.finfo(np.float64).nmant + 1
