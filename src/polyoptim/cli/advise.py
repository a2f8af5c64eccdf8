"""``polyoptim advise TARGET``."""

from __future__ import annotations

from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.many import bar, check_places, finish
from polyoptim.cli.problem import panels, problem, stated
from polyoptim.cli.words import NUMBER, WORD, Command, grid_of


@click.command(cls=Command)
@panels(
    "advise",
    {"Runs": ("--steps", "--lrs", "--seeds", "--seed"), "Output": ("--csv", "--save", "--json", "--quiet", "--help")},
)
@problem
@click.option(
    "--steps",
    type=NUMBER,
    metavar="N",
    default="2000",
    show_default=True,
    help="Gradient evaluations with which rates are measured.",
)
@click.option(
    "--lrs",
    metavar="GRID",
    help="The grid of learning rates, FIRST:LAST:COUNT:log or values with commas.  [default: 1e-9:10:41:log]",
)
@click.option("--seeds", type=NUMBER, metavar="N", default="3", show_default=True, help="Seeds that are measured.")
@click.option("--seed", type=NUMBER, metavar="N", default="0", show_default=True, help="The first of them.")
@click.option("--csv", type=WORD, metavar="FILE", help="Write the table of the bases as CSV.")
@click.option("--save", type=WORD, metavar="FILE", help="Write everything as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def advise(
    target: str, lrs: str | None, csv: str | None, save: str | None, as_json: bool, quiet: bool, **arguments: Any
) -> int:
    """Say how hard TARGET is in each basis, and which learning rates are good.

    \b
    Examples:
    polyoptim advise "sin(x)"
    polyoptim advise "exp(x)" --degree 8 --domain 0 10
    """  # noqa: D301 - click's mark against wrapping
    check_places(None, csv=csv, json=save)
    given = stated(arguments)
    if lrs is not None:
        given["lrs"] = grid_of("--lrs", lrs)
    with bar(quiet or as_json) as progress:
        found = polyoptim.advise(target, **given, progress=progress)
    return finish(found, as_json=as_json, tasks={csv: found.save_csv, save: found.save})
