"""approximate(): a function by a polynomial in a number format, with a proved error."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import numpy as np

from polyoptim import __version__
from polyoptim.arguments import Arguments
from polyoptim.canonical import plain
from polyoptim.checker import check as check_certificate
from polyoptim.errors import ArgumentError, DataError, PolyoptimError
from polyoptim.formats import Format, computing, find_format, read_format
from polyoptim.measuring import Measurement, is_measured, measure
from polyoptim.registry import match
from polyoptim.request import (
    END_BITS,
    SHIPPED,
    check_shipped,
    ends_of,
    exact_text,
    hold,
    inner_ends,
    read_domains,
    read_fixed,
    read_inputs,
    read_powers,
    read_target,
    read_through,
    read_tolerance,
    read_truth,
    read_weight,
    short_text,
)
from polyoptim.result import Result
from polyoptim.schemes import GUARDS, SCHEMES, program_of
from polyoptim.shipped import Computed, Shipped, search_shipped
from polyoptim.solution import Status, Trace
from polyoptim.solvers.approximation import (
    Approximated,
    Asked,
    approximate_function,
    parity,
    sampled_error,
    smallest_degree,
)
from polyoptim.solvers.enclosure import Enclosure, Statement
from polyoptim.solvers.proof import to_certificate
from polyoptim.solvers.rounding_bound import RoundingBound, rounding_bound
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.constants import Constant
from polyoptim.targets.expression import Expression
from polyoptim.targets.nodes import Node

OBJECTIVES = ("minimax", "l2", "l1", *SHIPPED)
FIRST_DEGREE = 0
# What is said of code, and of nothing else; a search in the arithmetic that ships depends on them all the same.
CODE = ("scheme", "fma", "compute_format", "output_format", "inputs", "exhaustive", "guard")


def approximate(
    target: Any,
    *,
    domain: Any,
    degree: Any = None,
    tolerance: Any = None,
    powers: Sequence[Any] | None = None,
    fixed: Mapping[Any, Any] | None = None,
    error: Any = "absolute",
    format: Any = "float64",  # noqa: A002 - the word for it
    objective: str = "minimax",
    through: Any = None,
    prove: bool = True,
    scheme: str = "horner",
    fma: bool = True,
    compute_format: Any = None,
    output_format: Any = None,
    inputs: str = "all",
    exhaustive: bool = False,
    guard: str = "none",
    progress: Callable[[int, int], object] | None = None,
) -> Result:
    """Approximate a function by a polynomial whose coefficients are numbers of a format.

    The polynomial has the least largest error, or integral of the error, that a search in the format finds, next to a
    bound that no polynomial is below; its largest error is proved: enclosed in ball arithmetic, with a certificate.

    Parameters
    ----------
    target : an expression in x, or a function of floats, of which nothing can be proved.
    domain : a pair of numbers or texts such as ``(0, "pi/4")``, or a list of such pairs. Ends that are no rational
        numbers are rounded outwards.
    degree, tolerance, powers : the highest power; or the largest error that is allowed, for which the lowest degree is
        looked for; or the list of all powers that may appear. For an odd or even function on a symmetric domain only
        such powers are taken, unless `powers` says otherwise.
    fixed : coefficients that keep their value, such as ``{0: 1}``; numbers of the format.
    error : "absolute", "relative", or an expression w: the error is then abs(w (p - f)).
    format : "float64", "float32", "float16", "bfloat16", "real" (nothing is rounded), fixed point such as "q5.26", or a
        list, one for each power, ascending.
    objective : what is least: "minimax", the largest error; "l2", the root of the integral of its square; or "l1", the
        integral of its abs; or, of the values that code gives, with every operation rounded in `scheme`,
        `compute_format` and `output_format`: "ulp", the largest error in units in the last place, or "flips", the share
        of results that are not the correctly rounded ones. A tolerance is one for the largest error all the same.
    through : values of x at which the polynomial has the value of the target.
    prove : whether the error is proved; sampled where not.
    scheme, fma : in which order code evaluates the polynomial, "horner" or "estrin", and whether a product and a sum
        are rounded once; see `export`.
    compute_format : the format of x and of all results of operations; by default the narrowest that holds the numbers
        of all coefficients.
    output_format : the format to which the value is rounded in the end, by default that of the operations.
    inputs : over which inputs code is measured: "all" numbers of the format in the domain, or "grid", the 2^24
        multiples of 2^-24 of its length, as a range reduction leaves them (half of all numbers in [0, 1) are below
        2^-63).
    exhaustive : whether all inputs of float32 are tried too; those of float16 and bfloat16 always are, and those of a
        grid, and where the objective asks for it.
    progress : called with (work done, work in all) now and then.
    guard : what code does with an x outside the domain: "none" (whatever the polynomial is there), "clamp" (the value
        at the nearest end) or "nan".

    Returns
    -------
    Result
        With `coef` in powers of x, `coef_hex`, `sup_error`, `sup_error_kind`, `sup_error_bound`, `loss` (the value of
        the objective), `lower_bound` (what no such polynomial's is below), `gap` and `certificate`; and
        `total_error_bound`, which adds to `sup_error_bound` what rounding adds in that scheme, for every x of the
        domain that is a number of the format. Where inputs were tried, with `max_ulp`, `flips`, `worst_inputs` and
        `max_ulp_kind`. Ctrl-C ends a search for "ulp" or "flips" with the best so far and the status "interrupted".

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.
    DataError
        For a target without values on the domain, or with zeros that no polynomial has, for a relative error.

    Examples
    --------
    >>> found = approximate("2**x", domain=(0, 1), degree=3, error="relative", format="float32", fixed={0: 1})
    >>> found.sup_error_kind, f"{found.sup_error:.4g}", found.coef_hex[0]
    ('proved', '8.559e-05', '0x1p+0')
    """
    arguments = {name: value for name, value in locals().items() if name not in ("target", "progress")}
    return coded(solve(target, arguments, progress), arguments, progress)


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


def solve(target: Any, arguments: Mapping[str, Any], progress: Callable[[int, int], object] | None = None) -> Solved:
    """Return the best coefficients and their proof.

    Parameters
    ----------
    target, progress : as approximate() has them.
    arguments : all others of approximate(), by name; scheme and formats of the code count for their checks, and where
        the objective is one in the arithmetic that ships.
    """
    begin = time.perf_counter()
    objective, prove, powers = (arguments[name] for name in ("objective", "prove", "powers"))
    check = Arguments()
    sought = check(lambda: read_target(target))
    pieces: list[tuple[Constant, Constant]] = check(lambda: read_domains(arguments["domain"]))
    weight = check(lambda: read_weight(arguments["error"]))
    check(lambda: match("objective", objective, OBJECTIVES))
    check(lambda: match("scheme", arguments["scheme"], SCHEMES))
    check(lambda: match("guard", arguments["guard"], GUARDS))
    check(lambda: read_truth(arguments["fma"], "fma"))
    check(lambda: read_truth(arguments["exhaustive"], "exhaustive"))
    check(lambda: read_inputs(arguments["inputs"]))
    check(lambda: arguments["compute_format"] is None or find_format(arguments["compute_format"]))
    check(lambda: arguments["output_format"] is None or find_format(arguments["output_format"]))
    bound = check(lambda: None if arguments["tolerance"] is None else read_tolerance(arguments["tolerance"]))
    chosen = check(lambda: read_powers(arguments["degree"], arguments["tolerance"], powers))
    held = check(lambda: read_fixed(arguments["fixed"]))
    points = check(lambda: read_through(arguments["through"]))
    check.done()
    assert pieces is not None  # noqa: S101
    check(lambda: check_shipped(objective, sought[0], arguments["through"]))
    check.done()
    ends = _outer_ends(pieces)
    expression, root = sought
    side = None if powers is not None else parity(root, ends)

    def asked(highest: int) -> Asked:
        own = chosen if powers is not None else tuple(k for k in range(highest + 1) if side is None or k % 2 == side)
        outside = [power for power in held if power not in own]
        if outside:
            raise ArgumentError(f"fixed has power {outside[0]}, which is not among the powers {list(own)}. Add it.")
        formats = read_format(arguments["format"], own)
        computing(formats, arguments["compute_format"], arguments["output_format"])
        given = {power: hold(held[power], power, own, formats) for power in held}
        least = "minimax" if objective in SHIPPED else objective
        return Asked(root, weight, ends, own, formats, given, points, least)

    try:
        found = (
            approximate_function(asked(chosen[-1]))
            if bound is None
            else smallest_degree(asked, bound, max([FIRST_DEGREE, *held]))
        )
    except PolyoptimError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise DataError(
            f"the search left the range of float64: {error}. Scale x or the target, so that both are nearer to 1."
        ) from error
    computed = _computed(found, arguments)
    shipped = _shipped(found, computed, pieces, objective, progress)
    if shipped is not None:
        found = replace(found, coef=shipped.coef)
    enclosure = (
        enclose(root, found.coef, [ends_of(one) for one in pieces], error=weight) if prove and expression else None
    )
    told = {
        "domain": [[exact_text(low), exact_text(high)] for low, high in pieces],
        "fixed": {str(power): exact_text(value) for power, value in held.items()} or None,
        "through": [str(x) for x in points] or None,
    }
    result = _result(expression, target, pieces, found, enclosure, {**arguments, **told}, begin)
    return Solved(result, found, pieces, enclosure.statement if enclosure and enclosure.proved else None, shipped)


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
    computed = _computed(found, {**arguments, "objective": result.arguments["objective"]})
    ends = _outer_ends(solved.pieces)
    rounding = None if solved.statement is None else _rounding(solved.statement, ends, found, arguments)
    if rounding is not None and result.sup_error_bound is not None:
        total, note = _total(result.sup_error_bound, rounding)
        result = replace(result, total_error_bound=total, notes=(*result.notes, *note))
    root = found.asked.target
    if isinstance(root, Node) and computed and (solved.shipped or is_measured(computed, arguments["exhaustive"])):
        measured = measure(root, found.coef, computed, inner_ends(solved.pieces), progress)
        result = result if measured is None else _with_measurement(result, measured, solved.shipped)
    return replace(result, seconds=result.seconds + time.perf_counter() - begin)


def _outer_ends(pieces: Sequence[tuple[Constant, Constant]]) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return intervals with rational ends that hold those of a domain."""
    return tuple((low.below(END_BITS), high.above(END_BITS)) for low, high in pieces)


def _computed(found: Approximated, arguments: Mapping[str, Any]) -> Computed | None:
    """Return how code evaluates the polynomial; None where no format is given to compute in."""
    own, output = computing(found.asked.formats, arguments["compute_format"], arguments["output_format"])
    if own is None or output is None:
        if arguments["objective"] in SHIPPED or arguments["exhaustive"]:
            raise ArgumentError("there is no format to compute in. Give compute_format, such as 'float32'.")
        return None
    return Computed(own, output, arguments["scheme"], arguments["fma"], arguments["inputs"])


def _shipped(
    found: Approximated,
    computed: Computed | None,
    pieces: Sequence[tuple[Constant, Constant]],
    objective: str,
    progress: Callable[[int, int], object] | None,
) -> Shipped | None:
    if objective not in SHIPPED or computed is None:
        return None
    return search_shipped(found.asked, computed, inner_ends(pieces), found.coef, objective, progress)


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
            found |= {"status": Status.INTERRUPTED, "message": "Interrupted; the best so far was kept."}
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


def _result(
    expression: Expression | None,
    target: Any,
    pieces: Sequence[tuple[Constant, Constant]],
    found: Approximated,
    enclosure: Enclosure | None,
    arguments: Mapping[str, Any],
    begin: float,
) -> Result:
    asked = found.asked
    notes: list[str] = []
    size = max(asked.powers) + 1
    exact = [found.coef.get(power, Fraction(0)) for power in range(size)]
    formats = dict(zip(asked.powers, asked.formats, strict=True))
    texts = tuple(_written(value, formats.get(power)) for power, value in enumerate(exact))
    error, bound, certificate = found.error, None, None
    reason = _unproved(expression, enclosure)
    if enclosure is not None and not reason:
        certificate = to_certificate(enclosure)
        checked = check_certificate(certificate)  # what the checker does not show is not called proved
        reason = "" if checked.ok else f"the checker did not accept the proof: {checked.reason}"
    if enclosure is not None and not reason:
        error, bound = enclosure.lower, enclosure.upper
    else:
        seen, points = sampled_error(asked, found.coef)
        error, certificate = max(error, seen, 0.0 if enclosure is None else enclosure.lower), None
        notes.append(f"The error is sampled, at {points} points and where the search saw extrema: {reason}")
    loss = error if asked.objective == "minimax" else found.loss
    lower = min(found.lower, loss)
    domain = (float(pieces[0][0].nearest(END_BITS)), float(pieces[-1][1].nearest(END_BITS)))
    text = expression.text if expression else getattr(target, "__name__", "a function")
    about: dict[str, Any] = {"kind": "expression" if expression else "callable", "text": text}
    about["domains"] = [[short_text(low), short_text(high)] for low, high in pieces]
    told = {"powers": list(asked.powers), "format": [str(one) for one in asked.formats]}
    return Result(
        verb="approximate",
        coef=np.array([float(value) for value in exact]),
        basis="power",
        domain=domain,
        window=None,
        powers=asked.powers,
        target=about,
        loss=loss,
        optimum=None,
        optimum_kind=None,
        optimum_coef=None,
        excess=None,
        gap=loss / lower - 1 if lower > 0 else None,
        sup_error=error,
        sup_error_kind="sampled" if bound is None else "proved",
        trace=Trace(),
        status=Status.CONVERGED,
        message="Solved.",
        steps=0,
        seconds=time.perf_counter() - begin,
        engine="",
        seed=None,
        count=0,
        samples=None,
        arguments={name: plain(value) for name, value in {**arguments, **told}.items()},
        method={},
        versions=versions(),
        notes=tuple(notes),
        sup_error_bound=bound,
        lower_bound=lower,
        coef_hex=texts,
        certificate=certificate,
    )


def _total(bound: float, rounding: RoundingBound) -> tuple[float | None, list[str]]:
    """Return the bound with rounding, and what is to be said of it."""
    if rounding.bound == math.inf:
        return None, [f"There is no bound with rounding: {rounding.reason}."]
    total = math.nextafter(bound + rounding.bound, math.inf)
    if not rounding.least:
        return total, []
    where = f"0 and abs(x) >= {float(rounding.least):.3g}"
    return total, [f"The bound with rounding holds for {where}; nearer to 0 there are no normal numbers."]


def versions() -> dict[str, str]:
    """Return the versions that decide which coefficients are found."""
    return {
        "polyoptim": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "python-flint")},
    }


def _written(value: Fraction, own: Format | None) -> str:
    """Return a coefficient as it stands in its format; powers that may not appear are 0."""
    if own is None or own.finest is None:
        return str(value)
    return own.hex(value)


def _unproved(expression: Expression | None, enclosure: Enclosure | None) -> str:
    """Return why nothing was proved; empty where it was."""
    if expression is None:
        return "nothing can be proved of a function that is no expression."
    return "no proof was asked for." if enclosure is None else enclosure.reason
