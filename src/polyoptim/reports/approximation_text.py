"""The report of an approximation: coefficients as they ship, the error with its kind, and how near the best it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from polyoptim.formats import Format, computing, read_format
from polyoptim.reports.curves import kind_of_polynomial, power_name
from polyoptim.result import Result
from polyoptim.schemes import program_of

KINDS = {
    "proved": "proved: no x of the domain has a larger one",
    "exhaustive": "exhaustive: every input was tried",
    "sampled": "sampled: a larger one may exist between the points",
}


WORST_SHOWN, FINE_BINS = 4, 4
SHIPPED = {"ulp": "the largest error in ulp, searched", "flips": "the share of flips, searched"}
OBJECTIVES = {"l2": "root of the integral of its square", "l1": "integral of its abs"}


def approximation_report(result: Result) -> str:
    """Return the report of an approximation as aligned text."""
    ends = " and ".join(f"[{low}, {high}]" for low, high in result.target["domains"])
    title = f"polyoptim approximate: a {kind_of_polynomial(result)} for {result.target['text']} on {ends}"
    parts = [title, _coefficients(result), _errors(result), *(f"Note: {note}" for note in result.notes)]
    return "\n\n".join(parts) + "\n"


def _coefficients(result: Result) -> str:
    """Return a table of the coefficients: decimal, and as they stand in their format."""
    texts = result.coef_hex or ()
    formats = dict(zip(result.powers, result.arguments["format"], strict=True))
    rows = [("coefficient of", "decimal", "exactly", "format")]
    rows += [
        (power_name(power, "x"), repr(float(result.coef[power])), texts[power], formats[power])
        for power in result.powers
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
    )


def _errors(result: Result) -> str:
    error = result.arguments["error"]
    kind = {"absolute": "absolute", "relative": "relative"}.get(error, f"weighted by {error}")
    rows = [("largest error", f"{result.sup_error:.10g}   {kind}, {KINDS[result.sup_error_kind]}")]
    if result.sup_error_bound is not None:
        rows.append(("proved bound", f"{result.sup_error_bound:.10g}"))
    if result.total_error_bound is not None:
        rows.append(("with rounding", f"{result.total_error_bound:.10g}   proved, for every {_evaluated(result)}"))
    objective = result.arguments.get("objective", "minimax")
    if objective in SHIPPED:
        rows.append(("made least", SHIPPED[objective]))
    elif objective in OBJECTIVES:
        rows += _mean(result, objective)
    elif result.lower_bound is not None:
        gap = "" if result.gap is None else f"; the gap is {100 * result.gap:.3g} %"
        known = "no such polynomial has a smaller error"
        if set(result.arguments["format"]) != {"real"}:
            known += ", by integer programs in floats"
        rows.append(("lower bound", f"{result.lower_bound:.10g}   {known}{gap}"))
    if result.max_ulp_kind is not None:
        rows += _measured(result)
    rows.append(("cost", _cost(result)))
    rows.append(("time", f"{result.seconds:.3g} s"))
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in rows)


def _evaluated(result: Result) -> str:
    own, output = _computed(result)
    last = "" if own == output else f", the value to {output}"
    return f"x of {own}, each operation rounded to {own}{last}"


def _computed(result: Result) -> tuple[Format | None, Format | None]:
    arguments = result.arguments
    formats = read_format(list(arguments["format"]), result.powers)
    return computing(formats, arguments.get("compute_format"), arguments.get("output_format"))


def _measured(result: Result) -> list[tuple[str, str]]:
    """Return what was found on all inputs in the arithmetic that ships."""
    own, output = _computed(result)
    where = "the 2^24 points of the grid" if result.arguments.get("inputs") == "grid" else f"all {own} in the domain"
    kind = f"{result.max_ulp_kind}: {where}"
    count = result.input_count or 1
    flips = round((result.flips or 0.0) * count)
    table = [one for one in result.ulp_histogram or () if one[2]]
    shares = [f"{low:g} to {high:g}: {many / count:.3%}" if high is not None else f"from {low:g} on: {many / count:.3%}"
              for low, high, many in _coarser(table)]  # fmt: skip
    return [
        ("largest ulp", f"{result.max_ulp:.6g}   units in the last place of {output}, {kind}"),
        ("flips", f"{100 * flips / count:.4g} %   {flips:,} of {count:,} are not the correctly rounded {output}"),
        ("worst inputs", ", ".join(map(repr, (result.worst_inputs or ())[:WORST_SHOWN]))),
        ("errors in ulp", "; ".join(shares)),
    ]


def _coarser(bins: Sequence[tuple[float, float | None, int]]) -> list[tuple[float, float | None, int]]:
    """Return bins of a half, or of whole units where they reach far; the last may have no end."""
    far = max((high or math.inf for _, high, _ in bins), default=0.0)
    width = 0.5 if far <= FINE_BINS else 1.0 if far <= 2 * FINE_BINS else 4.0
    found: dict[tuple[float, float | None], int] = {}
    for low, high, many in bins:
        begin = low if high is None else width * (low // width)
        key = (begin, None if high is None else begin + width)
        found[key] = found.get(key, 0) + many
    return [(*ends, many) for ends, many in found.items()]


def _cost(result: Result) -> str:
    """Return how many operations the scheme has, of the coefficients that are not zero."""
    arguments = result.arguments
    coef = {power: Fraction(float(result.coef[power])) for power in result.powers}
    scheme = program_of(coef, arguments.get("scheme", "horner"), arguments.get("fma", True))
    names = {"fma": ("FMA", "FMA"), "mul": ("multiplication", "multiplications"), "add": ("addition", "additions")}
    counts = [f"{count} {one if count == 1 else many}" for kind, (one, many) in names.items()
              if (count := scheme.count(kind))]  # fmt: skip
    return f"{scheme.scheme}: {', '.join(counts) or 'nothing to compute'}; depth {scheme.depth}"


def _mean(result: Result, objective: str) -> list[tuple[str, str]]:
    """Return what was made least, where that is not the largest error."""
    formats = "" if set(result.arguments["format"]) == {"real"} else " with coefficients of these formats"
    gap = "" if result.gap is None else f"; the gap is {100 * result.gap:.3g} %"
    known = f"no such polynomial{formats} has a smaller {objective} error"
    return [
        (f"{objective} error", f"{result.loss:.10g}   the {OBJECTIVES[objective]}, which was made least"),
        (
            f"{objective} bound",
            f"{result.lower_bound:.10g}   {known}{gap}",
        ),
    ]
