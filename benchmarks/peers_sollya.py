"""Sollya, beside us: remez, fpminimax and supnorm; each call is a process of its own, timed inside by its ``time``."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from problems import Problem

BITS = 165
LIMIT = 30  # seconds of a process
ACCURACY = "2^-20"
FORMATS = {"float64": "D", "float32": "SG", "float16": "HP", "bfloat16": "8"}
DYADIC = re.compile(r"(-?\d+)(?:b(-?\d+))?")


@dataclass(frozen=True)
class Answer:
    """What came back: coefficients by power or bounds, seconds inside and of the process; why nothing did."""

    coef: Mapping[int, Fraction] = field(default_factory=dict)
    bounds: tuple[float, float] | None = None
    inside: float = float("nan")
    process: float = float("nan")
    reason: str = ""


def is_installed() -> bool:
    """Tell whether there is a Sollya to call."""
    return shutil.which("sollya") is not None


def version() -> str:
    """Return its version."""
    done = subprocess.run(["sollya", "--version"], capture_output=True, text=True, check=False)  # noqa: S607
    return next(iter(re.findall(r"\d+\.\d+\S*", done.stdout)), "")


def remez(problem: Problem) -> Answer:
    """Return the minimax polynomial with real coefficients."""
    fixed, monomials = _fixed(problem), _list(problem.free)
    weighed = ("f - c", "1") if problem.error == "absolute" else ("1 - c/f", "1/f")
    return _polynomial(problem, f"c = {fixed}; p = remez({weighed[0]}, {monomials}, I, {weighed[1]}) + c;")


def fpminimax(problem: Problem) -> Answer:
    """Return a polynomial with coefficients in the formats."""
    fixed, monomials = _fixed(problem), _list(problem.free)
    names = [name for power, name in zip(problem.powers, problem.formats, strict=True) if power in problem.free]
    points = [name.split(".")[1] for name in names if name.startswith("q")]
    formats = _list(points or [FORMATS[name] for name in names])
    kind = "fixed" if points else "floating"
    return _polynomial(problem, f"p = fpminimax(f, {monomials}, {formats}, I, {problem.error}, {kind}, {fixed});")


def supnorm(problem: Problem, coef: Mapping[int, Fraction]) -> Answer:
    """Return bounds of the error of a polynomial."""
    polynomial = " + ".join(f"({_exact(value)})*x^{power}" for power, value in coef.items() if value) or "0"
    command = f"p = {polynomial}; t = time(s = supnorm(p, f, I, {problem.error}, {ACCURACY})); t; inf(s); sup(s);"
    values, process, reason = _run(problem, command, 3)
    if reason:
        return Answer(process=process, reason=reason)
    return Answer({}, (float(values[1]), float(values[2])), float(values[0]), process)


def is_possible(problem: Problem) -> bool:
    """Tell whether Sollya can be asked: one interval, no weight, and formats all floating or all fixed point."""
    kinds = {name.startswith("q") for name in problem.formats}
    return len(problem.pieces) == 1 and problem.error in ("absolute", "relative") and len(kinds) == 1


def _polynomial(problem: Problem, command: str) -> Answer:
    prints = " ".join(f"coeff(p, {power});" for power in problem.powers)
    assignment, call = command.rsplit("p = ", 1)
    timed = f"{assignment} t = time(p = {call[:-1]}); t; degree(p); {prints}"
    values, process, reason = _run(problem, timed, 2 + len(problem.powers))
    if not reason and values[1] < 0:  # "the function to approximate is its own best approximation"
        reason = "no polynomial"
    if reason:
        return Answer(process=process, reason=reason)
    coef = dict(zip(problem.powers, values[2:], strict=True))
    return Answer(coef, None, float(values[0]), process)


def _run(problem: Problem, command: str, count: int) -> tuple[list[Fraction], float, str]:
    target = (problem.elsewhere or problem.target).replace("**", "^")
    low, high = (end.replace("**", "^") for end in problem.pieces[0])
    text = f"verbosity = 0!; prec = {BITS}!; display = dyadic!; f = {target}; I = [{low}; {high}]; {command}\n"
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            ["sollya", "--warnonstderr"],  # noqa: S607 - whichever is found
            input=text, capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [], LIMIT, f"nothing in {LIMIT} s"
    process = time.perf_counter() - begin
    lines = [DYADIC.fullmatch(line.strip()) for line in done.stdout.splitlines() if line.strip()]
    values = [Fraction(int(one[1])) * Fraction(2) ** int(one[2] or 0) for one in lines if one]
    return values, process, "" if len(values) == count else "fails"


def _fixed(problem: Problem) -> str:
    terms = [f"({_exact(Fraction(value))})*x^{power}" for power, value in problem.fixed.items()]
    return " + ".join(terms) or "0"


def _exact(value: Fraction) -> str:
    """Return a number as Sollya reads it; those of "real" may be no dyadic ones, and are rounded to many bits."""
    if value.denominator & (value.denominator - 1):
        value = Fraction(round(value * 2**600), 2**600)
    return f"{value.numerator}b-{value.denominator.bit_length() - 1}"


def _list(values: Sequence[object]) -> str:
    return f"[|{','.join(map(str, values))}|]"
