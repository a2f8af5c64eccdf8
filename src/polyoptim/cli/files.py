"""The files that a command writes: checked before the work, written after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from polyoptim.cli.codes import WRONG
from polyoptim.cli.output import emit, say
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.registry import Registry

# Loaded late: --help needs no result.
PARTS = Registry(
    "report",
    {
        "export_kind": "polyoptim.result:export_kind",
        "exporters_of": "polyoptim.result:exporters_of",
        "figure": "polyoptim.reports.figure:figure",
    },
    extra={"figure": "plot"},
)
PICTURES = (".png", ".svg", ".pdf")


def check_files(save: str | None, plot: str | None, export: Sequence[str], verb: str) -> None:
    """Raise ArgumentError for a file that could not be written, before the work that it is to hold."""
    for path in export:
        PARTS["exporters_of"](verb)[
            PARTS["export_kind"](path, verb)
        ]  # a missing onnx shows now rather than after the run
    if plot is not None:
        if Path(plot).suffix.lower() not in PICTURES:
            raise ArgumentError(f"--plot {plot}: no picture has that ending. Use {', '.join(PICTURES)}.")
        PARTS["figure"]  # a missing matplotlib shows now rather than after the run
    check_places([*export, *(path for path in (save, plot) if path is not None)])


def check_places(paths: Sequence[str]) -> None:
    """Raise ArgumentError for a file where none can be written."""
    for path in paths:
        folder = Path(path).parent
        if Path(path).is_dir():
            raise ArgumentError(f"{path} is a folder. Name a file.")
        if not folder.is_dir():
            raise ArgumentError(f"{path} cannot be written: there is no folder {str(folder)!r}. Make it first.")
        if not os.access(folder, os.W_OK):
            raise ArgumentError(f"{path} cannot be written: the folder {str(folder)!r} is read-only.")


def write_files(
    result: Any, save: str | None, plot: str | None, export: Sequence[str], *, to: str | None = None, show: bool = False
) -> int:
    """Write each file and name it; one that fails is reported, and the others are written. Return the exit code."""
    code = 0
    tasks: list[tuple[str, Callable[[], Any]]] = [(path, partial(result.export, path, to)) for path in export]
    if plot is not None:
        tasks.append((plot, partial(result.plot, plot)))
    if save is not None:
        tasks.append((save, partial(result.save, save)))
    if show and tasks:
        emit("")
    for path, task in tasks:
        try:
            task()
        except PolyoptimError as error:
            say(f"polyoptim: {error}")
            code = WRONG
        else:
            emit(f"Written: {path}") if show else say(f"Written: {path}")
    return code
