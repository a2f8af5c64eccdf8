"""The report: aligned text, and on a terminal small plots drawn in characters."""

from __future__ import annotations

import math
import shutil
import sys
from typing import Any

import numpy as np

from polyoptim.reports.approximation_text import approximation_report
from polyoptim.reports.canvas import Canvas
from polyoptim.reports.curves import (
    at_row,
    grid,
    kind_of_polynomial,
    optimum_curve,
    optimum_name,
    target_points,
    y_range,
)
from polyoptim.reports.fit_text import fit_report
from polyoptim.reports.formula import exact_line, formula_of
from polyoptim.result import Result

FRAMES = 4
FRAME_WIDTH, FRAME_HEIGHT = 17, 7
LOSS_WIDTH, LOSS_HEIGHT = 58, 7


def report(result: Result, plot: bool | None = None) -> str:
    """Return the report of a result.

    Parameters
    ----------
    plot : whether it has the plots; None: where standard output is a terminal.
    """
    if result.verb == "fit":
        return fit_report(result)
    if result.verb == "approximate":
        return approximation_report(result)
    parts = [_title(result)]
    if result.terms is None and (plot if plot is not None else sys.stdout.isatty()):
        plain = not _can_draw(getattr(sys.stdout, "encoding", None))
        parts += [_film(result, plain), _loss_plot(result, plain)]
    parts += [verdict(result), _table(result)]
    parts += [f"Note: {note}" for note in result.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def lesson_lines(result: Result) -> str:
    """Return the lesson's own output: step and loss of each recorded row below `steps`, and the result line."""
    # The row after all steps, and the start, which a run that diverged records, are no rows of the lesson.
    every, steps = result.arguments["every"], result.arguments["steps"]
    shown = [row for row in result.trace if row["step"] < steps and row["step"] % every == every - 1]
    rows = [f"{row['step']} {row['loss']!r}" for row in shown]
    return "\n".join([*rows, f"Result: {exact_line(result)}"])


def lesson(result: Result) -> str:
    """Return the lesson's output, then optimum and gap, then the running time."""
    return f"{lesson_lines(result)}\n{verdict(result)}\nTotal running time: {result.seconds:.3f} s"


def verdict(result: Result) -> str:
    """Return one line that puts the loss next to the optimum."""
    kind = kind_of_polynomial(result)
    if result.verb == "fit":
        least = f"no {kind} has a smaller one on these rows"
        known = {"exact": least, "best found": "the best that was found"}
        return f"Loss: {result.loss!r}: {known.get(str(result.optimum_kind), 'not known to be the least')}."
    if result.optimum is None:
        loss = f"Loss: {result.loss!r}." if math.isfinite(result.loss) else "The loss is not finite."
        if any(note.startswith("The optimum ") for note in result.notes):
            return f"Optimum: not known; a note says why. {loss}"
        why = (
            "it overflows" if result.arguments["loss"] == "squared" else f"the loss is {name(result.arguments['loss'])}"
        )
        return f"Optimum: not known, as {why}. {loss}"
    best = f"{optimum_name(result).capitalize()}: {result.optimum!r}"
    if not math.isfinite(result.loss):
        return f"{best}. The loss is not finite."
    if result.gap is None:
        return f"{best}, zero to rounding: the target is itself a {kind}. Loss: {result.loss!r}."
    if result.optimum_kind == "best found":
        return (
            f"{best}, gap: {result.gap!r}: the loss is not convex, so a better {kind} may exist; "
            f"you are {_percent(100 * abs(result.gap))} {'above' if result.gap >= 0 else 'below'} the best found."
        )
    return (
        f"{best}, gap: {result.gap!r}: no {kind} can do better than {result.optimum:.5g}; "
        f"you are {_percent(100 * result.gap)} above."
    )


def _percent(value: float) -> str:
    if value < 0:  # the loss itself was rounded when it was measured
        return "0 % (to rounding)"
    return f"{value:,.0f} %" if 1e3 <= value < 1e15 else f"{value:.3g} %"


def _columns() -> int:
    """Return how wide the terminal is, in characters."""
    return shutil.get_terminal_size().columns


def _title(result: Result) -> str:
    learns = " ".join(result.target["text"].split()) if result.target["kind"] != "arrays" else "the data"
    return f"polyoptim {result.verb}: a {kind_of_polynomial(result)} learns {learns}"


def _can_draw(encoding: str | None) -> bool:
    try:
        "·─⣿".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _table(result: Result) -> str:
    arguments = result.arguments
    rows: list[tuple[str, str]] = [("formula", result.formula), ("", result.formula_note)]
    samples = f"{arguments.get('reduction', 'sum')} over {result.count} samples"
    loss = f"{result.loss:.10g}" if math.isfinite(result.loss) else "not finite"
    rows.append(("loss", f"{loss}   {name(arguments.get('loss'))}, {samples}"))
    if result.optimum is not None:
        best = "" if result.optimum_coef is None else f", reached by {formula_of(result, result.optimum_coef)}"
        kind = "of several descents" if result.optimum_kind == "best found" else result.optimum_kind
        rows.append((optimum_name(result), f"{result.optimum:.10g}   {kind}{best}"))
        if result.excess is not None:
            gap = f"none: the {optimum_name(result)} is zero to rounding" if result.gap is None else f"{result.gap:.4g}"
            rows += [("excess", f"{result.excess:.4g}"), ("gap", gap)]
    rows.append(("largest error", f"{result.sup_error:.4g}   {result.sup_error_kind} on the {result.count} samples"))
    rows.append(("status", f"{result.status}: {result.message}"))
    rate = arguments.get("lr")
    schedule = arguments.get("schedule")
    how = f"{name(arguments.get('optimizer'))}, lr={'its default' if rate is None else rate}"
    how += "" if schedule is None else f", {name(schedule)}"
    rows.append(("optimizer", how))
    rows.append(
        ("run", f"engine {result.engine}, {arguments.get('dtype')}, seed {result.seed}, {result.seconds:.3f} s")
    )
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in rows if text)


def name(argument: Any) -> str:
    """Return the name of an argument that may have been an object of the user."""
    return str(argument["object"]) if isinstance(argument, dict) and "object" in argument else str(argument)


def _film(result: Result, plain: bool) -> str:
    """Return a few moments of the run side by side: the polynomial over the target."""
    x, y = target_points(result, 4 * FRAME_WIDTH)
    inside = grid(result, 4 * FRAME_WIDTH)
    best = optimum_curve(result, inside)
    shown = y_range(y, *([] if best is None else [best]))
    rows = _moments(result)[-max(1, _columns() // (FRAME_WIDTH + 2)) :]
    if not rows:
        return ""
    blocks = []
    for row in rows:
        canvas = Canvas(FRAME_WIDTH, FRAME_HEIGHT, result.domain, shown, plain)
        canvas.points(x, y)
        canvas.curve(inside, at_row(result, row["coef"], inside))
        blocks.append([f"step {row['step']}".ljust(FRAME_WIDTH), *canvas.lines()])
    lines = ["  ".join(cells).rstrip() for cells in zip(*blocks, strict=True)]
    mark = "." if plain else "·"
    return "\n".join([f"The polynomial over the target ({mark}), at a few moments:", "", *lines])


def _moments(result: Result) -> list[Any]:
    """Return rows of the trace whose losses are about equally far apart on a log scale, the first and the last too."""
    rows = [row for row in result.trace if np.isfinite(row["loss"])]
    if len(rows) <= FRAMES:
        return rows
    logs = np.log(np.maximum([row["loss"] for row in rows], 1e-300))
    wanted = np.linspace(logs[0], logs[-1], FRAMES)[1:-1]
    places = {0, len(rows) - 1, *(int(np.argmin(np.abs(logs - level))) for level in wanted)}
    return [rows[place] for place in sorted(places)]


def _loss_plot(result: Result, plain: bool) -> str:
    """Return the loss over the steps on a log scale, with the optimum as a line."""
    steps, losses = result.trace["step"], result.trace["loss"]
    loss_width = max(20, min(LOSS_WIDTH, _columns() - 12))
    known = np.isfinite(losses) & (losses > 0)
    if known.sum() < 2:
        return ""
    logs = np.log10(losses[known])
    floor = [] if result.gap is None or not result.optimum else [np.log10(result.optimum)]
    low, high = min([*logs, *floor]), max([*logs, *floor])
    margin = 0.04 * (high - low) or 1.0
    canvas = Canvas(loss_width, LOSS_HEIGHT, (float(steps[0]), float(steps[-1])), (low - margin, high + margin), plain)
    if floor:
        canvas.level(floor[0])
    canvas.curve(steps[known], logs)
    labels = [""] * LOSS_HEIGHT
    labels[0], labels[-1] = f"{10.0**high:.3g}", f"{10.0**low:.3g}"
    width = max(map(len, labels))
    drawn = [f"{label:>{width}} {line}".rstrip() for label, line in zip(labels, canvas.lines(), strict=True)]
    axis = f"{'':>{width}} step {steps[0]}{f'step {steps[-1]}':>{loss_width - len(f'step {steps[0]}')}}"
    line = f" the line is the {optimum_name(result)}" if floor else ""
    return "\n".join([f"The loss, log scale{';' if line else ''}{line}:", "", *drawn, axis])
