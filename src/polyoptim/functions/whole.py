"""Function: a whole function that was found, with what was measured of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arithmetic import evaluate_body
from polyoptim.errors import ExportError
from polyoptim.exporters.evaluation import identifier
from polyoptim.exporters.function_manifest import function_manifest
from polyoptim.exporters.manifest import NOT_EXECUTED
from polyoptim.exporters.sheet import Sheet
from polyoptim.instructions import Body
from polyoptim.registry import Registry, match
from polyoptim.result import write

EXPORTERS = Registry(
    "export",
    {
        "header": "polyoptim.exporters.c_body:header",
        "source": "polyoptim.exporters.c_body:source",
        "cuda": "polyoptim.exporters.cuda_body:cuda",
        "triton": "polyoptim.exporters.triton_body:triton",
    },
)
ENDINGS = {".h": "header", ".c": "source", ".cuh": "cuda", ".triton.py": "triton"}
ELSEWHERE = ("cuda", "triton")  # for other machines than this
FLUSHED = "compiled with -ftz=true (-use_fast_math), comparisons take subnormal numbers for 0"
EVERY = "of every input"


@dataclass(frozen=True)
class Function:
    """A whole function: for every number of a format, special values included.

    Calling it evaluates it bit for bit as the exported code does.

    Parameters
    ----------
    name : such as "exp2".
    format : of inputs and values; operations are those of float32.
    body : its instructions.
    degrees : of each polynomial, by the prefix of its coefficients' names.
    coef_hex : the coefficients of each, by power, as they stand in the code.
    max_ulp : the largest error, in units in the last place of the truth.
    max_ulp_kind : "exhaustive": every input was tried.
    flips : the share of inputs, from 0 to 1, whose value is not the correctly rounded one.
    worst_inputs : pairs of an input and its error, the largest first.
    histogram : how many errors are in [k / 8, (k + 1) / 8) ulp; those beyond in the last.
    count : of inputs.
    seconds : that the search and all checks took.
    arguments : as `polyoptim.function` was given them.
    versions : that decide what is found.
    """

    name: str
    format: str
    body: Body = field(repr=False)
    degrees: Mapping[str, int]
    coef_hex: Mapping[str, Mapping[int, str]] = field(repr=False)
    max_ulp: float
    max_ulp_kind: str
    flips: float
    worst_inputs: tuple[tuple[float, float], ...] = field(repr=False)
    histogram: tuple[int, ...] = field(repr=False)
    count: int
    seconds: float
    arguments: Mapping[str, Any] = field(repr=False)
    versions: Mapping[str, str] = field(repr=False)

    def __call__(self, x: npt.ArrayLike) -> Any:
        """Return the values at x, float32 of its shape; x is rounded to float32 first."""
        with np.errstate(all="ignore"):  # infinities and NaN are values
            given = np.asarray(x, dtype=np.float32)
        found = evaluate_body(self.body, given)
        return found if found.ndim else found[()]

    def report(self) -> str:
        """Return what was found, as aligned text."""
        polynomials = " and ".join(f"{prefix}: {degree}" for prefix, degree in self.degrees.items())
        rows = [("coefficient", "exactly")]
        rows += [(f"{prefix}{power}", text) for prefix, one in self.coef_hex.items() for power, text in one.items()]
        width = max(len(name) for name, _ in rows)
        table = "\n".join(f"{name:<{width}}  {text}" for name, text in rows)
        x, _ = self.worst_inputs[0]
        facts = [
            ("degree", polynomials if len(self.degrees) > 1 else str(next(iter(self.degrees.values())))),
            ("largest error", f"{self.max_ulp:.6g} ulp, {self.max_ulp_kind}: {EVERY}; at x = {x!r}"),
            ("flips", f"{100 * self.flips:.4g} %   values that are not the correctly rounded ones"),
            ("inputs", f"{self.count}"),
            ("cost", cost(self.body)),
            ("time", f"{self.seconds:.3g} s"),
        ]
        width = max(len(name) for name, _ in facts)
        lines = "\n".join(f"{name:<{width}}  {text}" for name, text in facts)
        return f"polyoptim function: {self.name} for every {self.format}\n\n{table}\n\n{lines}\n"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, without the instructions."""
        return {
            "function": self.name,
            "format": self.format,
            "degrees": dict(self.degrees),
            "coef_hex": {prefix: {str(k): text for k, text in one.items()} for prefix, one in self.coef_hex.items()},
            "max_ulp": self.max_ulp,
            "max_ulp_kind": self.max_ulp_kind,
            "flips": self.flips,
            "worst_inputs": [list(pair) for pair in self.worst_inputs],
            "histogram": list(self.histogram),
            "count": self.count,
            "seconds": self.seconds,
            "arguments": dict(self.arguments),
            "versions": dict(self.versions),
        }

    def export(self, path: str | os.PathLike[str], to: str | None = None) -> None:
        """Write code with everything in it and a manifest, from which `polyoptim.verify` makes it again.

        Parameters
        ----------
        path : with an ending that tells the language: .h or .c for C99, .cuh for CUDA: there the function has the name
            of the file and "_poly" behind; .triton.py for Triton, where it has its own name.
        to : the language by name, "header", "source", "cuda" or "triton", whatever the ending.

        Raises
        ------
        ExportError
            For another ending.
        """
        kind = match("export", to, EXPORTERS) if to is not None else export_kind(path)
        write(path, text_of(self, kind, Path(path).name.partition(".")[0]).encode("utf-8"))


def export_kind(path: str | os.PathLike[str]) -> str:
    """Return the exporter that the ending of a file stands for."""
    name = Path(path).name.lower()
    ending = next((one for one in ENDINGS if name.endswith(one)), "")
    if not ending:
        raise ExportError(
            f"{str(path)!r}: no whole function is exported with the ending {Path(path).suffix!r}. "
            f"Use {', '.join(ENDINGS)}."
        )
    return ENDINGS[ending]


def text_of(function: Function, export: str, name: str) -> str:
    """Return the text of an exported file.

    Parameters
    ----------
    export : of `EXPORTERS`.
    name : of the file, without its ending.
    """
    own = identifier(name)
    lines = [
        f"{own}: {function.name}(x) for every {function.format} x, by polyoptim",
        f"largest error {function.max_ulp:.6g} ulp, {function.max_ulp_kind}: {EVERY}",
        cost(function.body),
    ]
    lines += [FLUSHED] if export == "cuda" else []
    executed = NOT_EXECUTED if export in ELSEWHERE else None
    sheet = Sheet(own, tuple(lines), function_manifest(function.to_dict(), export, name, executed))
    return str(EXPORTERS[export](function.body, sheet))


def cost(body: Body) -> str:
    """Return how many operations a body has."""
    floats = body.count("mul", "add", "sub", "div", "fma")
    return f"{body.count()} operations without a branch, {floats} of them on floats, {body.count('div')} divisions"
