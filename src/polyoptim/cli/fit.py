"""``polyoptim fit DATA``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.codes import FAILED
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.output import announce_compiling, emit, say
from polyoptim.cli.problem import completion
from polyoptim.cli.words import NUMBER, WORD, Command, coefficients, powers, settings, words
from polyoptim.errors import ArgumentError
from polyoptim.registry import Registry

# Loaded late: --help needs no result.
LATE = Registry(
    "setting",
    {
        "single_run": "polyoptim.compiler:single_run",
        "text": "polyoptim.reports.text:report",
        "rows": "polyoptim.prediction:predicted_rows",
        "table": "polyoptim.result_table:ResultTable",
    },
)

PANELS = {
    "Data": ("--x", "--y", "--weight", "--sigma", "--by", "--missing", "--exact", "--scheduler"),
    "Polynomial": ("--degree", "--powers", "--fixed", "--through", "--ridge", "--basis", "--domain"),
    "Loss": ("--loss", "--loss-set"),
    "Output": ("--predict", "--level", "--save", "--plot", "--export", "--json", "--quiet", "--strict", "--help"),
}


@click.command(cls=Command)
@click.rich_config(
    help_config={
        "option_groups": {"polyoptim fit": [{"name": title, "options": list(names)} for title, names in PANELS.items()]}
    }
)
@click.argument("data", metavar="DATA", type=WORD)
@click.option("--x", "x", metavar="COL[,COL…]", help="Column of x, or several.  [default: the first numeric column]")
@click.option("--y", "y", metavar="COL", help="Column of y.  [default: the second numeric column]")
@click.option("--weight", metavar="COL", help="Column of weights: they multiply the squared residuals.")
@click.option("--sigma", metavar="COL", help="Column of standard deviations of y: weight = 1/sigma².")
@click.option("--by", metavar="COL", help="Column of labels: one polynomial for each group of rows with the same.")
@click.option("--missing", metavar="WORD", default="raise", show_default=True, help="raise, or drop such rows.")
@click.option("--exact", is_flag=True, help="Read decimals as rational numbers; all digits of the result are right.")
@click.option("--scheduler", metavar="ADDRESS", help="Of dask.distributed, whose workers read the files: tcp://….")
@click.option("--degree", metavar="N", default="3", show_default=True, help="Highest power, or total power.")
@click.option("--powers", metavar="LIST", help="The powers that may appear, such as 0,1,3; --degree is then ignored.")
@click.option("--fixed", metavar="POWER=VALUE …", multiple=True, help="Coefficients that keep a value, such as 0=0.")
@click.option("--through", metavar="X,Y …", multiple=True, help="Points that the curve goes through.")
@click.option(
    "--ridge", type=NUMBER, metavar="R", default="0", show_default=True, help="Penalty on large coefficients."
)
@click.option(
    "--basis",
    metavar="NAME",
    default="chebyshev",
    show_default=True,
    shell_complete=completion("basis"),
    help="In which the result's coef stand; the polynomial is the same.",
)
@click.option("--domain", nargs=2, type=NUMBER, metavar="A B", help="That the basis is mapped from.  [default: range]")
@click.option(
    "--loss",
    metavar="NAME",
    default="squared",
    show_default=True,
    shell_complete=completion("loss"),
    help="squared, absolute, huber, smooth_l1, soft_l1, logcosh, pnorm, quantile or tukey.",
)
@click.option("--loss-set", metavar="NAME=VALUE …", multiple=True, help="Options of the loss, such as delta=0.5.")
@click.option(
    "--predict", type=WORD, metavar="FILE", help="Print y, with a band for a new value, at the x of this file."
)
@click.option("--level", type=NUMBER, metavar="P", default="0.95", show_default=True, help="Probability of the bands.")
@click.option(
    "--save",
    type=WORD,
    metavar="FILE",
    help="Save the result as JSON, which polyoptim show reads; a table as .csv too.",
)
@click.option("--plot", type=WORD, metavar="FILE", help="Draw a picture: .png, .svg or .pdf.")
@click.option(
    "--export",
    type=WORD,
    metavar="FILE …",
    multiple=True,
    help="Write a function (.py), a model (.onnx), the formula (.tex), the result (.json).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Print the formula only.")
@click.option("--strict", is_flag=True, help="Exit with 1 where rows leave no degrees of freedom.")
def fit(
    data: str,
    fixed: Sequence[str],
    through: Sequence[str],
    loss_set: Sequence[str],
    predict: str | None,
    level: str,
    save: str | None,
    plot: str | None,
    export: Sequence[str],
    as_json: bool,
    quiet: bool,
    strict: bool,
    **arguments: Any,
) -> int:
    """Fit a polynomial to the columns of DATA, to its optimum, with error bars.

    DATA is a CSV file with a header (also gzip, or - for standard input), a Parquet file, or a folder or pattern of
    such files. Dates and times count seconds, and the formula says from when.

    \b
    Examples:
    polyoptim fit data.csv --x t --y v --degree 2
    polyoptim fit data.csv --x t --y v --sigma s --fixed 0=0 --plot fit.png
    polyoptim fit data.csv --x t --y v --exact --json
    polyoptim fit data.csv --x t --y v --by sensor --save fits.csv
    """  # noqa: D301 - click's mark against wrapping
    check_files(save, plot, export, "fit")
    if arguments["by"] is not None:
        _check_groups(plot=plot, export=export, predict=predict)
    given = {**arguments, "powers": powers(arguments["powers"]), "domain": arguments["domain"] or None}
    if given["x"] is not None and "," in given["x"]:
        given["x"] = words(given["x"])
    LATE["single_run"].set(True)
    announce_compiling()
    result = polyoptim.fit(
        data,
        **given,
        fixed=coefficients(fixed),
        through=[point.split(",") for point in through] or None,
        loss_options=settings("--loss-set", loss_set),
    )
    if isinstance(result, LATE["table"]):
        return _show_table(result, save, as_json=as_json, quiet=quiet, strict=strict)
    if as_json:
        document = result.to_dict()
        if predict is not None:
            document["predictions"] = LATE["rows"](result, predict, level)
        emit(json.dumps(document, ensure_ascii=False, allow_nan=False))
    elif quiet:
        emit(result.formula)
    else:
        emit(LATE["text"](result).rstrip())
    if predict is not None and not as_json:
        emit("\n" + _table(LATE["rows"](result, predict, level)))
    wrong = write_files(result, save, plot, export, show=sys.stdout.isatty() and not (as_json or quiet))
    bad = strict and not (result.stats or {})["dof"] > 0
    if bad:
        say(f"polyoptim fit: {result.count} rows leave no degrees of freedom. Give more, or a lower degree.")
    return wrong or (FAILED if bad else 0)


def _check_groups(**given: Any) -> None:
    """Refuse what a table of polynomials has not."""
    named = ", ".join(f"--{name}" for name, value in given.items() if value)
    if named:
        raise ArgumentError(f"{named} is for one polynomial, not for each group. Leave it out, or leave out --by.")


def _show_table(table: Any, save: str | None, *, as_json: bool, quiet: bool, strict: bool) -> int:
    """Print a table of polynomials, and keep it as CSV or JSON."""
    if as_json:
        emit(json.dumps(table.to_dict(), ensure_ascii=False, allow_nan=False))
    elif quiet:
        for label in table:
            emit(f"{label}: {table[label].formula if table.has(label) else 'no polynomial'}")
    else:
        emit(table.report().rstrip())
    if save is not None:
        (table.save_csv if save.lower().endswith(".csv") else table.save)(save)
        say(f"Written: {save}")
    bad = int((table.status != "converged").sum()) if strict else 0
    if bad:
        say(f"polyoptim fit: {bad} of {len(table)} groups did not converge.")
    return FAILED if bad else 0


def _table(rows: list[dict[str, Any]]) -> str:
    """Return predictions as CSV."""
    lines = [",".join(rows[0])]
    lines += [",".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(lines)
