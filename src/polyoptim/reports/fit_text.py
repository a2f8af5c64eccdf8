"""The report of a fit: formula, coefficients with their errors, quality, and what was left out."""

from __future__ import annotations

import math
from typing import Any

from polyoptim.reports.curves import kind_of_polynomial, term_name
from polyoptim.reports.formula import inputs
from polyoptim.result import Result

MOST_TERMS = 40


def fit_report(result: Result) -> str:
    """Return the report of a fit as aligned text."""
    stats = dict(result.stats or {})
    what = "the data" if result.target["kind"] == "arrays" else result.target["text"]
    title = f"polyoptim fit: a {kind_of_polynomial(result)} for {what}, {result.count} rows"
    parts = [title, _aligned([("formula", result.formula), ("", result.formula_note)]), _coefficients(result, stats)]
    parts.append(_aligned(_quality(result, stats)))
    if "degrees" in stats:
        parts.append(_degrees(result, stats["degrees"]))
    parts += [f"Note: {note}" for note in result.notes]
    return "\n\n".join(parts) + "\n"


def _coefficients(result: Result, stats: dict[str, Any]) -> str:
    """Return a table of the coefficients in powers of x, each with its error."""
    rows = [("coefficient of", "value", "std. error", "t", "p")]
    fixed = [tuple(term) for term in stats["fixed"]]
    for term, value, error, t, p in zip(
        stats["terms"], stats["coef_power"], stats["stderr_power"], stats["t"], stats["p"], strict=True
    ):
        if value == 0 and error == 0 and tuple(term) not in fixed:
            continue  # a power that may not appear
        given = "given" if tuple(term) in fixed else "exact" if error == 0 else ""
        name = term_name(term, inputs(result))
        rows.append((name, _number(value, error), given or _short(error), _short(t), _probability(p)))
    shown = rows[: MOST_TERMS + 1]
    widths = [max(len(row[place]) for row in shown) for place in range(5)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in shown
    ]
    if len(rows) > len(shown):
        lines.append(f"… ({len(rows) - len(shown)} more)")
    return "\n".join(lines)


def _quality(result: Result, stats: dict[str, Any]) -> list[tuple[str, str]]:
    dof = stats["dof"]
    about = "its mean" if stats["constant"] else "0, as there is no free constant"
    errors = (
        "absolute: sigma is the standard deviation of each y"
        if stats["errors"] == "absolute"
        else "relative: their size comes from the residuals"
    )
    if stats["errors"] == "asymptotic":
        errors = "asymptotic: from how the loss weighs the residuals"
        if stats["covariance"] is None:
            errors = "none: those of this loss would not hold as often as they say, for so many rows and such residuals"
    rows = [("errors", errors)]
    if stats["errors"] == "none":
        rows = [("status", f"{result.status}: {result.message}")]
    elif stats["errors"] == "asymptotic":
        rows.append(("scale", f"{_short(stats['sigma'])}   1.4826 times the median absolute residual"))
    elif stats["sigma"] is not None:
        rows.append(("residual std. dev.", f"{_short(stats['sigma'])}   on {dof:g} degrees of freedom"))
    else:
        rows.append(("residual std. dev.", "none: there are no degrees of freedom left"))
    if stats["r2"] is not None:
        adjusted = "" if stats["r2_adjusted"] is None else f", adjusted {stats['r2_adjusted']:.9g}"
        rows.append(("R²", f"{stats['r2']:.9g}{adjusted}   about {about}"))
    if stats["f"] is not None:
        rows.append(("F", f"{_short(stats['f'])}   p {_probability(stats['f_p'])}"))
    if stats["aicc"] is not None:
        rows.append(("AICc, BIC", f"{stats['aicc']:.6g}, {stats['bic']:.6g}"))
    least = {"exact": "exact: the optimum", "best found": "best found"}.get(
        str(result.optimum_kind), "not known to be least"
    )
    rows.append(("loss", f"{result.loss:.10g}   {result.arguments['loss']}, sum over {result.count} rows; {least}"))
    if stats.get("low_weight", {}).get("count"):
        rows.append(("low weight", _low(stats["low_weight"])))
    rows.append(("largest error", f"{_short(result.sup_error)}   {result.sup_error_kind} on the rows"))
    for name, (low, high) in zip(inputs(result), stats["ranges"], strict=True):
        rows.append((f"range of {name}", f"{low!r} to {high!r}"))
    return rows


def _low(found: dict[str, Any]) -> str:
    """Return the rows that pull with less than half their weight; the first row of a table is row 0."""
    listed = ", ".join(f"{row} ({weight:.2g})" for row, weight in found["rows"][:8])
    rest = found["count"] - min(len(found["rows"]), 8)
    return f"row {listed}" + (f" and {rest} more" if rest else "") + "   the share of its weight that a row has"


def _degrees(result: Result, tried: list[dict[str, Any]]) -> str:
    """Return the table of the degrees that were tried."""
    least = min(one["error"] for one in tried)
    lines = [
        "Degree, chosen by leaving out each tenth of the rows:",
        "degree  mean squared error  std. error        AICc         BIC",
    ]
    for one in tried:
        marks = ["least"] * (one["error"] == least) + ["chosen: the lowest within one std. error of the least"] * (
            one["degree"] == result.degree
        )
        both = "  ".join(f"{'' if one.get(name) is None else format(one[name], '.6g'):>10}" for name in ("aicc", "bic"))
        cells = f"{one['degree']:>6}  {one['error']:>18.6g}  {one['spread']:>10.3g}  {both}  {', '.join(marks)}"
        lines.append(cells.rstrip())
    return "\n".join(lines)


def _number(value: float, error: float | None) -> str:
    """Return a value with the digits that its error leaves, and two more."""
    if not error or not math.isfinite(error) or value == 0:
        return f"{value:.12g}"
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 3
    return f"{value:.{min(max(digits, 4), 16)}g}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _probability(p: float | None) -> str:
    return "" if p is None else "< 1e-300" if p == 0 else f"{p:.3g}"


def _aligned(rows: list[tuple[str, str]]) -> str:
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in rows if text)
