"""Races, sweeps and advice as text, as CSV, and as data frames."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from polyoptim.racing.advice import Advice
from polyoptim.racing.landscape import Sweep
from polyoptim.racing.standings import Finish, Race, Racer

WIDTH = 80
MOST_TICKS = 12
FEWEST = 6  # of so many values the least and the greatest hold the median with 95 % confidence
LONG = 1.0  # seconds of compiling that are worth a word


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


def wrapped(*sentences: str) -> str:
    """Return sentences as a paragraph, broken into lines."""
    return textwrap.fill(" ".join(sentences), WIDTH, break_long_words=False, break_on_hyphens=False)


def counted(count: int, thing: str) -> str:
    """Return "1 seed" or "5 seeds"."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


def race_report(race: Race) -> str:
    """Return the report of a race."""
    title = f"polyoptim race: {counted(len(race.racers), 'optimizer')} on {learned(race.target)}"
    left_out = [f"Interrupted: not raced to the end, and left out here: {', '.join(race.left_out)}."]
    about = wrapped(
        f"{race.basis} basis of degree {race.degree}, optimum {race.optimum:.10g} (exact), at most",
        f"{race.steps} gradient evaluations a run. Each optimizer was tuned on the same",
        f"{counted(len(race.lrs), 'learning rate')} and {counted(len(race.tuning_seeds), 'seed')}; what follows are",
        f"medians [and their 95 % intervals] over {counted(len(race.seeds), 'other seed')}: gradient evaluations until "
        "the gap is reached.",
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
    if len(race.seeds) < FEWEST:
        notes.append(f"Of fewer than {FEWEST} seeds the least and the greatest are no 95 % interval.")
    notes.append(f"{race.runs:,} runs in {race.seconds:.1f} s, {race.runs / race.seconds:,.0f} a second.")
    parts = [title, *(left_out if race.interrupted else []), about, aligned(rows), *_grid(race)]
    return "\n\n".join([*parts, "\n".join(map(wrapped, notes))]) + "\n"


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


def _grid(race: Race) -> list[str]:
    """Return what each rate of the grid gave on the tuning seeds, a character each, and the rates taken."""
    marks = ", ".join(f"{place + 1} {percent(mark)}" for place, mark in enumerate(race.marks))
    first, last = f"{race.lrs[0]:.3g}", f"{race.lrs[-1]:.3g}"
    head = f"{first}{last:>{max(len(race.lrs) - len(first), len(last) + 1)}}"
    cells = [["tuning: lr", head], *([racer.name, _cells(racer)] for racer in race.racers)]
    key = wrapped(
        f"Each character is a rate of the grid: the smallest gap that it reached ({marks}), · none, x diverged."
    )
    rates = [["lr taken", *(f"for {percent(mark)}" for mark in race.marks), "in the end"]]
    for racer in race.racers:
        taken = ["–" if f.lr is None else f"{short(f.lr, 2)}{'<' if f.at_edge else ''}" for f in racer.finishes]
        rates.append([racer.name, *taken, short(racer.lr, 2)])
    width = max(len(name) for name, _ in cells)
    grid = [f"{name:<{width}}  {line}" for name, line in cells] if len(race.lrs) <= WIDTH else []
    return [*(["\n".join([*grid, key])] if grid else []), aligned(rates)]


def _cells(racer: Racer) -> str:
    cells = []
    for place, gap in enumerate(racer.grid_gap):
        reached = np.flatnonzero(np.isfinite(racer.grid_evaluations[:, place]))
        cells.append(str(int(reached.max()) + 1) if len(reached) else "x" if math.isinf(gap) else "·")
    return "".join(cells)


def sweep_report(sweep: Sweep) -> str:
    """Return the report of a sweep."""
    given = "".join(f", {name}={value}" for name, value in sweep.options.items())
    over = " × ".join(f"{counted(len(values), 'value')} of {name}" for name, values in sweep.axes.items())
    of = [f"{sweep.problem['basis']} basis"] if "basis" in sweep.problem else []
    of += [f"degree {sweep.problem['degree']}"] if "degree" in sweep.problem else []
    compiling = f", after {sweep.compiling:.1f} s of compiling" if sweep.compiling > LONG else ""
    pace = f"{sweep.made / sweep.seconds:,.0f} runs a second"
    lines = [f"{counted(sweep.runs, 'run')} over {over}, in {sweep.seconds:.3g} s: {pace}{compiling}."]
    if sweep.interrupted:
        lines.append(f"Interrupted: {sweep.made:,} of them were made, the others have no numbers.")
    lost = int((sweep.diverged >= 0).sum())
    lines.append(f"{lost:,} of them diverged." if lost else "None of them diverged.")
    if best := sweep.best:
        where = ", ".join(f"{name}={_value(best[name])}" for name in sweep.axes)
        gap = "" if best["gap"] is None else f", gap {best['gap']:.3g}"
        lines.append(f"Least loss: {where}: {best['loss']:.10g}{gap}.")
    if sweep.edge is not None:
        lines.append(f"Edge of stability: {_edge(sweep)}.")
    title = wrapped(f"polyoptim sweep: {sweep.optimizer}{given} learns {learned(sweep.target)}")
    head = f"{title}\n{', '.join([*of, f'{sweep.steps} steps a run'])}"
    table = [_one_axis(sweep)] if len(sweep.axes) == 1 else []
    return "\n\n".join([head, "\n".join(map(wrapped, lines)), *table]) + "\n"


def _edge(sweep: Sweep) -> str:
    assert sweep.edge is not None  # noqa: S101
    text = f"SGD diverges above lr = {short(sweep.edge[0], 6)}"
    other = next((name for name in sweep.axes if name not in ("lr", "seed")), None)
    if other is None or len(sweep.edge) == 1:
        return text
    values = [_value(value) for value in sweep.axes[other]]
    return f"{text} with {other}={values[0]}, above {short(sweep.edge[-1], 6)} with {other}={values[-1]}"


def _one_axis(sweep: Sweep) -> str:
    (name, values), = sweep.axes.items()  # fmt: skip
    places = np.unique(np.linspace(0, len(values) - 1, MOST_TICKS * 2).astype(np.int64))
    rows = [[name, "loss", "gap", "status"]]
    losses, gaps = (values.tolist() for values in (sweep.loss, sweep.gap))
    ends = sweep.status
    rows += [[_value(values[k]), short(losses[k], 8), short(gaps[k]), str(ends[k])] for k in places.tolist()]
    return aligned(rows)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def advice_report(advice: Advice) -> str:
    """Return the report of an advice."""
    optimum = "zero to rounding" if advice.is_zero else f"{short(advice.optimum, 10)} (exact)"
    title = f"polyoptim advise: degree {advice.degree}, {learned(advice.target)}, optimum {optimum}"
    sizes = [["basis", "λmin", "λmax", "condition", "2/λmax"]]
    sizes += [[b.basis, *map(short, (b.smallest, b.largest, b.condition, b.stable))] for b in advice.bases]
    best = [["SGD", "best lr", "steps", "with momentum: lr", "momentum", "steps"]]
    for basis in advice.bases:
        plain, heavy = basis.plain, basis.momentum
        own = ("–", "–") if plain is None else (short(plain.lr), short(plain.steps_per_digit))
        with_it = ("–",) * 3 if heavy is None else map(short, (heavy.lr, heavy.momentum, heavy.steps_per_digit))
        best.append([basis.basis, *own, *with_it])
    sizes_key = [
        "λ: of the Hessian of the loss. 2/λmax: plain SGD is stable for every rate below it, and for none above."
    ]
    if advice.left_out:
        sizes_key.append(f"Left out, because the columns overflow on the samples: {', '.join(advice.left_out)}.")
    best_key = "steps: that one more digit takes, with the rate, or the rate and momentum, that need the fewest."
    parts = [title, aligned(sizes), wrapped(*sizes_key), aligned(best), wrapped(best_key), *_rates(advice)]
    return "\n\n".join([*parts, wrapped(advice.sentence)]) + "\n"


def _rates(advice: Advice) -> list[str]:
    """Return the table of the measured rates, and how they were measured."""
    shown = [basis for basis in advice.bases if basis.rates]
    if not shown:
        return ["Interrupted before any rate was measured."]
    names = max((basis.rates for basis in shown), key=len)
    rows = [["optimizer", *(f"lr, {basis.basis}" for basis in shown)]]
    rows += [[name, *(_measured(basis.rates.get(name)) for basis in shown)] for name in names]
    what = "excess" if advice.is_zero else "gap"
    key = wrapped(
        *(["Interrupted: what is missing was not measured."] if advice.interrupted else []),
        f"Measured: the rate with the least {what} after {advice.steps} evaluations in the worst run, also if missed",
        f"by one place, of {counted(len(advice.lrs), 'rate')} from {advice.lrs[0]:.3g} to {advice.lrs[-1]:.3g};",
        f"and the {what}, the median of {counted(advice.seeds, 'seed')}.",
    )
    return [aligned(rows), key]


def _measured(rate: tuple[float, float] | None) -> str:
    return "–" if rate is None else f"{short(rate[0], 2)} (gap {short(rate[1], 2)})"
