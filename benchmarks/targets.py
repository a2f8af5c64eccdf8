"""Run what polyoptim exports on the machines that are here: ``python benchmarks/targets.py [--write]``.

For each format of operations and of values, each scheme, with FMA and without, one polynomial is exported for every
target, run on the same inputs, and compared with the reference evaluation bit for bit. What is not installed is left
out, and said so; the harness is that of the tests in tests/exporters.

--write refreshes targets.md; that takes several minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import itertools
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

import numpy as np  # noqa: E402 - after this checkout's polyoptim is found
from report import table  # noqa: E402

import polyoptim  # noqa: E402
from polyoptim.arithmetic import delivered, evaluate  # noqa: E402
from polyoptim.exporters.evaluation import Evaluation, evaluation  # noqa: E402

PAGE = HERE / "targets.md"
FORMATS = [  # coefficients, operations, output
    ("float64", None, None),
    ("float32", None, None),
    ("float16", None, None),
    ("bfloat16", None, None),
    ("bfloat16", "float32", "bfloat16"),
    ("float32", None, "float16"),
    ("float64", None, "float32"),
    ("q5.26", None, None),
    ("q3.20", None, "q3.9"),
]
FEW = [("float16", None, None), ("float32", None, "bfloat16"), ("q3.20", None, "q3.9")]
NOT_HERE, COMPILED = "not executed", "compiled"
INTRODUCTION = """\
Written by `python benchmarks/targets.py --write`. One polynomial, 0.4·sin(x) + 0.1 on [0, 7/8] of degree 4, is exported
for every target and run on the same inputs: all numbers of float16 or bfloat16 where these are the operations' format;
for float32 and float64 all of both, and two million more of float32, or half a million of float64; of fixed point
100 001 in the domain. A number in the table says on how many inputs the values were those of the reference evaluation,
bit for bit (of NaN any); "differs" would say on how many they were not. "compiled" stands for a file that was compiled
for the machine it is meant for, and not executed.

"CUDA as C++" is the exported file, compiled with `tests/exporters/shims` in place of CUDA's headers. The FMA of float64
in NumPy and torch is the file's own and has a range: other x are left out. Triton's interpreter before 3.9 rounds an
FMA twice; it is given one that rounds once."""


@dataclass(frozen=True)
class Case:
    """An exported polynomial, what it was tried on, and what the reference gives."""

    name: str
    result: Any
    one: Evaluation
    x: Any
    expected: Any

    @property
    def row(self) -> list[str]:
        """How it is computed, in words."""
        own, output, program = self.one.own, self.one.output, self.one.program
        how = str(own) if own == output else f"{own}, value {output}"
        return [how, program.scheme, "yes" if program.fma else "no"]


def harness(name: str) -> ModuleType:
    """Return a module of the tests."""
    path = HERE.parent / "tests" / "exporters" / f"{name}.py"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None  # noqa: S101
    assert found.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


C, CUDA, TRITON = (harness(name) for name in ("test_c", "test_cuda", "test_triton"))
HAS_TRITON = importlib.util.find_spec("triton") is not None


def cases(formats: Sequence[tuple[str, str | None, str | None]]) -> list[Case]:
    """Return all that is exported."""
    found = []
    for place, (kinds, scheme, fma) in enumerate(itertools.product(formats, ("horner", "estrin"), (True, False))):
        coefficients, compute, output = kinds
        given = {"format": coefficients, "compute_format": compute, "output_format": output}
        result = polyoptim.approximate(
            "0.4*sin(x)+0.1", domain=(0, "7/8"), degree=4, **given, scheme=scheme, fma=fma, prove=False
        )
        one = evaluation(result)
        if one.own.digits is None:
            low, high = (int(end * 2 ** -(one.own.finest or 0)) for end in one.ends[0])
            x = np.unique(np.linspace(low, high, 100_001).astype(np.int64))
        else:
            x = CUDA.tried(one)
        expected = delivered(evaluate(one.program, one.coef, one.own, x), one.own, one.output)
        found.append(Case(f"case{place}", result, one, x, expected))
    return found


def compared(found: Any, expected: Any) -> str:
    """Return on how many inputs values agree, or how many do not."""
    wrong = np.count_nonzero(~TRITON.alike(np.ascontiguousarray(found), expected))
    return f"differs on {wrong}" if wrong else f"{len(expected):,}".replace(",", " ")


def of_c(case: Case, folder: Path, compiler: str) -> str:
    """Compile and run the header in C."""
    if shutil.which(compiler) is None:
        return NOT_HERE
    letter = {"float64": "d"}.get(str(case.one.own), "f" if case.one.own.digits is not None else "i")
    path = folder / f"{case.name}_{letter}.h"
    case.result.export(path)
    library = C.compiled(folder, path, f"{path.stem}_poly", compiler, ("-O3", "-march=native", "-ffp-contract=fast"))
    found = C.called(library, case.x, {"d": np.float64, "f": np.float32, "i": np.int32}[letter])
    return compared(found.astype(case.expected.dtype), case.expected)


def of_shims(case: Case, folder: Path, compiler: str) -> str:
    """Compile and run the CUDA header as C++."""
    if shutil.which(compiler) is None:
        return NOT_HERE
    path = folder / f"{case.name}.cuh"
    case.result.export(path)
    name = f"{path.stem}_poly"
    if case.one.own.digits is not None:
        library = CUDA.of_shims(folder, path, CUDA.wrapper(case.one, name), compiler, CUDA.OPTIONS[1])
        return compared(CUDA.called(library, case.x), case.expected)
    call = f'extern "C" void call(const int32_t *x, int32_t *y, size_t n) {{ {name}_kernel(x, y, n); }}\n'
    found = CUDA.called(CUDA.of_shims(folder, path, call, compiler, CUDA.OPTIONS[1]), case.x, np.int32)
    return compared(found.astype(np.int64), case.expected)


def of_cuda(case: Case, folder: Path) -> str:
    """Compile the CUDA header by nvcc, and run it where there is a GPU."""
    if CUDA.NVCC is None:
        return NOT_HERE
    path = folder / f"{case.name}.cuh"
    case.result.export(path)
    CUDA.ptx_of(folder, [path], "-arch=sm_80")
    if not CUDA.GPU or case.one.own.digits is None:
        return COMPILED
    return compared(CUDA.called(CUDA.of_gpu(folder, path, case.one), case.x), case.expected)


def of_python(case: Case, folder: Path, lib: str) -> str:
    """Run the module for NumPy or torch."""
    x, expected = case.x, case.expected
    if str(case.one.own) == "float64" and case.one.program.fma:
        size = np.abs(x)
        inside = (x == 0) | ((size > 1e-30) & (size < 1e30))
        x, expected = x[inside], expected[inside]
    return compared(C.of_module(folder, case.result, lib, x), expected)


def interpreted(many: Sequence[Case], folder: Path) -> dict[str, str]:
    """Run all Triton modules on its interpreter."""
    if not HAS_TRITON:
        return {case.name: NOT_HERE for case in many}
    for case in many:
        case.result.export(folder / f"{case.name}.triton.py")
    np.savez(folder / "given.npz", **{case.name: case.x for case in many})
    TRITON.ran(folder, TRITON.RUN, str(folder), "cpu", interpret=True)
    found = np.load(folder / "found.npz")
    return {case.name: compared(found[case.name], case.expected) for case in many}


def compiled(many: Sequence[Case], folder: Path) -> dict[str, str]:
    """Compile all Triton modules for a GPU."""
    if not HAS_TRITON:
        return {case.name: NOT_HERE for case in many}
    jobs = []
    for case in many:
        path = folder / f"{case.name}.triton.py"
        case.result.export(path)
        kinds = [str(each) if each.digits is not None else "int64" for each in (case.one.own, case.one.output)]
        jobs.append((str(path), *kinds))
    made = json.loads(TRITON.ran(folder, TRITON.COMPILE, json.dumps(jobs), interpret=False))
    return {case.name: COMPILED if made[job[0]] else NOT_HERE for case, job in zip(many, jobs, strict=True)}


Target = Callable[[Case, Path], str]
TARGETS: dict[str, Target] = {
    "C, gcc": partial(of_c, compiler="gcc"),
    "C, clang": partial(of_c, compiler="clang"),
    "CUDA as C++, g++": partial(of_shims, compiler="g++"),
    "CUDA as C++, clang++": partial(of_shims, compiler="clang++"),
    "CUDA, nvcc": of_cuda,
    "NumPy": partial(of_python, lib="numpy"),
    "torch": partial(of_python, lib="torch"),
}
TOGETHER = {"Triton, interpreter": interpreted, "Triton, for sm_90": compiled}


def measured(formats: Sequence[tuple[str, str | None, str | None]]) -> tuple[list[str], list[list[str]]]:
    """Return the header of the table, and its rows."""
    many = cases(formats)
    rows = {case.name: case.row for case in many}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, target in TARGETS.items():
            for case in many:
                rows[case.name].append(target(case, folder))
            print(title, file=sys.stderr)
        for title, all_of in TOGETHER.items():
            for place, said in all_of(many, folder).items():
                rows[place].append(said)
            print(title, file=sys.stderr)
    return ["operations", "scheme", "FMA", *TARGETS, *TOGETHER], list(rows.values())


def machine() -> dict[str, str]:
    """Return what the targets are here."""
    found = {"date": dt.datetime.now(tz=dt.UTC).date().isoformat(), "machine": platform.machine()}
    for name in ("gcc", "clang", "nvcc"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
            found[name] = next((line for line in said if "release" in line), said[0])
    for name in ("numpy", "torch", "triton"):
        if importlib.util.find_spec(name):
            found[name] = importlib.metadata.version(name)
    return {**found, "GPU": "one" if CUDA.GPU else "none: CUDA and Triton were not executed on their own machine"}


def page(header: Sequence[str], rows: Sequence[Sequence[str]], here: Mapping[str, str]) -> str:
    """Return the whole page."""
    parts = [
        f"# Code on its targets\n\n{INTRODUCTION}\n",
        f"## Here\n\n{table(('what', 'which'), list(here.items()))}\n",
    ]
    return "\n".join([*parts, f"## Coverage\n\n{table(header, rows)}\n"])


def main() -> int:
    """Run everything; the exit code says whether all values are right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--few", action="store_true", help="three formats only")
    parser.add_argument("--write", action="store_true", help="refresh targets.md")
    given = parser.parse_args()
    header, rows = measured(FEW if given.few else FORMATS)
    text = page(header, rows, machine())
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return int(any("differs" in cell for row in rows for cell in row))


if __name__ == "__main__":
    sys.exit(main())
