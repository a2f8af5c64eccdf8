"""Measure how often the bands of fit() hold what they are to hold: ``python benchmarks/intervals.py [--write]``.

The data are made again and again from a known quadratic with noise; at nominal 95 % a band is right where it holds the
truth (confidence) or a new y (prediction) in 93 to 97 of 100 draws.

--write refreshes intervals.md; that takes half an hour.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
import numpy.typing as npt  # noqa: E402
from report import table  # noqa: E402

import polyoptim  # noqa: E402
from polyoptim.distributions import t_quantile  # noqa: E402

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
with 3 degrees of freedom has a standard deviation of 1.73, which is what sigma is then.

The second table is for other losses, whose errors come from the residuals; the curve that a quantile loss looks for is
the truth plus the quantile of the noise. Where a band would not hold, as for few rows and a loss that hangs on few of
them, or for p > 2, none is offered: "not offered" says in what share of the draws."""


def gaussian(rng: np.random.Generator, count: int) -> Array:
    """Return Gaussian noise of standard deviation 1."""
    return rng.normal(size=count)


def student(rng: np.random.Generator, count: int) -> Array:
    """Return noise of Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, size=count)


def quantile(noise: str, q: float) -> float:
    """Return the quantile of a noise."""
    return (
        math.copysign(t_quantile(abs(2 * q - 1), math.inf if noise == "Gaussian" else 3), q - 0.5) if q != 0.5 else 0.0
    )


LOSSES: tuple[tuple[str, dict[str, float]], ...] = (
    ("huber", {"delta": 1.345}), ("huber", {"delta": 0.1}), ("smooth_l1", {"beta": 1.0}), ("soft_l1", {"delta": 1.0}),
    ("soft_l1", {"delta": 0.1}), ("logcosh", {}), ("absolute", {}), ("quantile", {"q": 0.75}), ("quantile", {"q": 0.9}),
    ("pnorm", {"p": 1.1}), ("pnorm", {"p": 1.5}), ("pnorm", {"p": 4.0}), ("tukey", {"c": 4.685}), ("tukey", {"c": 2.0}),
)  # fmt: skip

NOISES: dict[str, tuple[Callable[[np.random.Generator, int], Array], float]] = {
    "Gaussian": (gaussian, 1.0),
    "Student's t, 3": (student, 3**0.5),
}


def coverage(noise: str, rows: int, draws: int, **how: Any) -> tuple[dict[str, Array], dict[str, float]]:
    """Return for each kind of band the share of draws in which it held, at each point, and in which there was none.

    Parameters
    ----------
    how : sigma, loss, loss_options of the fit.
    """
    draw, _ = NOISES[noise]
    rng = np.random.default_rng(rows)
    x = np.linspace(-1, 1, rows)
    truth = np.polynomial.polynomial.polyval(x, COEF)
    goal = np.polynomial.polynomial.polyval(AT, COEF)
    shift = quantile(noise, (how.get("loss_options") or {}).get("q", 0.5))
    kinds = ("confidence",) if "sigma" in how else ("confidence", "prediction")  # a new y of weight 1 has variance 1
    held, none = {kind: np.zeros(len(AT)) for kind in kinds}, dict.fromkeys(kinds, 0)
    for _ in range(draws):
        result = polyoptim.fit(x, truth + draw(rng, rows), degree=2, **how)
        wanted = {"confidence": goal + shift, "prediction": goal + draw(rng, len(AT))}
        for kind in kinds:
            try:
                band = result.predict(AT, kind, LEVEL)
            except polyoptim.ArgumentError:
                none[kind] += 1
            else:
                held[kind] += (band.low <= wanted[kind]) & (wanted[kind] <= band.high)
    shares = {kind: held[kind] / max(draws - none[kind], 1) for kind in kinds}
    return shares, {kind: none[kind] / draws for kind in kinds}


def lines_of(first: list[str], shares: dict[str, Array], none: dict[str, float]) -> tuple[list[list[str]], int]:
    """Return a line of the table for each kind of band, and how many are outside 93 to 97 %."""
    lines, wrong = [], 0
    for kind, share in shares.items():
        if none[kind] == 1:
            lines.append([*first, kind, "", "", "not offered"])
            continue
        inside = share.min() >= LEAST and share.max() <= MOST
        wrong += not inside
        said = ["" if inside else "outside 93 to 97"]
        said += [f"not offered in {100 * none[kind]:.1f} %"] if none[kind] else []
        cells = [kind, f"{100 * share.min():.1f}", f"{100 * share.max():.1f}"]
        lines.append([*first, *cells, ", ".join(word for word in said if word)])
    return lines, wrong


def main() -> int:
    """Measure, print the page, and return 1 where a band is outside 93 to 97 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--draws", type=int, default=DRAWS)
    given = parser.parse_args()
    squares: list[list[str]] = []
    others: list[list[str]] = []
    wrong = 0
    for noise, (_, deviation) in NOISES.items():
        for rows in ROWS:
            for errors, how in (("relative", {}), ("absolute", {"sigma": np.full(rows, deviation)})):
                lines, bad = lines_of([noise, str(rows), errors], *coverage(noise, rows, given.draws, **how))
                squares += lines
                wrong += bad
    for loss, options in LOSSES:
        said = f"{loss} {', '.join(f'{name}={value:g}' for name, value in options.items())}".strip()
        for noise in NOISES:
            for rows in ROWS:
                found = coverage(noise, rows, given.draws, loss=loss, loss_options=options)
                lines, bad = lines_of([said, noise, str(rows)], *found)
                others += lines
                wrong += bad
                print("\n".join(map(str, lines)), file=sys.stderr, flush=True)
    header = ("noise", "rows", "errors", "band", "least, %", "largest, %", "")
    second = table(("loss", "noise", "rows", "band", "least, %", "largest, %", ""), others)
    page = f"# Do the bands of `fit` hold\n\n{INTRODUCTION}\n\n## Squares\n\n{table(header, squares)}\n"
    page += f"\n## Other losses\n\n{second}\n"
    print(page)
    if given.write:
        PAGE.write_text(page, encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
