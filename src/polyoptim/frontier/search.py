"""front(): a function by polynomials of several degrees, formats and schemes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from polyoptim.approximating import OBJECTIVES, Solved, coded, solve
from polyoptim.arguments import Arguments, check_powers
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.formats import FORMATS, computing, find_format, read_format
from polyoptim.frontier.points import Front, Point, compared, criterion_of, unbeaten
from polyoptim.registry import match
from polyoptim.request import (
    END_BITS,
    SHIPPED,
    check_shipped,
    exact_text,
    read_domains,
    read_fixed,
    read_inputs,
    read_target,
    read_truth,
    read_weight,
    short_text,
)
from polyoptim.result import Result
from polyoptim.schemes import SCHEMES, program
from polyoptim.solution import Status
from polyoptim.solvers.approximation import parity
from polyoptim.tables import plain
from polyoptim.targets.expression import integer

MOST_POINTS = 10_000
# What all points have in common, as it is given.
ASKED = ("error", "compute_format", "output_format", "objective", "inputs", "exhaustive")
SINGLE, DOUBLE = FORMATS["float32"], FORMATS["float64"]


def front(
    target: Any,
    *,
    domain: Any,
    degrees: Any,
    formats: Any = "float32",
    schemes: Any = SCHEMES,
    fma: Any = True,
    error: Any = "absolute",
    fixed: Mapping[Any, Any] | None = None,
    compute_format: Any = None,
    output_format: Any = None,
    objective: str = "minimax",
    inputs: str = "grid",
    exhaustive: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Front:
    """Approximate a function by polynomials of several degrees, formats and schemes, and compare error with cost.

    Each point is what `approximate` returns with the same arguments. Coefficients and their proof are shared by all
    schemes, unless the objective depends on the scheme.

    Parameters
    ----------
    target, domain, error, fixed, compute_format, output_format, objective : as in approximate(). A point for which they
        cannot be, such as an output format that is wider than that of the operations, fails with its reason.
    degrees : a list of integers, one, or a text such as "2:7", with both ends, or "3,5,7". For an odd or even function
        on a symmetric domain degrees with the same powers are one.
    formats : of the coefficients: a list of names, or a text such as "float32,bfloat16".
    schemes : "horner", "estrin" or both, as formats.
    fma : whether a product and a sum are rounded once: True, False, or "both".
    inputs : over which float32 inputs code is measured: "grid", the 2^24 multiples of 2^-24 of the domain's length, or
        "all", which are tried only where `exhaustive` says so. All inputs of 16 bits always are. float64 is measured on
        the grid where the output is narrower; else it is left to the proved bound with rounding, as is fixed point.
    exhaustive : whether all float32 numbers of the domain are tried in place of the grid.
    progress : called with (points done, points in all).

    Returns
    -------
    Front
        Ctrl-C ends it early: points that were not made have the status "interrupted" and no numbers.

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.

    Examples
    --------
    >>> found = front("2**x", domain=(0, 1), degrees="2:4", formats="bfloat16", error="relative", fixed={0: 1})
    >>> point = found.best[0]
    >>> point.degree, point.scheme, point.fma_count, point.depth, f"{point.max_ulp:.3f}"
    (2, 'horner', 2, 2, '0.975')
    """
    begin = time.perf_counter()
    given = {
        "domain": domain, "error": error, "fixed": fixed, "compute_format": compute_format,
        "output_format": output_format, "objective": objective, "inputs": inputs, "exhaustive": exhaustive,
        "tolerance": None, "through": None, "prove": True, "guard": "none",
    }  # fmt: skip
    check = Arguments()
    sought = check(lambda: read_target(target))
    pieces = check(lambda: read_domains(domain))
    check(lambda: read_weight(error))
    held = check(lambda: read_fixed(fixed))
    wanted = check(lambda: read_degrees(degrees))
    names: list[str] = check(lambda: [str(find_format(one)) for one in _listed(formats, "formats")])
    orders: list[str] = check(lambda: [match("scheme", one, SCHEMES) for one in _listed(schemes, "schemes")])
    fused = check(lambda: _read_fma(fma))
    check(lambda: match("objective", objective, OBJECTIVES))
    check(lambda: read_inputs(inputs))
    check(lambda: read_truth(exhaustive, "exhaustive"))
    check(lambda: compute_format is None or find_format(compute_format))
    check(lambda: output_format is None or find_format(output_format))
    if sought is not None:
        check(lambda: None if objective not in SHIPPED else check_shipped(objective, sought[0], None))
    check.done()
    expression, root = sought
    ends = tuple((low.below(END_BITS), high.above(END_BITS)) for low, high in pieces)
    powers, notes = _distinct(wanted, parity(root, ends))
    plans = [_Plan(own, name, tuple(itertools.product(dict.fromkeys(orders), fused)), given)
             for own in powers for name in dict.fromkeys(names)]  # fmt: skip
    total = sum(len(plan.codes) for plan in plans)
    if total > MOST_POINTS:
        raise ArgumentError(f"a front of {total} points is more than {MOST_POINTS}. Give fewer degrees or formats.")
    points = _made(target, plans, progress, total)
    text = expression.text if expression else getattr(target, "__name__", "a function")
    criterion = criterion_of(compared(points), objective)
    return Front(
        target={
            "kind": "expression" if expression else "callable",
            "text": text,
            "domains": [[short_text(low), short_text(high)] for low, high in pieces],
        },
        arguments={
            "domain": [[exact_text(low), exact_text(high)] for low, high in pieces],
            "degrees": wanted,
            "formats": list(dict.fromkeys(names)),
            "schemes": list(dict.fromkeys(orders)),
            "fma": fused,
            "fixed": {str(power): exact_text(value) for power, value in held.items()} or None,
            **{name: plain(given[name]) for name in ASKED},
        },
        points=_marked(points, criterion),
        criterion=criterion,
        seconds=time.perf_counter() - begin,
        notes=tuple(notes),
    )


def read_degrees(degrees: Any) -> list[int]:
    """Return degrees, ascending, each once.

    >>> read_degrees("2:4"), read_degrees("5,3"), read_degrees([1, 1]), read_degrees(2)
    ([2, 3, 4], [3, 5], [1], [2])
    """
    if isinstance(degrees, str) and degrees.count(":") == 1:
        first, last = (integer(part, "degrees") for part in degrees.split(":"))
        if first > last:
            raise ArgumentError(f"degrees must be FIRST:LAST in ascending order, got {degrees!r}.")
        check_powers(last, None)
        found: Iterable[int] = range(first, last + 1)
    else:
        parts = _listed(degrees, "degrees") if isinstance(degrees, (str, Iterable)) else [degrees]
        found = [check_powers(integer(part, "each of degrees"), None)[-1] for part in parts]
    return sorted(set(found))


def _listed(given: Any, name: str) -> list[Any]:
    """Return the parts of a text with commas, or of a list; at least one."""
    if isinstance(given, str):
        found: list[Any] = [part.strip() for part in given.split(",") if part.strip()]
    elif isinstance(given, Iterable):
        found = list(given)
    else:
        found = [given]
    if not found:
        raise ArgumentError(f"{name} must name at least one, got none.")
    return found


def _read_fma(fma: Any) -> list[bool]:
    if isinstance(fma, str) and fma.casefold() == "both":
        return [True, False]
    parts = list(fma) if isinstance(fma, (list, tuple)) else [fma]
    if not parts or not all(isinstance(part, bool) for part in parts):
        raise ArgumentError(f"fma must be True, False or 'both', got {fma!r}.")
    return list(dict.fromkeys(read_truth(part, "fma") for part in parts))


def _distinct(degrees: Sequence[int], side: int | None) -> tuple[list[tuple[int, ...]], list[str]]:
    """Return the powers of each degree, once each, and what is to be said of those that are left out."""
    each = {degree: tuple(k for k in range(degree + 1) if side is None or k % 2 == side) for degree in degrees}
    found = list(dict.fromkeys(powers for powers in each.values() if powers))
    kind = "odd" if side else "even"
    if not found:
        raise ArgumentError("an odd function has no polynomial of degree 0. Give higher degrees.")
    notes = []
    others = [str(degree) for degree, powers in each.items() if powers and powers[-1] != degree]
    if others:
        said = "degree {} has no power of its own, and is shown as the one below."
        several = "degrees {} have no powers of their own, and are shown as those below."
        notes.append(f"The function is {kind}: {(said if len(others) == 1 else several).format(', '.join(others))}")
    if () in each.values():
        notes.append("The function is odd: degree 0 has no power of that kind.")
    return found, notes


@dataclass(frozen=True)
class _Plan:
    """Points with the same coefficients: one degree and format, in several schemes.

    Parameters
    ----------
    codes : pairs of scheme and whether products and sums are fused.
    given : what all points have in common.
    """

    powers: tuple[int, ...]
    format: str
    codes: tuple[tuple[str, bool], ...]
    given: Mapping[str, Any]

    def arguments(self, scheme: str, fma: bool) -> dict[str, Any]:
        """Return the arguments of approximate() for a point."""
        own = {"degree": self.powers[-1], "powers": None, "format": self.format, "scheme": scheme, "fma": fma}
        return {**self.given, **own, **self._tried()}

    def formats(self) -> tuple[str | None, str | None]:
        """Return the formats of the operations and of the value; as asked for, where they cannot be."""
        words = self.given["compute_format"], self.given["output_format"]
        try:
            own, output = computing(read_format(self.format, self.powers), *words)
        except ArgumentError:
            compute = self.format if words[0] is None else str(find_format(words[0]))
            return compute, compute if words[1] is None else str(find_format(words[1]))
        return (None, None) if own is None else (str(own), str(output))

    def _tried(self) -> dict[str, Any]:
        """Return which inputs are tried: what is asked for is for float32."""
        compute, output = self.formats()
        own = FORMATS.get(compute or "real", DOUBLE)
        if own == SINGLE:
            whole = self.given["exhaustive"]
            return {"inputs": "all" if whole else self.given["inputs"], "exhaustive": whole}
        measured = self.given["objective"] in SHIPPED or output != compute
        return {"inputs": "grid" if own == DOUBLE and measured else "all", "exhaustive": False}


def _made(
    target: Any, plans: Sequence[_Plan], progress: Callable[[int, int], object] | None, total: int
) -> list[Point]:
    """Return a point for each plan and scheme; those that an interrupt left say so."""
    points: list[Point] = []

    def tell(*_: int) -> None:
        if progress is not None:
            progress(len(points), total)

    try:
        tell()
        for plan in plans:
            for point in _results(target, plan, tell):
                points.append(replace(point, number=len(points) + 1))
                if point.status == Status.INTERRUPTED:  # its search keeps the best so far, and ends the front
                    raise KeyboardInterrupt
                tell()
    except KeyboardInterrupt:
        pass
    every = [(plan, *code) for plan in plans for code in plan.codes]
    for plan, scheme, fma in every[len(points) :]:
        points.append(replace(_point(plan, scheme, fma, status=Status.INTERRUPTED), number=len(points) + 1))
    return points


def _results(target: Any, plan: _Plan, progress: Callable[[int, int], object]) -> Iterator[Point]:
    """Yield the points of a plan. One solution serves all, but for a search in the arithmetic that ships."""
    solved: Solved | None = None
    reason = ""
    for scheme, fma in plan.codes:
        arguments = plan.arguments(scheme, fma)
        again = plan.given["objective"] in SHIPPED
        try:
            if again or (solved is None and not reason):
                solved, reason = None, ""
                solved = solve(target, arguments, progress)
            if solved is None:
                yield _point(plan, scheme, fma, status=Status.FAILED, reason=reason)
                continue
            result = coded(solved, arguments, progress)
        except (PolyoptimError, ArithmeticError, ValueError) as error:
            said = " ".join(str(error).split())
            reason = said if solved is None else reason
            yield _point(plan, scheme, fma, status=Status.FAILED, reason=said)
        else:
            yield _with_result(_point(plan, scheme, fma, status=result.status), result)


def _point(plan: _Plan, scheme: str, fma: bool, status: Status, reason: str = "") -> Point:
    compute, output = plan.formats()
    degree = plan.powers[-1]
    return Point(0, degree, plan.powers, plan.format, compute, output, scheme, fma, status, reason)


def _with_result(point: Point, result: Result) -> Point:
    """Return a point with its result and what it costs; coefficients that are 0 cost nothing."""
    powers = [power for power in result.powers if result.coef[power]] or [min(result.powers)]
    operations = program(powers, point.scheme, point.fma)
    return replace(
        point,
        result=result,
        powers=result.powers,
        fma_count=operations.count("fma"),
        mul_count=operations.count("mul"),
        add_count=operations.count("add"),
        depth=operations.depth,
    )


def _marked(points: Sequence[Point], criterion: str) -> tuple[Point, ...]:
    """Return the points with the best ones marked."""
    made = compared(points)
    rows = [(getattr(point, criterion), point.depth or 0, point.operations or 0) for point in made]
    best = {point.number for point, is_best in zip(made, unbeaten(rows), strict=True) if is_best}
    return tuple(replace(point, best=point.number in best) for point in points)
