"""The pages of the benchmarks: ``benchmarks/*.md`` with a picture after each table that says more as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.compile(r"^\|.*\n\|[ :|-]+\n(?:\|.*\n?)+", re.MULTILINE)
NUMBER = re.compile(r"^-?\d[\d ]*(\.\d+)?(e-?\d+)?")
# Okabe and Ito's colours, told apart by people who see few; each series has a mark of its own besides.
STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
QUIET = ("#6B6B6B", "o")
SETTINGS = {"svg.hashsalt": "polyoptim", "font.size": 9}


@dataclass(frozen=True)
class Picture:
    """Dots of a table: of which columns, under which heading, and what a reader looks for.

    Parameters
    ----------
    heading : the heading over the table, or its beginning.
    columns : the columns that are drawn, each its own mark.
    unit : what stands below the axis.
    ours : the beginning of the names of rows that are polyoptim's, drawn in colour; "" for none.
    line : a value that is marked: what is promised, or the same as the other's.
    log : whether the axis is logarithmic.
    end : where the axis ends; what is beyond stands at its end, with its value.
    """

    heading: str
    columns: tuple[str, ...]
    unit: str
    ours: str = ""
    line: float | None = None
    log: bool = True
    end: float | None = None


OURS = "polyoptim"
PICTURES = {
    "train": [
        Picture("Kernel", ("median, ms",), "milliseconds, less is better", OURS),
        Picture("Whole warm call", ("median, ms",), "milliseconds, less is better", OURS),
        Picture("Whole process", ("median, s",), "seconds, less is better", OURS),
        Picture("Sweep", ("median, runs/s",), "runs a second, more is better", OURS),
        Picture("Huber loss, N = 1e5", ("median, µs a step",), "microseconds a step, less is better", OURS),
        Picture("Minibatches", ("median, µs a step",), "microseconds a step, less is better", OURS),
    ],
    "fit": [
        Picture("1 000 rows, degree 3", ("median, ms",), "milliseconds, less is better", OURS),
        Picture("10 000 000 rows, degree 3", ("median, ms",), "milliseconds, less is better", OURS),
        Picture("10 000 000 rows, degree 10", ("median, ms",), "milliseconds, less is better", OURS),
        Picture("1 000 000 groups", ("million fits/s",), "million fits a second, more is better", OURS),
    ],
    "approximate": [
        Picture("Coefficients in the format", ("of fpminimax",), "our error, of fpminimax's; less is better", line=1.0),
        Picture("Whole calls", ("published / ours",), "published error over ours, more is better", line=1.0),
    ],
    "shipped": [
        Picture("Largest error in ulp", ("published", "ours"), "units in the last place, less is better"),
    ],
    "functions": [
        Picture("Functions", ("ours, ulp", "platform, ulp", "SLEEF, ulp"), "ulp, less is better", log=False, end=2.5),
        Picture("Functions", ("array, ns", "one by one, ns", "platform, ns"), "nanoseconds a value, less is better"),
    ],
    "intervals": [
        Picture("Squares", ("least, %", "largest, %"), "% of the draws in which the band held", line=95, log=False),
    ],
}  # fmt: skip


def write_benchmarks(place: Path) -> None:
    """Write the pages and their pictures into a folder; benchmarks/README.md becomes its first page."""
    place.mkdir(exist_ok=True)
    sources = sorted((ROOT / "benchmarks").glob("*.md"))
    for source in sources:
        text = source.read_text(encoding="utf-8")
        pictures = list(enumerate(PICTURES.get(source.stem, []), start=1))
        for number_of, picture in reversed(pictures):  # two of one table stand in their order
            name = f"{source.stem}-{number_of}.svg"
            rows = rows_of(text, picture)
            draw(rows, picture, place / name)
            text = insert(text, picture, f"![{alt(rows, picture)}]({name})")
        (place / source.name).write_text(text, encoding="utf-8")
    names = "\n".join(source.stem for source in sources if source.stem != "README")
    first = (place / "README.md").rename(place / "index.md")
    with first.open("a", encoding="utf-8") as file:
        file.write(f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n")


def find(text: str, picture: Picture) -> re.Match[str]:
    """Return where the table of a picture stands."""
    start = re.search(rf"^## {re.escape(picture.heading)}", text, re.MULTILINE)
    found = TABLE.search(text, start.end()) if start else None
    if found is None:
        raise ValueError(f"there is no table under {picture.heading!r}.")
    return found


def rows_of(text: str, picture: Picture) -> list[tuple[str, list[float | None]]]:
    """Return what a picture shows of its table: the name of each row, and its numbers; None for a dash."""
    head, _, *lines = [
        [cell.strip() for cell in line.strip("| \n").split("|")] for line in find(text, picture)[0].splitlines()
    ]
    first = min(head.index(column) for column in picture.columns)
    words = [
        place
        for place in range(first)
        if all(number(line[place]) is None for line in lines) or picture.heading == "Squares"
    ]
    found = [
        (", ".join(line[place] for place in words), [number(line[head.index(column)]) for column in picture.columns])
        for line in lines
    ]
    return [(name.replace("`", ""), values) for name, values in found if any(value is not None for value in values)]


def number(cell: str) -> float | None:
    """Return the number that a cell begins with, or None."""
    found = NUMBER.match(cell)
    return float(found[0].replace(" ", "")) if found else None


def insert(text: str, picture: Picture, image: str) -> str:
    """Return the page with an image after its table."""
    end = find(text, picture).end()
    return f"{text[:end]}\n{image}\n{text[end:]}"


def alt(rows: Sequence[tuple[str, list[float | None]]], picture: Picture) -> str:
    """Return what the picture shows, for those who do not see it: the ends of each column."""
    said = []
    for place, column in enumerate(picture.columns):
        known = sorted((values[place], name) for name, values in rows if values[place] is not None)
        said.append(f"{column}: from {known[0][0]:g} ({known[0][1]}) to {known[-1][0]:g} ({known[-1][1]})")
    return f"Dots of the table above. {'; '.join(said)}.".replace("[", "(").replace("]", ")")


def draw(rows: Sequence[tuple[str, list[float | None]]], picture: Picture, path: Path) -> None:
    """Draw a row of dots for each row of the table."""
    figure = Figure(figsize=(7.2, 0.8 + 0.21 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, column in enumerate(picture.columns):
        for height, (name, values) in enumerate(rows):
            mine = not picture.ours or name.startswith(picture.ours)
            color, mark = STYLES[place] if mine else QUIET
            label = column if height == 0 and len(picture.columns) > 1 else None
            value = values[place]
            if value is not None and picture.end is not None and value > picture.end:
                axes.plot(picture.end, height, ">", color=color, markersize=7, clip_on=False, zorder=3)
                axes.annotate(f"{value:,.0f}   ", (picture.end, height), ha="right", va="center")
            elif value is not None:
                axes.plot(value, height, mark, color=color, markersize=7 if mine else 5, label=label, zorder=3)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    for tick, (name, _) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if picture.ours and name.startswith(picture.ours) else "normal")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xscale("log" if picture.log else "linear")
    axes.set_xlim(right=picture.end)
    axes.set_xlabel(picture.unit)
    axes.grid(color="#E0E0E0", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    if picture.line is not None:
        axes.axvline(picture.line, color="black", linestyle="--", linewidth=1)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper right", ncols=4, frameon=False)
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
