"""What holds for the code that evaluates an approximation: the bound with rounding, and what all inputs give."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from polyoptim.canonical import plain
from polyoptim.errors import ArgumentError
from polyoptim.formats import computing
from polyoptim.measuring import Measurement, is_measured, measure
from polyoptim.request import END_BITS, SHIPPED, inner_ends
from polyoptim.result import Result
from polyoptim.schemes import program_of
from polyoptim.shipped import Computed, Shipped
from polyoptim.solution import Status
from polyoptim.solvers.approximation import Approximated
from polyoptim.solvers.enclosure import Statement
from polyoptim.solvers.rounding_bound import RoundingBound, rounding_bound
from polyoptim.targets.constants import Constant
from polyoptim.targets.nodes import Node

INTERRUPTED = "Interrupted; the best so far was kept. A whole search may give others."
# What is said of code, and of nothing else; a search in the arithmetic that ships depends on them all the same.
CODE = ("scheme", "fma", "compute_format", "output_format", "inputs", "exhaustive", "guard")


@dataclass(frozen=True)
class Solved:
    """Coefficients and their proof, before anything is said of the code that evaluates them.

    Parameters
    ----------
    result : as far as it does not depend on that.
    found : the coefficients, exactly, and what was asked for.
    pieces : the domain.
    statement : what was proved; None where nothing was.
    shipped : how a search in the arithmetic that ships went; None where there was none.
    """

    result: Result
    found: Approximated
    pieces: Sequence[tuple[Constant, Constant]]
    statement: Statement | None
    shipped: Shipped | None


def coded(solved: Solved, arguments: Mapping[str, Any], progress: Callable[[int, int], object] | None = None) -> Result:
    """Return the result with what holds for code: the bound with rounding, and what was found on all inputs.

    Parameters
    ----------
    arguments : of approximate(): scheme, fma, compute_format, output_format, inputs, exhaustive and guard count.
    """
    begin = time.perf_counter()
    found, result = solved.found, solved.result
    words = {name: plain(arguments[name]) for name in CODE}
    result = replace(result, arguments={**result.arguments, **words})
    computed = computed_by(found, {**arguments, "objective": result.arguments["objective"]})
    ends = outer_ends(solved.pieces)
    rounding = None if solved.statement is None else _rounding(solved.statement, ends, found, arguments)
    if rounding is not None and result.sup_error_bound is not None:
        total, note = _total(result.sup_error_bound, rounding)
        result = replace(result, total_error_bound=total, notes=(*result.notes, *note))
    root = found.asked.target
    if isinstance(root, Node) and computed and (solved.shipped or is_measured(computed, arguments["exhaustive"])):
        measured = measure(root, found.coef, computed, inner_ends(solved.pieces), progress)
        result = result if measured is None else _with_measurement(result, measured, solved.shipped)
    return replace(result, seconds=result.seconds + time.perf_counter() - begin)


def outer_ends(pieces: Sequence[tuple[Constant, Constant]]) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return intervals with rational ends that hold those of a domain."""
    return tuple((low.below(END_BITS), high.above(END_BITS)) for low, high in pieces)


def computed_by(found: Approximated, arguments: Mapping[str, Any]) -> Computed | None:
    """Return how code evaluates the polynomial; None where no format is given to compute in."""
    own, output = computing(found.asked.formats, arguments["compute_format"], arguments["output_format"])
    if own is None or output is None:
        if arguments["objective"] in SHIPPED or arguments["exhaustive"]:
            raise ArgumentError("there is no format to compute in. Give compute_format, such as 'float32'.")
        return None
    return Computed(own, output, arguments["scheme"], arguments["fma"], arguments["inputs"])


def _with_measurement(result: Result, measured: Measurement, shipped: Shipped | None) -> Result:
    """Return a result with what was found on all inputs; of a search for it, that is its loss."""
    found = {
        **{name: getattr(measured, name) for name in ("max_ulp", "flips", "worst_inputs")},
        "max_ulp_kind": measured.kind,
        "ulp_histogram": measured.histogram,
        "input_count": measured.count,
        "notes": result.notes + measured.notes,
    }
    if shipped is not None:
        loss = measured.max_ulp if result.arguments["objective"] == "ulp" else measured.flips
        found |= {"loss": loss, "lower_bound": None, "gap": None}
        if shipped.interrupted:
            found |= {"status": Status.INTERRUPTED, "message": INTERRUPTED}
    return replace(result, **found)


def _rounding(
    statement: Statement,
    pieces: Sequence[tuple[Fraction, Fraction]],
    found: Approximated,
    arguments: Mapping[str, Any],
) -> RoundingBound | None:
    """Return what rounding adds; None where nothing is rounded."""
    own, output = computing(found.asked.formats, arguments["compute_format"], arguments["output_format"])
    if own is None:
        names = list(dict.fromkeys(map(str, found.asked.formats)))
        if names == ["real"]:
            return None
        return RoundingBound(math.inf, f"no format holds the numbers of {' and '.join(names)}")
    return rounding_bound(statement, pieces, program_of(found.coef, arguments["scheme"], arguments["fma"]), own, output)


def _total(bound: float, rounding: RoundingBound) -> tuple[float | None, list[str]]:
    """Return the bound with rounding, and what is to be said of it."""
    if rounding.bound == math.inf:
        return None, [f"There is no bound with rounding: {rounding.reason}."]
    total = math.nextafter(bound + rounding.bound, math.inf)
    if not rounding.least:
        return total, []
    where = f"0 and abs(x) >= {float(rounding.least):.3g}"
    return total, [f"The bound with rounding holds for {where}; nearer to 0 there are no normal numbers."]
