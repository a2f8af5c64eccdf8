"""verify(): the numbers of a generated file proved again, and the file made again, bit for bit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from polyoptim.approximating import approximate, versions
from polyoptim.canonical import LARGEST_FILE
from polyoptim.checker import check
from polyoptim.errors import ArgumentError, PolyoptimError, ResultFileError
from polyoptim.exporters.manifest import (
    ASKED,
    FOUND,
    LATER,
    MEASURED,
    is_intact,
    read_coefficients,
    read_document,
    read_manifest,
)
from polyoptim.formats import computing, read_format
from polyoptim.functions.checking import made_again, measured_again, read_function
from polyoptim.measuring import measure
from polyoptim.request import END_BITS, ends_of, inner_ends, read_domains, read_weight
from polyoptim.result import NAMED, Result, exporters_of, read
from polyoptim.schemes import program_of
from polyoptim.shipped import Computed
from polyoptim.solvers.enclosure import Enclosure
from polyoptim.solvers.proof import to_certificate
from polyoptim.solvers.rounding_bound import rounding_bound
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.expression import parse

WITHIN = (1e-6, 1e-8)  # how closely an error is enclosed at first, and where that is not close enough
VERIFIED, VERSIONS_DIFFER, FAILED = "verified", "versions differ", "failed"


@dataclass(frozen=True)
class Verification:
    """What was verified.

    Parameters
    ----------
    path : of the file.
    status : "verified"; "versions differ" where the numbers were proved again but the file could not be made again, for
        other versions are installed; "failed".
    proved : the upper bound of the largest error that was proved again; None where it was not.
    measured : of a whole function, the largest error in units in the last place that was measured again.
    regenerated : whether the file was made again with the same bytes; None where that was not tried.
    reasons : sentences: what was found, the decisive one last.
    """

    path: str
    status: str
    proved: float | None
    regenerated: bool | None
    reasons: tuple[str, ...]
    measured: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "file": self.path,
            "status": self.status,
            "proved": self.proved,
            "measured": self.measured,
            "regenerated": self.regenerated,
            "reasons": list(self.reasons),
        }


class _RefutedError(Exception):
    """Something that the file says does not hold."""


def verify(path: str | os.PathLike[str]) -> Verification:
    """Verify a file that an approximation or a whole function was exported to, or an approximation saved in.

    First the error of the coefficients that stand in the file is proved again, without any search for them, and the
    proof is checked by `polyoptim.checker`; that does not depend on who found them. Then the file is made again from
    its manifest, which has to give the same bytes where the same versions are installed. A whole function is measured
    again, at every input, with the coefficients that stand in the file.

    Raises
    ------
    ResultFileError
        Where the file is none that can be verified: no manifest, a fit, a function that is no expression.

    Examples
    --------
    >>> import polyoptim, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     polyoptim.approximate("exp(x)", domain=(0, 1), degree=3).export(f"{folder}/e.h")
    ...     verify(f"{folder}/e.h").status
    'verified'
    """
    where = str(path)
    content = _content(path)
    file = _saved(content, where) if content.lstrip()[:1] == b"{" else _generated(content, where)
    reasons: list[str] = []
    proved = measured = regenerated = None
    try:
        file.unchanged()
        found = file.proved_again(reasons)
        proved, measured = (None, found) if isinstance(file, _Whole) else (found, None)
        installed = versions()
        different = [name for name, value in installed.items() if file.manifest["versions"].get(name) != value]
        if different:
            said = ", ".join(
                f"{name} {file.manifest['versions'].get(name)} (here {installed[name]})" for name in different
            )
            reasons.append(f"It was not made again, for it is by other versions: {said}.")
            return Verification(where, VERSIONS_DIFFER, proved, None, tuple(reasons), measured)
        regenerated = False
        file.compare()
        regenerated = True
        reasons.append(f"Made again with the same versions, it has the same {file.same}.")
    except _RefutedError as error:
        reasons.append(str(error))
        return Verification(where, FAILED, proved, regenerated, tuple(reasons), measured)
    except (PolyoptimError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ResultFileError(f"the manifest of {where} cannot be read: {error}") from None
    return Verification(where, VERIFIED, proved, regenerated, tuple(reasons), measured)


@dataclass(frozen=True)
class _File:
    """A file with a manifest.

    Parameters
    ----------
    coef : what stands in it.
    """

    text: str
    manifest: Mapping[str, Any]
    coef: Mapping[int, Fraction]
    same: ClassVar[str] = "bytes"

    def unchanged(self) -> None:
        if not is_intact(self.text, dict(self.manifest)):
            raise _RefutedError("The file was changed after it was written: its hash is another.")

    def proved_again(self, reasons: list[str]) -> float | None:
        return _proved_again(self, reasons)

    def compare(self) -> None:
        result = _made_again(self.manifest)
        kind, name = self.manifest["export"], self.manifest["name"]
        exporter = exporters_of("approximate")[kind]
        self.compare_text(exporter(result, name) if kind in NAMED else exporter(result))

    def compare_text(self, again: str) -> None:
        if again != self.text:
            pairs = zip(self.text.split("\n"), again.split("\n"), strict=False)
            line = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), None)
            place = "its length" if line is None else f"line {line}"
            raise _RefutedError(f"Made again with the same versions, the file is another: {place} differs.")


@dataclass(frozen=True)
class _Saved(_File):
    """A saved result, which has its manifest in its fields."""

    result: Result
    same: ClassVar[str] = "coefficients, bounds and certificate"

    def unchanged(self) -> None:
        if any(float(value) != self.result.coef[power] for power, value in self.coef.items()):
            raise _RefutedError("The coefficients and their texts in the format differ.")
        if self.result.certificate is not None:
            checked = check(self.result.certificate)
            if not checked.ok:
                raise _RefutedError(f"The certificate does not hold: {checked.reason}")

    def compare(self) -> None:
        ours, again = self.result.to_dict(), _made_again(self.manifest).to_dict()
        for key in ("coef", "coef_hex", "powers", "domain", "certificate", *FOUND, *MEASURED):
            if ours[key] != again[key]:
                raise _RefutedError(f"Made again with the same versions, the result is another: {key} differs.")


@dataclass(frozen=True)
class _Whole(_File):
    """A file with a whole function.

    Parameters
    ----------
    parts : its coefficients, by the prefix of their names and by power.
    """

    parts: Mapping[str, Mapping[int, Fraction]]

    def proved_again(self, reasons: list[str]) -> float | None:
        claim = self.manifest["max_ulp"]
        found = measured_again(self.parts, self.manifest)
        if found.max_ulp > claim or found.flips > self.manifest["flips"]:
            raise _RefutedError(
                f"Its largest error is {found.max_ulp!r} ulp, {found.flips!r} of its values are flips; the file says "
                f"at most {claim!r} and {self.manifest['flips']!r}."
            )
        reasons.append(f"Measured again at all {found.count} inputs: its largest error is {found.max_ulp:.10g} ulp.")
        return found.max_ulp

    def compare(self) -> None:
        try:
            again = made_again(self.manifest)
        except PolyoptimError as error:
            raise _RefutedError(f"It cannot be made again: {error}") from None
        self.compare_text(again)


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ResultFileError(f"{path!s} cannot be read: {error.strerror or error}. Name a generated file.") from None
    if len(content) > LARGEST_FILE:
        raise ResultFileError(f"{path!s} is larger than {LARGEST_FILE} bytes, which no generated file is.")
    return content


def _generated(content: bytes, where: str) -> _File:
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ResultFileError(f"{where} is no text. Verify .h, .c, .cuh, .py, .tex or .json.") from None
    document = read_document(text, where)
    if "function" in document:
        try:
            return _Whole(text, document, {}, read_function(text, document, where))
        except (ArgumentError, LookupError, TypeError, ValueError) as error:
            raise ResultFileError(f"the manifest of {where} cannot be read: {error}") from None
    manifest = read_manifest(text, where)
    try:
        _check_expression(manifest["target"], where)
        parse(manifest["target"])
        return _File(text, manifest, read_coefficients(text, manifest, where))
    except (ArgumentError, TypeError, ValueError) as error:
        raise ResultFileError(f"the manifest of {where} cannot be read: {error}") from None


def _saved(content: bytes, where: str) -> _Saved:
    result = read(content, where)
    if result.verb != "approximate":
        raise ResultFileError(
            f"{where} is the result of {result.verb}(), of which nothing was proved. Verify an approximation."
        )
    _check_expression(result.target["text"] if result.target["kind"] == "expression" else None, where)
    asked = {key: result.arguments.get(key, LATER.get(key)) for key in ASKED}
    found = {key: getattr(result, key) for key in (*FOUND, *MEASURED)}
    manifest = {"target": result.target["text"], **asked, **found, "export": "json", "versions": dict(result.versions)}
    texts = result.coef_hex or ()
    formats = read_format(list(asked["format"]), result.powers)
    coef = {power: one.read(texts[power]) for power, one in zip(result.powers, formats, strict=True)}
    return _Saved("", manifest, coef, result)


def _check_expression(target: str | None, where: str) -> None:
    if target is None:
        raise ResultFileError(
            f"{where} approximates a function that is no expression, of which nothing can be proved. "
            "Approximate an expression in x."
        )


def _proved_again(file: _File, reasons: list[str]) -> float | None:
    """Prove the error of the coefficients in a file; raise where it is not what the file says."""
    manifest = file.manifest
    claim = manifest["sup_error_bound"]
    found = None
    for within in WITHIN:
        found = _enclosed(file, within)
        if not found.proved or claim is None or found.upper <= claim:
            break
    assert found is not None  # noqa: S101 - there was one
    if claim is None:
        if found.proved and manifest["sup_error"] > found.upper:
            raise _RefutedError(f"The error is not above {found.upper!r}, and the file says {manifest['sup_error']!r}.")
        reasons.append("The error is sampled, as the file says: nothing had been proved.")
        return None
    if not found.proved:
        raise _RefutedError(f"The error was not proved again: {found.reason}")
    checked = check(to_certificate(found))
    if not checked.ok:
        raise _RefutedError(f"The error was not proved again: {checked.reason}")
    if checked.upper > claim:
        raise _RefutedError(
            f"The error of its coefficients is {checked.lower!r} or more; the file says at most {claim!r}."
        )
    if not (manifest["sup_error"] <= checked.upper and (manifest["lower_bound"] or 0.0) <= manifest["loss"]):
        raise _RefutedError(f"The error is at most {checked.upper!r}, or the lower bound is above what was reached.")
    reasons.append(f"Proved again: the largest error of its coefficients is at most {checked.upper:.10g}.")
    _rounding_again(file, found, reasons)
    _tried_again(file, reasons)
    return checked.upper


def _enclosed(file: _File, within: float) -> Enclosure:
    manifest = file.manifest
    target = parse(manifest["target"])
    ends = [ends_of(pair) for pair in read_domains(manifest["domain"])]
    return enclose(target.root, file.coef, ends, error=read_weight(manifest["error"]), within=within)


def _rounding_again(file: _File, found: Enclosure, reasons: list[str]) -> None:
    """Bound what rounding adds again."""
    manifest, claim = file.manifest, file.manifest["total_error_bound"]
    formats = read_format(list(manifest["format"]), [int(power) for power in manifest["powers"]])
    own, output = computing(formats, manifest["compute_format"], manifest["output_format"])
    if claim is None or own is None:
        return
    pieces = [(low.below(END_BITS), high.above(END_BITS)) for low, high in read_domains(manifest["domain"])]
    order = program_of(file.coef, manifest["scheme"], manifest["fma"])
    again = rounding_bound(found.statement, pieces, order, own, output)
    if manifest["sup_error_bound"] + again.bound > claim * (1 + WITHIN[0]):
        raise _RefutedError(
            f"With rounding the error is at most {again.bound + found.upper!r}; the file says {claim!r}."
        )
    reasons.append(f"Proved again: with rounding in {own} it is at most {claim:.10g}.")


def _tried_again(file: _File, reasons: list[str]) -> None:
    """Try all inputs again, where they were tried."""
    manifest = file.manifest
    if manifest["max_ulp_kind"] is None:
        return
    formats = read_format(list(manifest["format"]), [int(power) for power in manifest["powers"]])
    own, output = computing(formats, manifest["compute_format"], manifest["output_format"])
    assert own is not None  # noqa: S101 - there were inputs
    assert output is not None  # noqa: S101
    computed = Computed(own, output, manifest["scheme"], manifest["fma"], manifest["inputs"])
    pieces = inner_ends(read_domains(manifest["domain"]))
    found = measure(parse(manifest["target"]).root, file.coef, computed, pieces)
    if found is None or (found.max_ulp, found.flips) != (manifest["max_ulp"], manifest["flips"]):
        raise _RefutedError(
            f"On all inputs the largest error is {found and found.max_ulp!r} ulp and {found and found.flips!r} of them "
            f"flip; the file says {manifest['max_ulp']!r} and {manifest['flips']!r}."
        )
    reasons.append(
        f"Tried again: {found.max_ulp:.6g} ulp and {100 * found.flips:.4g} % flips on {found.count:,} inputs."
    )


def _made_again(manifest: Mapping[str, Any]) -> Result:
    given = {key: manifest[key] for key in ASKED}
    domain = [tuple(pair) for pair in given.pop("domain")]
    fixed = given.pop("fixed")
    powers = None if fixed is None else {int(power): value for power, value in fixed.items()}
    try:
        return approximate(manifest["target"], domain=domain, fixed=powers, **given)
    except PolyoptimError as error:
        raise _RefutedError(f"It cannot be made again: {error}") from None
