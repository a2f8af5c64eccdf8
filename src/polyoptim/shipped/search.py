"""Search: coefficients whose values, in the arithmetic that ships, have the least largest error or the fewest flips.

What counts is the error of the polynomial plus what the roundings of its evaluation add. The latter is measured: the
most and the least that it adds in each part of the domain go into a linear program, whose real coefficients leave room
for them. Around these, points of the lattice of the coefficients are tried in a reduced basis: ranked by the program's
own bound, screened on the inputs that were worst so far, and confirmed by all inputs. For flips the program is one for
the sum of errors at the midpoints between neighbouring results, where a flip begins.

A candidate takes the lead only where all inputs say so. Candidates are drawn from a seeded generator and counted, no
clock has a say, so that the same search gives the same coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpz_mat

from polyoptim.arithmetic import rounded
from polyoptim.errors import ArgumentError
from polyoptim.exhaustive import Meter, Truth, machine_of, runs_of, truth_of
from polyoptim.formats import FORMATS, Format
from polyoptim.schemes import program
from polyoptim.shipped.programs import least_largest, least_sum
from polyoptim.shipped.sample import Sample, points_of, sample_of, sampled
from polyoptim.shipped.screen import Screen, joined
from polyoptim.solvers.approximation import Asked
from polyoptim.solvers.reduction import nearest_plane
from polyoptim.targets.nodes import Node

Array = npt.NDArray[np.float64]

POINTS = 1 << 18  # of the sample
WINDOWS = 512  # parts of the domain, in each of which rounding has its measure
CONTESTED = 2.0  # times the largest error: how far from a midpoint a truth is that candidates may flip
MOST_CONTESTED = 0.1  # units, beyond which such inputs are too many
SPREAD_OF_COUNTS = 3.0  # of their roots: how many flips more on few inputs end a candidate
SPARSE = 16  # of those inputs one is looked at first, and of the candidates one is kept
ROUNDS, FLIP_ROUNDS = 8, 6
SPREADS = (0.5, 0.25, 0.12, 0.06, 0.03)  # of candidates about the program's solution, in units in the last place
FLIP_SPREADS = (0.03, 0.01, 0.003, 0.001, 0.0003)  # the same, in the mean error
DRAWN, RANKED, CONFIRMED = 4096, 512, 12  # candidates of a spread: drawn, screened, and at most confirmed
WORST = 4096  # inputs on which candidates are screened
TOP = 512  # of a sample, that are screened from then on
REDUCED_BITS, REDUCED_ROWS = 40, 96
MOST_MIDPOINTS = 4096
PATIENCE = 3  # rounds without a gain


@dataclass(frozen=True)
class Shipped:
    """What was found.

    Parameters
    ----------
    coef : exact, by power.
    loss : the largest error in units in the last place, or the share of flips, over the inputs of the search.
    tried : how many candidates were drawn.
    interrupted : whether the search was cut short by Ctrl-C.
    """

    coef: dict[int, Fraction]
    loss: float
    tried: int
    interrupted: bool


@dataclass(frozen=True)
class Computed:
    """How a polynomial is evaluated, and on which inputs.

    Parameters
    ----------
    own, output : the formats of x and of every operation, and of the value in the end.
    scheme, fma : the order of the operations.
    inputs : "all" or "grid".
    """

    own: Format
    output: Format
    scheme: str
    fma: bool
    inputs: str


def search_shipped(
    asked: Asked,
    computed: Computed,
    pieces: Sequence[tuple[Fraction, Fraction]],
    start: Mapping[int, Fraction],
    objective: str,
    progress: Callable[[int, int], object] | None = None,
) -> Shipped:
    """Return the coefficients with the least largest error in units ("ulp"), or the fewest flips ("flips").

    Parameters
    ----------
    asked : target, powers, formats and fixed coefficients; the target is an expression.
    pieces : intervals whose inputs count.
    start : coefficients in the formats, from which the search goes on.
    progress : called with (steps done, steps in all).
    """
    search = _Search(asked, computed, pieces, start, objective)
    interrupted = False
    try:
        search.run(progress)
    except KeyboardInterrupt:
        interrupted = True
    return Shipped(search.coef, search.loss, search.tried, interrupted)


@dataclass(frozen=True)
class _Round:
    """The leader's surroundings: its coefficients plus ``spacings * (basis @ g)`` for whole g.

    Parameters
    ----------
    origin, spacings, basis : shapes (n,), (n,) and (n, n).
    errors, columns : at the program's points, of the leader, and how they change with g; shapes (points,), (points, n).
    high, low : what rounding adds there; of flips, None and the weight of each point.
    solution : the program's, in g.
    scale : of one unit of spread in units in the last place.
    """

    origin: Array
    spacings: Array
    basis: Array
    errors: Array
    columns: Array
    high: Array | None
    low: Array
    solution: Array
    scale: float

    def bounds(self, g: Array) -> Array:
        """Return the program's own measure of some g, shape (candidates, n)."""
        errors = self.errors + g @ self.columns.T
        if self.high is None:
            sums: Array = np.abs(errors) @ self.low
            return sums
        most: Array = np.maximum((errors + self.high).max(axis=1), (-errors - self.low).max(axis=1))
        return most

    def values(self, g: Array) -> Array:
        """Return coefficients, shape (candidates, n)."""
        found: Array = self.origin + (g @ self.basis.T) * self.spacings
        return found

    def place(self, values: Array) -> Array:
        """Return the g of some coefficients, shape (n,)."""
        found: Array = np.rint(np.linalg.solve(self.basis, (values - self.origin) / self.spacings))
        return found


class _Search:
    def __init__(
        self,
        asked: Asked,
        computed: Computed,
        pieces: Sequence[tuple[Fraction, Fraction]],
        start: Mapping[int, Fraction],
        objective: str,
    ) -> None:
        assert isinstance(asked.target, Node)  # noqa: S101
        self.asked, self.tree, self.flips = asked, asked.target, objective == "flips"
        self.free = asked.free
        self.formats = [dict(zip(asked.powers, asked.formats, strict=True))[power] for power in self.free]
        own, output = computed.own, computed.output
        used = [power for power in asked.powers if power in self.free or asked.fixed[power] != 0]
        self.machine = machine_of(program(used, computed.scheme, computed.fma), own, output)
        small = own.digits is not None and own.digits < (FORMATS["float32"].digits or 0)
        runs = runs_of(own, pieces, computed.inputs if small else "grid")
        if not runs:
            raise ArgumentError(f"no number of {own} lies in the domain. Use a finer format.")
        truth = truth_of(self.tree, runs, output)
        self.meter = Meter(truth, self.machine)
        self.sample = sampled(self.tree, own, output, pieces, POINTS)
        self.windows = np.linspace(0, len(self.sample), min(WINDOWS, len(self.sample)) + 1).astype(np.int64)
        self.screen = Screen(self.machine, self.flips)
        self.random = np.random.default_rng(0)
        self.seen: set[tuple[float, ...]] = (
            set()
        )  # what was screened once need not be again: the leader only gets better
        self.small = small
        self.coef, self.loss, self.tried = dict(start), math.inf, 0
        self.known, self.whole = self.screened(truth)
        self.offer(self.machine.doubles(start))

    def run(self, progress: Callable[[int, int], object] | None) -> None:
        """Go on until several rounds have gained nothing."""
        idle = 0
        rounds, spreads = (FLIP_ROUNDS, FLIP_SPREADS) if self.flips else (ROUNDS, SPREADS)
        for number in range(rounds):
            before = self.loss
            surroundings = self.flip_program() if self.flips else self.ulp_program()
            for place, spread in enumerate(spreads):
                self.draw(surroundings, spread)
                if progress is not None:
                    progress(number * len(spreads) + place + 1, rounds * len(spreads))
            idle = 0 if self.loss < before else idle + 1
            if idle == PATIENCE:
                break

    def ulp_program(self) -> _Round:
        """Solve for the least largest error, with room for what rounding adds to the leader's."""
        sample, row = self.sample, self.machine.doubles(self.coef)
        total = sample.of_values(self.meter.values(sample.x, row))
        errors = sample.errors(self.coef)
        starts = self.windows[:-1]
        high = np.maximum(_wider(np.maximum.reduceat(total - errors, starts), np.maximum), 0.0)
        low = np.minimum(_wider(np.minimum.reduceat(total - errors, starts), np.minimum), 0.0)
        if not self.small:
            self.known = joined([sample.at(np.argsort(-np.abs(total), kind="stable")[:TOP]), self.known], WORST)
        places = np.concatenate([starts, self.windows[1:] - 1])
        return self.solved(places, errors[places], np.tile(high, 2), np.tile(low, 2), 1.0)

    def flip_program(self) -> _Round:
        """Solve for the least sum of errors at midpoints, each by how many inputs an error there flips."""
        sample = self.sample
        errors = sample.errors(self.coef)
        place = np.floor(np.abs(sample.s) / sample.unit - 0.5)
        crossed = np.flatnonzero((place[1:] != place[:-1]) & (sample.unit[1:] == sample.unit[:-1]))
        if len(self.free) < len(crossed) <= MOST_MIDPOINTS:
            slope = np.abs(sample.s[crossed + 1] - sample.s[crossed]) / sample.unit[crossed]
            weights = 1 / np.maximum(slope, 2.0**-40)
        else:
            crossed = self.windows[:-1] + (self.windows[1] - self.windows[0]) // 2
            weights = np.ones(len(crossed))
        return self.solved(crossed, errors[crossed], None, weights, float(np.abs(errors).mean()))

    def solved(self, places: Any, errors: Array, high: Array | None, low: Array, scale: float) -> _Round:
        """Solve the program at some inputs, in a reduced basis of the coefficients' multiples about the leader."""
        origin = np.array([float(self.coef[power]) for power in self.free])
        spacings = np.array(
            [float(own.spacing(self.coef[power])) for power, own in zip(self.free, self.formats, strict=True)]
        )
        rows = np.linspace(0, len(self.sample) - 1, REDUCED_ROWS).astype(np.int64)
        basis = _reduced(self.sample.at(rows).columns(self.free, spacings.tolist()))
        columns = self.sample.at(places).columns(self.free, spacings.tolist()) @ basis
        found = least_sum(errors, columns, low) if high is None else least_largest(errors, columns, high, low)
        solution = np.zeros(len(origin)) if found is None else found
        return _Round(origin, spacings, basis, errors, columns, high, low, solution, scale)

    def draw(self, about: _Round, spread: float) -> None:
        """Draw candidates about a program's solution and about the leader, screen them, and confirm the best."""
        here = np.array([float(self.coef[power]) for power in self.free])
        width = spread * about.scale / np.abs(about.columns).max(axis=0)
        near = np.array([nearest_plane(about.columns, -(about.columns @ about.solution))], dtype=np.float64)
        centres = np.stack([about.solution, about.place(here)])
        drawn = self.random.standard_normal((DRAWN, len(self.free))) * width
        g = np.unique(np.concatenate([near, np.rint(centres[np.arange(DRAWN) % 2] + drawn)]), axis=0)
        self.tried += len(g)
        values = about.values(g[np.argsort(about.bounds(g), kind="stable")[:RANKED]])
        for place, own in enumerate(self.formats):
            values[:, place] = rounded(values[:, place], own)
        fit = np.isfinite(values).all(axis=1) & (values != 0).all(axis=1) & (values != here).any(axis=1)
        values = np.unique(values[fit], axis=0)
        new = [place for place, value in enumerate(map(tuple, values.tolist())) if value not in self.seen]
        self.seen.update(map(tuple, values[new].tolist()))
        if new:
            self.confirm(self.rows_of(values[new]))

    def screened(self, truth: Truth) -> tuple[Sample, bool]:
        """Return the inputs on which candidates are screened at first, and whether they decide.

        All of them where they are few. Flips are where the truth is near a midpoint, if those inputs are not too many.
        """
        own = self.machine.own
        if self.small:
            return sample_of(truth, own), False
        if not self.flips:
            return self.sample.at(slice(0, 0)), False
        reach = CONTESTED * float(np.abs(self.sample.errors(self.coef)).max(initial=0.0))
        if reach > MOST_CONTESTED or own == self.machine.output:
            return self.sample, False
        near = sample_of(truth, own, self.meter.near_midpoints(reach))
        away = 0.5 - np.abs((near.right - near.s) - near.e) / near.unit
        return near.at(away <= reach), True

    def confirm(self, rows: Array) -> None:
        """Screen candidates, and measure those that may take the lead, the best first."""
        inputs, limit = self.known, self.loss
        if self.flips:
            few = inputs.at(slice(0, None, SPARSE)) if self.whole else inputs
            leader = self.machine.doubles(self.coef)[None, :]
            about = self.screen.run(leader, few, math.inf)[0]
            seen = self.screen.run(rows, few, about + SPREAD_OF_COUNTS * math.sqrt(about))
            rows = rows[np.argsort(seen, kind="stable")[: len(rows) // SPARSE + 1]]
            limit = self.screen.run(leader, inputs, math.inf)[0]
        reached = self.screen.run(rows, inputs, limit)
        chosen = np.flatnonzero(reached < limit)
        chosen = chosen[np.argsort(reached[chosen], kind="stable")]
        for place in chosen[: 1 if self.whole else CONFIRMED].tolist():
            if self.flips or self.screen.run(rows[place : place + 1], self.known, self.loss)[0] < self.loss:
                self.offer(rows[place])

    def offer(self, row: Array) -> None:
        """Measure a candidate on all inputs, which takes the lead where it is better."""
        if self.flips:
            most = math.inf if math.isinf(self.loss) else self.loss * self.meter.truth.count - 1
            found = self.meter.measure(row, most_flips=most)
            loss = found.share
        else:
            found = self.meter.measure(row, most_ulp=self.loss)
            loss = found.max_ulp
            if not self.small:
                points = points_of(self.tree, [x for _, x in found.worst], self.machine.output)
                self.known = joined([points, self.known], WORST)
        if found.whole and loss < self.loss:
            values = dict(zip(self.machine.constants, row.tolist(), strict=True))
            self.loss = loss
            self.coef = {power: Fraction(values.get(f"c{power}", 0.0)) for power in self.asked.powers}

    def rows_of(self, values: Array) -> Array:
        """Return candidates, shape (candidates, free powers), as the machine takes them."""
        base = {**dict.fromkeys(self.asked.powers, Fraction(0)), **self.asked.fixed}
        rows = np.repeat(self.machine.doubles(base)[None, :], len(values), axis=0)
        for place, power in enumerate(self.free):
            rows[:, self.machine.constants.index(f"c{power}")] = values[:, place]
        return rows


def _wider(values: Array, larger: Any) -> Array:
    """Return the largest of each value and its neighbours."""
    padded = np.pad(values, 1, mode="edge")
    found: Array = larger(larger(padded[:-2], padded[2:]), values)
    return found


def _reduced(columns: Array) -> Array:
    """Return a basis of whole numbers in which columns are short."""
    scaled = np.rint(columns.T * 2.0**REDUCED_BITS)
    matrix = fmpz_mat([[int(value) for value in vector] for vector in scaled.tolist()])
    _, transform = matrix.lll(True)
    return np.array([[int(value) for value in vector] for vector in transform.tolist()], dtype=np.float64).T
