"""Pictures of races and sweeps (matplotlib)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from polyoptim.racing.contest import Race
from polyoptim.racing.landscape import Sweep
from polyoptim.racing.tables import learned, percent
from polyoptim.reports.figure import OTHERS, save

# What diverged is set apart from every colour of the map, also where there is no colour.
LOST = "#C8C8C8"
MARKERS = ("o", "s", "D", "^", "v")
SMALLEST_GAP = 1e-16  # below it a gap is rounding


def sweep_figure(sweep: Sweep, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure of a sweep; with `path` it is saved too, in the format of the ending."""
    drawn = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots()
    _map(sweep, drawn, axes) if len(sweep.axes) == 2 else _curve(sweep, axes)
    given = "".join(f", {name}={value}" for name, value in sweep.options.items())
    drawn.suptitle(f"{sweep.optimizer}{given} learns {learned(sweep.target)}: after {sweep.steps} steps", fontsize=11)
    if path is not None:
        save(drawn, path)
    return drawn


def _measure(sweep: Sweep) -> tuple[npt.NDArray[np.float64], str]:
    """Return what is shown, and its name: the gap, or the loss where the optimum is zero to rounding."""
    if np.isnan(sweep.gap[sweep.diverged < 0]).all():
        return sweep.loss, "loss"
    return np.where(np.isnan(sweep.gap), np.nan, np.maximum(sweep.gap, SMALLEST_GAP)), "gap: loss / optimum − 1"


def _map(sweep: Sweep, drawn: Figure, axes: Axes) -> None:
    (first, across), (second, up) = sweep.axes.items()
    values, label = _measure(sweep)
    x, y = _edges(across, sweep.log[0]), _edges(up, sweep.log[1])
    lost = sweep.diverged >= 0
    if lost.any():
        shade = np.ma.masked_array(np.ones_like(values), ~lost)
        axes.pcolormesh(x, y, shade.T, cmap=ListedColormap([LOST]), rasterized=True)
        axes.fill_between([], [], color=LOST, label="diverged")
    shown = np.ma.masked_invalid(values)
    known = shown.compressed()
    positive = known[known > 0]
    norm = (
        LogNorm(float(positive.min()), float(positive.max()))
        if len(positive) and positive.min() < positive.max()
        else None
    )
    mesh = axes.pcolormesh(x, y, shown.T, norm=norm, cmap="viridis_r", rasterized=True)
    drawn.colorbar(mesh, ax=axes, label=label)
    _edge(sweep, axes, x, y)
    _scale(axes, 0, first, across, sweep.log[0])
    _scale(axes, 1, second, up, sweep.log[1])
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    if best := sweep.best:
        place = [int(np.flatnonzero(values_ == best[name])[0]) for name, values_ in sweep.axes.items()]
        centre = [_place(values_, index) for values_, index in zip(sweep.axes.values(), place, strict=True)]
        where = ", ".join(f"{name}={_text(best[name])}" for name in sweep.axes)
        axes.plot(*centre, "*", color="#D55E00", markeredgecolor="black", markersize=13, label=f"least loss: {where}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, frameon=False, fontsize=9)


def _edge(sweep: Sweep, axes: Axes, x: Any, y: Any) -> None:
    """Draw the exact edge of stability, where there is one and it lies in the picture."""
    names = list(sweep.axes)
    if sweep.edge is None or "lr" not in names:
        return
    momentum = sweep.axes.get("momentum")
    if momentum is not None:
        line = [sweep.edge, momentum]
    else:
        span = y if names[0] == "lr" else x
        line = [np.full(2, sweep.edge[0]), np.array([span[0], span[-1]])]
    if names[0] != "lr":
        line.reverse()
    axes.plot(*line, color="black", linewidth=2, linestyle="--", label="edge of stability, exact")


def _curve(sweep: Sweep, axes: Axes) -> None:
    ((name, values),) = sweep.axes.items()
    shown, label = _measure(sweep)
    at = np.array([_place(values, index) for index in range(len(values))])
    axes.plot(at, shown, "o-" if len(values) < 100 else "-", color="#0072B2", markersize=4)
    if np.nanmin(shown, initial=np.inf) > 0:
        axes.set_yscale("log")
    lost = sweep.diverged >= 0
    if lost.any():
        for index in np.flatnonzero(lost):
            edges = _edges(values, sweep.log[0])
            axes.axvspan(edges[index], edges[index + 1], color=LOST, linewidth=0)
        axes.fill_between([], [], color=LOST, label="diverged")
    if sweep.edge is not None and name == "lr":
        axes.axvline(sweep.edge[0], color="black", linestyle="--", linewidth=2, label="edge of stability, exact")
    _scale(axes, 0, name, values, sweep.log[0])
    axes.set_ylabel(label)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _place(values: npt.NDArray[Any], index: int) -> float:
    """Return where a value stands: at itself; words stand at 0, 1, 2 and so on."""
    return float(values[index]) if values.dtype.kind in "fiu" else float(index)


def _edges(values: npt.NDArray[Any], log: bool) -> npt.NDArray[np.float64]:
    """Return the borders of the cells around values."""
    at = np.array([_place(values, index) for index in range(len(values))])
    at = np.log(at) if log else at
    if len(at) == 1:
        edges = np.array([at[0] - 0.5, at[0] + 0.5])
    else:
        middle = (at[1:] + at[:-1]) / 2
        edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


def _scale(axes: Axes, side: int, name: str, values: npt.NDArray[Any], log: bool) -> None:
    axis = (axes.xaxis, axes.yaxis)[side]
    (axes.set_xlabel, axes.set_ylabel)[side](name)
    if values.dtype.kind not in "fiu":
        axis.set_ticks(list(range(len(values))), [str(value) for value in values])
    elif log:
        (axes.set_xscale, axes.set_yscale)[side]("log")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def race_figure(race: Race, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure of a race; with `path` it is saved too, in the format of the ending."""
    height = 2.2 + 0.34 * len(race.racers)
    drawn = Figure(figsize=(12, max(height, 4.5)), dpi=120, layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2, sharey=True)
    _finishes(race, left)
    _tuning(race, right, drawn)
    drawn.suptitle(
        f"{learned(race.target)}, {race.basis} basis of degree {race.degree}: evaluations until the gap is reached",
        fontsize=11,
    )
    if path is not None:
        save(drawn, path)
    return drawn


def _finishes(race: Race, axes: Axes) -> None:
    rows = range(len(race.racers))
    for place, mark in enumerate(race.marks):
        offset = 0.18 * (place - (len(race.marks) - 1) / 2)
        found = [(row, racer.finishes[place]) for row, racer in zip(rows, race.racers, strict=True)]
        known = [(row, finish) for row, finish in found if np.isfinite(finish.evaluations)]
        middle = [max(finish.evaluations, 1) for _, finish in known]
        below = [m - max(finish.low, 1) for m, (_, finish) in zip(middle, known, strict=True)]
        above = [min(finish.high, race.steps) - m for m, (_, finish) in zip(middle, known, strict=True)]
        axes.errorbar(
            middle, [row + offset for row, _ in known], xerr=np.array([below, above]) if known else None,
            fmt=MARKERS[place % len(MARKERS)], color=OTHERS[place % len(OTHERS)], markersize=5, capsize=2,
            label=f"gap {percent(mark)}",
        )  # fmt: skip
    axes.set_yticks(list(rows), [racer.name for racer in race.racers])
    axes.set_ylim(len(race.racers) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlabel(f"gradient evaluations ({len(race.seeds)} seeds: median, 95 % interval)", fontsize=9)
    axes.grid(alpha=0.25)
    axes.figure.legend(loc="outside lower left", ncols=len(race.marks), frameon=False)


def _tuning(race: Race, axes: Axes, drawn: Figure) -> None:
    """Draw the grid: the gap in the end for each optimizer and rate, and the rates that were taken."""
    gaps = np.array([racer.grid_gap for racer in race.racers])
    lost = ~np.isfinite(gaps)
    edges = _edges(race.lrs, True)
    rows = np.arange(len(race.racers) + 1) - 0.5
    axes.pcolormesh(edges, rows, np.ma.masked_array(np.ones_like(gaps), ~lost), cmap=ListedColormap([LOST]))
    shown = np.ma.masked_array(np.maximum(np.where(lost, 1, gaps), SMALLEST_GAP), lost)
    high = max(float(shown.max()) if shown.count() else 1.0, 1e-15)
    mesh = axes.pcolormesh(edges, rows, shown, norm=LogNorm(SMALLEST_GAP, high), cmap="viridis_r")
    drawn.colorbar(mesh, ax=axes, label=f"gap after {race.steps} evaluations (grey: diverged)")
    for place in range(len(race.marks)):
        at = [(finish.lr, row) for row, racer in enumerate(race.racers) if (finish := racer.finishes[place]).lr]
        axes.plot(
            [lr for lr, _ in at], [row for _, row in at], MARKERS[place % len(MARKERS)], fillstyle="none",
            color=OTHERS[place % len(OTHERS)], markersize=9 - 2 * place,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel(f"lr: the grid of tuning, {len(race.tuning_seeds)} seeds each; marks: the rates taken", fontsize=9)
