"""``polyoptim selftest``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import rich_click as click

from polyoptim.cli.codes import DONE, FAILED
from polyoptim.cli.output import emit, say
from polyoptim.cli.words import Command
from polyoptim.registry import Registry

# Loaded late: --help fits nothing.
CERTIFIED = Registry("setting", {"sets": "polyoptim.certified:sets", "check": "polyoptim.certified:check"})
# What every set has to reach: the decimals of the cells are rounded to float64 before the fit.
WANTED_COEF, WANTED_STDERR = 13.2, 13.4
COLUMNS = ("coef", "stderr", "sigma", "r2")


@click.command(cls=Command)
@click.option("--exact", is_flag=True, help="Read the decimals of the sets as rational numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def selftest(exact: bool, as_json: bool) -> int:
    """Fit the certified data sets that ship with the package, and print how many digits are right on this machine.

    The sets are NIST's; a digit counts as right against the exact rational solution of their decimals. Exit code 1
    where a set has fewer than 13.2 digits of a coefficient or 13.4 of a standard error.

    \b
    Examples:
    polyoptim selftest
    polyoptim selftest --exact --json
    """  # noqa: D301 - click's mark against wrapping
    found = [CERTIFIED["check"](name, exact=exact) for name in CERTIFIED["sets"]()]
    short = [one.name for one in found if one.coef < WANTED_COEF or (one.stderr or 15.0) < WANTED_STDERR]
    if as_json:
        emit(json.dumps({"digits": [asdict(one) for one in found], "short": short}))
    else:
        emit(_table(found))
    if short:
        say(f"polyoptim selftest: {', '.join(short)} has fewer digits than it should.")
    return FAILED if short else DONE


def _table(found: list[Any]) -> str:
    lines = ["Correct digits, at most 15; a dash where the truth is 0", ""]
    lines.append(f"{'set':<10}{'degree':>7}{'coef':>8}{'stderr':>8}{'sigma':>8}{'r2':>8}")
    for one in found:
        cells = [getattr(one, name) for name in COLUMNS]
        numbers = "".join(f"{'–' if cell is None else format(cell, '.1f'):>8}" for cell in cells)
        lines.append(f"{one.name:<10}{one.degree:>7}{numbers}")
    return "\n".join(lines)
