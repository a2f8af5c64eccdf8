"""The picture of a front (matplotlib): the error over operations, and over depth."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from polyoptim.frontier.points import Front, Point, compared
from polyoptim.frontier.tables import kind_of_error
from polyoptim.reports.figure import OTHERS, save

MARKERS = {"horner": "o", "estrin": "s"}
SIZE, BEST_SIZE, RING = 6, 8, 4  # of markers, in points
APART = 0.1  # of one operation, between the formats
FAR = 10.0  # times the least error: from there on the scale is logarithmic
LINES = 20  # of text find room above each other
Scale = Callable[[float], float]
LABELS = {
    "total_error_bound": "bound of the {} error with rounding (proved)",
    "sup_error": "largest {} error in exact arithmetic",
}


def figure(front: Front, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure of a front; with `path` it is saved too, in the format of the ending."""
    drawn = Figure(figsize=(11, 5.6), dpi=120, layout="constrained")
    drawn.set_label("Two panels: error against the number of operations and against depth, a mark for each point.")
    FigureCanvasAgg(drawn)
    shown = [point for point in compared(front.points) if math.isfinite(front.error_of(point))]
    colors = {name: OTHERS[place % len(OTHERS)]
              for place, name in enumerate(dict.fromkeys(point.format for point in shown))}  # fmt: skip
    kind, scale = _scale([front.error_of(point) for point in shown] or [1.0])
    for axes, cost in zip(drawn.subplots(1, 2, sharey=True), ("operations", "depth"), strict=True):
        _panel(axes, front, shown, cost, colors, scale)
    drawn.axes[0].set_ylabel(_label(front, shown))
    drawn.axes[0].set_yscale(kind)
    if shown:
        handles = _legend(shown, colors)
        drawn.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False, fontsize=9)
    else:
        drawn.axes[0].text(0.5, 0.5, "no point has an error to show", ha="center", transform=drawn.axes[0].transAxes)
    ends = " and ".join(f"[{low}, {high}]" for low, high in front.target["domains"])
    drawn.suptitle(f"{front.target['text']} on {ends}: error and cost; the numbers are degrees", fontsize=11)
    if path is not None:
        save(drawn, path)
    return drawn


def _label(front: Front, shown: Sequence[Point]) -> str:
    if front.criterion in ("max_ulp", "flips"):
        kinds = " and ".join(dict.fromkeys(str(point.max_ulp_kind) for point in shown))
        output = shown[0].output_format if shown else "the output"
        what = f"largest error, ulp of {output}" if front.criterion == "max_ulp" else f"flips, share of {output} values"
        return f"{what} ({kinds})"
    return LABELS[front.criterion].format(kind_of_error(front.arguments["error"]))


def _panel(axes: Axes, front: Front, shown: Sequence[Point], cost: str, colors: dict[str, str], scale: Scale) -> None:
    """Draw the points over one cost, formats beside each other: the best with a dark ring and their degree."""
    for point in sorted(shown, key=lambda point: point.best):
        color = colors[point.format]
        aside = APART * (list(colors).index(point.format) - (len(colors) - 1) / 2)
        at = getattr(point, cost) + aside, front.error_of(point)
        marker, order = MARKERS.get(point.scheme, "D"), 4 if point.best else 3
        if point.best:
            axes.plot(*at, marker, color="black", markersize=BEST_SIZE + RING, zorder=order)
        axes.plot(
            *at, marker, color=color, zorder=order, alpha=1.0 if point.best else 0.6,
            markersize=BEST_SIZE if point.best else SIZE, markeredgewidth=1.5,
            markerfacecolor=color if point.fma else "white",
        )  # fmt: skip
    for at, text in _names([point for point in shown if point.best], front, cost, scale):
        axes.annotate(text, at, xytext=(9, 6), textcoords="offset points", fontsize=8, zorder=5)
    line = _steps([(float(getattr(point, cost)), front.error_of(point)) for point in shown])
    if line:
        axes.plot(
            *zip(*line, strict=True), color="black", linewidth=1, linestyle="--", drawstyle="steps-post", zorder=2
        )
    axes.set_xlabel("operations (FMA, multiplications, additions)" if cost == "operations" else "depth")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def _names(best: Sequence[Point], front: Front, cost: str, scale: Scale) -> list[tuple[tuple[float, float], str]]:
    """Return where degrees are written; those of points too near to each other are written once, together."""
    groups: list[list[Point]] = []
    for point in sorted(best, key=lambda point: (getattr(point, cost), -front.error_of(point))):
        last = groups[-1][-1] if groups else point
        below = scale(front.error_of(last)) - scale(front.error_of(point))
        if groups and getattr(last, cost) == getattr(point, cost) and below < 1 / LINES:
            groups[-1].append(point)
        else:
            groups.append([point])
    return [
        ((float(getattr(them[0], cost)), front.error_of(them[0])),
         ", ".join(map(str, sorted({point.degree for point in them}))))
        for them in groups
    ]  # fmt: skip


def _scale(errors: Sequence[float]) -> tuple[str, Scale]:
    """Return the scale of the errors, and the map from an error to its height from 0 to 1."""
    low, high = min(errors), max(errors)
    if low <= 0 or high < FAR * low:
        return "linear", lambda error: (error - low) / ((high - low) or 1.0)
    return "log", lambda error: math.log(error / low) / math.log(high / low)


def _steps(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the places, from left to right, that lie below all places further left."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(places):
        if not found or y < found[-1][1]:
            found.append((x, y))
    return found


def _legend(shown: Sequence[Point], colors: dict[str, str]) -> list[Line2D]:
    """Return what the legend names: formats by colour, schemes by marker, and how the best points look."""
    blank: dict[str, Any] = {"linestyle": "none", "markersize": SIZE}
    handles = [Line2D([], [], marker="h", color=color, label=name, **blank) for name, color in colors.items()]
    for scheme in dict.fromkeys(point.scheme for point in shown):
        for fma in dict.fromkeys(point.fma for point in shown):
            said = scheme if fma else f"{scheme}, no FMA"
            face = "#666666" if fma else "white"
            handles.append(
                Line2D(
                    [], [], marker=MARKERS.get(scheme, "D"), color="#666666", markerfacecolor=face, label=said, **blank
                )
            )
    best = Line2D(
        [], [], marker="o", color="white", markeredgecolor="black", markeredgewidth=1.4, label="best", **blank
    )
    line = Line2D([], [], color="black", linewidth=1, linestyle="--", label="least error for the cost")
    return [*handles, best, line]
