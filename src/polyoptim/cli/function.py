"""``polyoptim function NAME``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.files import check_places, write_files
from polyoptim.cli.many import bar
from polyoptim.cli.output import emit
from polyoptim.cli.words import NUMBER, WORD, Command
from polyoptim.registry import Registry

# Loaded late: --help needs no function.
LATE = Registry("export", {"kind": "polyoptim.functions.whole:export_kind"})


@click.command(cls=Command)
@click.argument("name", metavar="NAME", type=WORD)
@click.option(
    "--format", metavar="NAME", default="float32", show_default=True, help="float32, or bfloat16 or float16 through it."
)
@click.option(
    "--max-ulp",
    type=NUMBER,
    metavar="U",
    default="1.0",
    show_default=True,
    help="Largest error allowed, in units in the last place.",
)
@click.option(
    "--scheme",
    metavar="NAME",
    default="horner",
    show_default=True,
    help="How polynomials are evaluated: horner, estrin.",
)
@click.option(
    "--fma/--no-fma", default=True, show_default=True, help="Whether a product and a sum are rounded once, or each."
)
@click.option(
    "--export",
    type=WORD,
    metavar="FILE …",
    multiple=True,
    help="Write C (.h, .c), CUDA (.cuh) or Triton (.triton.py).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Print the coefficients only, one a line, as they stand in the code.")
def function(name: str, export: Sequence[str], as_json: bool, quiet: bool, **arguments: Any) -> int:
    """Make a whole function: range reduction, polynomials and special values, for every number of a format.

    NAME is exp2, sin, exp, log2, tanh, gelu, silu or erf. The polynomials have the smallest degrees with which no
    error is above --max-ulp, measured at every input: for float32 that takes some minutes.

    \b
    Examples:
    polyoptim function exp2 --format float32 --max-ulp 1.0 --export exp2f.h
    polyoptim function tanh --format bfloat16 --scheme estrin --export tanh.c
    """  # noqa: D301 - click's mark against wrapping
    for path in export:
        LATE["kind"](path)
    check_places(export)
    with bar(quiet or as_json, "inputs") as progress:
        found = polyoptim.function(name, **arguments, progress=progress)
    if as_json:
        emit(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    elif quiet:
        emit("\n".join(text for one in found.coef_hex.values() for text in one.values()))
    else:
        emit(found.report().rstrip())
    return write_files(found, None, None, export, show=sys.stdout.isatty() and not (as_json or quiet))
