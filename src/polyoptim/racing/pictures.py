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
from matplotlib.ticker import MaxNLocator

from polyoptim.racing.landscape import Sweep
from polyoptim.racing.standings import Race
from polyoptim.racing.tables import learned, percent
from polyoptim.reports.figure import OTHERS, save

# What diverged is set apart from every colour of the map, also where there is no colour.
LOST = "#C8C8C8"
UNMADE = "#F6E8C3"
MOST_TICKS = 12
Array = npt.NDArray[np.float64]
MARKERS = ("o", "s", "D", "^", "v")
# As in reports.figure.
MAP_LABEL = "A map of the gap over two hyperparameters; what diverged is grey."
CURVE_LABEL = "The gap over a hyperparameter; where runs diverged is grey."
RACE_LABEL = "Two panels, a row for each optimizer: evaluations until each gap is reached; gap in the end for each lr."
SMALLEST_GAP = 1e-16  # below it a gap is rounding


def sweep_figure(sweep: Sweep, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure of a sweep; with `path` it is saved too, in the format of the ending."""
    drawn = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    drawn.set_label(MAP_LABEL if len(sweep.axes) == 2 else CURVE_LABEL)
    FigureCanvasAgg(drawn)
    axes = drawn.subplots()
    _map(sweep, drawn, axes) if len(sweep.axes) == 2 else _curve(sweep, axes)
    given = "".join(f", {name}={value}" for name, value in sweep.options.items())
    what = [f"{sweep.problem['basis']} basis"] if "basis" in sweep.problem else []
    what += [f"degree {sweep.problem['degree']}"] if "degree" in sweep.problem else []
    drawn.suptitle(
        f"{sweep.optimizer}{given} learns {learned(sweep.target)}\n" + ", ".join([*what, f"after {sweep.steps} steps"]),
        fontsize=11,
    )
    if path is not None:
        save(drawn, path)
    return drawn


def _measure(sweep: Sweep) -> tuple[npt.NDArray[np.float64], str]:
    """Return what is shown, and its name: the gap, or the loss where the optimum is zero to rounding."""
    if np.isnan(sweep.gap).all() and not np.isnan(sweep.loss).all():
        return sweep.loss, "loss (the optimum is zero to rounding)"
    return np.where(np.isnan(sweep.gap), np.nan, np.maximum(sweep.gap, SMALLEST_GAP)), "gap: loss / optimum − 1"


def _map(sweep: Sweep, drawn: Figure, axes: Axes) -> None:
    (first, across), (second, up) = sweep.axes.items()
    values, label = _measure(sweep)
    x, y = _edges(across, sweep.log[0]), _edges(up, sweep.log[1])
    lost = sweep.diverged >= 0
    _shade(axes, x, y, lost, LOST, "diverged")
    _shade(axes, x, y, ~lost & np.isnan(sweep.loss), UNMADE, "not made")
    shown = np.ma.masked_invalid(values)
    known = shown.compressed()
    if len(known):
        positive = known[known > 0]
        ends = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
        norm = LogNorm(*ends) if ends[0] < ends[1] else None
        mesh = axes.pcolormesh(x, y, shown.T, norm=norm, cmap="viridis_r", rasterized=True)
        drawn.colorbar(mesh, ax=axes, label=label)
    _edge(sweep, axes, (x, y))
    _scale(axes, 0, first, across, sweep.log[0])
    _scale(axes, 1, second, up, sweep.log[1])
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    if best := sweep.best:
        place = [_index(values_, best[name]) for name, values_ in sweep.axes.items()]
        centre = [_places(values_)[index] for values_, index in zip(sweep.axes.values(), place, strict=True)]
        where = ", ".join(f"{name}={_text(best[name])}" for name in sweep.axes)
        axes.plot(*centre, "*", color="#D55E00", markeredgecolor="black", markersize=13, label=f"least loss: {where}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, frameon=False, fontsize=9)


def _shade(axes: Axes, x: Array, y: Array, where: npt.NDArray[np.bool_], color: str, label: str) -> None:
    """Draw the cells of a map that have no number."""
    if where.any():
        shade = np.ma.masked_array(np.ones(where.shape), ~where)
        axes.pcolormesh(x, y, shade.T, cmap=ListedColormap([color]), rasterized=True)
        axes.fill_between([], [], color=color, label=label)


def _edge(sweep: Sweep, axes: Axes, borders: tuple[Array, Array]) -> None:
    """Draw the exact edge of stability: a line where the other axis is of numbers that may lie between, else steps."""
    names = list(sweep.axes)
    if sweep.edge is None or "lr" not in names:
        return
    other = 1 - names.index("lr")
    values, span = sweep.axes[names[other]], borders[1 - other]
    if not _to_scale(sweep.axes["lr"]) or not ((sweep.edge >= span.min()) & (sweep.edge <= span.max())).any():
        return
    if values.dtype.kind == "f" and len(values) > 1:
        line = [sweep.edge, values]
    else:
        line = [np.repeat(sweep.edge, 2), np.repeat(borders[other], 2)[1:-1]]
    if other == 0:
        line.reverse()
    axes.plot(*line, color="black", linewidth=2, linestyle="--", label="edge of stability, exact")


def _curve(sweep: Sweep, axes: Axes) -> None:
    ((name, values),) = sweep.axes.items()
    shown, label = _measure(sweep)
    lines = "" if values.dtype.kind not in "fiu" else "-"
    axes.plot(_places(values), shown, f"o{lines}" if len(values) < 100 else "-", color="#0072B2", markersize=4)
    edges = _edges(values, sweep.log[0])
    for ending, color in (("diverged", LOST), ("interrupted", UNMADE)):
        for low, high in _stretches(sweep.status == ending):
            axes.axvspan(edges[low], edges[high], color=color, linewidth=0)
        if (sweep.status == ending).any():
            axes.fill_between([], [], color=color, label="diverged" if ending == "diverged" else "not made")
    if sweep.edge is not None and name == "lr" and _to_scale(values) and edges.min() <= sweep.edge[0] <= edges.max():
        axes.axvline(sweep.edge[0], color="black", linestyle="--", linewidth=2, label="edge of stability, exact")
    _scale(axes, 0, name, values, sweep.log[0])
    if np.isnan(shown).all():
        axes.set_yticks([])
    elif np.nanmin(shown) > 0:
        axes.set_yscale("log")
    axes.set_ylabel(label)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _stretches(where: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and behind-last of each run of true values."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    return [(int(low), int(high)) for low, high in turns.reshape(-1, 2)]


def _index(values: npt.NDArray[Any], value: Any) -> int:
    return next(index for index, own in enumerate(values.tolist()) if own == value)


def _places(values: npt.NDArray[Any]) -> Array:
    """Return where values stand: at themselves; words, and a number that is alone, stand at 0, 1, 2 and so on."""
    return values.astype(np.float64) if _to_scale(values) else np.arange(len(values), dtype=np.float64)


def _to_scale(values: npt.NDArray[Any]) -> bool:
    return values.dtype.kind in "fiu" and len(values) > 1


def _edges(values: npt.NDArray[Any], log: bool) -> Array:
    """Return the borders of the cells around values."""
    log = log and _to_scale(values)
    at = np.log(_places(values)) if log else _places(values)
    if len(at) == 1:
        return np.array([-0.5, 0.5])
    middle = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


def _scale(axes: Axes, side: int, name: str, values: npt.NDArray[Any], log: bool) -> None:
    axis = (axes.xaxis, axes.yaxis)[side]
    (axes.set_xlabel, axes.set_ylabel)[side](name)
    if not _to_scale(values):
        places = np.unique(np.linspace(0, len(values) - 1, MOST_TICKS).astype(np.int64))
        axis.set_ticks(places.tolist(), [_text(values[place]) for place in places.tolist()])
    elif log:
        (axes.set_xscale, axes.set_yscale)[side]("log")
    elif len(values) <= MOST_TICKS:
        axis.set_ticks(values.tolist(), [_text(value) for value in values.tolist()])
    elif values.dtype.kind in "iu":
        axis.set_major_locator(MaxNLocator(integer=True))


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def race_figure(race: Race, path: str | os.PathLike[str] | None = None) -> Figure:
    """Return the figure of a race; with `path` it is saved too, in the format of the ending."""
    height = 2.2 + 0.34 * len(race.racers)
    drawn = Figure(figsize=(12, max(height, 4.5)), dpi=120, layout="constrained")
    drawn.set_label(RACE_LABEL)
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
