"""``polyoptim race TARGET``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.many import bar, check_places, finish
from polyoptim.cli.problem import completion, panels, problem, stated
from polyoptim.cli.words import NUMBER, WORD, Command, grid_of, racer, words


@click.command(cls=Command)
@panels(
    "race",
    {
        "Runs": ("--optimizers", "--steps", "--marks", "--lrs", "--tuning-seeds", "--seeds", "--seed"),
        "Output": ("--plot", "--csv", "--save", "--json", "--quiet", "--help"),
    },
)
@problem
@click.option(
    "--optimizers",
    metavar="LIST",
    multiple=True,
    shell_complete=completion("rule"),
    help="all, or names with commas; NAME:OPTION=VALUE:… for one with options. May be given several times.  "
    "[default: all]",
)
@click.option(
    "--steps",
    type=NUMBER,
    metavar="N",
    default="2000",
    show_default=True,
    help="Gradient evaluations that each run may use.",
)
@click.option("--marks", metavar="LIST", help="Gaps to reach.  [default: 0.1,0.01,1e-6]")
@click.option(
    "--lrs",
    metavar="GRID",
    help="The grid of learning rates, FIRST:LAST:COUNT:log or values with commas.  [default: 1e-9:10:41:log]",
)
@click.option("--tuning-seeds", type=NUMBER, metavar="N", default="21", show_default=True, help="Seeds tuned on.")
@click.option("--seeds", type=NUMBER, metavar="N", default="21", show_default=True, help="Seeds reported on.")
@click.option("--seed", type=NUMBER, metavar="N", default="0", show_default=True, help="The first of them.")
@click.option("--plot", type=WORD, metavar="FILE", help="Draw a picture: .png, .svg or .pdf.")
@click.option("--csv", type=WORD, metavar="FILE", help="Write the table as CSV.")
@click.option("--save", type=WORD, metavar="FILE", help="Write everything as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def race(
    target: str,
    optimizers: Sequence[str],
    marks: str | None,
    lrs: str | None,
    plot: str | None,
    csv: str | None,
    save: str | None,
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> int:
    """Compare optimizers fairly: each tuned on the same grid and seeds, reported on other seeds.

    \b
    Examples:
    polyoptim race "sin(x)" --optimizers all
    polyoptim race "sin(x)" --optimizers SGD,SGD:momentum=0.9,Adam --plot race.png
    polyoptim race data.csv --x t --y v --basis chebyshev --degree 8
    """  # noqa: D301 - click's mark against wrapping
    check_places(plot, csv=csv, json=save)
    given = stated(arguments)
    if marks is not None:
        given["marks"] = words(marks)
    if lrs is not None:
        given["lrs"] = grid_of("--lrs", lrs)
    names = [one for word in optimizers for one in words(word)]
    chosen = "all" if not names or [name.casefold() for name in names] == ["all"] else [racer(name) for name in names]
    with bar(quiet or as_json) as progress:
        found = polyoptim.race(target, optimizers=chosen, **given, progress=progress)
    return finish(found, as_json=as_json, tasks={plot: found.plot, csv: found.save_csv, save: found.save})
