"""Names of columns: which are given, and whether there are such columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import nearest

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def given(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the roles that have a column; a data frame may have whole numbers for labels, which become text."""
    return {role: str(name) if type(name) is int else name for role, name in wanted.items() if name is not None}


def check_names(names: Mapping[str, Any], wanted: Mapping[str, Any], header: Sequence[str], what: str) -> None:
    """Raise ArgumentError, for all roles at once, unless each of `names` is one column of the header."""
    wrong = [
        f"{role} is not given: name a column of {what}." for role in ("x", "y") if role in wanted and role not in names
    ]
    for role, name in names.items():
        if not isinstance(name, str):
            wrong.append(f"{role} must be the name of a column of {what}, got {type(name).__name__}.")
        elif name not in header:
            guess = nearest(name, header)
            wrong.append(f"{what} has no column {name!r} ({role})" + (f"; did you mean {guess!r}?" if guess else "."))
        elif header.count(name) > 1:
            wrong.append(f"{what} has {header.count(name)} columns named {name!r} ({role}). Rename them.")
    if wrong:
        raise ArgumentError(f"{' '.join(wrong)} Its columns: {', '.join(header)}.{_hint(header)}")


def _hint(header: Sequence[str]) -> str:
    if len(header) == 1:
        for separator, name in SEPARATORS.items():
            if separator in header[0]:
                return f" Its cells are separated by {name}; save it with commas."
    return ""
