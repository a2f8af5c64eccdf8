"""The manifest of a generated file: what is needed to make it again, bit for bit, and to prove its numbers again."""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction
from typing import Any

from polyoptim.arguments import check_powers
from polyoptim.errors import ResultFileError
from polyoptim.formats import computing, find_format, read_format
from polyoptim.result import Result

MARK = "polyoptim manifest"
VERSION = 1
# Where a coefficient stands, in C, in Python and in a comment.
COEFFICIENT = re.compile(
    r"^\W*(?:const \w+ )?c(\d+) = (?:[\w.]*\()*\"?(-?0x[0-9a-f.]+(?:p[+-]\d+)?|-?\d+(?:/\d+)?)", re.MULTILINE
)
# What writes all coefficients in the format that holds them.
HELD = ("header", "source", "cuda", "numpy", "torch", "triton")
NOT_EXECUTED = "not executed"  # an export runs nothing; what is for another machine says so
NO_HASH = "0" * 64
# What is asked of approximate(); where a file of before lacks the later ones, they are what they were then.
LATER = {"compute_format": None, "output_format": None, "inputs": "all", "exhaustive": False}
ASKED = (
    *("domain", "powers", "fixed", "through", "format", "objective", "error", "prove", "scheme", "fma", "guard"),
    *LATER,
)
# What was found on all inputs, where they were tried.
MEASURED = ("max_ulp", "flips", "max_ulp_kind")
FOUND = ("loss", "sup_error", "sup_error_kind", "sup_error_bound", "total_error_bound", "lower_bound")


def manifest(result: Result, export: str, name: str = "", executed: str | None = None) -> dict[str, Any]:
    """Return the manifest of an export of an approximation.

    Parameters
    ----------
    export : which exporter writes the file.
    name : of what it defines, where that has one.
    executed : where the code was run, of a file for other machines than this.
    """
    return {
        "manifest": VERSION,
        "target": result.target["text"] if result.target["kind"] == "expression" else None,
        **{key: result.arguments.get(key, LATER.get(key)) for key in ASKED},
        **{key: getattr(result, key) for key in (*FOUND, *MEASURED)},
        "export": export,
        "name": name,
        **({} if executed is None else {"executed": executed}),
        "versions": dict(result.versions),
        "sha256": NO_HASH,
    }


def comment(document: dict[str, Any], prefix: str) -> str:
    """Return a manifest as lines of a comment, each with a prefix."""
    inside = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in document.items())
    lines = [MARK, "{", *inside.replace("*/", "*\\/").split("\n"), "}"]
    return "\n".join(f"{prefix}{line}" for line in lines)


def with_coefficients(result: Result, export: str, prefix: str) -> str:
    """Return a manifest and the coefficients, as lines of a comment of a file whose text does not hold them exactly."""
    texts = result.coef_hex or ()
    lines = [f"{prefix}c{power} = {texts[power]}" for power in result.powers]
    return "\n".join([comment(manifest(result, export), prefix), *lines])


def sealed(text: str) -> str:
    """Return the text of a file with its hash in the manifest."""
    return text.replace(f'"sha256": "{NO_HASH}"', f'"sha256": "{_hash(text)}"', 1)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_document(text: str, where: str) -> dict[str, Any]:
    """Return the manifest in the text of a file, unchecked but for being one.

    Raises
    ------
    ResultFileError
        Where there is none, or it cannot be read.
    """
    lines = text.split("\n")
    begin = next((place for place, line in enumerate(lines) if line.endswith(MARK)), None)
    if begin is None or begin + 1 == len(lines) or not lines[begin + 1].endswith("{"):
        raise ResultFileError(
            f"{where} has no manifest, so that nothing is known of where it comes from. Export it again."
        )
    prefix = lines[begin + 1][:-1]
    body: list[str] = []
    for line in lines[begin + 1 :]:
        body.append(line.removeprefix(prefix))
        if body[-1] == "}":
            break
    try:
        document = json.loads("\n".join(body))
    except (ValueError, RecursionError) as error:
        raise ResultFileError(f"the manifest of {where} cannot be read: {error}.") from None
    return document if isinstance(document, dict) else {}


def read_manifest(text: str, where: str) -> dict[str, Any]:
    """Return the manifest of an approximation in the text of a file.

    Raises
    ------
    ResultFileError
        Where there is none, or it cannot be read.
    """
    document = {**LATER, **dict.fromkeys(MEASURED), **read_document(text, where)}
    missing = [key for key in ("target", *ASKED, *FOUND, "export", "name", "versions", "sha256") if key not in document]
    if document.get("manifest") != VERSION or missing:
        said = f"it lacks {', '.join(missing)}" if missing else f"its version is {document.get('manifest')!r}"
        raise ResultFileError(f"the manifest of {where} cannot be read: {said}. Export it again.")
    return document


def read_coefficients(text: str, document: dict[str, Any], where: str) -> dict[int, Fraction]:
    """Return the coefficients that stand in a file, exactly, by power; those that do not are 0.

    Raises
    ------
    ResultFileError
        For one that is no number of its format, stands there twice or belongs to no power.
    """
    powers = check_powers(None, document["powers"])
    formats = dict(zip(powers, read_format(list(document["format"]), powers), strict=True))
    own = computing(list(formats.values()), document["compute_format"])[0] or find_format("real")
    found: dict[int, Fraction] = {}
    for place, literal in COEFFICIENT.findall(text):
        power = int(place)
        if power not in formats or power in found:
            raise ResultFileError(f"{where} has a coefficient c{power} that is not one of its powers {powers}.")
        value = (own if document["export"] in HELD else formats[power]).read(literal)
        if not formats[power].holds(value):
            raise ResultFileError(f"{where}: c{power} = {literal} is no number of {formats[power]}.")
        found[power] = value
    if not found:
        raise ResultFileError(f"{where} has no coefficients. Export it again.")
    return {**dict.fromkeys(powers, Fraction(0)), **found}


def is_intact(text: str, document: dict[str, Any]) -> bool:
    """Tell whether the hash in a manifest is that of its file."""
    return bool(_hash(text.replace(str(document["sha256"]), NO_HASH, 1)) == document["sha256"])
