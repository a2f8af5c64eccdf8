"""The options that state a problem, and the names that a shell completes, for all commands that train."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import rich_click as click
from click.shell_completion import CompletionItem

from polyoptim.cli.words import NUMBER, WORD, powers
from polyoptim.registry import Registry

# Names for shell completion; looked up only when the shell asks.
NAMES = Registry(
    "names",
    {
        "basis": "polyoptim.bases:FAMILIES",
        "loss": "polyoptim.losses:LOSSES",
        "optimizer": "polyoptim.optim.optimizer:optimizers",
        "rule": "polyoptim.optim.rules:RULES",
        "schedule": "polyoptim.optim.schedule:schedules",
        "engine": "polyoptim.engines:ENGINES",
        "dtype": "polyoptim.training:EPS",
    },
)

PANELS = {
    "Target": ("--x", "--y", "--weight", "--domain", "--samples"),
    "Polynomial": ("--degree", "--powers", "--basis", "--mapped", "--reduction"),
}


def completion(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a function that completes names of that kind."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        found: Any = NAMES[kind]
        names: Iterable[str] = found() if callable(found) else found
        return [CompletionItem(name) for name in names if name.casefold().startswith(incomplete.casefold())]

    return complete


OPTIONS = (
    click.option("--x", "x", metavar="COL", help="Column of x, where TARGET is a CSV file."),
    click.option("--y", "y", metavar="COL", help="Column of y."),
    click.option("--weight", metavar="COL", help="Column of weights."),
    click.option(
        "--domain", nargs=2, type=NUMBER, metavar="A B", help="Interval of x.  [default: -pi pi; a file: its range]"
    ),
    click.option(
        "--samples", type=NUMBER, metavar="N", default="2000", show_default=True, help="Points of a function."
    ),
    click.option("--degree", type=NUMBER, metavar="N", default="3", show_default=True, help="Highest power."),
    click.option(
        "--powers", metavar="LIST", help="The powers that may appear, such as 0,1,3; --degree is then ignored."
    ),
    click.option(
        "--basis",
        metavar="NAME",
        default="power",
        show_default=True,
        shell_complete=completion("basis"),
        help="power, chebyshev, legendre, hermite or laguerre.",
    ),
    click.option(
        "--mapped/--no-mapped",
        default=None,
        help="Map the domain to the window of the basis.  [default: all but power]",
    ),
    click.option("--reduction", metavar="NAME", default="sum", show_default=True, help="sum or mean."),
)


def problem(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its TARGET and the options that state the problem."""
    for option in reversed(OPTIONS):
        command = option(command)
    return click.argument("target", metavar="TARGET", type=WORD)(command)


def stated(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return these options as arguments of a verb."""
    found = {**arguments, "powers": powers(arguments["powers"])}
    if found["domain"] is None:
        del found["domain"]
    return found


def panels(name: str, more: dict[str, tuple[str, ...]]) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator that groups the options of a command in its help."""
    groups = [{"name": title, "options": list(options)} for title, options in (PANELS | more).items()]
    config: Callable[[Callable[..., Any]], Any] = click.rich_config(
        help_config={"option_groups": {f"polyoptim {name}": groups}}
    )
    return config
