"""A notebook: the standalone program with prose and a plot."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from polyoptim.exporters.script import Cell, cells
from polyoptim.result import Result

_PLOT = """\
import matplotlib.pyplot as plt

with torch.no_grad():
    learned = model(features)
order = x.argsort()
plt.plot(x[order].cpu(), y[order].cpu(), ".", markersize=2, label="target")
plt.plot(x[order].cpu(), learned[order].cpu(), label="polynomial")
plt.xlabel("x")
plt.legend()
plt.show()"""


def notebook(result: Result) -> str:
    """Return the notebook as JSON, nbformat 4.5, with ids that depend on the content only.

    Raises
    ------
    ExportError
        As for the program.
    """
    plot = [Cell("markdown", "The target and what was learned (needs matplotlib)."), Cell("code", _PLOT)]
    if result.arguments["dtype"] == "bfloat16":  # which NumPy, and so matplotlib, does not know
        plot[1] = Cell("code", _PLOT.replace(".cpu()", ".float().cpu()"))
    contents = [*cells(result), *plot]
    document = {
        "cells": [_cell(place, cell) for place, cell in enumerate(contents)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(place: int, cell: Cell) -> dict[str, Any]:
    text = cell.text
    lines = text.split("\n")
    found: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": hashlib.sha256(f"{place}\n{text}".encode()).hexdigest()[:12],
        "metadata": {},
        "source": [f"{line}\n" for line in lines[:-1]] + lines[-1:],
    }
    return {**found, "execution_count": None, "outputs": []} if cell.kind == "code" else found
