"""Round the polynomials of published code to their formats: ``python benchmarks/rounding.py [--write] [NAME …]``.

--write refreshes rounding.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import flint  # noqa: E402 - after this checkout's polyoptim is found
import numpy as np  # noqa: E402
import scipy  # noqa: E402
from flint import arb, ctx  # noqa: E402
from report import table  # noqa: E402
from scipy.optimize import linprog  # noqa: E402

from polyoptim.formats import read_format  # noqa: E402
from polyoptim.solvers.lattice import Rounded, RoundingProblem, round_polynomial  # noqa: E402
from polyoptim.solvers.weighted_grid import Grid, as_floats, scaled  # noqa: E402
from polyoptim.targets.balls import evaluate  # noqa: E402
from polyoptim.targets.expression import parse  # noqa: E402

PAGE = HERE / "rounding.md"
ROUNDS, BITS, MOST_BITS, DIGITS = 12, 192, 1200, 100
INTRODUCTION = """\
Written by `python benchmarks/rounding.py --write`. Each problem is that of a published set of coefficients
(`published.json` names the source). The error is that of the best coefficients found in the format, over that of
Sollya 8.0's `fpminimax` and over that of rounding each real coefficient by itself; the gap is to a lower bound for all
coefficients in the format. The time is that of one call of `round_polynomial`, real coefficients given."""


@dataclass(frozen=True)
class Case:
    """A published polynomial as a problem, its real coefficients, and the error that fpminimax reaches."""

    name: str
    problem: RoundingProblem
    minimax: tuple[Fraction, ...]
    fpminimax: float


def cases(names: Sequence[str] = ()) -> list[Case]:
    """Return the published problems, or some of them."""
    document = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
    return [read(entry) for entry in document["cases"] if not names or entry["id"] in names]


def read(entry: Mapping[str, Any]) -> Case:
    """Return a case from its entry."""
    a, b = map(constant, entry["domain"])
    fixed = {int(power): rational(value) for power, value in entry["fixed"].items()}
    powers = tuple(entry["powers"])
    sample = sampler(entry["function"], relative=entry["objective"] == "relative")
    problem = RoundingProblem(sample, ((a, b),), powers, read_format(entry["formats"], powers), fixed)
    return Case(entry["id"], problem, minimax(problem), entry["fpminimax_error"])


def sampler(function: str, *, relative: bool) -> Any:
    """Return what evaluates an expression and the weight of its errors in ball arithmetic."""
    tree = parse(function).root

    def sample(x: arb) -> tuple[arb, arb]:
        value = evaluate(tree, x)
        return value, 1 / abs(value) if relative else arb(1)

    return sample


def constant(text: str) -> Fraction:
    """Return the value of an expression without x to 200 bits."""
    with ctx.workprec(256):
        return Fraction(scaled(evaluate(parse(text).root, arb(0)), 200), 1 << 200)


def rational(text: str) -> Fraction:
    """Return a decimal or hexadecimal number."""
    return Fraction(float.fromhex(text)) if "x" in text else Fraction(text)


def minimax(problem: RoundingProblem) -> tuple[Fraction, ...]:
    """Return the real coefficients with the least largest error, by linear programs on residuals."""
    count = len(problem.powers)
    coef, bits = [Fraction(0)] * count, BITS
    while True:
        grid = Grid(problem.sample, problem.pieces, problem.powers, problem.fixed, bits)
        grid.fill(12 * (count + 2))
        for _ in range(ROUNDS):
            errors = grid.errors(coef)
            if not (unit := np.abs(errors).max()):
                break
            powers = as_floats([value for row in grid.rows for value in row.powers], bits).reshape(-1, count)
            sizes = np.abs(powers).max(axis=0)
            q, r = np.linalg.qr(powers / sizes)
            one = np.ones((len(q), 1))
            system, ends = np.block([[q, -one], [-q, -one]]), np.append(-errors, errors) / unit
            solved = linprog(np.append(np.zeros(count), 1.0), system, ends, bounds=(None, None))
            change = np.linalg.solve(r, solved.x[:-1] * unit) / sizes
            coef = [value + Fraction(float(by)) for value, by in zip(coef, change, strict=True)]
            grid.refine(grid.errors(coef))
        error = np.abs(grid.errors(coef)).max()
        if bits >= MOST_BITS or (error and np.frexp(error)[1] + bits >= DIGITS):
            return tuple(coef)
        bits += 252


def line(case: Case, found: Rounded, seconds: float) -> list[str]:
    """Return a line of the table."""
    return [
        case.name,
        ", ".join(dict.fromkeys(known.name for known in case.problem.formats)),
        f"{found.error:.6g}",
        f"{found.error / case.fpminimax:.6f}",
        f"{found.error / found.nearest:.6f}" if found.nearest else "1",
        f"{found.gap:.1e}",
        f"{1e3 * seconds:.0f}",
    ]


def main() -> int:
    """Measure, print the page, and return 1 where an error or a gap is larger than it is to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    lines, ratios, times, gaps = [], [], [], []
    for case in cases(given.names):
        begin = time.perf_counter()
        found = round_polynomial(case.problem, case.minimax)
        times.append(time.perf_counter() - begin)
        ratios.append(found.error / case.fpminimax)
        gaps.append(found.gap)
        lines.append(line(case, found, times[-1]))
    header = ("polynomial", "format", "error", "of fpminimax", "of rounding each", "gap", "ms")
    machine = f"{platform.machine()}, Python {platform.python_version()}, SciPy {scipy.__version__}"
    summary = (
        f"{len(lines)} polynomials: at most 1.0005 of fpminimax's error on {sum(r <= 1.0005 for r in ratios)}, below "
        f"0.99 on {sum(r < 0.99 for r in ratios)}; the largest gap {max(gaps):.1e}; median "
        f"{1e3 * np.median(times):.0f} ms, worst {1e3 * max(times):.0f} ms. {time.strftime('%Y-%m-%d')}, {machine}, "
        f"python-flint {flint.__version__}, one run."
    )
    page = f"# Coefficients in a format\n\n{INTRODUCTION}\n\n{summary}\n\n{table(header, lines)}\n"
    print(page)
    if given.write:
        PAGE.write_text(page, encoding="utf-8")
    return int(max(ratios) > 1.0005 or max(gaps) > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
