"""``polyoptim front EXPR``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.codes import FAILED
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.many import bar, check_places, finish
from polyoptim.cli.output import say
from polyoptim.cli.words import NUMBER, WORD, Command, coefficients, value
from polyoptim.errors import ArgumentError

PANELS = {
    "Problem": ("--domain", "--error", "--fixed", "--objective"),
    "Points": ("--degrees", "--formats", "--schemes", "--fma"),
    "Code": ("--compute-format", "--output-format", "--inputs", "--exhaustive"),
    "Output": ("--plot", "--csv", "--save", "--export", "--point", "--json", "--quiet", "--help"),
}


@click.command(cls=Command)
@click.rich_config(
    help_config={
        "option_groups": {
            "polyoptim front": [{"name": title, "options": list(names)} for title, names in PANELS.items()]
        }
    }
)
@click.argument("target", metavar="EXPR", type=WORD)
@click.option(
    "--domain", nargs=2, type=NUMBER, metavar="A B …", multiple=True, required=True, help="Interval of x, or several."
)
@click.option("--degrees", metavar="LIST", required=True, help="Highest powers: 2:7, with both ends, or 3,5,7.")
@click.option(
    "--formats",
    metavar="LIST",
    default="float32",
    show_default=True,
    help="Of the coefficients: float64, float32, float16, bfloat16, q5.26, real.",
)
@click.option(
    "--schemes",
    metavar="LIST",
    default="horner,estrin",
    show_default=True,
    help="How code evaluates it: horner, estrin.",
)
@click.option(
    "--fma",
    metavar="true|false|both",
    default="true",
    show_default=True,
    help="Whether a product and a sum are rounded once, or each.",
)
@click.option(
    "--error", metavar="KIND", default="absolute", show_default=True, help="absolute, relative, or a weight in x."
)
@click.option("--fixed", metavar="POWER=VALUE …", multiple=True, help="Coefficients that keep a value, such as 0=1.")
@click.option("--compute-format", metavar="NAME", help="Of x and every operation.  [default: the coefficients']")
@click.option("--output-format", metavar="NAME", help="To which the value is rounded.  [default: the compute format]")
@click.option(
    "--objective",
    metavar="NAME",
    default="minimax",
    show_default=True,
    help="Is least: minimax, l2, l1; in the arithmetic that ships ulp, flips.",
)
@click.option(
    "--inputs",
    metavar="NAME",
    default="grid",
    show_default=True,
    help="Of float32 that are tried: grid, 2^24 multiples of 2^-24 of the domain's length, or all (see --exhaustive).",
)
@click.option("--exhaustive", is_flag=True, help="Try all float32 of the domain; those of 16 bits always are.")
@click.option("--plot", type=WORD, metavar="FILE", help="Draw error and cost: .png, .svg or .pdf.")
@click.option("--csv", "--table", "csv", type=WORD, metavar="FILE", help="Write the table as CSV.")
@click.option("--save", type=WORD, metavar="FILE", help="Write everything as JSON.")
@click.option(
    "--export",
    type=WORD,
    metavar="FILE …",
    multiple=True,
    help="Write a point: C (.h, .c), CUDA (.cuh), Triton (.triton.py), a NumPy function (.py), a model (.onnx), "
    "the formula (.tex), the result (.json).",
)
@click.option("--point", type=NUMBER, metavar="N", help="Which point is exported, by its number in the table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def front(
    target: str,
    fixed: Sequence[str],
    fma: str,
    plot: str | None,
    csv: str | None,
    save: str | None,
    export: Sequence[str],
    point: str | None,
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> int:
    """Approximate a function in several degrees, formats and schemes, and compare the errors with what they cost.

    EXPR is a function of x such as "sin(x)" or "2**x". Ends of the domain may be texts such as pi/4. Points that no
    other beats in error, operations and depth are marked.

    \b
    Examples:
    polyoptim front "2**x" --domain 0 1 --degrees 2:7 --error relative --fixed 0=1 --plot front.png
    polyoptim front "2**x" --domain 0 1 --degrees 2:5 --formats float32,bfloat16 --output-format bfloat16
    polyoptim front "sin(x)" --domain -pi/4 pi/4 --degrees 3,5,7 --schemes horner --fma both --csv front.csv
    polyoptim front "exp(x)" --domain 0 1 --degrees 3:6 --export exp.h --point 4
    """  # noqa: D301 - click's mark against wrapping
    check_places(plot, csv=csv, json=save)
    check_files(None, None, export, "approximate")
    number = _number(point, export)
    with bar(quiet or as_json, "points") as progress:
        found = polyoptim.front(
            target,
            **{**arguments, "domain": list(arguments["domain"])},
            fixed=coefficients(fixed),
            fma=value(fma),
            progress=progress,
        )
    code = finish(found, as_json=as_json, tasks={plot: found.plot, csv: found.save_csv, save: found.save})
    wrong = 0 if number is None else _exported(found, number, export)
    return code or wrong or (FAILED if found.status == "failed" else 0)


def _number(point: str | None, export: Sequence[str]) -> int | None:
    """Return the number of the point that is exported; None where nothing is."""
    if (point is None) != (not export):
        missing, given = ("--point N", "--export") if point is None else ("--export FILE", "--point")
        raise ArgumentError(f"{given} needs {missing}: which point is written, and where.")
    if point is None:
        return None
    if not point.isdecimal() or int(point) < 1:
        raise ArgumentError(f"--point must be a number of the table, from 1 on, got {point!r}.")
    return int(point)


def _exported(found: Any, number: int, export: Sequence[str]) -> int:
    """Write a point to its files, and return the exit code."""
    try:
        result = found.point(number).result
    except ArgumentError as error:
        say(f"polyoptim: --point {number}: {error}")
        return FAILED
    return write_files(result, None, None, export)
