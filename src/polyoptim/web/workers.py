"""Workers: processes that compute answers, each with a deadline that nothing can talk its way out of."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from polyoptim.compiler import Later, later, notice, single_run
from polyoptim.errors import PolyoptimError
from polyoptim.registry import Registry
from polyoptim.web.query import BadRequestError

# What can be asked for, by the last part of its address.
TASKS = Registry(
    "task",
    {
        "train": "polyoptim.web.training_page:train",
        "compile": "polyoptim.web.training_page:compile_loop",
        "fit": "polyoptim.web.fit_page:fit",
        "approximate": "polyoptim.web.approximation_page:approximate",
        "race": "polyoptim.web.training_page:race",
        "map": "polyoptim.web.training_page:chart",
        "columns": "polyoptim.web.data_page:columns",
        "export": "polyoptim.web.exports:export",
    },
)

QUIET = 0.05  # seconds without a question, after which a process has time for something else
BEHIND = 10  # how much nicer than others a process is that nobody waits for


class TooLongError(PolyoptimError):
    """A computation that was given up."""


class Worker:
    """A process that answers one question after the other; it is made anew where it is lost.

    Parameters
    ----------
    warm : a question that is answered at the start, so that the first one of a person need not wait; or None.
    behind : whether it lets others go first, on the machine too: nobody waits for its answers.
    """

    def __init__(self, warm: tuple[str, Mapping[str, str]] | None = None, *, behind: bool = False) -> None:
        self._lock, self._warm, self._behind = threading.Lock(), warm, behind
        self._process: Any = None
        self._pipe: Any = None
        self._given_up = False

    def start(self) -> None:
        """Start the process, and let it get warm meanwhile."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._warm, self._behind), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()

    def ask(self, task: str, values: Mapping[str, str], folder: Path | None, seconds: float) -> Any:
        """Return what a task makes of a query; relative paths are those in `folder`.

        Raises
        ------
        BadRequestError
            From the task.
        TooLongError
            After `seconds`; the process is killed, and the next question starts another.
        """
        with self._lock:
            if self._given_up:
                raise TooLongError("The server is being stopped.")
            if self._process is None or not self._process.is_alive():
                self.stop()
                self.start()
            end = time.monotonic() + seconds
            try:
                self._pipe.send((task, dict(values), folder))
                if not self._pipe.poll(max(0.0, end - time.monotonic())):
                    self.stop()
                    raise TooLongError(f"This takes longer than {seconds:g} s, and was given up.")
                done, answer = self._pipe.recv()
            except (EOFError, OSError):
                self.stop()
                raise TooLongError("The computation was lost, maybe for want of memory. Ask for less.") from None
        if not done:
            raise answer
        return answer

    def give_up(self) -> None:
        """Kill the process, and answer no more questions: from now on there is only `stop`."""
        self._given_up = True
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Let a process that is started meanwhile not hear of Ctrl-C: it would die of it until it says otherwise."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which sets the mask itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(pipe: Connection, warm: tuple[str, Mapping[str, str]] | None, behind: bool) -> None:
    """Answer questions until nobody asks any more: what a process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to the server, which stops its workers
    notice.set(None)
    kernels = Later()
    if behind:
        if hasattr(os, "nice"):
            os.nice(BEHIND)
    else:
        single_run.set(True)  # a run is over before its loop would be compiled
        later.set(kernels)
    if warm is not None:
        answered(*warm, None)
    while True:
        try:
            while kernels.waits and not pipe.poll(QUIET):
                kernels.load()
            task, values, folder = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(answered(task, values, folder))


def answered(task: str, values: Mapping[str, str], folder: Path | None) -> tuple[bool, Any]:
    """Return whether a task has succeeded, and its answer or its error; what was not foreseen goes to stderr."""
    try:
        if folder is not None:
            os.chdir(folder)
        return True, TASKS[task](values)
    except BadRequestError as error:
        return False, error
    except PolyoptimError as error:
        return False, BadRequestError({"page": str(error)})
    except Exception as error:  # noqa: BLE001 - whatever it is, the page must be told
        print(f"{task} {dict(values)}: {error!r}", file=sys.stderr)  # noqa: T201 - for whoever runs the server
        return False, BadRequestError({"page": f"This cannot be computed: {type(error).__name__}."})
