"""``polyoptim export RESULT FILE …``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import rich_click as click

import polyoptim
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.words import WORD, Command


@click.command(cls=Command)
@click.argument("result", metavar="RESULT", type=WORD)
@click.argument("files", metavar="FILE …", type=WORD, nargs=-1, required=True)
@click.option(
    "--to",
    metavar="FORM",
    help="torch, numpy, notebook, header, source, cuda, triton, onnx, latex or json.  [default: by the ending]",
)
def export(result: str, files: Sequence[str], to: str | None) -> int:
    """Write a saved result in other forms.

    By the ending: .py a standalone PyTorch program, .ipynb a notebook, .onnx a model, .tex the formula, .json the
    result; of an approximation .h and .c C99, .cuh CUDA, .triton.py Triton, .py a NumPy function.

    \b
    Examples:
    polyoptim export sine.json sine.py sine.ipynb
    polyoptim export sine.json f.py --to numpy
    """  # noqa: D301 - click's mark against wrapping
    loaded = polyoptim.load(result)
    check_files(None, None, () if to else files, loaded.verb)
    return write_files(loaded, None, None, files, to=to, show=sys.stdout.isatty())
