"""The answer to the page about fitting: a polynomial for the rows of a file, with errors and bands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import polyoptim
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.losses import LOSSES, find_loss
from polyoptim.reports.curves import term_name
from polyoptim.result import Result
from polyoptim.web.choices import HIGHEST
from polyoptim.web.packing import pack
from polyoptim.web.query import BadRequestError, Query, bad_request

POINTS = 401  # of a curve
SHOWN = 2000  # rows that are drawn
BEYOND = 0.04  # of the range of x that curves go on at both ends
FIELDS = ("x", "y", "sigma", "degree", "loss", "missing")


def wish(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of fit() that a query asks for.

    Raises
    ------
    BadRequestError
        With a sentence for each wrong field.
    """
    query = Query(values)
    if "data" not in values:
        raise BadRequestError({"data": "fit wants data. Drop a CSV or Parquet file on the page."})
    given: dict[str, Any] = {"data": Path(values["data"]).name, "x": query.text("x"), "y": query.text("y")}
    if values.get("sigma", "none") != "none":
        given["sigma"] = query.text("sigma")
    given["degree"] = "auto" if query.truth("auto") else query.whole("degree", 3, HIGHEST["fit"])
    loss = find_loss(query.choice("loss", "squared", LOSSES))
    given["loss"] = loss.name
    options = {name: query.number(name, option.default) for name, option in loss.options.items() if name in values}
    if options:
        given["loss_options"] = options
    if query.truth("drop"):
        given["missing"] = "drop"
    query.done()
    return given


def result_of(values: Mapping[str, str]) -> Result:
    """Return the fit that a query asks for."""
    given = wish(values)
    try:
        found: Result = polyoptim.fit(**given)
    except PolyoptimError as error:
        raise bad_request(error, *FIELDS, *find_loss(given["loss"]).options) from None
    return found


def fit(values: Mapping[str, str]) -> bytes:
    """Return a fit: the curve with its bands, the residuals, and the statistics."""
    query = Query(values)
    level = query.number("level", 0.95)
    query.done()
    if not 0 < level < 1:
        raise BadRequestError({"level": f"level must be between 0 and 1, got {level:g}."})
    result = result_of(values)
    stats = dict(result.stats or {})
    [(low, high)] = stats["ranges"]
    room = BEYOND * (high - low)
    x = np.linspace(low - room, high + room, POINTS)
    arrays: dict[str, Any] = {"x": x, "curve": result(x)}
    said = [_band(result, x, name, level, arrays) for name in ("confidence", "prediction")]
    if result.samples is not None:
        count = len(result.samples.x)
        chosen = np.linspace(0, count - 1, min(SHOWN, count)).astype(int)
        points = result.samples.x[chosen]
        arrays |= {"points.x": points, "points.y": result.samples.y[chosen]}
        arrays["residuals"] = result.samples.y[chosen] - result(points)
    head = {
        "formula": result.formula,
        "formula_note": result.formula_note,
        "terms": _terms(result, stats),
        "loss": result.loss,
        "optimum": result.optimum,
        "optimum_kind": result.optimum_kind,
        "status": str(result.status),
        "message": result.message,
        "notes": [*result.notes, *(note for note in dict.fromkeys(said) if note)],
        "rows": result.count,
        "shown": len(arrays.get("points.x", ())),
        "errors": stats["errors"],
        **{name: stats.get(name) for name in ("sigma", "r2", "r2_adjusted", "aicc", "bic", "dof", "f", "f_p")},
        "degree": max(result.powers),
        "degrees": stats.get("degrees"),
        "largest": result.sup_error,
        "report": result.report(),
        "command": _command(wish(values)),
    }
    return pack(head, arrays)


def _band(result: Result, x: Any, name: str, level: float, arrays: dict[str, Any]) -> str:
    """Add a band to the arrays, or return why there is none."""
    try:
        found = result.predict(x, interval=name, level=level)
    except ArgumentError as error:
        return str(error)
    arrays |= {f"{name}.low": found.low, f"{name}.high": found.high}
    return ""


def _terms(result: Result, stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the coefficients in plain powers of x, with their errors."""
    name = result.target.get("x", "x")
    columns = ("coef_power", "stderr_power", "t", "p")
    return [
        {"term": term_name(term, [str(name)]), **dict(zip(columns, numbers, strict=True))}
        for term, *numbers in zip(stats["terms"], *(stats[column] for column in columns), strict=True)
    ]


def _command(given: Mapping[str, Any]) -> str:
    """Return the line that makes the same fit in a terminal."""
    words = ["polyoptim", "fit", given["data"]]
    for name in ("x", "y", "sigma", "degree", "loss", "missing"):
        if name in given and (name, given[name]) not in (("degree", 3), ("loss", "squared")):
            words += [f"--{name}", str(given[name])]
    for name, value in given.get("loss_options", {}).items():
        words += ["--loss-set", f"{name}={value:g}"]
    return shlex.join(words)
