"""``polyoptim approximate EXPR``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.codes import DONE, INTERRUPTED
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.many import bar
from polyoptim.cli.output import emit
from polyoptim.cli.words import NUMBER, WORD, Command, coefficients, powers, words
from polyoptim.registry import Registry

# Loaded late: --help needs no result.
LATE = Registry("report", {"text": "polyoptim.reports.text:report"})

PANELS = {
    "Problem": ("--domain", "--degree", "--tolerance", "--powers", "--fixed", "--through", "--error"),
    "Numbers": ("--format", "--objective", "--no-prove"),
    "Code": ("--scheme", "--fma", "--compute-format", "--output-format", "--inputs", "--exhaustive", "--guard"),
    "Output": ("--save", "--plot", "--export", "--json", "--quiet", "--help"),
}


@click.command(cls=Command)
@click.rich_config(
    help_config={
        "option_groups": {
            "polyoptim approximate": [{"name": title, "options": list(names)} for title, names in PANELS.items()]
        }
    }
)
@click.argument("target", metavar="EXPR", type=WORD)
@click.option(
    "--domain", nargs=2, type=NUMBER, metavar="A B …", multiple=True, required=True, help="Interval of x, or several."
)
@click.option("--degree", metavar="N", help="Highest power.")
@click.option("--tolerance", type=NUMBER, metavar="T", help="Largest error; the lowest degree is looked for.")
@click.option("--powers", metavar="LIST", help="All powers that may appear, such as 1,3,5.")
@click.option("--fixed", metavar="POWER=VALUE …", multiple=True, help="Coefficients that keep a value, such as 0=1.")
@click.option(
    "--through", type=NUMBER, metavar="X …", multiple=True, help="Where the polynomial has the target's value."
)
@click.option(
    "--error", metavar="KIND", default="absolute", show_default=True, help="absolute, relative, or a weight in x."
)
@click.option(
    "--format",
    metavar="NAME[,NAME…]",
    default="float64",
    show_default=True,
    help="Of the coefficients: float64, float32, float16, bfloat16, q5.26, real, or one for each power.",
)
@click.option(
    "--objective",
    metavar="NAME",
    default="minimax",
    show_default=True,
    help="Is least: minimax, l2, l1; in the arithmetic that ships ulp, flips.",
)
@click.option(
    "--scheme", metavar="NAME", default="horner", show_default=True, help="How code evaluates it: horner or estrin."
)
@click.option(
    "--fma/--no-fma", default=True, show_default=True, help="Whether a product and a sum are rounded once, or each."
)
@click.option("--compute-format", metavar="NAME", help="Of x and every operation.  [default: the coefficients']")
@click.option("--output-format", metavar="NAME", help="To which the value is rounded.  [default: the compute format]")
@click.option(
    "--inputs",
    metavar="NAME",
    default="all",
    show_default=True,
    help="Are tried: all numbers of the format, or grid, 2^24 multiples of 2^-24 of the domain's length.",
)
@click.option(
    "--exhaustive", is_flag=True, help="Try all float32 inputs too; those of a grid and of 16 bits always are."
)
@click.option(
    "--guard",
    metavar="NAME",
    default="none",
    show_default=True,
    help="What code does outside the domain: none, clamp or nan.",
)
@click.option("--no-prove", is_flag=True, help="Leave the error sampled.")
@click.option("--save", type=WORD, metavar="FILE", help="Save the result as JSON; polyoptim show reads it.")
@click.option("--plot", type=WORD, metavar="FILE", help="Draw the error: .png, .svg or .pdf.")
@click.option(
    "--export",
    type=WORD,
    metavar="FILE …",
    multiple=True,
    help="Write C (.h, .c), CUDA (.cuh), Triton (.triton.py), a NumPy function (.py), a model (.onnx), "
    "the formula (.tex), the result (.json).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Print the coefficients only, one a line, as they stand in their format.")
def approximate(
    target: str,
    fixed: Sequence[str],
    no_prove: bool,
    save: str | None,
    plot: str | None,
    export: Sequence[str],
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> int:
    """Approximate a function by the polynomial of least error, in a number format, with a proof.

    EXPR is a function of x such as "sin(x)" or "2**x". Ends of the domain may be texts such as pi/4.

    \b
    Examples:
    polyoptim approximate "sin(x)" --domain 0 pi/4 --degree 7 --error relative
    polyoptim approximate "2**x" --domain 0 1 --degree 3 --error relative --format float32 --fixed 0=1 --export exp2.h
    polyoptim approximate "exp(x)" --domain 0 1 --tolerance 1e-6 --format bfloat16,bfloat16,float32
    polyoptim approximate "2**x" --domain 0 1 --degree 5 --format float32 --fixed 0=1 --objective ulp --inputs grid
    """  # noqa: D301 - click's mark against wrapping
    check_files(save, plot, export, "approximate")
    names = words(arguments["format"])
    given = {
        **arguments,
        "domain": list(arguments["domain"]),
        "powers": powers(arguments["powers"]),
        "through": list(arguments["through"]) or None,
        "format": names[0] if len(names) == 1 else names,
    }
    with bar(quiet or as_json, "steps") as progress:
        result = polyoptim.approximate(
            target, **given, fixed=coefficients(fixed), prove=not no_prove, progress=progress
        )
    if as_json:
        emit(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False))
    elif quiet:
        emit("\n".join(result.coef_hex or ()))
    else:
        emit(LATE["text"](result).rstrip())
    code = write_files(result, save, plot, export, show=sys.stdout.isatty() and not (as_json or quiet))
    return code or (INTERRUPTED if result.status == "interrupted" else DONE)
