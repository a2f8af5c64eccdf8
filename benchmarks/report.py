"""The tables: written as Markdown, and read back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Table = list[list[str]]

TITLE = "How fast is `train`"
INTRODUCTION = """\
Written by `python benchmarks/train.py --write`, all of it in one run. In each round every contestant has its turn; the
table has the median over the rounds, the lower and upper quartile, and ratios taken round by round, of which it has the
median too. "Faster than eager" is the time of torch eager in float32 divided by the contestant's, "of C's time" the
contestant's time divided by that of the fastest C. Every contestant's result was compared with the same run by plain
NumPy before its time counted; one that computes something else is left out, and a line says so. Everything runs on one
core with one thread, in float64, unless its name says otherwise; whole processes may use all cores."""
COLUMNS = ("contestant", "median", "quartiles", "faster than eager", "of C's time")
AIM_COLUMNS = ("aim", "wanted", "measured", "")
MACHINE = "Machine and versions"
AIMS = "Aims"
MISSED, MET, UNKNOWN = "missed", "met", "not measured"


@dataclass(frozen=True)
class Unit:
    """In what a section's times are given: seconds times `scale`, or their inverse."""

    name: str
    scale: float = 1.0
    inverse: bool = False


@dataclass
class Section:
    """What was measured of one kind of work.

    Parameters
    ----------
    title : the section's.
    unit : of its times.
    times : seconds per unit of work of each contestant, one a round.
    eager, limit : the names that the others are compared with; None where there is none.
    notes : lines below the table: what was left out, and why.
    """

    title: str
    unit: Unit
    times: dict[str, Array] = field(default_factory=dict)
    eager: str | None = None
    limit: str | None = None
    notes: list[str] = field(default_factory=list)

    def ratio(self, above: str | None, below: str | None) -> float:
        """Return the median over the rounds of one's time by another's; not a number where one is missing."""
        if above not in self.times or below not in self.times:
            return math.nan
        return float(np.median(self.times[above] / self.times[below]))

    def table(self) -> Table:
        """Return the rows, slowest first."""
        order = sorted(self.times, key=lambda name: -float(np.median(self.times[name])))
        return [[name, *self._row(name)] for name in order]

    def _row(self, name: str) -> list[str]:
        values = self.times[name] * self.unit.scale
        if self.unit.inverse:
            values = self.unit.scale / self.times[name]
        low, middle, high = np.percentile(values, [25, 50, 75])
        ratios = (self.ratio(self.eager, name), self.ratio(name, self.limit))
        return [number(middle), f"{number(low)} – {number(high)}", *map(number, ratios)]

    def markdown(self) -> str:
        """Return the section."""
        header = [f"{name}, {self.unit.name}" if name == "median" else name for name in COLUMNS]
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"## {self.title}\n\n{table(header, self.table())}\n" + (notes + "\n" if notes else "")


@dataclass(frozen=True)
class Aim:
    """What was wanted, and what was measured."""

    name: str
    wanted: float
    measured: float
    at_most: bool = False

    @property
    def outcome(self) -> str:
        """Whether it was reached."""
        if math.isnan(self.measured):
            return UNKNOWN
        return MET if (self.measured <= self.wanted) == self.at_most or self.measured == self.wanted else MISSED

    def row(self) -> list[str]:
        """Return its line of the table."""
        bound = "at most" if self.at_most else "at least"
        return [self.name, f"{bound} {number(self.wanted)}", number(self.measured), self.outcome]

    def sentence(self) -> str:
        """Return what is to be said of an aim that was missed."""
        share = self.measured / self.wanted
        return (
            f"Missed: {self.name}: {number(self.measured)} is {share:.2f} times what was wanted, {number(self.wanted)}."
        )


def number(value: float) -> str:
    """Return three digits of a value, with a space between thousands; a dash where there is no value."""
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(digits, 0)}f}".replace(",", " ")


def value_of(text: str) -> float:
    """Return the value that `number` wrote."""
    return math.nan if text == "–" else float(text.replace(" ", ""))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns, but the first, are aligned to the right."""
    rule = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def document(machine: Mapping[str, str], aims: Sequence[Aim], sections: Sequence[Section]) -> str:
    """Return the whole page."""
    missed = [aim.sentence() for aim in aims if aim.outcome == MISSED]
    parts = [
        f"# {TITLE}\n\n{INTRODUCTION}\n",
        f"## {MACHINE}\n\n{table(('what', 'which'), list(machine.items()))}\n",
        f"## {AIMS}\n\n{table(AIM_COLUMNS, [aim.row() for aim in aims])}\n"
        + "".join(f"\n{sentence}\n" for sentence in missed),
        *(section.markdown() for section in sections),
    ]
    return "\n".join(parts)


def parse(text: str) -> dict[str, Table]:
    """Return the table of each section, its header first, from what `document` wrote."""
    found: dict[str, Table] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, *lines = part.splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        found[title] = [rows[0], *rows[2:]]
    return found
