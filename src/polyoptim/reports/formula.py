"""The polynomial as a formula, with the fewest digits that reproduce it, evaluated again before it is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from polyoptim.bases.products import to_power
from polyoptim.domain import Domain
from polyoptim.result import Result

# Largest deviation of a formula from the polynomial on its domain, as a share of the polynomial's largest value there.
TOLERANCE = 1e-6
POINTS = 401

LARGEST_EXACT = 100  # the exact change to plain powers takes too long beyond

Array = npt.NDArray[np.float64]


def formula(result: Result) -> tuple[str, str]:
    """Return the formula and a sentence about how closely it reproduces the polynomial.

    The formula is Python, ``y = 0.856176*x - 0.0939084*x**3``; where plain powers of x cannot carry the polynomial in
    float64 (Unix time stamps at degree 5), it is in the basis of the result: ``y = 1.5*T1(u) + …, u = …``.
    """
    if result.terms is not None:
        return formula_of_many(result)
    power, note, digits = _choose(result)
    if power:
        plain = _sum(digits, result.powers if _is_plain(result) else None, _python_power("x"))
        return f"y = {plain}{_since(result)}", note
    symbol = result.family.symbol
    term = _python_power("u") if not symbol else lambda k: f"{symbol}{k}(u)" if k else ""
    return f"y = {_sum(digits, result.powers, term)}{_where(result)}{_since(result)}", note


def formula_of_many(result: Result) -> tuple[str, str]:
    """Return the formula of a polynomial in several columns, in powers of their names, and a sentence about it."""
    terms, powers = result.terms or (), _power_coef(result)
    names = inputs(result)
    points = _points_of_box(result)
    truth = result(points)
    columns = [np.prod([points[:, place] ** k for place, k in enumerate(term)], axis=0) for term in terms]
    tolerance = TOLERANCE * float(np.abs(truth).max())
    digits = _shortest(powers, columns, truth, tolerance)
    note = f"The formula is within {TOLERANCE:.0e} of the largest abs(y) on the ranges of the columns."
    if digits is None:
        digits, note = powers, "Evaluated as it stands, the formula loses digits."

    def term_of(place: int) -> str:
        pairs = [(name, k) for name, k in zip(names, terms[place], strict=True) if k]
        return "*".join(name if k == 1 else f"{name}**{k}" for name, k in pairs)

    return f"y = {_sum(digits, None, term_of)}{_since(result)}", note


def _power_coef(result: Result) -> list[float]:
    """Return the coefficients in powers of several columns of x."""
    if result.stats is not None:
        return list(result.stats["coef_power"])
    if result.terms is None or result.domains is None or result.window is None:
        return list(map(float, result.coef))
    domains = [Domain(*ends, result.window) for ends in result.domains]
    return to_power(result.family, domains, result.terms, result.coef)


def inputs(result: Result) -> list[str]:
    """Return the names of the columns of x, as a formula may hold them."""
    width = len(result.domains or (result.domain,))
    named = result.target.get("x")
    names = [str(name) for name in (named if isinstance(named, list) else [named]) if name]
    if len(names) == width and all(name.isidentifier() for name in names):
        return names
    return ["x"] if width == 1 else [f"x{place + 1}" for place in range(width)]


def _points_of_box(result: Result) -> Array:
    """Return points that fill the ranges evenly, shape (POINTS, columns): Kronecker's sequence of square roots."""
    domains = np.array(result.domains)
    steps = np.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37])[np.arange(len(domains)) % 12]
    share = np.outer(np.arange(POINTS), steps) % 1.0
    found: Array = domains[:, 0] + (domains[:, 1] - domains[:, 0]) * share
    return found


def formula_of(result: Result, coef: npt.NDArray[np.float64]) -> str:
    """Return the formula of another polynomial in the basis and domain of the result."""
    return formula(dataclasses.replace(result, coef=coef))[0]


def latex(result: Result) -> str:
    """Return the formula in LaTeX."""
    if result.terms is not None:
        return formula_of_many(result)[0].replace("**", "^").replace("*", " ")
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
    if result.verb == "approximate":  # whose error may be far below the tolerance
        return True, "Each coefficient has all digits of its float64.", result.coef.tolist()
    a, b = result.domain
    x = a + (b - a) * np.linspace(0, 1, POINTS)
    with np.errstate(all="ignore"):
        truth = np.asarray(result(x))
        largest = float(np.abs(truth).max())
        if not np.isfinite(largest):
            return _is_plain(result), "The polynomial overflows on its domain.", result.coef.tolist()
        note = f"The formula is within {TOLERANCE:.0e} of the largest abs(y) on the domain."
        exact = _plain_coef(result)
        if exact is not None:
            digits = _shortest(exact, [x**k for k in range(len(exact))], truth, TOLERANCE * largest)
            if digits is not None:
                return True, note, digits
        if _is_plain(result):
            return True, "Evaluated as it stands, the formula loses digits on its domain.", result.coef.tolist()
        columns = result.family.columns(_as_shown(result, x), result.degree)
        digits = _shortest(result.coef.tolist(), columns, truth, TOLERANCE * largest)
    why = "Plain powers of x cannot carry it in float64 on this domain."
    if digits is None:
        return False, f"Evaluated as it stands, the formula loses digits. {why}", result.coef.tolist()
    return False, f"{note} {why}", digits


def _plain_coef(result: Result) -> list[float] | None:
    """Return the coefficients in plain powers of x, or None where no float64 holds them."""
    if _is_plain(result):
        return [float(value) for value in result.coef]
    if result.degree > LARGEST_EXACT:
        return None
    try:
        return [float(value) for value in result.family.to_power(result.coef, result.map)]
    except OverflowError:
        return None


def _as_shown(result: Result, x: Array) -> Array:
    """Return u in the order of operations in which the formula shows it."""
    domain = result.map
    if result.window is None:
        return x
    half = (domain.b - domain.a) / (result.window[1] - result.window[0])
    u: Array = (x - domain.center) / half + domain.offset
    return u


def _shortest(coef: Sequence[float], columns: Sequence[Array], truth: Array, tolerance: float) -> list[float] | None:
    """Return `coef` rounded to as few digits as keep within `tolerance`, or None where not even all digits do."""
    matrix = np.stack(columns, axis=-1)

    def error(candidate: Sequence[float]) -> Array:
        used = np.flatnonzero(candidate)  # a term that is left out is not computed either
        found: Array = matrix[:, used] @ np.asarray(candidate)[used] - truth
        return found

    for digits in range(1, 18):
        rounded = [_round(value, digits) for value in coef]
        left = error(rounded)
        if np.abs(left).max() <= tolerance:
            break
    else:
        return None
    # One by one, each coefficient gives up the digits that it does not need; a negligible one becomes 0.
    for k, value in enumerate(coef):
        for fewer in range(digits):
            shorter = _round(value, fewer) if fewer else 0.0
            changed = left + (shorter - rounded[k]) * matrix[:, k]
            if np.abs(changed).max() <= tolerance:
                rounded[k], left = shorter, changed
                break
    return rounded if np.abs(error(rounded)).max() <= 1.001 * tolerance else [_round(value, 17) for value in coef]


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


def _since(result: Result) -> str:
    """Return from when columns of dates and times count their seconds."""
    origins = result.target.get("origins", {})
    names = ["x"] if result.terms is None else list(origins)
    pairs = zip(names, [origin for name, origin in origins.items() if name != result.target.get("y")], strict=False)
    return "".join(f", {name} in seconds from {origin}" for name, origin in pairs)


def _where(result: Result) -> str:
    return "" if result.window is None else f", u = {mapped_variable(result)}"
