"""``polyoptim verify FILE …``."""

from __future__ import annotations

import json
from collections.abc import Sequence

import rich_click as click

import polyoptim
from polyoptim.cli.codes import DIFFERENT, DONE, FAILED
from polyoptim.cli.output import emit
from polyoptim.cli.words import WORD, Command

CODES = {"verified": DONE, "versions differ": DIFFERENT, "failed": FAILED}


@click.command(cls=Command)
@click.argument("files", metavar="FILE …", type=WORD, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file, one a line.")
def verify(files: Sequence[str], as_json: bool) -> int:
    """Verify generated files: prove their numbers again, and make them again, bit for bit.

    Of a .h, .c, .cuh, .py, .tex or saved .json the error of the coefficients that stand in it is proved, without a
    search; then the file is made again from its manifest. The exit code is 0 where both succeed, 1 where one fails, 2
    for a file without a manifest, 3 where the proof succeeds but other versions than the recorded ones are installed.

    \b
    Examples:
    polyoptim verify exp2.h
    """  # noqa: D301 - click's mark against wrapping
    codes = []
    for path in files:
        found = polyoptim.verify(path)
        codes.append(CODES[found.status])
        if as_json:
            emit(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
        else:
            emit("\n".join([f"{path}: {found.status}", *(f"  {reason}" for reason in found.reasons)]))
    return FAILED if FAILED in codes else max(codes)
