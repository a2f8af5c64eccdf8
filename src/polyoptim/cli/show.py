"""``polyoptim show RESULT``."""

from __future__ import annotations

import sys

import rich_click as click

import polyoptim
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.output import emit, emit_result
from polyoptim.cli.words import WORD, Command


@click.command(cls=Command)
@click.argument("result", metavar="RESULT", type=WORD)
@click.option("--plot", metavar="FILE", help="Draw a picture: .png, .svg or .pdf.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(result: str, plot: str | None, as_json: bool) -> int:
    """Show a saved result: its report, as JSON, or as a picture.

    \b
    Examples:
    polyoptim show sine.json
    polyoptim show sine.json --plot sine.png
    """  # noqa: D301 - click's mark against wrapping
    check_files(None, plot, (), "train")
    loaded = polyoptim.load(result)
    if as_json:
        emit_result(loaded, as_json=True, quiet=False, full=False)
    else:
        emit(loaded.report().rstrip())
    return write_files(loaded, None, plot, (), show=sys.stdout.isatty())
