"""The answer to the page about approximation: coefficients in a format, the error curve, and code."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import polyoptim
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.formats import find_format
from polyoptim.reports.curves import error_curves
from polyoptim.result import Result
from polyoptim.schemes import GUARDS, SCHEMES
from polyoptim.targets.expression import parse
from polyoptim.web.choices import CODE, HIGHEST
from polyoptim.web.packing import pack
from polyoptim.web.query import Query, bad_request

POINTS = 401  # of a curve
OBJECTIVES = ("minimax", "l2", "l1", "ulp", "flips")
ERRORS = ("absolute", "relative")
NAME = "polynomial"  # of the functions in code
FIELDS = (
    *("target", "domain", "degree", "tolerance", "fixed", "format"),
    *("error", "objective", "scheme", "output_format", "guard"),
)


def wish(values: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the target, and the arguments of approximate(), that a query asks for.

    Raises
    ------
    BadRequestError
        With a sentence for each wrong field.
    """
    query = Query(values)
    target = query.text("target", "sin(x)")
    query.read("target", None, parse)
    given: dict[str, Any] = {"domain": query.pair("domain", ("-pi", "pi"))}
    if values.get("tolerance", "none") != "none":
        given["tolerance"] = query.text("tolerance")
    else:
        given["degree"] = query.whole("degree", 3, HIGHEST["approximate"])
    if values.get("fixed"):
        given["fixed"] = query.read("fixed", dict[int, str](), _fixed)
    given["format"] = query.read("format", "float32", _format)
    given["error"] = query.choice("error", "absolute", ERRORS)
    given["objective"] = query.choice("objective", "minimax", OBJECTIVES)
    given["scheme"] = query.choice("scheme", "horner", SCHEMES)
    given["fma"] = query.truth("fma", True)
    given["guard"] = query.choice("guard", "none", GUARDS)
    if values.get("output_format", "none") != "none":
        given["output_format"] = query.read("output_format", "float32", _format)
    if given["objective"] in ("ulp", "flips"):
        given["inputs"] = "grid"
    elif query.truth("exhaustive"):
        given["exhaustive"] = True
    query.done()
    return target, given


def _format(text: str) -> str:
    return str(find_format(text))


def _fixed(text: str) -> dict[int, str]:
    """Return ``0=1,1=0.5`` as a mapping."""
    found = {}
    for part in text.split(","):
        power, sign, value = part.partition("=")
        if not sign or not power.strip().isdigit() or not value.strip():
            raise ArgumentError(f"fixed must be powers with values such as 0=1,2=0.5, got {text!r}.")
        found[int(power)] = value.strip()
    return found


def result_of(values: Mapping[str, str]) -> Result:
    """Return the approximation that a query asks for."""
    target, given = wish(values)
    try:
        found: Result = polyoptim.approximate(target, **given)
    except PolyoptimError as error:
        raise bad_request(error, *FIELDS) from None
    return found


def approximate(values: Mapping[str, str]) -> bytes:
    """Return an approximation, with its error curve and its code."""
    query = Query(values)
    kind = query.choice("code", "c", CODE)
    query.done()
    result = result_of(values)
    arrays: dict[str, Any] = {}
    for name, parts in zip(("x", "y", "curve", "error"), zip(*error_curves(result, POINTS), strict=True), strict=True):
        arrays[name] = np.concatenate(parts)
    if result.ulp_histogram is not None:
        bins = [(low, np.nan if high is None else high, many) for low, high, many in result.ulp_histogram]
        arrays["histogram"] = np.array(bins)
    texts = result.coef_hex or ()
    head = {
        "formula": result.formula,
        "formula_note": result.formula_note,
        "notes": result.notes,
        "coefficients": [
            {"power": power, "value": float(result.coef[power]), "exactly": texts[power], "format": name}
            for power, name in zip(result.powers, result.arguments["format"], strict=True)
        ],
        **{
            name: getattr(result, name)
            for name in (
                "loss", "gap", "sup_error", "sup_error_kind", "sup_error_bound", "total_error_bound", "lower_bound",
                "max_ulp", "max_ulp_kind", "flips", "input_count",
            )
        },
        "degree": max(result.powers),
        "error": result.arguments["error"],
        "objective": result.arguments["objective"],
        "code": _code(result, kind),
        "file": NAME + CODE[kind],
        "report": result.report(),
        "command": _command(*wish(values)),
    }  # fmt: skip
    return pack(head, arrays)


def _code(result: Result, kind: str) -> str:
    """Return the text of an export, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (NAME + CODE[kind])
        try:
            result.export(path)
        except PolyoptimError as error:
            return str(error)
        return path.read_text(encoding="utf-8")


def _command(target: str, given: Mapping[str, Any]) -> str:
    """Return the line that makes the same approximation in a terminal."""
    words = ["polyoptim", "approximate", target, "--domain", *given["domain"]]
    for name in ("degree", "tolerance", "format", "error", "objective", "scheme", "output_format", "inputs", "guard"):
        if name in given:
            words += [f"--{name.replace('_', '-')}", str(given[name])]
    for power, value in given.get("fixed", {}).items():
        words += ["--fixed", f"{power}={value}"]
    if not given["fma"]:
        words.append("--no-fma")
    if given.get("exhaustive"):
        words.append("--exhaustive")
    return shlex.join(words)
