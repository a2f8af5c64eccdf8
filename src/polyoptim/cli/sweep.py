"""``polyoptim sweep TARGET --over NAME=VALUES``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.many import bar, check_places, finish
from polyoptim.cli.problem import completion, panels, problem, stated
from polyoptim.cli.words import NUMBER, WORD, Command, over_axis, settings
from polyoptim.errors import ArgumentError


@click.command(cls=Command)
@panels(
    "sweep",
    {
        "Runs": ("--over", "--optimizer", "--lr", "--set", "--steps", "--seed"),
        "Output": ("--plot", "--csv", "--save", "--json", "--quiet", "--help"),
    },
)
@problem
@click.option(
    "--over",
    metavar="NAME=VALUES",
    multiple=True,
    required=True,
    help="What differs: FIRST:LAST:COUNT, FIRST:LAST:COUNT:log, or values with commas; one or two times. NAME is an "
    "option of the optimizer, or one of beta1, beta2, basis, degree, seed.",
)
@click.option(
    "--optimizer",
    metavar="NAME",
    default="RMSprop",
    show_default=True,
    shell_complete=completion("rule"),
    help="Of the fused engine, in any letter case.",
)
@click.option(
    "--lr",
    type=NUMBER,
    metavar="RATE",
    default="0.001",
    show_default=True,
    help="Learning rate, where it is not swept over; none: the optimizer's own default.",
)
@click.option("--set", "set_", metavar="NAME=VALUE …", multiple=True, help="Options of the optimizer in torch's names.")
@click.option("--steps", type=NUMBER, metavar="N", default="2000", show_default=True, help="Updates of each run.")
@click.option("--seed", type=NUMBER, metavar="N", default="0", show_default=True, help="Of each run's start.")
@click.option("--plot", type=WORD, metavar="FILE", help="Draw the heat map, or the curve: .png, .svg or .pdf.")
@click.option("--csv", type=WORD, metavar="FILE", help="Write the table as CSV.")
@click.option("--save", type=WORD, metavar="FILE", help="Write everything as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def sweep(
    target: str,
    over: Sequence[str],
    lr: str,
    set_: Sequence[str],
    plot: str | None,
    csv: str | None,
    save: str | None,
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> int:
    """Make a run for each value of one or two hyperparameters and map their gaps to the optimum.

    \b
    Examples:
    polyoptim sweep "sin(x)" --over lr=1e-6:1:61:log --over momentum=0:0.99:40
    polyoptim sweep "sin(x)" --optimizer SGD --over lr=1e-8:1e-5:80:log
    polyoptim sweep "exp(x)" --over basis=power,legendre --over degree=1:9:9
    polyoptim sweep data.csv --x t --y v --over degree=1:9:9 --plot degrees.png
    """  # noqa: D301 - click's mark against wrapping
    check_places(plot, csv=csv, json=save)
    axes: dict[str, Any] = {}
    for word in over:
        name, values = over_axis(word)
        if name in axes:
            raise ArgumentError(f"--over has {name!r} twice. Give it once.")
        axes[name] = values
    with bar(quiet or as_json) as progress:
        found = polyoptim.sweep(
            target,
            over=axes,
            **stated(arguments),
            lr=None if lr.casefold() == "none" else lr,
            optimizer_options=settings("--set", set_),
            progress=progress,
        )
    return finish(found, as_json=as_json, tasks={plot: found.plot, csv: found.save_csv, save: found.save})
