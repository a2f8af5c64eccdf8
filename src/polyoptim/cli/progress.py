"""A progress bar on standard error, for runs that last over a second."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

PATIENCE = 1.0  # seconds
PER_SECOND = 10


class Progress:
    """A callback of train() that shows how far the run is, with the current loss and gap."""

    seldom = True  # an engine may make many updates in one go

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.bar: Bar | None = None
        self.task: Any = None
        self.gap: float | None = None
        self.begin = self.drawn = 0.0
        self.steps = self.resumed = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, row: Any) -> None:
        """Remember the gap of a recorded row."""
        self.gap = row["gap"]

    def on_resume(self, step: int) -> None:
        """Take note of how many updates were made before."""
        self.resumed = step

    def on_begin(self, steps: int) -> None:
        """Start the clock: so many updates lie ahead."""
        self.steps, self.begin = steps, time.monotonic()

    def on_step(self, step: int, loss: float) -> None:
        """Draw the bar, at most ten times a second."""
        if not self.shown:
            return
        now = time.monotonic()
        if now - self.begin < PATIENCE or now - self.drawn < 1 / PER_SECOND:
            return
        self.drawn = now
        if self.bar is None:
            self.bar = Bar(
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("loss {task.fields[loss]:.6g}{task.fields[gap]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=self.steps, completed=self.resumed, loss=loss, gap="")
        gap = "" if self.gap is None else f", gap {self.gap:.3g}"
        self.bar.update(self.task, completed=step, loss=loss, gap=gap, refresh=True)
