"""Result: everything about one polynomial, in one object that can be shown, saved, plotted and exported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim import canonical
from polyoptim.bases import FAMILIES, products
from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, ExportError
from polyoptim.registry import Registry, match
from polyoptim.result_document import from_document, to_document
from polyoptim.solution import Status, Trace
from polyoptim.targets.samples import Samples

# Reports and exporters stand above; they are reached late, by name.
REPORTS = Registry(
    "report",
    {
        "formula": "polyoptim.reports.formula:formula",
        "latex": "polyoptim.reports.formula:latex",
        "text": "polyoptim.reports.text:report",
        "html": "polyoptim.reports.html:html",
        "figure": "polyoptim.reports.figure:figure",
        "table": "polyoptim.reports.table_text:table_report",
    },
    extra={"figure": "plot"},
)
EXPORTERS = Registry(
    "export",
    {
        "torch": "polyoptim.exporters.script:script",
        "numpy": "polyoptim.exporters.function:function",
        "notebook": "polyoptim.exporters.notebook:notebook",
        "latex": "polyoptim.exporters.latex:latex",
        "json": "polyoptim.exporters.document:document",
        "onnx": "polyoptim.exporters.onnx_graph:model",
    },
    extra={"onnx": "onnx"},
)
APPROXIMATION_EXPORTERS = Registry(
    "export",
    {
        "header": "polyoptim.exporters.c:header",
        "source": "polyoptim.exporters.c:source",
        "numpy": "polyoptim.exporters.scheme:numpy_scheme",
        "torch": "polyoptim.exporters.scheme:torch_scheme",
        "cuda": "polyoptim.exporters.cuda:cuda",
        "triton": "polyoptim.exporters.triton:triton_scheme",
        "latex": "polyoptim.exporters.latex:latex",
        "json": "polyoptim.exporters.document:document",
        "onnx": "polyoptim.exporters.onnx_graph:model",
    },
    extra={"onnx": "onnx"},
)
NAMED = ("header", "source", "cuda")  # what defines functions that are named after the file
# What a file holds by its ending; a .py is what the verb that made the result is about.
ENDINGS = {".ipynb": "notebook", ".json": "json", ".onnx": "onnx", ".tex": "latex"}
CODE_ENDINGS = {".h": "header", ".c": "source", ".cuh": "cuda", ".triton.py": "triton"}  # of an approximation
PROGRAMS = ("torch", "notebook")  # that repeat a run
OF_MANY = ("latex", "json", "onnx")  # what holds a polynomial in several columns
SCRIPTS = {"train": "torch", "fit": "numpy", "approximate": "numpy"}
# Bands of a fit; loaded late, for it takes the distributions along.
PREDICT = Registry("prediction", {"predict": "polyoptim.prediction:predict"})


@dataclass(frozen=True, eq=False)
class Result:
    """One polynomial, how it was found, and how good it is.

    Call it on numbers or arrays: ``result(x)`` is the polynomial at x, in float64, of the shape of x.

    Parameters
    ----------
    verb : what made it: "train", "fit" or "approximate".
    coef : dense coefficients in `basis`, lowest degree first, shape (degree + 1,).
    basis : the family by name.
    domain : the interval [a, b] of x.
    window : onto which the domain is mapped; None where the basis stands on x itself.
    powers : the powers that could appear.
    target : what was to be predicted: "kind" (expression, callable, arrays, table) and its names.
    loss : of `coef`, as the engine measured it; nan where it was not finite.
    optimum, optimum_kind, optimum_coef : the least loss of any such polynomial, "exact" where it is solved and "best
        found" where the loss is not convex, so that a lower one may exist, and the coefficients that reach it; None
        where they are not known.
    sup_error, sup_error_kind : largest abs(p(x) - y) and how it was obtained: "sampled" is on the samples.
    trace : the recorded rows.
    status, message : how the run ended, as one word and as one sentence.
    steps : updates that led to `coef`; 0 where it was solved at once.
    seconds : wall time of the updates, or of the whole fit.
    engine, seed : who took the steps, and the seed of its generator; "" and None where it was solved at once.
    count : number of samples.
    samples : the samples themselves, where the target cannot be computed again (at most 100,000 are kept).
    arguments, method, versions : provenance: all arguments of the call, the optimizer and the schedule as they were
        found, and the versions that ran them.
    notes : sentences about what the user should know.
    stats : errors and quality of a fit, by name; None for other verbs.
    sup_error_bound, lower_bound : of an approximation: an upper bound of its largest error where it is proved, and what
        the loss of no polynomial with such coefficients is below; None for others.
    total_error_bound : with what the rounding of its evaluation adds, in the scheme that is asked for, where every x is
        a number of the format; None where that has no bound.
    coef_hex : the coefficients as they stand in their format, lowest power first: hexadecimal floats, integers of fixed
        point, fractions where nothing is rounded.
    certificate : with which anybody can check `sup_error_bound` again; None where nothing was proved.
    max_ulp, flips : of an approximation whose inputs were tried, in the scheme and the formats that are asked for: the
        largest error in units in the last place of the true value, and the share, from 0 to 1, of results that are not
        the correctly rounded ones; None for others.
    max_ulp_kind : how both were obtained: "exhaustive", or "sampled" where the inputs are only some of the format's.
    worst_inputs : the inputs with the largest errors, the largest first.
    ulp_histogram, input_count : ``[from, to, inputs]`` for errors in units in the last place, the last `to` None where
        it has no end; and how many inputs there were.
    terms, domains : with several columns of x: the power of each column in each coefficient, and the range of each
        column; `domain` is then that of the first. None with one column.
    """

    verb: str
    coef: npt.NDArray[np.float64]
    basis: str
    domain: tuple[float, float]
    window: tuple[float, float] | None
    powers: tuple[int, ...]
    target: Mapping[str, Any]
    loss: float
    optimum: float | None
    optimum_kind: str | None
    optimum_coef: npt.NDArray[np.float64] | None
    excess: float | None
    gap: float | None
    sup_error: float
    sup_error_kind: str
    trace: Trace
    status: Status
    message: str
    steps: int
    seconds: float
    engine: str
    seed: int | None
    count: int
    samples: Samples | None
    arguments: Mapping[str, Any]
    method: Mapping[str, Any]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())
    stats: Mapping[str, Any] | None = None
    sup_error_bound: float | None = None
    total_error_bound: float | None = None
    lower_bound: float | None = None
    coef_hex: tuple[str, ...] | None = None
    certificate: Mapping[str, Any] | None = None
    max_ulp: float | None = None
    flips: float | None = None
    max_ulp_kind: str | None = None
    worst_inputs: tuple[float, ...] | None = None
    ulp_histogram: tuple[tuple[float, float | None, int], ...] | None = None
    input_count: int | None = None
    terms: tuple[tuple[int, ...], ...] | None = None
    domains: tuple[tuple[float, float], ...] | None = None

    def __call__(self, x: npt.ArrayLike) -> Any:
        """Return the polynomial at x, in float64, of the shape of x; with p columns of x, shape (…, p) becomes (…)."""
        points = np.asarray(x, dtype=np.float64)
        if self.terms is not None:
            return (self._columns(points) @ self.coef)[()]
        return self.family.evaluate(self.coef, self.map.map(points))[()]

    def _columns(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the basis of several columns at points, shape (…, p), as shape (…, terms)."""
        assert self.terms is not None and self.domains is not None  # noqa: S101, PT018
        if points.ndim == 0 or points.shape[-1] != len(self.domains):
            raise ArgumentError(f"x must have {len(self.domains)} columns, got shape {points.shape}.")
        return products.columns(self.family, [Domain(*ends, self.window) for ends in self.domains], self.terms, points)

    def to_numpy(self) -> Any:
        """Return the polynomial as numpy.polynomial has it: a Chebyshev, a Legendre, … as the basis is.

        With the same coefficients, domain and window; numpy maps x in another order of operations, so that values may
        differ by rounding, and by more where the domain is far from zero.

        Examples
        --------
        >>> from polyoptim import fit
        >>> theirs = fit([0.0, 1.0, 2.0], [1.0, 2.0, 5.0], degree=2).to_numpy()
        >>> type(theirs).__name__, round(float(theirs(3.0)), 9)
        ('Chebyshev', 10.0)
        """
        if self.terms is not None:
            raise ArgumentError(
                f"numpy.polynomial has no polynomial in several columns, and this one has {len(self.domains or ())}. "
                "Call the result itself, or export it as .onnx."
            )
        kind = getattr(np.polynomial, {"power": "Polynomial"}.get(self.basis, self.basis.capitalize()))
        window = self.domain if self.window is None else self.window  # alike, nothing is mapped
        return kind(self.coef, domain=self.domain, window=window)

    def predict(self, x: npt.ArrayLike, interval: str | None = None, level: float = 0.95) -> Any:
        """Return the polynomial at x with a band, and which points lie outside the data.

        Parameters
        ----------
        x : shape (n,), or (n, p) with p columns of x.
        interval : "confidence" for the mean of y, "prediction" for a new y, None for no band.
        level : the probability with which the band holds it.

        Returns
        -------
        Prediction
            With `x`, `y`, `low`, `high`, `outside`, arrays of shape (n,).
        """
        return PREDICT["predict"](self, x, interval, level)

    @property
    def family(self) -> Family:
        """The basis as an object."""
        return FAMILIES[self.basis]  # type: ignore[no-any-return]

    @property
    def map(self) -> Domain:
        """The map from x to the variable of the basis."""
        return Domain(*self.domain, self.window)

    @property
    def flips_kind(self) -> str | None:
        """How `flips` was obtained: as `max_ulp`, on the same inputs."""
        return self.max_ulp_kind

    @property
    def degree(self) -> int:
        """The highest power."""
        return max(self.powers)

    @cached_property
    def _formula(self) -> tuple[str, str]:
        return REPORTS["formula"](self)  # type: ignore[no-any-return]

    @property
    def formula(self) -> str:
        """The polynomial as text, with the fewest digits that reproduce it; see `formula_note`."""
        return self._formula[0]

    @property
    def formula_note(self) -> str:
        """How closely the text reproduces the polynomial, and why it is not in plain powers where it is not."""
        return self._formula[1]

    def report(self, plot: bool | None = None) -> str:
        """Return what a person wants to know, as aligned text.

        Parameters
        ----------
        plot : whether small plots drawn in characters are part of it; None: where standard output is a terminal.
        """
        return REPORTS["text"](self, plot)  # type: ignore[no-any-return]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Return a matplotlib figure: target and polynomial, residual, loss and coefficients over the steps.

        Parameters
        ----------
        path : where it is saved too; the ending (.png, .svg, .pdf) says the format.
        """
        return REPORTS["figure"](self, path)

    def _repr_html_(self) -> str:
        return REPORTS["html"](self)  # type: ignore[no-any-return]

    def _repr_latex_(self) -> str:
        return f"${REPORTS['latex'](self)}$"

    def __repr__(self) -> str:
        return f"<Result of {self.verb}: {self.formula}; loss {self.loss:.6g}; {self.status}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as numbers, texts and lists, ready for JSON; what is not finite is None.

        Leaves out the samples.
        """
        document = to_document(self)
        document.pop("samples")
        return {
            **document,
            "coef": self.coef.tolist(),
            "flips_kind": self.flips_kind,
            "optimum_coef": None if self.optimum_coef is None else self.optimum_coef.tolist(),
            "formula": self.formula,
            "formula_note": self.formula_note,
        }

    def to_bytes(self) -> bytes:
        """Return the content of a saved result.

        Raises
        ------
        ArgumentError
            Where it is so large that `load` would refuse it.
        """
        content = canonical.spell(to_document(self))
        if len(content) > canonical.LARGEST_FILE:
            raise ArgumentError(
                f"the result takes {len(content)} bytes, more than {canonical.LARGEST_FILE}. "
                "Record fewer rows: raise every."
            )
        return content

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON with a hash, atomically; `load` reads it back bit for bit."""
        write(path, self.to_bytes())

    def export(self, path: str | os.PathLike[str], to: str | None = None) -> None:
        """Write the result in another form, atomically.

        Parameters
        ----------
        path : the file.
        to : "torch" (a standalone program), "numpy" (a function), "notebook", "latex", "onnx" (a model in float64) or
            "json"; by default what the ending stands for: .py (the program, for a fit the function), .ipynb, .tex,
            .onnx, .json. Of an approximation: "header" (.h) and "source" (.c) in C99, "cuda" (.cuh), "numpy" (.py),
            "torch" and "triton" (.triton.py), a function in the arithmetic of its format, "latex", "onnx" and "json".

        Raises
        ------
        ExportError
            For an ending or a result that the form cannot hold.
        MissingDependencyError
            For onnx where it is not installed.
        """
        exporters = exporters_of(self.verb)
        kind = match("export", to, exporters) if to is not None else export_kind(path, self.verb)
        if self.verb == "fit" and kind in PROGRAMS:
            raise ExportError(f"a fit is solved at once, so no {kind} can repeat it. Export .py, .onnx, .tex or .json.")
        if self.terms is not None and kind not in OF_MANY:
            raise ExportError(
                f"a polynomial in several columns cannot be exported as {kind}. Export .onnx, .tex or .json."
            )
        content = exporters[kind](self, Path(path).stem) if kind in NAMED else exporters[kind](self)
        write(path, content if isinstance(content, bytes) else content.encode("utf-8"))


def load(path: str | os.PathLike[str]) -> Result:
    """Return a saved result.

    Raises
    ------
    ResultFileError
        Where the file is damaged, was changed by as little as one byte, or is not a saved result.
    """
    return Result(**from_document(canonical.read_file(path), str(path)))


def read(content: bytes, where: str) -> Result:
    """Return the result of which `content` is the saved form; `where` it stands is for messages.

    Raises
    ------
    ResultFileError
        As `load` does.
    """
    return Result(**from_document(canonical.read(content, where), where))


def exporters_of(verb: str) -> Registry:
    """Return the exporters of what a verb made."""
    return APPROXIMATION_EXPORTERS if verb == "approximate" else EXPORTERS


def export_kind(path: str | os.PathLike[str], verb: str) -> str:
    """Return the exporter that the ending of `path` stands for."""
    known = {**ENDINGS, ".py": SCRIPTS[verb]}
    if verb == "approximate":
        known = {**known, **CODE_ENDINGS}
        del known[".ipynb"]
    one, two = ("".join(Path(path).suffixes[-count:]).lower() for count in (1, 2))
    ending = two if two in known else one
    if ending not in known:
        raise ExportError(f"{str(path)!r}: no export has the ending {ending!r}. Use {', '.join(sorted(known))}.")
    return known[ending]


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically; what the system refuses is an ArgumentError."""
    try:
        canonical.write_atomically(path, content)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArgumentError(f"{path!s} cannot be written: {reason}. Choose another place.") from error
