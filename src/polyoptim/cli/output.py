"""What commands print: results to standard output; progress, notes and warnings to standard error."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import Registry

# Loaded late: --help needs neither NumPy nor a result.
TEXTS = Registry(
    "report",
    {
        "report": "polyoptim.reports.text:report",
        "lesson": "polyoptim.reports.text:lesson",
        "lines": "polyoptim.reports.text:lesson_lines",
    },
)

# Loaded late: --help needs no engine.
WAITING = Registry("setting", {"notice": "polyoptim.compiler:notice", "Notice": "polyoptim.compiler:Notice"})


def announce_compiling() -> None:
    """Say on standard error, once, where loops are compiled for over a second."""
    WAITING["notice"].set(WAITING["Notice"](say))


def emit(text: str) -> None:
    """Print to standard output; a reader that has gone, as with ``| head``, is no error."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more fails, at the exit either
        if not isinstance(error, BrokenPipeError):
            raise ArgumentError(f"standard output cannot be written: {error.strerror}.") from None


def emit_result(result: Any, *, as_json: bool, quiet: bool, full: bool) -> None:
    """Print a result: as JSON, as its last line (quiet), as the lesson's output, or with the report behind that."""
    if as_json:
        emit(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False))
    elif quiet:
        emit(TEXTS["lines"](result).splitlines()[-1])
    elif full:
        emit(f"{TEXTS['lines'](result)}\n\n{TEXTS['report'](result, True).rstrip()}")
    else:
        emit(TEXTS["lesson"](result))


def say(sentence: str) -> None:
    """Print a sentence for the person to standard error."""
    print(sentence, file=sys.stderr)
