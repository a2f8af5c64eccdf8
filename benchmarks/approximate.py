"""Measure approximate() side by side with Sollya: ``python benchmarks/approximate.py [--rounds N] [--write] [NAME …]``.

In each round every problem has its turn, ours and Sollya's one after the other. --write refreshes approximate.md; it
takes some minutes. Without Sollya its columns are left out, a line says so, and errors are compared with recorded ones.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
import peers_sollya as sollya  # noqa: E402
from peers_sollya import Answer  # noqa: E402
from problems import HARD, MORE, Problem, published  # noqa: E402
from report import AIM_COLUMNS, AIMS, MACHINE, Aim, number, table  # noqa: E402

from polyoptim import PolyoptimError, approximate  # noqa: E402
from polyoptim.checker import check  # noqa: E402
from polyoptim.engines.surroundings import processor  # noqa: E402
from polyoptim.formats import read_format  # noqa: E402
from polyoptim.result import Result  # noqa: E402
from polyoptim.solvers.enclosure import Enclosure  # noqa: E402
from polyoptim.solvers.proof import to_certificate  # noqa: E402
from polyoptim.solvers.supremum import enclose  # noqa: E402
from polyoptim.targets.expression import parse  # noqa: E402

PAGE = HERE / "approximate.md"
COLD = 5  # problems that are also solved from a cold shell
INTRODUCTION = """\
Written by `python benchmarks/approximate.py --write`, all of it in one run. The problems are those of published sets of
coefficients (`published.json` names the sources). In each round every problem has its turn, ours and Sollya's one after
the other; times are medians over the rounds. Ours are those of whole calls in a process that has polyoptim loaded. Each
call of Sollya is a process of its own (165 bits, default options), and the time is the one inside, by its `time`. All
errors, of our polynomials, Sollya's and the published ones, are measured alike: by our proved enclosure, to 1e-6."""


@dataclass
class Measured:
    """What was found of one problem: ours, Sollya's, and seconds of each round by name."""

    problem: Problem
    real: Result | None = None
    found: Result | None = None
    bound: Enclosure | None = None
    accepted: bool = False
    remez: Answer = field(default_factory=Answer)
    fpminimax: Answer = field(default_factory=Answer)
    supnorm: Answer = field(default_factory=Answer)
    reason: str = ""
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def take(self, name: str, call: Callable[[], Any]) -> Any:
        """Return what a call returns, and keep its time."""
        begin = time.perf_counter()
        answer = call()
        self.keep(name, time.perf_counter() - begin)
        return answer

    def keep(self, name: str, seconds: float) -> None:
        """Keep a time."""
        self.seconds.setdefault(name, []).append(seconds)

    def median(self, name: str) -> float:
        """Return the median time of something; not a number where it was not measured."""
        return float(np.median(self.seconds[name])) if name in self.seconds else math.nan

    def error_of(self, coef: Mapping[int, Fraction]) -> float:
        """Return the largest error of a polynomial; not a number where there is none."""
        return error_of(self.problem, coef).lower if coef else math.nan

    @property
    def by_sollya(self) -> float:
        """The error that Sollya reaches in the formats."""
        answer = self.remez if self.problem.format == "real" else self.fpminimax
        error = self.error_of(answer.coef)
        return error if not math.isnan(error) or self.problem.recorded is None else self.problem.recorded


def error_of(problem: Problem, coef: Mapping[int, Fraction]) -> Enclosure:
    """Return the proved enclosure of the error of a polynomial."""
    weight = problem.error if problem.error in ("absolute", "relative") else parse(problem.error).root
    return enclose(problem.root, coef, problem.ends, error=weight)


def exact(result: Result) -> dict[int, Fraction]:
    """Return the coefficients of a result by power."""
    formats = dict(zip(result.powers, read_format(result.arguments["format"], result.powers), strict=True))
    texts = [(power, text) for power, text in enumerate(result.coef_hex or ()) if power in formats]
    return {power: _exact(text, formats[power]) for power, text in texts}


def _exact(text: str, own: Any) -> Fraction:
    if own.finest is None:
        return Fraction(text)
    return Fraction(float.fromhex(text)) if own.digits else int(text, 16) * Fraction(2) ** own.finest


def measure(one: Measured, *, peer: bool) -> None:
    """Solve a problem once more, beside Sollya where it can be asked."""
    problem, peer = one.problem, peer and sollya.is_possible(one.problem)
    try:
        one.real = one.take("minimax", lambda: approximate(problem.target, prove=False, **problem.arguments("real")))
        if peer and not one.remez.process > sollya.LIMIT / 3:
            one.remez = sollya.remez(problem)
            one.keep("remez", one.remez.inside)
        one.take("format", lambda: approximate(problem.target, prove=False, **problem.arguments()))
        if peer and problem.format != "real":
            one.fpminimax = sollya.fpminimax(problem)
            one.keep("fpminimax", one.fpminimax.inside)
        one.found = one.take("call", lambda: approximate(problem.target, **problem.arguments()))
    except PolyoptimError as error:
        one.reason = str(error)
        return
    coef = exact(one.found)
    one.bound = one.take("enclose", lambda: error_of(problem, coef))
    if one.bound.proved:
        certificate = to_certificate(one.bound)
        one.accepted = one.take("check", lambda: check(certificate)).ok
    if peer and not one.supnorm.process > sollya.LIMIT / 3:
        one.supnorm = sollya.supnorm(problem, coef)
        one.keep("supnorm", one.supnorm.inside)


def milliseconds(value: float) -> str:
    """Return a time in ms."""
    return number(1e3 * value)


def six(value: float | None) -> str:
    """Return six digits; a dash where there is no value."""
    return "–" if value is None or math.isnan(value) else f"{value:.6g}"


def ratio(a: float | None, b: float | None) -> float:
    """Return a quotient; not a number where one is missing."""
    return a / b if a is not None and b else math.nan


class Row(NamedTuple):
    """A problem for which a polynomial was found, with it, the one with real coefficients, and its bounds."""

    one: Measured
    found: Result
    real: Result
    bound: Enclosure


def solved(many: Sequence[Measured]) -> list[Row]:
    """Return those for which a polynomial was found."""
    return [Row(one, one.found, one.real, one.bound) for one in many if one.found and one.real and one.bound]


Columns = Sequence[tuple[str, bool, Callable[[Row], str]]]  # whether it is Sollya's


def section(title: str, text: str, many: Sequence[Measured], columns: Columns, *, peer: bool) -> str:
    """Return a section with a table."""
    shown = [column for column in columns if peer or not column[1]]
    lines = [[call(row) for _, _, call in shown] for row in solved(many)]
    return f"## {title}\n\n{text}\n\n{table([name for name, _, _ in shown], lines)}\n"


def gap(result: Result) -> str:
    """Return how far an error is above its lower bound."""
    return f"{result.gap or 0:.0e}"


def milliseconds_of(name: str) -> Callable[[Row], str]:
    """Return what writes the time of a step."""
    return lambda row: milliseconds(row.one.median(name))


def answered(name: str) -> Callable[[Row], str]:
    """Return what writes the time of a call of Sollya, or why there was no answer."""

    def text(row: Row) -> str:
        answer: Answer = getattr(row.one, name)
        return answer.reason or milliseconds(row.one.median(name))

    return text


def _width(row: Row) -> str:
    return f"{row.bound.upper / row.bound.lower - 1:.0e}" if row.bound.lower else "0"


def _published(row: Row) -> float:
    return row.one.error_of(row.one.problem.published)


def _beside(row: Row) -> str:
    """Return remez' error over ours, or that there is none."""
    if not row.one.remez.coef:
        return "–"
    its = error_of(row.one.problem, row.one.remez.coef)
    return six(its.lower / row.bound.lower) if math.isfinite(its.upper) else "no bound"


NAME = ("polynomial", False, lambda row: row.one.problem.name)
REAL: Columns = (
    NAME,
    ("error", False, lambda row: six(row.real.sup_error)),
    ("gap", False, lambda row: gap(row.real)),
    ("ms", False, milliseconds_of("minimax")),
    ("of remez", True, lambda row: six(ratio(row.real.sup_error, row.one.error_of(row.one.remez.coef)))),
    ("remez, ms", True, answered("remez")),
)
ROUNDED: Columns = (
    NAME,
    ("format", False, lambda row: ", ".join(dict.fromkeys(row.one.problem.formats))),
    ("error", False, lambda row: six(row.bound.lower)),
    ("gap", False, lambda row: gap(row.found)),
    ("ms", False, milliseconds_of("format")),
    ("of fpminimax", False, lambda row: six(ratio(row.bound.lower, row.one.by_sollya))),
    ("fpminimax, ms", True, answered("fpminimax")),
)
PROVED: Columns = (
    NAME,
    ("width", False, _width),
    ("ms", False, milliseconds_of("enclose")),
    ("checked, ms", False, lambda row: milliseconds(row.one.median("check")) if row.one.accepted else "not accepted"),
    ("supnorm, ms", True, answered("supnorm")),
)
CALLS: Columns = (
    NAME,
    ("ms", False, milliseconds_of("call")),
    ("error", False, lambda row: six(row.found.sup_error)),
    ("published", False, lambda row: six(_published(row))),
    ("published / ours", False, lambda row: number(ratio(_published(row), row.found.sup_error))),
)
DIFFICULT: Columns = (
    NAME,
    ("error", False, lambda row: six(row.bound.lower)),
    ("kind", False, lambda row: str(row.found.sup_error_kind)),
    ("gap", False, lambda row: gap(row.found)),
    ("whole call, ms", False, milliseconds_of("call")),
    ("remez, of our error", True, _beside),
    ("remez, ms", True, answered("remez")),
    ("supnorm, ms", True, answered("supnorm")),
)


def aims_of(many: Sequence[Measured]) -> list[Aim]:
    """Return the aims with what was reached."""
    rows = solved(many)
    ratios = np.array([ratio(bound.lower, one.by_sollya) for one, _, _, bound in rows])
    widths = [bound.upper / bound.lower - 1 if bound.lower else 0.0 for _, _, _, bound in rows]
    return [
        Aim("error above fpminimax's where it is most, %", 0.05, 100 * (float(ratios.max()) - 1), at_most=True),
        Aim("share with an error below 0.99 of fpminimax's, %", 30, 100 * float((ratios < 0.99).mean())),
        Aim(
            "largest gap to the lower bound, %", 0.1, 100 * max(found.gap or 0 for _, found, _, _ in rows), at_most=True
        ),
        Aim("share with a proved error, %", 100, 100 * sum(bound.proved for *_, bound in rows) / len(many)),
        Aim("share that the checker accepts, %", 100, 100 * sum(one.accepted for one in many) / len(many)),
        Aim("widest enclosure, relative", 1e-5, max(widths), at_most=True),
        Aim("slowest enclosure, s", 0.1, max(one.median("enclose") for one, *_ in rows), at_most=True),
    ]


def cold(problems: Sequence[Problem]) -> str:
    """Return a sentence about calls from a cold shell."""
    ours, theirs = [], []
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    for problem in problems[:: max(1, len(problems) // COLD)]:
        code = f"from polyoptim import approximate; approximate({problem.target!r}, **{problem.arguments()!r})"
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        ours.append(time.perf_counter() - begin)
        if sollya.is_installed():
            answer = sollya.fpminimax(problem) if problem.format != "real" else sollya.remez(problem)
            theirs.append(answer.process + sollya.supnorm(problem, answer.coef).process)
    text = f"From a cold shell, median of {len(ours)} problems: the whole call {np.median(ours):.2f} s"
    return text + (f", Sollya's fpminimax and supnorm together {np.median(theirs):.2f} s." if theirs else ".")


def machine(rounds: int, load: float, *, peer: bool) -> dict[str, str]:
    """Return what the numbers depend on."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "python-flint")}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": f"{len(os.sched_getaffinity(0))}, shared with other work: a load of {load:.1f} before the run",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **packages,
        **({"Sollya": sollya.version()} if peer else {}),
        "rounds": str(rounds),
    }


def summary(many: Sequence[Measured], *, peer: bool) -> str:
    """Return the times in a sentence."""
    names = ["minimax", "remez", "format", "fpminimax", "enclose", "check", "supnorm", "call"]
    said = []
    for name in names:
        times = [one.median(name) for one in many if not math.isnan(one.median(name))]
        if times:
            said.append(f"{name} {milliseconds(float(np.median(times)))} (at most {milliseconds(max(times))})")
    text = f"Medians over the {len(many)} problems, ms: {', '.join(said)}."
    failed = sum(bool(one.supnorm.reason) for one in many)
    return text + (f" supnorm gave nothing on {failed} of them." if peer else "")


def page(found: Mapping[str, Sequence[Measured]], header: Mapping[str, str], shell: str, *, peer: bool) -> str:
    """Return the whole page."""
    many, more, hard = found["published"], found["more"], found["hard"]
    parts = [
        f"# Approximation, beside Sollya\n\n{INTRODUCTION}\n",
        f"## {MACHINE}\n\n{table(('what', 'which'), list(header.items()))}\n",
    ]
    if many:
        parts.append(f"## {AIMS}\n\n{table(AIM_COLUMNS, [aim.row() for aim in aims_of(many)])}\n\n{WORDS}\n")
        parts.append(f"{summary(many, peer=peer)} {shell}\n")
        parts.append(
            section("Real coefficients", "The gap is to a bound that no polynomial is below.", many, REAL, peer=peer)
        )
        parts.append(section("Coefficients in the format", FORMAT_WORDS, many, ROUNDED, peer=peer))
        parts.append(section("Proved bounds of these polynomials", PROVED_WORDS, many, PROVED, peer=peer))
        parts.append(section("Whole calls, and the coefficients in use", CALL_WORDS, many, CALLS, peer=peer))
    if more:
        parts.append(section("Other formats", MORE_WORDS, more, ROUNDED, peer=peer))
    if hard:
        parts.append(section("Cases on which other tools fail", HARD_WORDS, hard, DIFFICULT, peer=peer))
    failed = [one for some in found.values() for one in some if one.reason]
    parts += [f"- {one.problem.name}: {one.reason}\n" for one in failed]
    parts += [] if peer else ["- Sollya is not installed: its columns are left out.\n"]
    return "\n".join(parts)


WORDS = """\
In words: end points (`through`), several intervals, weights, a format for each coefficient, bfloat16, float16, Qm.n and
"real" are arguments of one function; what is installed for it comes from `pip install`."""
REAL_WORDS = "The gap is to a bound that no polynomial is below."
FORMAT_WORDS = """\
Error and gap of the best coefficients found in the format; where that is "real" the comparison is with `remez`."""
PROVED_WORDS = """\
Our enclosure is asked for a width of 1e-6, and `supnorm` for 2^-20; the certificate is then proved again by
`polyoptim.checker`."""
CALL_WORDS = """\
`approximate(…)` as users write it: minimax, rounding, proof. Beside it the coefficients in use, on the same domain."""
MORE_WORDS = """\
bfloat16 is 8 digits for Sollya. A dash: Sollya has no such problem (several intervals, a weight of one's own)."""
HARD_WORDS = f"""\
Real coefficients. "fails": Sollya ends without an answer; a process has {sollya.LIMIT} s; "no polynomial": the target
comes back. Where `remez` gives a polynomial, its error is over ours. No polynomial of degree 110 follows sin(x**2) on
[0, 15]: the best error is 1."""


def main() -> int:
    """Measure, print the page, and return 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("names", nargs="*", metavar="NAME", help="published problems; all, and the others, by default")
    given = parser.parse_args()
    peer, load = sollya.is_installed(), os.getloadavg()[0]
    problems = {"published": published(given.names), "more": MORE, "hard": HARD}
    found = {
        kind: [Measured(problem) for problem in some] if kind == "published" or not given.names else []
        for kind, some in problems.items()
    }
    for turn in range(given.rounds):
        for kind, some in found.items():
            for one in some:
                if turn == 0 or one.median("call") < sollya.LIMIT / 10 or kind == "published":
                    measure(one, peer=peer)
                print(turn, one.problem.name, file=sys.stderr, flush=True)
    shell = cold(problems["published"])
    text = page(found, machine(given.rounds, load, peer=peer), shell, peer=peer)
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return int(any(aim.outcome == "missed" for aim in aims_of(found["published"])))


if __name__ == "__main__":
    sys.exit(main())
