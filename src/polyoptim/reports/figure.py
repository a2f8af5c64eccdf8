"""The figure: target and polynomial, residual, loss and coefficients over the steps (matplotlib)."""

from __future__ import annotations

import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from polyoptim.errors import ArgumentError
from polyoptim.reports.curves import (
    error_curves,
    grid,
    kind_of_polynomial,
    optimum_curve,
    optimum_name,
    power_name,
    target_points,
    y_range,
)
from polyoptim.result import Result, write

# Okabe and Ito's colours, which people with any colour vision can tell apart.
TARGET, LEARNED, BEST = "#000000", "#0072B2", "#D55E00"
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
POINTS = 600
# What a figure shows, for pages whose readers may not see it: its label, from which an alternative text can be made.
RUN_LABEL = "Four panels: target and polynomial, residual, loss over the steps, coefficients over the steps."
FIT_LABEL = "Two panels: data and fitted curve with its bands, residuals."
APPROXIMATION_LABEL = "Two panels: target and polynomial, error with its bounds."
TRIED_LABEL = "Three panels: target and polynomial, error with its bounds, share of the inputs by their error in ulp."
MOST_NAMED = 8


def figure(result: Result, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure; with `path` it is saved too, in the format of the ending."""
    if result.terms is not None:
        raise ArgumentError("a picture wants one column of x; this result has several.")
    if result.verb == "fit":
        return _of_fit(result, path)
    if result.verb == "approximate":
        return _of_approximation(result, path)
    drawn = Figure(figsize=(10, 7), dpi=120, layout="constrained")
    drawn.set_label(RUN_LABEL)
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(2, 2)
    _curves(result, axes[0, 0])
    _residual(result, axes[1, 0])
    _loss(result, axes[0, 1])
    _coefficients(result, axes[1, 1])
    for panel in axes.flat:
        panel.grid(alpha=0.25)
    drawn.suptitle(_wrapped(result.formula), fontsize=10)
    if path is not None:
        save(drawn, path)
    return drawn


def _of_approximation(result: Result, path: str | os.PathLike[str] | None) -> Figure:
    """Return the error on the domain with its bounds, target and polynomial above it, and below it what inputs gave."""
    tried = result.ulp_histogram is not None
    drawn = Figure(figsize=(9, 9 if tried else 7), dpi=120, layout="constrained")
    drawn.set_label(TRIED_LABEL if tried else APPROXIMATION_LABEL)
    FigureCanvasAgg(drawn)
    above, below, *rest = drawn.subplots(2 + tried, 1, height_ratios=(1, 2, 1)[: 2 + tried])
    above.sharex(below)
    above.tick_params(labelbottom=False)
    for panel in rest:
        _errors_in_ulp(result, panel)
    for x, f, p, error in error_curves(result, POINTS):
        above.plot(x, f, color=TARGET, lw=2.5, label="target")
        above.plot(x, p, color=LEARNED, lw=1.2, ls="--", label="polynomial")
        below.plot(x, error, color=LEARNED, lw=1.2, label="error")
        tops = _extrema(error)
        below.plot(x[tops], error[tops], "o", color=LEARNED, markersize=4, label="extrema")
    bound = result.sup_error if result.sup_error_bound is None else result.sup_error_bound
    word = "proved" if result.sup_error_kind == "proved" else result.sup_error_kind
    for side in (1, -1):
        below.axhline(side * bound, color=BEST, lw=1, label=f"largest, {word}: {bound:.6g}" if side > 0 else None)
        if result.lower_bound is not None and result.arguments.get("objective", "minimax") == "minimax":
            said = f"no such polynomial is below {result.lower_bound:.6g}" if side > 0 else None
            below.axhline(side * result.lower_bound, color=OTHERS[2], lw=1, ls=":", label=said)
    kind = result.arguments["error"]
    below.set(xlabel="x", ylabel=f"{kind} error" if kind in ("absolute", "relative") else f"error times {kind}")
    beside: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12), "ncols": 2}
    for panel, place in ((above, {"loc": "best"}), (below, beside)):
        handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        panel.legend(handles.values(), handles.keys(), fontsize=8, **place)
        panel.grid(alpha=0.25)
    drawn.suptitle(_wrapped(f"{result.target['text']}: {result.formula}"), fontsize=10)
    if path is not None:
        save(drawn, path)
    return drawn


def _errors_in_ulp(result: Result, panel: Any) -> None:
    """Draw how many inputs have which error in units in the last place."""
    bins = result.ulp_histogram or ()
    width = bins[0][1] or 1.0
    count = max(sum(many for *_, many in bins), 1)
    shares = [100 * many / count for *_, many in bins]
    panel.bar([low for low, *_ in bins], shares, width=width, align="edge", color=LEARNED, edgecolor="white", lw=0.5)
    said = f"largest, {result.max_ulp_kind}: {result.max_ulp:.5g} ulp; flips {100 * (result.flips or 0.0):.4g} %"
    panel.axvline(min(result.max_ulp or 0.0, bins[-1][0] + width), color=BEST, lw=1, label=said)
    panel.set(xlabel=f"error in ulp, of {count:,} inputs", ylabel="% of inputs")
    panel.legend(fontsize=8, loc="best")
    panel.grid(alpha=0.25)


def _extrema(error: npt.NDArray[np.float64]) -> list[int]:
    """Return where the error is largest between two changes of its sign."""
    known = np.flatnonzero(np.isfinite(error) & (error != 0))
    runs = np.split(known, np.flatnonzero(np.diff(np.sign(error[known]))) + 1)
    return [int(run[np.argmax(np.abs(error[run]))]) for run in runs if len(run)]


def _of_fit(result: Result, path: str | os.PathLike[str] | None) -> Figure:
    """Return data, curve and bands above the residuals."""
    if result.samples is None:
        raise ArgumentError("a picture wants samples, and this result has kept none.")
    drawn = Figure(figsize=(9, 7), dpi=120, layout="constrained")
    drawn.set_label(FIT_LABEL)
    FigureCanvasAgg(drawn)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    x, y = result.samples.x, result.samples.y
    outer = [*result.domain, float(x.min()), float(x.max())]
    inside = np.linspace(min(outer), max(outer), POINTS)
    stats = result.stats or {}
    if stats.get("sigma") is not None or stats.get("errors") == "absolute":
        for interval, alpha in (("prediction", 0.15), ("confidence", 0.35)):
            band = result.predict(inside, interval)
            above.fill_between(inside, band.low, band.high, color=LEARNED, alpha=alpha, linewidth=0,
                               label=f"{100 * band.level:g} % {interval}")  # fmt: skip
    above.plot(x, y, ".", color=TARGET, markersize=4, alpha=0.7, label=f"{result.count} rows")
    above.plot(inside, result(inside), color=BEST, linewidth=1.6, label=kind_of_polynomial(result))
    above.set_ylim(*y_range(y, result(x)))
    above.set(ylabel=result.target.get("y", "y"))
    above.legend(fontsize=8)
    below.axhline(0, color=TARGET, linewidth=0.8)
    below.plot(x, y - result(x), ".", color=LEARNED, markersize=4)
    name = result.target.get("x", "x")
    since = result.target.get("origins", {}).get(name)
    below.set(xlabel=f"{name}, seconds from {since}" if since else name, ylabel="y − p(x)")
    for panel in (above, below):
        panel.grid(alpha=0.25)
    drawn.suptitle(_wrapped(result.formula, 95), fontsize=10)
    if path is not None:
        save(drawn, path)
    return drawn


def save(drawn: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, in the format of the ending of `path`, atomically."""
    ending = Path(path).suffix.lower().lstrip(".")
    known = FigureCanvasAgg.get_supported_filetypes()
    if ending not in known:
        raise ArgumentError(f"{os.fspath(path)}: no picture has the ending {ending!r}. Use .png, .svg or .pdf.")
    content = BytesIO()
    drawn.savefig(content, format=ending)
    write(path, content.getvalue())


def _wrapped(formula: str, width: int = 110) -> str:
    """Return the formula on at most three lines, broken before a term and never inside brackets."""
    lines, line = [], ""
    for term in re.split(r" (?=[+-] [^()]*(?:\([^()]*\)[^()]*)*$)|(?<=,) ", formula):
        if line and len(line) + len(term) > width:
            lines.append(line)
            line = ""
        line = f"{line} {term}".strip()
    lines.append(line)
    return "\n".join([*lines[:3], *(["…"] if len(lines) > 3 else [])])


def _curves(result: Result, panel: Any) -> None:
    x, y = target_points(result, POINTS)
    inside = grid(result, POINTS)
    best = optimum_curve(result, inside)
    learned = result(inside)
    if result.target["kind"] == "expression":
        panel.plot(x, y, color=TARGET, linewidth=1.2, label=result.target["text"][:40])
    else:
        panel.plot(x, y, ".", color=TARGET, markersize=3, alpha=0.6, label=f"{result.count} samples")
    if best is not None:
        label = f"best {kind_of_polynomial(result)}{'' if optimum_name(result) == 'optimum' else ' found'}"
        panel.plot(inside, best, "--", color=BEST, linewidth=1.2, label=label, zorder=3)
    panel.plot(inside, learned, color=LEARNED, linewidth=1.6, label="learned")
    shown = y_range(y, *([] if best is None else [best]), *([learned] if result.status != "diverged" else []))
    panel.set_ylim(*shown)
    panel.set(title="Target and polynomial", xlabel=result.target.get("x", "x"), ylabel=result.target.get("y", "y"))
    panel.legend(fontsize=8)


def _residual(result: Result, panel: Any) -> None:
    x, y = target_points(result, POINTS)
    style = (
        {"linewidth": 1.4}
        if result.target["kind"] == "expression"
        else {"linestyle": "", "marker": ".", "markersize": 3}
    )
    panel.axhline(0, color=TARGET, linewidth=0.8)
    panel.plot(x, result(x) - y, color=LEARNED, label="learned", **style)
    best = optimum_curve(result, x)
    if best is not None and result.target["kind"] == "expression":
        panel.plot(x, best - y, "--", color=BEST, linewidth=1.2, label="best")
    panel.set(
        title=f"Residual p(x) − y; largest on the samples: {result.sup_error:.4g}",
        xlabel=result.target.get("x", "x"),
        ylabel="residual",
    )
    panel.legend(fontsize=8)


def _loss(result: Result, panel: Any) -> None:
    steps, losses = result.trace["step"], result.trace["loss"]
    panel.plot(steps, losses, ".-", color=LEARNED, label="loss")
    positive = bool((losses[np.isfinite(losses)] > 0).all())
    if result.optimum is not None:
        positive = positive and result.optimum > 0
        panel.axhline(result.optimum, linestyle="--", color=BEST, label=f"{optimum_name(result)} {result.optimum:.6g}")
    if positive:
        panel.set_yscale("log")
    gap = "" if result.gap is None else f"; gap {result.gap:.3g}"
    panel.set(title=f"Loss {result.loss:.6g}{gap}", xlabel="step", ylabel="loss")
    panel.legend(fontsize=8)


def _coefficients(result: Result, panel: Any) -> None:
    coefs = np.array([row["coef"] for row in result.trace], dtype=float)
    symbol = result.family.symbol
    for place, k in enumerate(result.powers):
        color = OTHERS[place % len(OTHERS)]
        name = f"{symbol}{k}" if symbol else power_name(k, "x" if result.window is None else "u")
        label = name if place < MOST_NAMED else None
        panel.plot(result.trace["step"], coefs[:, k], ".-", color=color, label=label, markersize=3)
        if result.optimum_coef is not None:
            panel.axhline(result.optimum_coef[k], linestyle="--", color=color, linewidth=0.7)
    dashed = "" if result.optimum_coef is None else f" (dashed: at the {optimum_name(result)})"
    panel.set(title=f"Coefficients{dashed}", xlabel="step", ylabel="coefficient")
    panel.legend(fontsize=8, ncols=2)
