"""The report of a table of fits: how many ended how, the first of them, and what went wrong."""

from __future__ import annotations

import math

import numpy as np

from polyoptim.reports.curves import term_name
from polyoptim.result_table import ResultTable

MOST_GROUPS, MOST_TERMS, MOST_MESSAGES = 20, 6, 5
PARTS = (0.0, 0.5, 1.0)  # of the groups, for a summary: least, median, greatest


def table_report(table: ResultTable) -> str:
    """Return the report of a table of fits as aligned text."""
    degree = max(map(sum, table.terms))
    what = "the data" if table.target["kind"] == "arrays" else table.target["text"]
    rows = int(table.count.sum())
    title = (
        f"polyoptim fit: {len(table)} polynomials of degree {degree} for {what}, one for each {table.by!r}; {rows} rows"
    )
    lines = [
        f"status         {', '.join(f'{count} {status}' for status, count in table.statuses.items())}",
        *_summary(table),
    ]
    parts = [title, "\n".join(lines), _groups(table)]
    if table.messages:
        parts.append(_messages(table))
    parts += [f"Note: {note}" for note in table.notes]
    return "\n\n".join(parts) + "\n"


def _summary(table: ResultTable) -> list[str]:
    lines = []
    for label, values in (("rows", table.count), ("residual s.d.", table.sigma), ("R²", table.r2)):
        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        if len(known):
            least, median, greatest = (float(np.quantile(known, part)) for part in PARTS)
            lines.append(f"{label:<15}{least:.4g} to {greatest:.4g}, median {median:.4g}")
    return lines


def _groups(table: ResultTable) -> str:
    """Return the first groups: label, rows, and the coefficients in powers of x with their errors."""
    several = len(table.terms[0]) > 1
    names = table.target.get("x", "x")
    names = names if isinstance(names, list) else ["x"]
    names = [f"x{place + 1}" for place in range(len(table.terms[0]))] if several and len(names) == 1 else names
    shown = list(range(min(len(table.terms), MOST_TERMS)))
    head = [table.by, "rows", *(term_name(table.terms[k], names) for k in shown), "s.d.", "R²"]
    grid = [head]
    for place in range(min(len(table), MOST_GROUPS)):
        label = str(table.labels[place])
        if place in table.messages:
            grid.append([label, str(table.count[place]), str(table.status[place]), *[""] * (len(shown) + 1)])
            continue
        cells = [_with_error(table.coef_power[place, k], table.stderr_power[place, k]) for k in shown]
        grid.append([label, str(table.count[place]), *cells, _short(table.sigma[place]), _short(table.r2[place], 6)])
    widths = [max(len(row[column]) for row in grid) for column in range(len(head))]
    lines = []
    for first, *others in grid:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    if len(table.terms) > MOST_TERMS:
        lines.append(f"… and {len(table.terms) - MOST_TERMS} more coefficients in each")
    if len(table) > MOST_GROUPS:
        lines.append(f"… and {len(table) - MOST_GROUPS} more groups")
    return "\n".join(lines)


def _messages(table: ResultTable) -> str:
    """Return each sentence once, with the groups that it is about."""
    places: dict[str, list[int]] = {}
    for place, message in sorted(table.messages.items()):
        places.setdefault(message, []).append(place)
    lines = []
    for message, own in list(places.items())[:MOST_MESSAGES]:
        listed = ", ".join(str(table.labels[place]) for place in own[:MOST_MESSAGES])
        rest = f" and {len(own) - MOST_MESSAGES} more" if len(own) > MOST_MESSAGES else ""
        lines.append(f"No polynomial for {listed}{rest}: {message}")
    return "\n".join(lines)


def _with_error(value: float, error: float) -> str:
    if not math.isfinite(error) or error == 0 or value == 0:
        return f"{value:.7g}"
    digits = max(math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2, 2)
    return f"{value:.{min(digits, 16)}g} ± {error:.2g}"


def _short(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else ""
