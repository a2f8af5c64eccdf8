"""The problems: those of published polynomials, some in other formats, and those on which other tools fail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from polyoptim.formats import read_format
from polyoptim.solvers.enclosure import End
from polyoptim.targets.constants import read_constant
from polyoptim.targets.expression import parse
from polyoptim.targets.nodes import Node

PUBLISHED = Path(__file__).resolve().parent / "published.json"


@dataclass(frozen=True)
class Problem:
    """What is to be approximated, as a caller of ``approximate`` says it.

    Parameters
    ----------
    name : of the problem.
    target : an expression in x.
    domain : a pair of texts, or several.
    powers : all that may appear.
    format : one name for all coefficients, or one for each power.
    error : "absolute", "relative" or a weight.
    fixed : coefficients by power.
    published : coefficients in use, by power, rounded to the format; empty where there are none.
    recorded : the error of Sollya 8.0's fpminimax; None where it was not recorded.
    elsewhere : the target in functions that Sollya has; None where it is the same.
    """

    name: str
    target: str
    domain: tuple[Any, ...]
    powers: tuple[int, ...]
    format: str | tuple[str, ...] = "real"
    error: str = "absolute"
    fixed: Mapping[int, float] = field(default_factory=dict)
    published: Mapping[int, Fraction] = field(default_factory=dict)
    recorded: float | None = None
    elsewhere: str | None = None

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The intervals."""
        return [self.domain] if isinstance(self.domain[0], str) else list(self.domain)  # type: ignore[list-item]

    @property
    def free(self) -> tuple[int, ...]:
        """The powers whose coefficients are looked for."""
        return tuple(power for power in self.powers if power not in self.fixed)

    @property
    def formats(self) -> tuple[str, ...]:
        """The format of each of `powers`."""
        return (self.format,) * len(self.powers) if isinstance(self.format, str) else self.format

    @property
    def root(self) -> Node:
        """The target as a tree."""
        return parse(self.target).root

    @property
    def ends(self) -> list[tuple[End, End]]:
        """The intervals with ends as numbers, or trees where they are none."""
        constants = [[read_constant(end, "domain") for end in pair] for pair in self.pieces]
        low_high = [[one.root if one.exact is None else one.exact for one in pair] for pair in constants]
        return [(low, high) for low, high in low_high]

    def arguments(self, format: Any = None) -> dict[str, Any]:  # noqa: A002 - the word for it
        """Return the keywords of ``approximate``."""
        chosen = self.format if format is None else format
        given = {"domain": self.pieces, "powers": self.powers, "error": self.error, "fixed": self.fixed or None}
        return {**given, "format": list(chosen) if isinstance(chosen, tuple) else chosen}


def number(text: str) -> float:
    """Return a decimal or hexadecimal number."""
    return float.fromhex(text) if "x" in text else float(text)


def published(names: Sequence[str] = ()) -> list[Problem]:
    """Return the published problems, or some of them."""
    entries = json.loads(PUBLISHED.read_text(encoding="utf-8"))["cases"]
    return [_read(entry) for entry in entries if not names or entry["id"] in names]


def _read(entry: Mapping[str, Any]) -> Problem:
    fixed = {int(power): number(value) for power, value in entry["fixed"].items()}
    powers = tuple(sorted({*entry["powers"], *fixed}))
    own = dict(zip(powers, read_format(entry["formats"], powers), strict=True))
    exact = {int(power): Fraction(number(value)) for power, value in entry.get("coef", {}).items()}
    coef = {power: own[power].round(value) if power in own else value for power, value in exact.items()}
    return Problem(
        entry["id"],
        entry["function"],
        tuple(entry["domain"]),
        powers,
        entry["formats"],
        entry["objective"],
        fixed,
        {**{power: Fraction(value) for power, value in fixed.items()}, **coef} if coef else {},
        entry["fpminimax_error"],
    )


SIGMOID, GELU = "1/(1 + exp(-x))", "x*(1 + erf(x/sqrt(2)))/2"
MORE = (
    Problem("exp, softmax", "exp(x)", ("-log(2)/2", "log(2)/2"), (0, 1, 2, 3), "bfloat16", "relative"),
    Problem("2**x", "2**x", ("0", "1"), (0, 1, 2, 3, 4), "bfloat16", "relative"),
    Problem("sin", "sin(x)", ("-pi/4", "pi/4"), (1, 3, 5), "bfloat16", "relative", {1: 1.0}),
    Problem("cos", "cos(x)", ("0", "pi/4"), (0, 2, 4), "bfloat16"),
    Problem("sigmoid", "sigmoid(x)", ("-2", "2"), (0, 1, 3, 5), "bfloat16", elsewhere=SIGMOID),
    Problem("log1p", "log1p(x)", ("0", "1"), (0, 1, 2, 3, 4, 5), "float16"),
    Problem("tanh", "tanh(x)", ("-1", "1"), (1, 3, 5, 7, 9), "float16"),
    Problem("gelu", "gelu(x)", ("-1", "1"), (0, 1, 2, 4, 6), "float16", elsewhere=GELU),
    Problem("2**x, half", "2**x", ("-1/2", "1/2"), (0, 1, 2, 3, 4), "float16", "relative", {0: 1.0}),
    Problem("atan", "atan(x)", ("-1", "1"), (1, 3, 5, 7), "float16"),
    Problem("sin, q1.14", "sin(x)", ("2**-10", "pi/4"), (1, 3, 5), "q1.14"),
    Problem("exp, a format each", "exp(x)", ("0", "1"), (0, 1, 2, 3), ("float32", "float16", "bfloat16", "bfloat16")),
    Problem("sqrt, two intervals", "sqrt(x)", (("1/4", "1/2"), ("1", "2")), (0, 1, 2, 3), "bfloat16", "relative"),
    Problem("exp, weighed", "exp(x)", ("0", "1"), (0, 1, 2, 3), "float16", "1/(1 + x**2)"),
)
HARD = (
    Problem("T40", "cos(40*acos(x))", ("-1", "1"), tuple(range(21))),
    Problem("abs(x - 1/2)", "abs(x - 0.5)", ("-1", "1"), (0, 1, 2)),
    Problem("sin(x**2) + sin(x)**2", "sin(x**2) + sin(x)**2", ("0", "15"), tuple(range(111))),
    *(
        Problem(f"relu, degree {n}", "relu(x)", ("-1", "1"), tuple(range(n + 1)), elsewhere="(x + abs(x))/2")
        for n in (3, 7, 11)
    ),
    Problem("log, with its zero", "log(x)", ("1", "2"), tuple(range(6)), error="relative"),
    Problem("2**x, constant 1", "2**x", ("0", "1"), (0, 1, 2, 3), error="relative", fixed={0: 1.0}),
    Problem("expm1(x)/x", "expm1(x)/x", ("-1", "1"), tuple(range(6)), error="relative"),
    Problem("sqrt, its branch point", "sqrt(x)", ("0", "1"), tuple(range(6))),
)
