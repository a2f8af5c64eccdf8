"""TensorBoard: each recorded row as scalars that TensorBoard draws."""

from __future__ import annotations

import io
import os
import socket
import time
from types import TracebackType
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from polyoptim.callbacks.growing_file import GrowingFile
from polyoptim.solution import Row

SCALARS = ("loss", "excess", "gap", "lr", "gradient_norm")


class TensorBoard:
    """A callback that writes each recorded row for TensorBoard.

    Its scalars are loss, excess, gap, lr, gradient_norm, and coef/0, coef/1, … Look at them, while the run goes on or
    after it, with ``tensorboard --logdir FOLDER``. Needs the extra ``track``.

    Give each run a folder of its own: TensorBoard draws one run per folder. A resumed run goes on in its folder, in an
    event file that replaces what was written from the resumed step on. A new run in an old folder replaces the old
    one, of which TensorBoard's data server may still show the rows before the first new one. Where the disk is full
    the run goes on without the file, after one warning.

    Parameters
    ----------
    folder : the folder of the run; it is made where it is missing.

    Raises
    ------
    ArgumentError
        When a run begins, where the folder cannot be written.

    Notes
    -----
    The scalars are float32, as all that TensorBoard shows: its data server drops float64 ones. For all digits write
    `JSONLines` too.

    Examples
    --------
    >>> import tempfile
    >>> board = TensorBoard(tempfile.mkdtemp())
    >>> board({"step": 99, "loss": 2.5, "excess": None, "gap": None, "lr": 0.1, "gradient_norm": 1.0, "coef": [0.5]})
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = GrowingFile(folder)
        self._file: GrowingFile | None = None
        self._resumed = 0

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the file is open only while a row is written."""

    def on_resume(self, step: int) -> None:
        """Go on after what was written before: the run that begins next is resumed after `step` updates."""
        self._resumed = step

    def on_begin(self, steps: int) -> None:  # noqa: ARG002 - every callback gets it
        """Make the event file."""
        self._file = self._begin()

    def __call__(self, row: Row) -> None:
        """Write a row."""
        self._file = self._file or self._begin()
        values = {name: row[name] for name in SCALARS}  # type: ignore[literal-required]
        values |= {f"coef/{power}": value for power, value in enumerate(row["coef"])}
        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        self._file.append(_record(Event(step=row["step"], summary=Summary(value=scalars))), row["step"])

    def _begin(self) -> GrowingFile:
        """Return a new event file that says from which step on it holds."""
        with self._folder.needed():
            self._folder.path.mkdir(parents=True, exist_ok=True)
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{rest:09d}"
        file = GrowingFile(self._folder.path / name)
        file.start(anew=True)
        writer = SourceMetadata(writer="polyoptim.callbacks.tensorboard")
        version = Event(file_version="brain.Event:2", source_metadata=writer)
        start = Event(step=self._resumed, session_log=SessionLog(status=SessionLog.START))
        file.append(_record(version) + _record(start), self._resumed)
        self._resumed = 0
        return file


def _record(event: Any) -> bytes:
    """Return an event as it stands in an event file."""
    event.wall_time = time.time()
    content = io.BytesIO()
    RecordWriter(content).write(event.SerializeToString())
    return content.getvalue()
