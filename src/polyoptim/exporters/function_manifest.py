"""The manifest of a file with a whole function: what is needed to make it again, and to check its claim again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from polyoptim.errors import ArgumentError, ResultFileError
from polyoptim.exporters.manifest import NO_HASH, VERSION
from polyoptim.formats import FORMATS

CLAIMS = ("degrees", "max_ulp", "max_ulp_kind", "flips", "count")
ASKED = ("max_ulp", "scheme", "fma")
COEFFICIENT = re.compile(
    r"^(?:    const float )?([a-jl-qs-z])(\d+) = (?:[\w.]*\()*\"?(-?0x[0-9a-f.]+p[+-]\d+)", re.MULTILINE
)


def function_manifest(
    document: Mapping[str, Any], export: str, name: str, executed: str | None = None
) -> dict[str, Any]:
    """Return the manifest of an export of a whole function.

    Parameters
    ----------
    document : what the function's `to_dict` returns.
    export, name : which exporter writes the file, and the name of the file.
    executed : where the code was run, of a file for other machines than this.
    """
    return {
        "manifest": VERSION,
        "function": document["function"],
        "format": document["format"],
        "asked": {key: document["arguments"][key] for key in ASKED},
        **{key: document[key] for key in CLAIMS},
        "export": export,
        "name": name,
        **({} if executed is None else {"executed": executed}),
        "versions": dict(document["versions"]),
        "sha256": NO_HASH,
    }


def check_function_manifest(document: Mapping[str, Any], where: str) -> None:
    """Raise a ResultFileError for a manifest that lacks something."""
    wanted = ("format", "asked", *CLAIMS, "export", "name", "versions", "sha256")
    missing = [key for key in wanted if key not in document]
    missing += [key for key in ASKED if key not in dict(document.get("asked") or {})]
    if missing:
        raise ResultFileError(
            f"the manifest of {where} cannot be read: it lacks {', '.join(missing)}. Export it again."
        )


def function_coefficients(text: str, where: str) -> dict[str, dict[int, Fraction]]:
    """Return the coefficients that stand in a file, exactly, by the prefix of their names and by power.

    Raises
    ------
    ResultFileError
        For one that is no float32, or that stands there with two values; where there are none.
    """
    found: dict[str, dict[int, Fraction]] = {}
    for prefix, power, literal in COEFFICIENT.findall(text):
        try:
            value = FORMATS["float32"].read(literal)
        except ArgumentError as error:
            raise ResultFileError(f"{where}: {prefix}{power}: {error}") from None
        if found.setdefault(prefix, {}).setdefault(int(power), value) != value:
            raise ResultFileError(f"{where} has two values of {prefix}{power}. Export it again.")
    if not found:
        raise ResultFileError(f"{where} has no coefficients. Export it again.")
    return found
