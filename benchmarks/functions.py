"""Whole functions beside the platform's: ``python benchmarks/functions.py [--every K] [--write] [NAME …]``.

Ours are found by polyoptim.function() for float32 and measured at all 2^32 inputs. The platform's are measured at every
K-th bit pattern, against its own functions of double; with K = 1 that takes an hour. --write refreshes functions.md.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
from report import number, parse, table  # noqa: E402

import polyoptim  # noqa: E402
from polyoptim.engines.surroundings import processor  # noqa: E402
from polyoptim.functions import FUNCTIONS  # noqa: E402
from polyoptim.functions.whole import Function  # noqa: E402

PAGE = HERE / "functions.md"
EVERY = 257  # odd, so that all last digits come in
VALUES = 1 << 16
SPAN = (-10.0, 10.0)  # of the numbers whose evaluation is timed; log2's are positive
# How C programs have it in float, and the truth in double.
PLATFORM = {
    "exp2": ("exp2f(x)", "exp2(x)"),
    "sin": ("sinf(x)", "sin(x)"),
    "exp": ("expf(x)", "exp(x)"),
    "log2": ("log2f(x)", "log2(x)"),
    "tanh": ("tanhf(x)", "tanh(x)"),
    "gelu": ("0.5f * x * (1.0f + erff(x * 0.70710678f))", "0.5 * x * erfc(-x * 0.70710678118654752)"),
    "silu": ("x / (1.0f + expf(-x))", "x / (1.0 + exp(-x))"),
    "erf": ("erff(x)", "erf(x)"),
}
# Largest errors in ulp as published: SLEEF's reference of its functions _u10 (https://sleef.org, where sinf_u10 is for
# abs(x) up to 1e28).
SLEEF = {"exp2": 1.0, "sin": 1.0, "exp": 1.0, "log2": 1.0, "tanh": 1.0, "erf": 1.0}
CODE = """\
#include "ours.h"
static float of_platform(float x) {{ return {single}; }}
static double truth(double x) {{ return {double}; }}
__attribute__((noinline)) float one(float x) {{ return ours_poly(x); }}
void ours(const float *x, float *y, size_t n) {{ ours_poly_array(x, y, n); }}
void ours_by_one(const float *x, float *y, size_t n) {{ for (size_t i = 0; i < n; ++i) y[i] = one(x[i]); }}
void platform(const float *x, float *y, size_t n) {{ for (size_t i = 0; i < n; ++i) y[i] = of_platform(x[i]); }}
void judge(uint64_t first, uint64_t step, double *worst, double *flips)
{{
    double count = 0;
    worst[0] = worst[1] = *flips = 0;
    for (uint64_t b = first; b < (uint64_t)1 << 32; b += step) {{
        const uint32_t bits = (uint32_t)b;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (isnan(x))
            continue;
        const double t = truth(x);
        const float y = of_platform(x), right = (float)t;
        ++count;
        if (y == right || (isnan(y) && isnan(right))) {{
            if (isinf(right) || isnan(right) || t == 0)
                continue;
        }} else {{
            ++*flips;
        }}
        int e = t == 0 || isinf(t) ? 127 : ilogb(t);
        e = e < -126 ? -126 : e > 127 ? 127 : e;
        double u = fabs((double)y - t) / ldexp(1.0, e - 23);
        u = isnan(u) ? INFINITY : u;
        if (u > worst[0]) {{
            worst[0] = u;
            worst[1] = x;
        }}
    }}
    *flips /= count;
}}
"""
INTRODUCTION = """\
Written by `python benchmarks/functions.py --write`, each function in one run. Ours are whole functions for float32
with the smallest degrees that meet 1 ulp, measured at all 2^32 inputs. The platform's are C's functions of float or,
where it has none, what programs write with them; their errors are measured at every {every}th bit pattern against its
functions of double, so that the largest may be larger. Errors are in units in the last place of the truth; flips are
values that are not the correctly rounded ones. Times are nanoseconds for a value, the least of {rounds} rounds over
{values} numbers in [{low:g}, {high:g}] (log2: positive ones), by `{compiler}`: ours in a loop over an array, which
the compiler makes vectors of, and called one by one; the platform's called one by one. SLEEF's are the bounds that
its reference (https://sleef.org) states for its `_u10` functions, for sinf up to abs(x) = 1e28; nothing of it was run
here."""
HEADER = (
    "function", "degrees", "ours, ulp", "flips", "found in, s", "platform, ulp", "flips", "SLEEF, ulp", "array, ns",
    "one by one, ns", "platform, ns", "ratio",
)  # fmt: skip


@dataclass
class Row:
    """What was measured of one function."""

    found: Function
    platform_ulp: float
    platform_flips: float
    times: dict[str, list[float]] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """Return its line of the table."""
        found, least = self.found, {name: min(values) for name, values in self.times.items()}
        return [
            found.name,
            ", ".join(map(str, found.degrees.values())),
            f"{found.max_ulp:.3f}",
            f"{100 * found.flips:.2f} %",
            f"{found.seconds:.0f}",
            number(self.platform_ulp) if np.isfinite(self.platform_ulp) else "∞",
            f"{100 * self.platform_flips:.2f} %",
            f"{SLEEF[found.name]:.1f}" if found.name in SLEEF else "–",
            *(f"{least[name]:.2f}" for name in ("ours", "ours_by_one", "platform")),
            f"{least['platform'] / least['ours']:.1f}",
        ]


def measured(name: str, every: int, rounds: int, own: str = "float32") -> Row:
    """Find one of ours, and measure both."""
    found = polyoptim.function(name, format=own)
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(found, Path(folder))
        worst, flips = (ctypes.c_double * 2)(), ctypes.c_double()
        library.judge(ctypes.c_uint64(0), ctypes.c_uint64(every), worst, ctypes.byref(flips))
        row = Row(found, worst[0], flips.value)
        low, high = SPAN if name != "log2" else (1e-3, SPAN[1])
        x = np.random.default_rng(0).uniform(low, high, VALUES).astype(np.float32)
        for _ in range(rounds):
            for call in ("ours", "ours_by_one", "platform"):
                row.times.setdefault(call, []).append(timed(getattr(library, call), x))
    return row


def compiled(found: Function, folder: Path) -> ctypes.CDLL:
    """Return a library with one of ours and the platform's."""
    found.export(folder / "ours.h")
    single, double = PLATFORM[found.name]
    (folder / "both.c").write_text(CODE.format(single=single, double=double), encoding="utf-8")
    subprocess.run([*COMMAND, "-o", "both.so", "both.c", "-lm"], cwd=folder, check=True)
    return ctypes.CDLL(os.fspath(folder / "both.so"))


COMPILER = shutil.which("gcc") or ""
COMMAND = (COMPILER, "-std=c99", "-O3", "-march=native", "-shared", "-fPIC")


def timed(call: ctypes._NamedFuncPointer, x: np.ndarray) -> float:
    """Return nanoseconds for a value."""
    y = np.empty_like(x)
    given = (x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    call(*given)
    begin = time.perf_counter()
    for _ in range(10):
        call(*given)
    return (time.perf_counter() - begin) / 10 / len(x) * 1e9


def page(rows: list[list[str]], every: int, rounds: int, load: float) -> str:
    """Return the page of lines by `Row.cells`."""
    words = INTRODUCTION.format(
        every=every, rounds=rounds, values=VALUES, low=SPAN[0], high=SPAN[1], compiler=" ".join(("gcc", *COMMAND[1:4]))
    )
    version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    machine = [
        ["processor", processor()],
        ["cores", str(os.cpu_count())],
        ["load before", f"{load:.1f}"],
        ["compiler", version],
        ["libm", " ".join(platform.libc_ver())],
        ["polyoptim", polyoptim.__version__],
        ["date", date.today().isoformat()],
    ]
    return (
        f"# Whole functions beside the platform's\n\n{words}\n\n## Machine and versions\n\n"
        f"{table(('what', 'which'), machine)}\n\n## Functions\n\n{table(HEADER, rows)}\n"
    )


def main() -> int:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--every", type=int, default=EVERY)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="functions whose rows are measured anew; all by default"
    )
    given = parser.parse_args()
    if not COMPILER:
        print("gcc is not installed, with which all of this is compiled.", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    rows = []
    for name in given.names or FUNCTIONS:
        rows.append(measured(name, given.every, given.rounds))
        print(" ".join(rows[-1].cells()), file=sys.stderr, flush=True)
    cells = {row.found.name: row.cells() for row in rows}
    if given.names and PAGE.exists():  # the others stay
        _, *before = parse(PAGE.read_text(encoding="utf-8"))["Functions"]
        cells = {row[0]: row for row in before} | cells
    text = page([cells[name] for name in FUNCTIONS if name in cells], given.every, given.rounds, load)
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
