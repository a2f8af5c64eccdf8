"""A front as text: one row a point, the best ones marked."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence

from polyoptim.frontier.points import Front, Point
from polyoptim.solution import Status

WIDTH = 80
MARK = "*"
FUSED = "fused"  # whether a product and a sum are rounded once
CRITERION_WORDS = {
    "max_ulp": "the largest error in ulp",
    "flips": "the share of flips",
    "total_error_bound": "the proved bound with rounding",
    "sup_error": "the largest error in exact arithmetic, for not all points have a bound with rounding",
}
KIND_WORDS = {
    "exhaustive": "exhaustive: every input was tried",
    "sampled": "sampled: some of the inputs were tried",
}


def report(front: Front) -> str:
    """Return the report of a front."""
    ends = " and ".join(f"[{low}, {high}]" for low, high in front.target["domains"])
    title = f"polyoptim front: {counted(len(front.points), 'point')} for {front.target['text']} on {ends}"
    parts = [title]
    unmade = sum(point.status == Status.INTERRUPTED and point.result is None for point in front.points)
    if front.interrupted:
        parts.append(f"Interrupted: {len(front.points) - unmade} of them were tried; the others have no numbers.")
    parts += [_table(front), *_failures(front.points), _key(front)]
    parts += [wrapped(f"Note: {note}") for note in front.notes]
    return "\n\n".join(parts) + "\n"


def kind_of_error(error: str) -> str:
    """Return what the error is, in words."""
    return error if error in ("absolute", "relative") else f"weighted by {error}"


def counted(count: int, thing: str) -> str:
    """Return "1 point" or "5 points"."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


def _table(front: Front) -> str:
    """Return the table, without the columns in which all points are alike; these are said above it."""
    points = front.points
    measured = any(point.max_ulp is not None for point in points)
    words: list[tuple[str, Callable[[Point], str]]] = [
        ("format", lambda point: point.format),
        ("computed in", lambda point: point.compute_format or "–"),
        ("output", lambda point: point.output_format or "–"),
        ("scheme", lambda point: point.scheme),
        (FUSED, lambda point: "yes" if point.fma else "no"),
    ]
    numbers: list[tuple[str, Callable[[Point], str]]] = [
        ("error", lambda point: _short(point.sup_error) if point.result else _missing(point)),
        ("with rounding", lambda point: _short(point.total_error_bound)),
        *([("ulp", lambda point: _short(point.max_ulp, 6)), ("flips", _flips)] if measured else []),
        ("FMA", lambda point: _count(point.fma_count)),
        ("mul", lambda point: _count(point.mul_count)),
        ("add", lambda point: _count(point.add_count)),
        ("depth", lambda point: _count(point.depth)),
    ]
    same = [(name, value(points[0])) for name, value in words if len(set(map(value, points))) == 1]
    kept = [(name, value) for name, value in words if name not in dict(same)]
    if all(point.compute_format == point.format and point.output_format == point.format for point in points):
        kept = [(name, value) for name, value in kept if name not in ("computed in", "output")]
        same = [(name, value) for name, value in same if name not in ("computed in", "output")]
    elif all(point.compute_format == point.format for point in points):
        kept = [(name, value) for name, value in kept if name != "computed in"]
    numbers = [(name, value) for name, value in numbers if set(map(value, points)) - {"0", "–"}]
    columns = [
        ("", lambda point: MARK if point.best else ""),
        ("#", lambda point: str(point.number)),
        ("degree", lambda point: str(point.degree)),
        *kept,
        *numbers,
    ]
    rows = [[name for name, _ in columns], *([value(point) for _, value in columns] for point in points)]
    lefts = {0, *range(3, 3 + len(kept))}
    return f"{_alike(front, same)}\n\n{aligned(rows, lefts)}"


def _alike(front: Front, same: Sequence[tuple[str, str]]) -> str:
    """Return what all points have in common."""
    arguments = front.arguments
    fixed = ", ".join(f"{power}={value}" for power, value in (arguments["fixed"] or {}).items())
    said = [f"{kind_of_error(arguments['error'])} error", f"objective {arguments['objective']}"]
    said += [f"fixed {fixed}"] if fixed else []
    said += [f"{name} {value}" for name, value in same if value != "–" and name != FUSED]
    if FUSED in dict(same):
        said.append("products and sums fused" if dict(same)[FUSED] == "yes" else "products and sums rounded apart")
    return wrapped("Alike for all: " + ", ".join(said) + ".")


def aligned(rows: Sequence[Sequence[str]], lefts: set[int]) -> str:
    """Return rows as columns of text, some to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in lefts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _short(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else "∞" if math.isinf(value) else f"{value:.{digits}g}"


def _flips(point: Point) -> str:
    return "–" if point.flips is None else f"{100 * point.flips:.3g} %"


def _count(count: int | None) -> str:
    return "–" if count is None else str(count)


def _missing(point: Point) -> str:
    return "failed" if point.status == Status.FAILED else "not made"


def _failures(points: Sequence[Point]) -> list[str]:
    """Return the reasons of points that failed, each with its points."""
    reasons: dict[str, list[int]] = {}
    for point in points:
        if point.status == Status.FAILED:
            reasons.setdefault(point.reason, []).append(point.number)
    if not reasons:
        return []
    lines = [
        wrapped(f"{'Point' if len(them) == 1 else 'Points'} {', '.join(map(str, them))} failed: {reason}")
        for reason, them in reasons.items()
    ]
    return ["\n".join(lines)]


def wrapped(text: str) -> str:
    """Return a paragraph, broken into lines."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _key(front: Front) -> str:
    """Return what the columns say, of how the numbers were obtained."""
    made = front.made
    sampled = [str(point.number) for point in made if point.sup_error_kind == "sampled"]
    proof = "proved" if not sampled else f"sampled for {', '.join(sampled)}, proved for the others"
    if len(sampled) == len(made):
        proof = "sampled"
    sentences = [f"error: the largest, {kind_of_error(front.arguments['error'])}, in exact arithmetic, {proof}."]
    sentences.append("with rounding: a proved bound, each operation rounded.")
    by_kind: dict[str, set[str]] = {}
    for point in made:
        if point.max_ulp_kind is not None:
            by_kind.setdefault(point.max_ulp_kind, set()).add(_inputs(point))
    if by_kind:
        outputs = list(dict.fromkeys(point.output_format or "" for point in made if point.max_ulp_kind))
        where = "; ".join(f"{', '.join(sorted(inputs))} ({KIND_WORDS[kind]})" for kind, inputs in by_kind.items())
        sentences.append(f"ulp: the largest error in units in the last place of {' or '.join(outputs)}; flips: the "
                         f"share that is not correctly rounded; over {where}.")  # fmt: skip
    computed = {point.compute_format for point in made if point.max_ulp_kind}
    if len(computed) > 1:
        sentences.append("Each is measured on numbers of its own format; the rounding of x to it is not counted.")
    best = f"{MARK} no other point is at least as good in error, operations and depth, and better in one of them; "
    text = [*sentences, f"{best}the error is {CRITERION_WORDS[front.criterion]}."]
    return "\n".join([*map(wrapped, text), f"Time: {front.seconds:.3g} s."])


def _inputs(point: Point) -> str:
    """Return over which inputs a point was measured."""
    assert point.result is not None  # noqa: S101
    if point.result.arguments["inputs"] == "grid":
        return f"the 2^24 points of the grid in {point.compute_format}"
    return f"all {point.compute_format} in the domain"
