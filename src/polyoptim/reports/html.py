"""HTML for notebooks: a table, and a picture of target and polynomial as SVG."""

from __future__ import annotations

import html as escape

import numpy as np
import numpy.typing as npt

from polyoptim.reports.curves import grid, kind_of_polynomial, optimum_name, target_points, y_range
from polyoptim.reports.text import verdict
from polyoptim.result import Result

WIDTH, HEIGHT, POINTS = 360, 180, 240


def html(result: Result) -> str:
    """Return the result as HTML without scripts or anything from elsewhere; every text is escaped."""
    rows = [("formula", result.formula), ("loss", f"{result.loss:.10g}")]
    if result.verb == "fit":
        known = [(name, (result.stats or {}).get(name)) for name in ("sigma", "r2")]
        rows += [(name, f"{value:.10g}") for name, value in known if value is not None]
    else:
        best = "not known" if result.optimum is None else f"{result.optimum:.10g} ({result.optimum_kind})"
        rows += [(optimum_name(result), best), ("gap", "none" if result.gap is None else f"{result.gap:.4g}")]
    rows += [
        ("largest error", f"{result.sup_error:.4g} ({result.sup_error_kind} on the {result.count} samples)"),
        ("status", f"{result.status}: {result.message}"),
    ]
    cells = "".join(
        f'<tr><th style="text-align:left">{name}</th><td style="text-align:left">{escape.escape(text)}</td></tr>'
        for name, text in rows
    )
    does = "for" if result.verb == "fit" else "learns"
    title = escape.escape(f"A {kind_of_polynomial(result)} {does} {result.target['text']}")
    picture = _picture(result) if result.terms is None else ""
    return f"<div><strong>{title}</strong>{picture}<table>{cells}</table><p>{escape.escape(verdict(result))}</p></div>"


def _picture(result: Result) -> str:
    x, y = target_points(result, POINTS)
    if len(x) > POINTS:
        places = np.linspace(0, len(x) - 1, POINTS).astype(int)
        x, y = x[places], y[places]
    inside = grid(result, POINTS)
    learned = result(inside)
    low, high = y_range(y, learned) if result.status != "diverged" else y_range(y)
    target = " ".join(_place(result, px, py, low, high) for px, py in zip(x, y, strict=True))
    curve = " ".join(
        _place(result, px, py, low, high) for px, py in zip(inside, np.clip(learned, low, high), strict=True)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'style="display:block;background:white"><title>target (dotted) and polynomial</title>'
        f'<polyline points="{target}" fill="none" stroke="#000000" stroke-width="1.5" stroke-dasharray="2 3"/>'
        f'<polyline points="{curve}" fill="none" stroke="#0072B2" stroke-width="2"/></svg>'
    )


def _place(result: Result, x: float, y: npt.ArrayLike, low: float, high: float) -> str:
    a, b = result.domain
    return f"{(x - a) / (b - a) * WIDTH:.1f},{(high - float(np.asarray(y))) / (high - low) * HEIGHT:.1f}"
