"""Measure fit() side by side with its peers: ``python benchmarks/fit.py [--quick] [--write]``.

Each measurement is a process of its own: it makes the data, calls once on a few rows, and then times whole calls and
reads the peak of its memory. In each round every contestant has its turn. --write refreshes fit.md; it takes some
minutes and needs the peers (scikit-learn, statsmodels, xarray, polars, duckdb); who is not installed is left out, and a
line says so.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
import numpy.typing as npt  # noqa: E402
from report import Aim, number, table  # noqa: E402

from polyoptim.engines.surroundings import processor  # noqa: E402

Array = npt.NDArray[np.float64]
PAGE = HERE / "fit.md"
OURS, NUMPY = "polyoptim", "np.polyfit"
TOLERANCE = 1e-6  # of the fitted values: what computes something else is no contestant
MEBIBYTE = 2.0**20
GROUP = 20  # rows
INTRODUCTION = """\
Written by `python benchmarks/fit.py --write`, all of it in one run. Each measurement is a process of its own, in which
the data are made (x uniform on [0, 10], y = sin(x) and noise), one call on a few rows has gone before, and whole calls
are timed; memory is by how much the peak of the process grew in the call. In each round every contestant has its turn;
the table has medians over the rounds. polyoptim returns coefficients that are the same bits for any order of the rows,
with standard errors and all its statistics; the others return coefficients. All may use all cores. Values on the
samples were compared with each other before a time counted."""


def ours(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by polyoptim, with all its statistics."""
    import polyoptim  # noqa: PLC0415 - a process loads what it measures

    return polyoptim.fit(x, y, degree=degree)  # type: ignore[no-any-return]


def polyfit(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by NumPy, in plain powers."""
    return np.poly1d(np.polyfit(x, y, degree))


def polynomial_fit(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by NumPy, on a mapped domain."""
    return np.polynomial.Polynomial.fit(x, y, degree)


def scikit_learn(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by scikit-learn, on columns of powers."""
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import PolynomialFeatures  # noqa: PLC0415

    model = make_pipeline(PolynomialFeatures(degree), LinearRegression()).fit(x[:, None], y)
    return lambda at: model.predict(at[:, None])  # type: ignore[no-any-return]


def statsmodels(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by statsmodels, on columns of powers."""
    from statsmodels.api import OLS  # noqa: PLC0415

    coef = OLS(y, np.vander(x, degree + 1)).fit().params
    return np.poly1d(coef)


def xarray(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by xarray, in plain powers."""
    import xarray as xr  # noqa: PLC0415

    found = xr.DataArray(y, dims="x", coords={"x": x}).polyfit("x", degree)
    return np.poly1d(found.polyfit_coefficients.to_numpy())


def polars(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by normal equations from sums of polars, in a mapped x."""
    import polars as pl  # noqa: PLC0415

    u = (pl.col("x") - 5.0) / 5.0
    powers = [(u**k).sum().alias(f"s{k}") for k in range(2 * degree + 1)]
    products = [(u**k * pl.col("y")).sum().alias(f"t{k}") for k in range(degree + 1)]
    found = pl.LazyFrame({"x": x, "y": y}).select(*powers, *products).collect().row(0, named=True)
    return _from_sums(found, degree)


def duckdb(x: Array, y: Array, degree: int) -> Callable[[Array], Array]:
    """Fit by normal equations from sums of duckdb, in a mapped x."""
    import duckdb as db  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    samples = pa.table({"x": x, "y": y})
    powers = [f"sum(u**{k}) as s{k}" for k in range(2 * degree + 1)]
    products = [f"sum(u**{k} * y) as t{k}" for k in range(degree + 1)]
    query = f"select {', '.join(powers + products)} from (select (x - 5) / 5 as u, y from samples)"  # noqa: S608
    connection = db.connect()
    connection.register("samples", samples)
    row = connection.execute(query).fetchone()
    names = [f"s{k}" for k in range(2 * degree + 1)] + [f"t{k}" for k in range(degree + 1)]
    return _from_sums(dict(zip(names, row or (), strict=True)), degree)


def _from_sums(found: dict[str, float], degree: int) -> Callable[[Array], Array]:
    gram = np.array([[found[f"s{i + j}"] for j in range(degree + 1)] for i in range(degree + 1)])
    coef = np.linalg.solve(gram, [found[f"t{k}"] for k in range(degree + 1)])
    return lambda at: np.polynomial.polynomial.polyval((at - 5.0) / 5.0, coef)


# By name: what fits, and the package that it needs.
CONTESTANTS: dict[str, tuple[Callable[[Array, Array, int], Callable[[Array], Array]], str]] = {
    OURS: (ours, "polyoptim"),
    NUMPY: (polyfit, "numpy"),
    "Polynomial.fit": (polynomial_fit, "numpy"),
    "scikit-learn": (scikit_learn, "sklearn"),
    "statsmodels OLS": (statsmodels, "statsmodels"),
    "xarray polyfit": (xarray, "xarray"),
    "polars, sums of powers": (polars, "polars"),
    "duckdb, sums of powers": (duckdb, "duckdb"),
}


def data(rows: int) -> tuple[Array, Array]:
    """Return x and y."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, rows)
    return x, np.sin(x) + 0.1 * rng.normal(size=rows)


def peak() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


def measure(name: str, rows: int, degree: int) -> dict[str, Any]:
    """Return the seconds of a call, the growth of the peak of memory in MiB, and values on some points."""
    fit, _ = CONTESTANTS[name]
    x, y = data(rows)
    few = min(rows, 200_000)
    fit(x[:few], y[:few], degree)
    before, calls, begin = peak(), 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - begin < 0.2:
        found = fit(x, y, degree)
        calls += 1
    seconds = (time.perf_counter() - begin) / calls
    return {"seconds": seconds, "memory": peak() - before, "values": np.asarray(found(np.linspace(0, 10, 21))).tolist()}


def measure_file(name: str, path: str) -> dict[str, Any]:
    """Return the same for a Parquet file: reading its columns, or fitting them."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    import polyoptim  # noqa: PLC0415

    polyoptim.fit(*data(200_000))
    before, begin = peak(), time.perf_counter()
    if name == OURS:
        polyoptim.fit(path, x="x", y="y", degree=3)
    else:
        for _ in pq.ParquetFile(path).iter_batches(columns=["x", "y"]):
            pass
    return {"seconds": time.perf_counter() - begin, "memory": peak() - before, "values": []}


def in_groups(x: Array, y: Array, labels: npt.NDArray[np.int64]) -> Array:
    """Fit each group by polyoptim, with status and statistics."""
    import polyoptim  # noqa: PLC0415

    found = polyoptim.fit(x, y, by=labels)
    assert (found.status == "converged").all()  # noqa: S101 - or a time counts for nothing
    return found.coef_power  # type: ignore[no-any-return]


def in_a_loop(x: Array, y: Array, _: npt.NDArray[np.int64]) -> Array:
    """Fit each group by np.polyfit; where a group begins is known."""
    return np.array([np.polyfit(own, values, 3)[::-1] for own, values in zip(_split(x), _split(y), strict=True)])


def in_a_loop_with_errors(x: Array, y: Array, _: npt.NDArray[np.int64]) -> Array:
    """Fit each group by np.polyfit with the covariance of its coefficients, and take standard errors."""
    found = [np.polyfit(own, values, 3, cov=True) for own, values in zip(_split(x), _split(y), strict=True)]
    errors = np.sqrt([np.diag(covariance) for _, covariance in found])
    assert np.isfinite(errors).all()  # noqa: S101
    return np.array([coef[::-1] for coef, _ in found])


def polars_groups(x: Array, y: Array, labels: npt.NDArray[np.int64]) -> Array:
    """Fit each group by normal equations from sums of polars, in a mapped x."""
    import polars as pl  # noqa: PLC0415

    u = (pl.col("x") - 5.0) / 5.0
    sums = [(u**k).sum().alias(f"s{k}") for k in range(7)] + [
        (u**k * pl.col("y")).sum().alias(f"t{k}") for k in range(4)
    ]
    frame = pl.LazyFrame({"x": x, "y": y, "g": labels}).group_by("g").agg(*sums).sort("g").collect()
    return _from_group_sums({name: frame[name].to_numpy() for name in frame.columns})


def duckdb_groups(x: Array, y: Array, labels: npt.NDArray[np.int64]) -> Array:
    """Fit each group by normal equations from sums of duckdb, in a mapped x."""
    import duckdb as db  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    connection = db.connect()
    connection.register("samples", pa.table({"x": x, "y": y, "g": labels}))
    sums = ", ".join([f"sum(u**{k}) as s{k}" for k in range(7)] + [f"sum(u**{k} * y) as t{k}" for k in range(4)])
    query = f"select g, {sums} from (select (x - 5) / 5 as u, y, g from samples) group by g order by g"  # noqa: S608
    return _from_group_sums(connection.execute(query).fetchnumpy())


def _split(values: Array) -> Array:
    return values.reshape(-1, GROUP)


def _from_group_sums(found: dict[str, Array]) -> Array:
    gram = np.stack([np.stack([found[f"s{i + j}"] for j in range(4)], axis=-1) for i in range(4)], axis=-2)
    coef = np.linalg.solve(gram, np.stack([found[f"t{k}"] for k in range(4)], axis=-1)[..., None])[..., 0]
    u = np.polynomial.Polynomial([-1.0, 0.2])
    back = np.array([np.pad((u**k).coef, (0, 3 - k)) for k in range(4)])
    return coef @ back  # type: ignore[no-any-return]


IN_GROUPS: dict[str, tuple[Callable[[Array, Array, npt.NDArray[np.int64]], Array], str]] = {
    OURS: (in_groups, "polyoptim"),
    f"{OURS}, rows in no order": (in_groups, "polyoptim"),
    f"a loop of {NUMPY}": (in_a_loop, "numpy"),
    f"a loop of {NUMPY}, with errors": (in_a_loop_with_errors, "numpy"),
    "polars, sums by group": (polars_groups, "polars"),
    "duckdb, sums by group": (duckdb_groups, "duckdb"),
}


def measure_groups(name: str, groups: int) -> dict[str, Any]:
    """Return the same for groups of 20 rows, each with its own x; the fitted values are those of the first groups."""
    fit, _ = IN_GROUPS[name]
    x, y = data(groups * GROUP)
    labels = np.repeat(np.arange(groups), GROUP)
    few = min(50_000, groups) * GROUP
    if name.endswith("in no order"):
        order = np.random.default_rng(1).permutation(len(x))
        x, y, labels = x[order], y[order], labels[order]
        few = len(x)  # all are needed for whole groups
    fit(x[:few], y[:few], labels[:few])
    before, begin = peak(), time.perf_counter()
    coef = fit(x, y, labels)
    seconds = time.perf_counter() - begin
    at = np.vander(np.linspace(2, 8, 5), 4, increasing=True)
    return {"seconds": seconds, "memory": peak() - before, "values": (coef[:50] @ at.T).ravel().tolist()}


def worker(words: list[str]) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def section(rows: int, degree: int, rounds: int, notes: list[str]) -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Return the table of one size, and what was measured."""
    found: dict[str, dict[str, list[float]]] = {}
    values: dict[str, Array] = {}
    for _ in range(rounds):
        for name, (_fit, package) in CONTESTANTS.items():
            if importlib.util.find_spec(package) is None:
                notes.append(f"{name} is left out: {package} is not installed.")
                continue
            one = worker([name, str(rows), str(degree)])
            mine = found.setdefault(name, {"seconds": [], "memory": []})
            mine["seconds"].append(one["seconds"])
            mine["memory"].append(one["memory"])
            values[name] = np.array(one["values"])
    for name in list(found):
        if np.abs(values[name] - values[NUMPY]).max() > TOLERANCE:
            notes.append(f"{name} is left out at degree {degree}: it computes something else.")
            del found[name]
    base = np.median(found[NUMPY]["seconds"])
    lines = [
        [
            name,
            number(1e3 * float(np.median(one["seconds"]))),
            number(float(base / np.median(one["seconds"]))),
            number(max(float(np.median(one["memory"])), 0.0)),
        ]
        for name, one in sorted(found.items(), key=lambda item: -float(np.median(item[1]["seconds"])))
    ]
    header = ["contestant", "median, ms", "times as fast as np.polyfit", "memory, MiB"]
    return f"## {rows:,} rows, degree {degree}\n\n{table(header, lines)}\n".replace(",000", " 000"), found


def grouped(groups: int, rounds: int, notes: list[str]) -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Return the table of many groups."""
    found: dict[str, dict[str, list[float]]] = {}
    values: dict[str, Array] = {}
    loop = f"a loop of {NUMPY}"
    for _ in range(rounds):
        for name, (_fit, package) in IN_GROUPS.items():
            if importlib.util.find_spec(package) is None:
                notes.append(f"{name} is left out: {package} is not installed.")
                continue
            one = worker(["groups", name, str(groups)])
            mine = found.setdefault(name, {"seconds": [], "memory": []})
            mine["seconds"].append(one["seconds"])
            mine["memory"].append(one["memory"])
            values[name] = np.array(one["values"])
    for name in list(found):
        if np.abs(values[name] - values[loop]).max() > TOLERANCE:
            notes.append(f"{name} is left out in groups: it computes something else.")
            del found[name]
    base = np.median(found[loop]["seconds"])
    lines = [
        [
            name,
            number(float(np.median(one["seconds"]))),
            number(float(groups / np.median(one["seconds"]) / 1e6)),
            number(float(base / np.median(one["seconds"]))),
            number(max(float(np.median(one["memory"])), 0.0)),
        ]
        for name, one in sorted(found.items(), key=lambda item: -float(np.median(item[1]["seconds"])))
    ]
    header = ["contestant", "median, s", "million fits/s", "times as fast as the loop", "memory, MiB"]
    text = f"## {groups:,} groups of {GROUP} rows, degree 3\n\n{table(header, lines)}\n"
    return text.replace(",000", " 000"), found


def parquet(rows: int, rounds: int) -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Return the table of a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "data.parquet")
        part = rows // 50
        with pq.ParquetWriter(path, pa.schema([("x", pa.float64()), ("y", pa.float64())])) as file:
            for _ in range(50):
                x, y = data(part)
                file.write_table(pa.table({"x": x, "y": y}))
        reading = "pyarrow, reading both columns"
        for _ in range(rounds):
            for name in (reading, OURS):
                one = worker(["parquet", name, path])
                mine = found.setdefault(name, {"seconds": [], "memory": []})
                mine["seconds"].append(one["seconds"])
                mine["memory"].append(one["memory"])
    base = np.median(found[reading]["seconds"])
    lines = [
        [
            name,
            number(float(np.median(one["seconds"]))),
            number(float(np.median(one["seconds"]) / base)),
            number(max(float(np.median(one["memory"])), 0.0)),
        ]
        for name, one in found.items()
    ]
    header = ["what", "median, s", "of the time of reading", "memory, MiB"]
    return f"## Parquet, {rows:,} rows, degree 3\n\n{table(header, lines)}\n".replace(",000", " 000"), found


def versions() -> dict[str, str]:
    """Return what the numbers depend on."""
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for package in (
        "numpy",
        "numba",
        "python-flint",
        "scikit-learn",
        "statsmodels",
        "xarray",
        "polars",
        "duckdb",
        "pyarrow",
    ):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds, under a minute")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--rounds", type=int, default=3, help="of a full run; medians are over them")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        name, second, third = given.worker
        if name == "groups":
            one = measure_groups(second, int(third))
        elif name == "parquet":
            one = measure_file(second, third)
        else:
            one = measure(name, int(second), int(third))
        print(json.dumps(one))
        return 0
    rounds, notes = (2 if given.quick else given.rounds), []
    sizes = [1000, 100_000] if given.quick else [1000, 100_000, 10_000_000]
    parts, found = [], {}
    for rows in sizes:
        for degree in (3, 10):
            text, found[rows, degree] = section(rows, degree, rounds, notes)
            parts.append(text)
            print(text, file=sys.stderr)
    text, many = grouped(20_000 if given.quick else 1_000_000, rounds, notes)
    parts.append(text)
    print(text, file=sys.stderr)
    text, file = parquet(1_000_000 if given.quick else 50_000_000, rounds)
    parts.append(text)
    aims = []
    largest = sizes[-1]
    for degree in (3, 10):
        one = found[largest, degree]
        faster = float(np.median(one[NUMPY]["seconds"]) / np.median(one[OURS]["seconds"]))
        less = float(np.median(one[OURS]["memory"]) / max(float(np.median(one[NUMPY]["memory"])), 1.0))
        aims.append(Aim(f"{largest:.0e} rows, degree {degree}, times as fast as np.polyfit", 10, faster))
        aims.append(Aim(f"{largest:.0e} rows, degree {degree}, share of its memory", 1 / 3, less, at_most=True))
    reading, mine = file.values()
    share = float(np.median(mine["seconds"]) / np.median(reading["seconds"]))
    faster = float(np.median(many[f"a loop of {NUMPY}"]["seconds"]) / np.median(many[OURS]["seconds"]))
    aims.append(Aim("groups, times as fast as a loop of np.polyfit", 100, faster))
    aims.append(Aim("Parquet, of the time of reading", 1.5, share, at_most=True))
    page = [
        f"# How fast is `fit`\n\n{INTRODUCTION}\n",
        f"## Machine and versions\n\n{table(('what', 'which'), [*versions().items(), ('rounds', str(rounds))])}\n",
        f"## Aims\n\n{table(('aim', 'wanted', 'measured', ''), [aim.row() for aim in aims])}\n",
        *parts,
        *(f"- {note}\n" for note in dict.fromkeys(notes)),
    ]
    print("\n".join(page))
    if given.write:
        PAGE.write_text("\n".join(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
