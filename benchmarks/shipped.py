"""Measure what ships: ``python benchmarks/shipped.py [--write] [flips ulp speed]``.

Flips and ulp of published kernels and of ours with the same powers, in the arithmetic that ships, and how long it takes
to try all inputs. --write refreshes shipped.md; it takes some minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
from problems import Problem, published  # noqa: E402
from report import AIM_COLUMNS, AIMS, MACHINE, Aim, table  # noqa: E402

from polyoptim import approximate  # noqa: E402
from polyoptim.engines.surroundings import processor  # noqa: E402
from polyoptim.formats import FORMATS  # noqa: E402
from polyoptim.measuring import Measurement, measure  # noqa: E402
from polyoptim.request import inner_ends, read_domains  # noqa: E402
from polyoptim.result import Result  # noqa: E402
from polyoptim.shipped import Computed  # noqa: E402
from polyoptim.shipped.programs import least_sum  # noqa: E402
from polyoptim.targets.expression import parse  # noqa: E402

PAGE = HERE / "shipped.md"
SINGLE, BRAIN = FORMATS["float32"], FORMATS["bfloat16"]
FLIPS = "fa4_ex2_d3"
WHOLE = {"fa4_ex2_d3": ("0", "1"), "fa4_ex2_d5": ("0", "1")}  # the domain in use; `published.json` leaves 0 out
# Sets for exp and exp2 in float32, and what was reached before where that is known, in ulp.
ULP = {
    "fa4_ex2_d5": 1.679,
    "arm_exp2f": 1.709,
    "sleef_exp2f": math.nan,
    "arm_exp2f_1u": math.nan,
    "torch_exp_u20": math.nan,
    "arm_exp_umax_d3": math.nan,
    "cephes_expf": math.nan,
    "cephes_exp10f": math.nan,
    "simd_exp_d4": math.nan,
}
WANTED = {"constant 1": 0.861, "constant free": 0.682}  # per cent of flips
SPEED = 5  # rounds

INTRODUCTION = """\
Written by `python benchmarks/shipped.py --write`, all of it in one run. Every value is that of the polynomial in
Horner's scheme with FMA, each operation rounded to float32, at each of the 2^24 multiples of 2^-24 of the domain's
length: the figures are exhaustive. `published.json` names the sources of the published coefficients."""
FLIPS_WORDS = """\
2^x on [0, 1), degree 3, the value rounded to bfloat16: the share of inputs whose result is not the correctly rounded
one. A cubic that is evaluated exactly flips, next to each of the 128 midpoints between neighbouring bfloat16, as many
inputs as lie between the place where it crosses the midpoint and where 2^x does. The last column has the least sum of
these over all real cubics, by a linear program; roundings in float32 move it by about an input at each midpoint. So no
cubic with the constant 1 has the 0.861 % that are aimed at."""
ULP_WORDS = """\
The largest error in units in the last place of float32. Ours has the same powers, and the same coefficients fixed, as
the published set; it is searched by `approximate(…, objective="ulp", inputs="grid")`."""
SPEED_WORDS = """\
How long it takes to try all inputs of the quintic above; medians over the rounds."""


def sets(names: Sequence[str]) -> list[Problem]:
    """Return published sets on the domains that they are used on."""
    return [replace(one, domain=WHOLE.get(one.name, one.domain)) for one in published(names)]


def measured(problem: Problem, output: Any, inputs: str = "grid") -> Measurement:
    """Return what a published set gives in float32."""
    computed = Computed(SINGLE, output, "horner", True, inputs)
    pieces = inner_ends(read_domains(problem.domain))
    found = measure(parse(problem.target).root, problem.published, computed, pieces)
    assert found is not None  # noqa: S101 - there are inputs
    return found


def searched(problem: Problem, objective: str, **more: Any) -> tuple[Result, float]:
    """Return our best with the powers of a published set, and the seconds that it took."""
    begin = time.perf_counter()
    options = {"powers": problem.powers, "fixed": problem.fixed or None, **more}
    found = approximate(
        problem.target, domain=problem.domain, format="float32", error="relative", objective=objective,
        inputs="grid", **options,
    )  # fmt: skip
    return found, time.perf_counter() - begin


def least_flips(free: bool) -> float:
    """Return the share of inputs that no real cubic for 2^x can but flip to bfloat16, to first order."""
    midpoints = 1 + (2 * np.arange(128) + 1) / 256
    x = np.log2(midpoints)
    columns = np.stack([x**power for power in range(0 if free else 1, 4)], axis=-1)
    errors = (0.0 if free else 1.0) - midpoints
    weights = 1 / (midpoints * math.log(2))
    found = least_sum(errors, columns, weights)
    assert found is not None  # noqa: S101
    return float(np.abs(errors + columns @ found) @ weights)


def flips() -> tuple[str, list[Aim]]:
    """Return the section about flips, and its aims."""
    (problem,) = sets([FLIPS])
    theirs = measured(problem, BRAIN)
    rows = [("published", FLIPS, percent(theirs.flips), ulp(theirs.max_ulp), "–", percent(least_flips(free=False)))]
    aims = []
    for name, fixed in (("constant 1", problem.fixed), ("constant free", None)):
        found, seconds = searched(problem, "flips", output_format="bfloat16", fixed=fixed)
        assert found.flips is not None  # noqa: S101
        least = percent(least_flips(free=fixed is None))
        texts = ", ".join((found.coef_hex or ())[int(fixed is not None) :])
        rows.append((f"ours, {name}", texts, percent(found.flips), ulp(found.max_ulp), f"{seconds:.0f} s", least))
        aims.append(Aim(f"flips, {name}, %", WANTED[name], round(100 * found.flips, 3), at_most=True))
    head = ("set", "coefficients", "flips", "largest ulp", "time", "least possible")
    return f"## Flips\n\n{FLIPS_WORDS}\n\n{table(head, rows)}\n", aims


def largest() -> tuple[str, list[Aim]]:
    """Return the section about the largest error, and its aims."""
    rows, aims = [], []
    for problem in sets(list(ULP)):
        theirs = measured(problem, SINGLE)
        found, seconds = searched(problem, "ulp")
        powers = ", ".join(str(power) for power in problem.powers)
        fixed = ", ".join(f"c{power} = {value:g}" for power, value in problem.fixed.items()) or "–"
        rows.append((problem.name, f"`{problem.target}`", powers, fixed, ulp(theirs.max_ulp), ulp(found.max_ulp),
                     ulp(theirs.max_ulp / (found.max_ulp or 1.0)), f"{seconds:.0f} s"))  # fmt: skip
        before = ULP[problem.name]
        wanted = before if not math.isnan(before) else round(theirs.max_ulp, 3)
        aims.append(Aim(f"largest ulp, {problem.name}", wanted, round(found.max_ulp or math.nan, 3), at_most=True))
        aims.append(Aim(f"seconds, {problem.name}", 120.0, seconds, at_most=True))
        print(rows[-1], file=sys.stderr, flush=True)
    head = ("set", "function", "powers", "fixed", "published", "ours", "ratio", "time")
    return f"## Largest error in ulp\n\n{ULP_WORDS}\n\n{table(head, rows)}\n", aims


def speed() -> tuple[str, list[Aim]]:
    """Return the section about how long trying all inputs takes."""
    (problem,) = sets(["fa4_ex2_d5"])
    rows, aims = [], []
    for inputs, rounds, wanted in (("grid", SPEED, 0.15), ("all", 1, 10.0)):
        seconds = []
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            found = measured(problem, SINGLE, inputs)
            seconds.append(time.perf_counter() - begin)
        median = float(np.median(seconds[1:]))
        rows.append((inputs, f"{found.count:,}", f"{median:.3g} s", f"{found.count / median / 1e6:.0f}"))
        aims.append(Aim(f"{found.count:.3g} inputs of float32, s", wanted, median, at_most=True))
    head = ("inputs", "how many", "time", "millions a second")
    return f"## All inputs\n\n{SPEED_WORDS}\n\n{table(head, rows)}\n", aims


def percent(share: float | None) -> str:
    """Return a share in per cent, to the last digit that is compared."""
    return "–" if share is None else f"{100 * share:.4f} %"


def ulp(value: float | None) -> str:
    """Return an error in ulp."""
    return "–" if value is None else f"{value:.3f}"


SECTIONS = {"flips": flips, "ulp": largest, "speed": speed}


def machine() -> Mapping[str, str]:
    """Return where this runs."""
    names = ("numpy", "numba", "scipy", "python-flint")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load when it began": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def page(header: Mapping[str, str], sections: Sequence[str], aims: Sequence[Aim]) -> str:
    """Return the whole page."""
    return "\n".join([
        f"# What ships: flips and ulp\n\n{INTRODUCTION}\n",
        f"## {MACHINE}\n\n{table(('what', 'which'), list(header.items()))}\n",
        f"## {AIMS}\n\n{table(AIM_COLUMNS, [aim.row() for aim in aims])}\n",
        *sections,
    ])  # fmt: skip


def main() -> int:
    """Measure, print the page, and return 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], default=[], help="all by default")
    given = parser.parse_args()
    header = machine()
    found = [SECTIONS[name]() for name in given.sections or SECTIONS]
    aims = [aim for _, some in found for aim in some]
    text = page(header, [section for section, _ in found], aims)
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return int(any(aim.outcome == "missed" for aim in aims))


if __name__ == "__main__":
    sys.exit(main())
