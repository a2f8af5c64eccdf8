"""The polynomial as a formula, with the fewest digits that reproduce it, evaluated again before it is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.bases import FAMILIES
from polyoptim.result import Result

# Largest deviation of a formula from the polynomial on its domain, as a share of the polynomial's largest value there.
TOLERANCE = 1e-6
POINTS = 401

Evaluate = Callable[[Sequence[float]], npt.NDArray[np.float64]]


def formula(result: Result) -> tuple[str, str]:
    """Return the formula and a sentence about how closely it reproduces the polynomial.

    The formula is Python, ``y = 0.856176*x - 0.0939084*x**3``; where plain powers of x cannot carry the polynomial in
    float64 (Unix time stamps at degree 5), it is in the basis of the result: ``y = 1.5*T1(u) + …, u = …``.
    """
    power, note, digits = _choose(result)
    if power:
        return f"y = {_sum(digits, result.powers if _is_plain(result) else None, _python_power('x'))}", note
    symbol = result.family.symbol
    term = _python_power("u") if not symbol else lambda k: f"{symbol}{k}(u)" if k else ""
    return f"y = {_sum(digits, result.powers, term)}{_where(result)}", note


def formula_of(result: Result, coef: npt.NDArray[np.float64]) -> str:
    """Return the formula of another polynomial in the basis and domain of the result."""
    return formula(dataclasses.replace(result, coef=coef))[0]


def latex(result: Result) -> str:
    """Return the formula in LaTeX."""
    power, _, digits = _choose(result)
    if power:
        return f"y = {_sum(digits, result.powers if _is_plain(result) else None, _latex_power('x'), latex=True)}"
    symbol = result.family.symbol
    term = _latex_power("u") if not symbol else lambda k: f"{symbol}_{{{k}}}(u)" if k else ""
    where = _where(result).replace(", u", r",\quad u")
    return f"y = {_sum(digits, result.powers, term, latex=True)}{where}"


def exact_line(result: Result) -> str:
    """Return the lesson's line, ``y = a + b x + c x^2 + d x^3``, every coefficient with all digits of its float."""
    symbol, mapped = result.family.symbol, result.window is not None
    variable = "u" if mapped else "x"

    def term(k: int) -> str:
        if k == 0:
            return ""
        if symbol:
            return f" {symbol}{k}({variable})"
        return f" {variable}" if k == 1 else f" {variable}^{k}"

    terms = [f"{float(result.coef[k])!r}{term(k)}" for k in result.powers]
    return f"y = {' + '.join(terms)}{_where(result) if mapped else ''}"


def _is_plain(result: Result) -> bool:
    return result.basis == "power" and result.window is None


def _choose(result: Result) -> tuple[bool, str, list[float]]:
    """Return whether plain powers of x carry the polynomial, the note, and the rounded coefficients."""
    a, b = result.domain
    x = a + (b - a) * np.linspace(0, 1, POINTS)
    with np.errstate(over="ignore", invalid="ignore"):
        truth = np.asarray(result(x))
    largest = float(np.abs(truth).max())
    if not np.isfinite(largest):
        return _is_plain(result), "The polynomial overflows on its domain.", result.coef.tolist()
    tolerance = TOLERANCE * largest
    exact = _as_floats(result.family.to_power(result.coef, result.map))
    if exact is not None:
        digits = _shortest(exact, lambda coef: FAMILIES["power"].evaluate(coef, x), truth, tolerance)
        if digits is not None:
            return True, f"The formula is within {TOLERANCE:.0e} of the largest abs(y) on the domain.", digits
    why = "" if _is_plain(result) else " Plain powers of x cannot carry it in float64 on this domain."
    u = result.map.map(x)
    digits = _shortest(result.coef.tolist(), lambda coef: result.family.evaluate(coef, u), truth, tolerance)
    note = f"The formula is within {TOLERANCE:.0e} of the largest abs(y) on the domain.{why}"
    return _is_plain(result), note, digits if digits is not None else result.coef.tolist()


def _as_floats(coef: Sequence[Fraction]) -> list[float] | None:
    try:
        return [float(value) for value in coef]
    except OverflowError:
        return None


def _shortest(
    coef: Sequence[float], evaluate: Evaluate, truth: npt.NDArray[np.float64], tolerance: float
) -> list[float] | None:
    """Return `coef` rounded to as few digits as keep within `tolerance`, or None where not even all digits do."""

    def holds(candidate: Sequence[float]) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.abs(evaluate(candidate) - truth).max() <= tolerance)

    for digits in range(1, 18):
        rounded = [_round(value, digits) for value in coef]
        if holds(rounded):
            break
    else:
        return None
    # One by one, each coefficient gives up the digits that it does not need; a negligible one becomes 0.
    for k, value in enumerate(coef):
        for fewer in range(digits):
            shorter = [*rounded[:k], _round(value, fewer) if fewer else 0.0, *rounded[k + 1 :]]
            if holds(shorter):
                rounded = shorter
                break
    return rounded


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def _sum(coef: Sequence[float], powers: Sequence[int] | None, term: Callable[[int], str], latex: bool = False) -> str:
    """Return ``c0 + c1*x - …``; terms that are zero are left out."""
    pieces: list[str] = []
    for k in powers if powers is not None else range(len(coef)):
        value = coef[k]
        if value == 0:
            continue
        size = _shown(abs(value), latex)
        factor = term(k)
        if not factor:
            piece = size
        elif size == "1":
            piece = factor
        else:
            piece = f"{size} {factor}" if latex else f"{size}*{factor}"
        sign = "-" if value < 0 else "+"
        pieces.append(f"{sign} {piece}" if pieces else f"-{piece}" if value < 0 else piece)
    return " ".join(pieces) or "0"


def _shown(value: float, latex: bool = False) -> str:
    text = repr(value)
    text = text[:-2] if text.endswith(".0") else text
    if latex and "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return text


def _python_power(variable: str) -> Callable[[int], str]:
    return lambda k: ("", variable)[k] if k < 2 else f"{variable}**{k}"


def _latex_power(variable: str) -> Callable[[int], str]:
    return lambda k: ("", variable)[k] if k < 2 else f"{variable}^{{{k}}}"


def mapped_variable(result: Result) -> str:
    """Return u as a formula in x: ``(x - center)/half + offset``."""
    domain = result.map
    inner = "x" if domain.center == 0 else f"(x {'-' if domain.center > 0 else '+'} {_shown(abs(domain.center))})"
    window = result.window or result.domain
    half = (domain.b - domain.a) / (window[1] - window[0])
    mapped = inner if half == 1 else f"{inner}/{_shown(half)}"
    return mapped + (f" {'-' if domain.offset < 0 else '+'} {_shown(abs(domain.offset))}" if domain.offset else "")


def _where(result: Result) -> str:
    return "" if result.window is None else f", u = {mapped_variable(result)}"
