"""What commands that make many runs share: the bar with the runs a second, and how an outcome is printed and kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from polyoptim.cli.codes import DONE, INTERRUPTED, WRONG
from polyoptim.cli.files import check_files
from polyoptim.cli.output import announce_compiling, emit, say
from polyoptim.errors import ArgumentError, PolyoptimError

PATIENCE = 0.5  # seconds
PER_SECOND = 10
SLOW = 10  # a second; of fewer a digit after the point is shown


class Bar:
    """Shows how much is done, and how many runs (or steps) a second, once that lasts."""

    def __init__(self, shown: bool, unit: str = "runs") -> None:
        self._shown, self._unit = shown, unit
        self._bar: Progress | None = None
        self._task: Any = None
        self._begin, self._drawn = time.monotonic(), 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Draw the bar, at most ten times a second."""
        now = time.monotonic()
        if not self._shown or now - self._begin < PATIENCE or now - self._drawn < 1 / PER_SECOND:
            return
        self._drawn = now
        if self._bar is not None and self._bar.tasks[0].total != total:  # other work has begun
            self._bar.reset(self._task, total=total)
            self._begin = now
        if self._bar is None:
            self._bar = Progress(
                TextColumn(f"{{task.completed:,}}/{{task.total:,}} {self._unit}"),
                BarColumn(),
                TextColumn(f"{{task.fields[pace]}} {self._unit}/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=total, pace="")
        pace = done / max(now - self._begin, 1e-3)
        shown = f"{pace:,.0f}" if pace >= SLOW else f"{pace:.1f}"
        self._bar.update(self._task, completed=done, pace=shown, refresh=True)


def bar(quiet: bool, unit: str = "runs") -> Bar:
    """Return the bar for standard error, shown where that is a terminal; what is compiled for long is said."""
    announce_compiling()
    return Bar(not quiet and sys.stderr.isatty(), unit)


def check_places(plot: str | None, **files: str | None) -> None:
    """Raise ArgumentError for a file that could not be written, before the work."""
    for ending, path in files.items():
        if path is not None and Path(path).suffix.lower() != f".{ending}":
            raise ArgumentError(f"{path}: this file must end in .{ending}.")
        check_files(path, None, (), "train")
    check_files(None, plot, (), "train")


def finish(outcome: Any, *, as_json: bool, tasks: dict[str | None, Callable[[str], object]]) -> int:
    """Print the outcome, write its files, and return the exit code."""
    emit(json.dumps(outcome.to_dict(), ensure_ascii=False, allow_nan=False) if as_json else outcome.report().rstrip())
    code = INTERRUPTED if outcome.interrupted else DONE
    for path, task in tasks.items():
        if path is None:
            continue
        try:
            task(path)
        except PolyoptimError as error:
            say(f"polyoptim: {error}")
            code = code or WRONG
        else:
            say(f"Written: {path}")
    return code
