"""Measure how often the bands of fit() hold what they are to hold: ``python benchmarks/intervals.py [--write]``.

The data are made again and again from a known quadratic with noise; at nominal 95 % a band is right where it holds the
truth (confidence) or a new y (prediction) in 93 to 97 of 100 draws. --write refreshes intervals.md; it takes a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
import numpy.typing as npt  # noqa: E402
from report import table  # noqa: E402

import polyoptim  # noqa: E402

Array = npt.NDArray[np.float64]
PAGE = HERE / "intervals.md"
ROWS, DRAWS, LEVEL = (8, 30, 200), 10_000, 0.95
LEAST, MOST = 0.93, 0.97
AT = np.array([-0.95, -0.4, 0.0, 0.7])
COEF = (1.0, 2.0, -1.5)
INTRODUCTION = """\
Written by `python benchmarks/intervals.py --write`. In each of 10 000 draws a quadratic with noise is sampled at evenly
spread x, fitted by least squares, and the bands of 95 % are taken at four points inside the data. The table has the
share of draws in which a band held what it is to hold, the least and the largest over the points; "errors" says whether
the standard deviation of the noise came from the residuals (relative) or was given as sigma (absolute). Student's t
with 3 degrees of freedom has a standard deviation of 1.73, which is what sigma is then."""


def gaussian(rng: np.random.Generator, count: int) -> Array:
    """Return Gaussian noise of standard deviation 1."""
    return rng.normal(size=count)


def student(rng: np.random.Generator, count: int) -> Array:
    """Return noise of Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, size=count)


NOISES: dict[str, tuple[Callable[[np.random.Generator, int], Array], float]] = {
    "Gaussian": (gaussian, 1.0),
    "Student's t, 3": (student, 3**0.5),
}


def coverage(noise: str, rows: int, absolute: bool, draws: int) -> dict[str, Array]:
    """Return for each kind of band the share of draws in which it held, at each point."""
    draw, deviation = NOISES[noise]
    rng = np.random.default_rng(rows)
    x = np.linspace(-1, 1, rows)
    truth = np.polynomial.polynomial.polyval(x, COEF)
    goal = np.polynomial.polynomial.polyval(AT, COEF)
    sigma = np.full(rows, deviation) if absolute else None
    held = {"confidence": np.zeros(len(AT)), "prediction": np.zeros(len(AT))}
    for _ in range(draws):
        result = polyoptim.fit(x, truth + draw(rng, rows), degree=2, sigma=sigma)
        wanted = {"confidence": goal, "prediction": goal + draw(rng, len(AT))}
        for kind, values in wanted.items():
            if absolute and kind == "prediction":  # a new y of weight 1, which has the variance 1
                continue
            band = result.predict(AT, kind, LEVEL)
            held[kind] += (band.low <= values) & (values <= band.high)
    return {kind: count / draws for kind, count in held.items() if count.any()}


def main() -> int:
    """Measure, print the page, and return 1 where a band is outside 93 to 97 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--draws", type=int, default=DRAWS)
    given = parser.parse_args()
    lines, wrong = [], 0
    for noise in NOISES:
        for rows in ROWS:
            for absolute in (False, True):
                for kind, share in coverage(noise, rows, absolute, given.draws).items():
                    inside = share.min() >= LEAST and share.max() <= MOST
                    wrong += not inside
                    errors = "absolute" if absolute else "relative"
                    cells = [noise, str(rows), errors, kind, f"{100 * share.min():.1f}", f"{100 * share.max():.1f}"]
                    lines.append([*cells, "" if inside else "outside 93 to 97"])
    header = ("noise", "rows", "errors", "band", "least, %", "largest, %", "")
    page = f"# Do the bands of `fit` hold\n\n{INTRODUCTION}\n\n{table(header, lines)}\n"
    print(page)
    if given.write:
        PAGE.write_text(page, encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
