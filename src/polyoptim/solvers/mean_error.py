"""Mean error: the polynomial with the least integral of the error or of its square, with real or rounded coefficients.

Real coefficients of the least square are the middle of a frame, those of the least abs are found from there. In
formats the least square is the nearest point of a lattice; for the least abs the lattice points near its optimum, by
its curvature and by the square, are compared, and the best of them moved as long as that helps.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError
from polyoptim.formats import Format
from polyoptim.solvers.boxes import Coef
from polyoptim.solvers.integrals import BITS, MOST_BITS, SURE, Integrals, MeanTask, integrals
from polyoptim.solvers.mean_absolute import MeanAbsolute
from polyoptim.solvers.nearest import Metric, Nearest
from polyoptim.solvers.weighted_grid import Grid

Array = npt.NDArray[np.float64]

POWER = {"l1": 1, "l2": 2}  # of the error in the integral, by objective
LARGEST = sys.float_info.max
SAFE = 1e-11  # relative, what the quadrature may leave open: bounds are lowered by it
FAR = 2.0**200  # beside the least error: rounding counts in a unit of its own
AROUND = 400  # points of a lattice beside the nearest, of which the integral of abs is looked at
EVERY = 20_000  # nodes, in which all coefficients that may be better are tried, where they are as few
RIDGE = 1e-6  # of the mean curvature, where the error hardly crosses 0 in a direction
SIMPLE = 1 << 32  # the largest denominator of a coefficient that is taken to be meant
POINTS, TOPS = 24, 2  # of a grid for each coefficient and two more, and how often its tops are looked for
MOVES = 60  # that improve rounded coefficients
PAIRS = 12  # coefficients; of more only single ones are moved


@dataclass(frozen=True)
class Reached:
    """Coefficients of the free powers.

    Parameters
    ----------
    coef : exact.
    loss : the objective there.
    bound : no coefficients of the formats, with these conditions, have a smaller one, to what quadrature is exact to.
    """

    coef: Coef
    loss: float
    bound: float


def least_mean(task: MeanTask, formats: Sequence[Format], objective: str) -> Reached:
    """Return the coefficients with the least integral.

    Parameters
    ----------
    task : target, weight, intervals, powers and conditions.
    formats : of the coefficient of each free power.
    objective : "l2" for the root of the integral of the squared error, "l1" for that of its abs.

    Raises
    ------
    ArgumentError
        Where no polynomial in the formats near the best one meets the conditions, or a coefficient is beyond a range.
    DataError
        Where the integral is infinite, the target has no values, or conditions contradict each other.
    """
    known = integrals(task, POWER[objective])
    far = [power for power, value in zip(task.powers, known.frame.centre, strict=True) if abs(value) > LARGEST]
    if far:
        raise ArgumentError(f"the coefficient of x**{far[0]} is beyond all float64. Use another scale of the target.")
    real = all(each.finest is None for each in formats)
    if real and not known.least:
        return _short(known, task, objective)
    if not real:
        rounded = _rounded(known.frame.centre, formats, task.powers)
        apart = float(np.linalg.norm(known.frame.coordinates([rounded])))
        if apart > FAR * known.unit:
            known = known.rescaled(math.ldexp(1.0, math.frexp(apart)[1]))
    if objective == "l2":
        return _of_squares(known, formats, task, real)
    return _of_sizes(known, formats, task, real)


def largest_error(task: MeanTask, coef: Coef, loss: float) -> float:
    """Return the largest weighted error of coefficients at points and at the tops between them.

    Parameters
    ----------
    loss : a number near it, which says how many bits are needed.
    """
    bits = max(BITS, min(SURE - math.frexp(loss)[1], MOST_BITS) if loss > 0 else MOST_BITS)
    known = Grid(task.sample, task.pieces, task.powers, task.fixed, bits)
    known.fill(POINTS * (len(coef) + 2))
    if not known.rows:
        return math.inf
    for _ in range(TOPS):
        known.refine(known.errors(coef))
    return float(np.abs(known.errors(coef)).max())


def _rounded(coef: Sequence[Fraction], formats: Sequence[Format], powers: Sequence[int]) -> Coef:
    """Return each coefficient rounded by itself.

    Raises
    ------
    ArgumentError
        With a sentence for each that is beyond the range of its format.
    """
    found, wrong = [], []
    for power, known, value in zip(powers, formats, coef, strict=True):
        try:
            found.append(known.round(value))
        except ArgumentError as error:
            wrong.append(f"coefficient of x**{power}: {error}")
    if wrong:
        raise ArgumentError("\n".join(wrong))
    return tuple(found)


def _short(known: Integrals, task: MeanTask, objective: str) -> Reached:
    """Return the simplest coefficients without an error to speak of, where the target is such a polynomial."""
    coef = known.frame.centre
    if not task.equations:
        simple = tuple(value.limit_denominator(SIMPLE) for value in coef)
        unit = 1 << BITS
        exact = not known.coordinates([simple]).any()
        coef = simple if exact else tuple(Fraction(round(value * unit), unit) for value in coef)
    t = known.coordinates([coef])
    loss = float(np.linalg.norm(t)) if objective == "l2" else float(MeanAbsolute(known).values(t)[0])
    return Reached(coef, known.unit * loss, 0.0)


def _of_squares(known: Integrals, formats: Sequence[Format], task: MeanTask, real: bool) -> Reached:
    least = known.least
    if real:
        loss = known.unit * math.sqrt(least)
        return Reached(known.frame.centre, loss, loss * (1 - SAFE))
    search = Nearest(_metric(known, known.frame.centre, np.eye(known.frame.size)), formats, task.equations)
    search.run()
    if search.best is None:
        raise ArgumentError(_no_way(formats))
    squares = (known.weights * known.errors(known.coordinates([search.best])[0]) ** 2).sum()
    loss = known.unit * math.sqrt(float(squares))
    bound = known.unit * math.sqrt(least + search.bound**2) * (1 - SAFE)
    return Reached(search.best, loss, min(bound, loss))


def _of_sizes(known: Integrals, formats: Sequence[Format], task: MeanTask, real: bool) -> Reached:
    mean = MeanAbsolute(known)
    least = mean.least()
    bound = known.unit * least.bound * (1 - SAFE)
    centre = known.frame.coef((least.t * known.unit).tolist())
    if real:
        return Reached(centre, known.unit * least.value, bound)
    identity = np.eye(known.frame.size)
    _, curvature = mean.slope(least.t)
    size = float(np.trace(curvature)) / max(len(identity), 1)
    metrics = [_metric(known, centre, identity)]
    if size > 0:
        factor = np.asarray(np.linalg.cholesky(curvature / size + RIDGE * identity).T, dtype=np.float64)
        metrics.append(_metric(known, centre, factor))
    searches = [Nearest(metric, formats, task.equations) for metric in metrics]
    for search in searches:
        search.run()
        search.look_around(AROUND)
    seen = list(dict.fromkeys(coef for search in searches for coef in search.seen))
    if not seen:
        raise ArgumentError(_no_way(formats))
    best, value = _moved(mean, *_best(mean, seen), formats, searches)
    # The error and the best one differ by a polynomial whose integral of abs is at most the sum of theirs, and at least
    # its length over the peak: all that is better lies in a ball, and nothing is nearer than the nearest.
    peak = mean.peak()
    bound = max(bound, known.unit * (searches[0].bound / peak - least.value) * (1 - SAFE))
    if searches[0].every(peak * (value + least.value), EVERY):
        best, value = _best(mean, list(searches[0].seen))
        bound = known.unit * value * (1 - SAFE)
    loss = known.unit * value
    return Reached(best, loss, min(bound, loss))


def _moved(
    mean: MeanAbsolute, best: Coef, value: float, formats: Sequence[Format], searches: Sequence[Nearest]
) -> tuple[Coef, float]:
    """Return the end of a descent from neighbour to neighbour."""
    for _ in range(MOVES):
        near = [coef for coef in _neighbours(best, formats, searches) if searches[0].meets(coef)]
        moved, least = _best(mean, near) if near else (best, value)
        if not least < value:
            break
        best, value = moved, least
    return best, value


def _metric(known: Integrals, centre: Coef, metric: Array) -> Metric:
    """Return the distance from coefficients, in the unit, after a matrix has turned the coordinates."""
    own = known.frame
    inverse = np.linalg.inv(metric) if own.size else metric
    bits = own.bits + math.frexp(known.unit)[1] - 1
    return Metric(own.rows(centre, metric), bits, centre, own.spread() @ inverse * known.unit)


def _best(mean: MeanAbsolute, seen: Sequence[Coef]) -> tuple[Coef, float]:
    values = mean.values(mean.known.coordinates(seen))
    place = int(np.argmin(values))
    return seen[place], float(values[place])


def _neighbours(coef: Coef, formats: Sequence[Format], searches: Sequence[Nearest]) -> list[Coef]:
    """Return coefficients one or two steps away, and those along the short vectors of the lattices."""
    found = [moved for search in searches for moved in search.beside(coef)]
    changed = [list(_steps(known, value)) for known, value in zip(formats, coef, strict=True)]
    for k, values in enumerate(changed):
        found += [(*coef[:k], value, *coef[k + 1 :]) for value in values]
    if len(coef) <= PAIRS:
        for j, k in itertools.combinations(range(len(coef)), 2):
            for first, second in itertools.product(changed[j], changed[k]):
                found.append((*coef[:j], first, *coef[j + 1 : k], second, *coef[k + 1 :]))
    return list(dict.fromkeys(found))


def _steps(known: Format, value: Fraction) -> Iterator[Fraction]:
    """Yield the numbers of a format next to one of them."""
    if known.finest is None:
        return
    for step in (known.next_up, known.next_down):
        try:
            yield step(value)
        except ArgumentError:  # the end of the range
            continue


def _no_way(formats: Sequence[Format]) -> str:
    names = ", ".join(dict.fromkeys(known.name for known in formats))
    return (
        f"no polynomial near the best one with coefficients in {names} meets the conditions exactly. Give one "
        "coefficient a finer format, or move a point to where the sums come out even."
    )
