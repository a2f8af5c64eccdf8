"""What an approximation gives in the arithmetic that ships, on all inputs: the largest error in ulp, and flips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from polyoptim.exhaustive import Measured, Meter, machine_of, runs_of, truth_of
from polyoptim.exhaustive_kernel import BINS, PER_ULP
from polyoptim.formats import FORMATS
from polyoptim.schemes import program_of
from polyoptim.shipped import Computed
from polyoptim.targets.nodes import Node

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Measurement:
    """What was found on all inputs.

    Parameters
    ----------
    max_ulp, flips : the largest error in units in the last place, and the share of results that are not the correctly
        rounded ones.
    kind : "exhaustive", or "sampled" where the inputs are only some of the format's.
    worst_inputs : those with the largest errors, the largest first.
    histogram : ``[from, to, inputs]`` for errors in units in the last place; the last `to` is None where it has no end.
    count : how many inputs there were.
    notes : sentences about what the user should know.
    """

    max_ulp: float
    flips: float
    kind: str
    worst_inputs: tuple[float, ...]
    histogram: tuple[tuple[float, float | None, int], ...]
    count: int
    notes: tuple[str, ...] = ()


def is_measured(computed: Computed | None, exhaustive: bool) -> bool:
    """Tell whether inputs are tried: always where the format has few numbers, else where that is asked for."""
    if computed is None or computed.own.digits is None:
        return False
    return computed.own.digits < (FORMATS["float32"].digits or 0) or exhaustive or computed.inputs == "grid"


def measure(
    tree: Node,
    coef: Mapping[int, Fraction],
    computed: Computed,
    pieces: Sequence[tuple[Fraction, Fraction]],
    progress: Progress | None = None,
) -> Measurement | None:
    """Return what a polynomial gives on all inputs in some intervals; None where no input lies in them.

    Parameters
    ----------
    tree : the function.
    coef : exact, by power.
    computed : the formats, the scheme, and which inputs.
    progress : called with (inputs done, inputs in all).
    """
    runs = runs_of(computed.own, pieces, computed.inputs)
    if not runs:
        return None
    truth = truth_of(tree, runs, computed.output)
    machine = machine_of(program_of(coef, computed.scheme, computed.fma), computed.own, computed.output)
    meter = Meter(truth, machine)
    constants = machine.doubles(coef)
    return measurement(meter.exact(meter.measure(constants, progress), constants), computed)


def measurement(found: Measured, computed: Computed) -> Measurement:
    """Return a measurement as users see it."""
    bins = found.histogram.tolist()
    last = max((place for place, count in enumerate(bins) if count), default=0)
    histogram = tuple(
        (place / PER_ULP, None if place == BINS - 1 else (place + 1) / PER_ULP, count)
        for place, count in enumerate(bins[: last + 1])
    )
    some = computed.own == FORMATS["float64"]
    notes = []
    if found.undecided:
        notes.append(
            f"Of {found.undecided} inputs no 4000 bits told how the true value is rounded; they are counted as flips."
        )
    if found.max_ulp == math.inf:
        notes.append("The largest error is infinite: some results are no finite numbers where the true value is one.")
    return Measurement(
        found.max_ulp,
        found.share,
        "sampled" if some else "exhaustive",
        tuple(x for _, x in found.worst),
        histogram,
        found.count,
        tuple(notes),
    )
