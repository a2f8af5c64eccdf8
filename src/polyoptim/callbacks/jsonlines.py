"""JSONLines: each recorded row as a line of JSON."""

from __future__ import annotations

import json
import math
import os
from typing import Any

from polyoptim.callbacks.growing_file import GrowingFile
from polyoptim.solution import Row


class JSONLines:
    """A callback that writes each recorded row to a file, one JSON object a line.

    Floats are written with as many digits as bring back the same float64; what is not finite is null. A line is in the
    file as soon as its row is recorded, so ``tail -f`` follows a run, and a run that is killed leaves whole lines.

    A run starts the file anew. A resumed run goes on in it: rows from the resumed step on, and a line that was cut
    short, are dropped first, since the run writes them again. Where the disk is full the run goes on without the
    file, after one warning.

    Parameters
    ----------
    path : the file. Its folder must be there.
    append : keep what the file holds also where the run is not a resumed one. Rows from the step of the first new row
        on are dropped, so that no step is there twice.

    Raises
    ------
    ArgumentError
        When a run begins, where the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "rows.jsonl")
    >>> log = JSONLines(path)
    >>> log({"step": 99, "loss": 2.5, "excess": None, "gap": None, "lr": 0.1, "gradient_norm": 1.0, "coef": [0.5]})
    >>> print(path.read_text(), end="")
    {"step": 99, "loss": 2.5, "excess": null, "gap": null, "lr": 0.1, "gradient_norm": 1.0, "coef": [0.5]}
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self._file = GrowingFile(path)
        self._append = append
        self._resumed: int | None = None
        self._begun = self._joins = False  # _joins: the first row is to meet the rows that are there

    def on_resume(self, step: int) -> None:
        """Go on in the file: the run that begins next is resumed after `step` updates."""
        self._resumed = step

    def on_begin(self, steps: int) -> None:  # noqa: ARG002 - every callback gets it
        """Make the file ready."""
        self._file.start(anew=self._resumed is None and not self._append)
        self._begun, self._joins = True, self._append
        if self._resumed is not None:
            with self._file.needed():
                self._keep_before(self._resumed)
            self._resumed, self._joins = None, False

    def __call__(self, row: Row) -> None:
        """Write a row."""
        if not self._begun:
            self.on_begin(0)
        if self._joins:
            with self._file.spared(row["step"]):
                self._keep_before(row["step"])
            self._joins = False
        line = json.dumps({name: _finite(value) for name, value in row.items()}, allow_nan=False)
        self._file.append(line.encode("ascii") + b"\n", row["step"])

    def _keep_before(self, step: int) -> None:
        """Cut the file before the first row of `step` or later; complete or drop a last line without an end."""
        path = self._file.path
        if not path.is_file():  # a pipe, a terminal
            return
        kept, whole = 0, True
        with path.open("rb") as file:
            for line in file:
                there = _step(line)
                whole = line.endswith(b"\n")
                if (there is None and not whole) or (there is not None and there >= step):
                    whole = True
                    break
                kept += len(line)
        os.truncate(path, kept)
        if not whole:
            with path.open("ab") as file:
                file.write(b"\n")


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _step(line: bytes) -> int | None:
    """Return the step of a row; None for what is no row."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = found.get("step") if isinstance(found, dict) else None
    return step if isinstance(step, int) else None
