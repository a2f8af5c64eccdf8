"""Races, sweeps and advice as text, as CSV, and as data frames."""

from __future__ import annotations

import csv
import importlib
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.errors import MissingDependencyError
from polyoptim.racing.advice import Advice
from polyoptim.racing.contest import Finish, Race, Racer
from polyoptim.racing.landscape import Sweep

FRAMES = ("pandas", "polars")
MOST_TICKS = 12
LONG = 1.0  # seconds of compiling that are worth a word


def csv_text(columns: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return a table as CSV; numbers have all their digits, what is not a number is left empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(map(_cell, column.tolist()) for column in columns.values()), strict=True))
    return out.getvalue()


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else repr(value) if isinstance(value, float) else value


def data_frame(columns: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return a table as a data frame of the library that is installed."""
    for name in FRAMES:
        try:
            return importlib.import_module(name).DataFrame(dict(columns))
        except ModuleNotFoundError:
            continue
    raise MissingDependencyError("a data frame needs pandas or polars. Install one: pip install pandas")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns of text: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def short(value: float, digits: int = 3) -> str:
    """Return a number as a person reads it."""
    return "∞" if math.isinf(value) else "–" if math.isnan(value) else f"{value:.{digits}g}"


def percent(mark: float) -> str:
    """Return a gap as a person reads it: 10 %, 1 %, 1e-06."""
    return f"{100 * mark:g} %" if mark >= 1e-3 else f"{mark:g}"


def learned(target: Mapping[str, Any]) -> str:
    """Return what was learned, in a few words."""
    return " ".join(str(target["text"]).split()) if target["kind"] != "arrays" else "the data"


def race_report(race: Race) -> str:
    """Return the report of a race."""
    title = f"polyoptim race: {len(race.racers)} optimizers learn {learned(race.target)}"
    about = (
        f"{race.basis} basis of degree {race.degree}, optimum {race.optimum:.10g} (exact), at most {race.steps} "
        f"gradient evaluations a run.\nEach optimizer was tuned on the same {len(race.lrs)} learning rates and "
        f"{len(race.tuning_seeds)} seeds; what follows are medians [and\ntheir 95 % intervals] over {len(race.seeds)} "
        "other seeds: gradient evaluations until the gap is reached."
    )
    rows = [["optimizer", *(f"gap {percent(mark)}" for mark in race.marks), "time", "gap in the end"]]
    rows += [_racer_row(racer, len(race.seeds)) for racer in race.racers]
    notes = [f"Time: to a gap of {percent(race.marks[-1])}, in the fused engine."]
    slow = [racer.name for racer in race.racers if not racer.compiled]
    if slow:
        notes.append(f"Not compiled, so that its time does not compare: {', '.join(slow)}.")
    edge = [racer.name for racer in race.racers if any(finish.at_edge for finish in racer.finishes)]
    if edge:
        notes.append(f"Best at an end of the grid (<), so that a better rate may lie beyond: {', '.join(edge)}.")
    notes.append(f"{race.runs} runs in {race.seconds:.1f} s, {race.runs / race.seconds:,.0f} a second.")
    return "\n\n".join([title, about, aligned(rows), _grid(race), "\n".join(notes)]) + "\n"


def _racer_row(racer: Racer, runs: int) -> list[str]:
    seconds = racer.finishes[-1].seconds
    time = "–" if math.isinf(seconds) else f"{1e6 * seconds:.3g} µs"
    return [racer.name, *(_finish(finish, runs) for finish in racer.finishes), time, short(racer.gap, 2)]


def _finish(finish: Finish, runs: int) -> str:
    if finish.lr is None or not finish.reached:
        return "–"
    if math.isinf(finish.evaluations):
        return f"{finish.reached} of {runs} runs"
    return f"{finish.evaluations:.0f} [{short(finish.low, 4)}, {short(finish.high, 4)}]"


def _grid(race: Race) -> str:
    """Return what each rate of the grid gave on the tuning seeds, a character each, and the rates taken."""
    marks = ", ".join(f"{place + 1} {percent(mark)}" for place, mark in enumerate(race.marks))
    first, last = f"{race.lrs[0]:.3g}", f"{race.lrs[-1]:.3g}"
    head = f"{first}{last:>{max(len(race.lrs) - len(first), len(last) + 1)}}"
    rows = [["tuning: lr", head, *(f"lr for {percent(mark)}" for mark in race.marks), "in the end"]]
    for racer in race.racers:
        rates = ["–" if f.lr is None else f"{short(f.lr, 2)}{'<' if f.at_edge else ''}" for f in racer.finishes]
        rows.append([racer.name, _cells(racer), *rates, short(racer.lr, 2)])
    key = f"Each character is a rate of the grid: the smallest gap that it reached ({marks}), · none, x diverged."
    return f"{aligned(rows)}\n{key}"


def _cells(racer: Racer) -> str:
    cells = []
    for place, gap in enumerate(racer.grid_gap):
        reached = np.flatnonzero(np.isfinite(racer.grid_evaluations[:, place]))
        cells.append(str(int(reached.max()) + 1) if len(reached) else "x" if math.isinf(gap) else "·")
    return "".join(cells)


def sweep_report(sweep: Sweep) -> str:
    """Return the report of a sweep."""
    given = "".join(f", {name}={value}" for name, value in sweep.options.items())
    over = " × ".join(f"{len(values)} values of {name}" for name, values in sweep.axes.items())
    lines = [
        f"polyoptim sweep: {sweep.optimizer}{given} learns {learned(sweep.target)}, {sweep.steps} steps a run",
        "",
        f"{sweep.runs} runs over {over}, in {sweep.seconds:.3g} s: {sweep.runs / sweep.seconds:,.0f} runs a second"
        + (f", after {sweep.compiling:.1f} s of compiling" if sweep.compiling > LONG else "")
        + ".",
    ]
    lost = int((sweep.diverged >= 0).sum())
    lines.append(f"{lost} of them diverged." if lost else "None of them diverged.")
    if best := sweep.best:
        where = ", ".join(f"{name}={_value(best[name])}" for name in sweep.axes)
        gap = "" if best["gap"] is None else f", gap {best['gap']:.3g}"
        lines.append(f"Least loss: {where}: {best['loss']:.10g}{gap}.")
    if sweep.edge is not None:
        lines.append(f"Edge of stability: {_edge(sweep)}.")
    if len(sweep.axes) == 1:
        lines += ["", _one_axis(sweep)]
    return "\n".join(lines) + "\n"


def _edge(sweep: Sweep) -> str:
    assert sweep.edge is not None  # noqa: S101
    if "momentum" not in sweep.axes:
        return f"SGD diverges above lr = {sweep.edge[0]:.6g}"
    momentum = sweep.axes["momentum"]
    return (
        f"SGD diverges above lr = {sweep.edge[0]:.6g} with momentum {momentum[0]:.3g}, "
        f"above {sweep.edge[-1]:.6g} with {momentum[-1]:.3g}"
    )


def _one_axis(sweep: Sweep) -> str:
    (name, values), = sweep.axes.items()  # fmt: skip
    places = np.unique(np.linspace(0, len(values) - 1, MOST_TICKS * 2).astype(np.int64))
    rows = [[name, "loss", "gap", "status"]]
    losses, gaps = (values.tolist() for values in (sweep.loss, sweep.gap))
    rows += [[_value(values[k]), f"{losses[k]:.8g}", short(gaps[k]), str(sweep.status[k])] for k in places.tolist()]
    return aligned(rows)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def advice_report(advice: Advice) -> str:
    """Return the report of an advice."""
    optimum = f"optimum {short(advice.optimum, 10)} (exact)"
    title = f"polyoptim advise: degree {advice.degree}, {learned(advice.target)}, {optimum}"
    heads = "basis,λmin,λmax,condition,2/λmax,SGD: lr,steps,momentum: lr,momentum,steps"
    rows = [heads.split(",")]
    for basis in advice.bases:
        plain, heavy = basis.plain, basis.momentum
        rows.append(
            [
                basis.basis,
                *map(short, (basis.smallest, basis.largest, basis.condition, basis.stable)),
                *(("–", "–") if plain is None else (short(plain.lr), short(plain.steps_per_digit))),
                *(("–",) * 3 if heavy is None else map(short, (heavy.lr, heavy.momentum, heavy.steps_per_digit))),
            ]
        )  # fmt: skip
    groups = (
        "For SGD: the largest stable rate 2/λmax; the best rate, and the best rate and momentum, each with the steps\n"
        "that one more digit takes."
    )
    measured = [["optimizer", *(f"lr, {basis.basis}" for basis in advice.bases if basis.rates)]]
    shown = [basis for basis in advice.bases if basis.rates]
    names = shown[0].rates if shown else ()
    measured += [[name, *(_measured(basis.rates[name]) for basis in shown)] for name in names]
    rates = (
        f"Measured: the rate with the least gap after {advice.steps} evaluations, of {len(advice.lrs)} rates from "
        f"{advice.lrs[0]:.3g} to {advice.lrs[-1]:.3g};\nand that gap, the median of {advice.seeds} seeds."
    )
    parts = [title, aligned(rows), groups, *([aligned(measured), rates] if shown else []), advice.sentence]
    return "\n\n".join(parts) + "\n"


def _measured(rate: tuple[float, float]) -> str:
    return f"{short(rate[0], 2)} (gap {short(rate[1], 2)})"
