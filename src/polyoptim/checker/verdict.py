"""Proves the number of a certificate again, sharing no code with the search that found it.

Only the reader of expressions and the spelling of documents are used from the rest of the package. The certificate is
believed nothing but where to look: the checker shows that the panels cover the domain, that abs(e) is nowhere above the
bound of its panel (by Bernstein's form of a Taylor polynomial, and a bound of the rest; see `germs`), and that it is at
least `lower` at the witness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flint import arb, arb_poly, ctx, fmpq, fmpq_poly

from polyoptim.canonical import spell
from polyoptim.checker.functions import computed
from polyoptim.checker.germs import Frame, Germ, HoleError
from polyoptim.errors import PolyoptimError
from polyoptim.targets.parser import parse_tree

HALVINGS = 10  # of a panel whose bound does not show at once
PIECES = 400  # of a polynomial on a panel
MOST_BITS, MOST_ORDER, MOST_ROOT, MOST_PANELS, MOST_DEGREE = 1 << 14, 128, 64, 10**5, 10**4


class _NotShownError(Exception):
    """Something that the certificate says does not follow."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker found: whether all was shown, the bounds that were shown, and why not otherwise."""

    ok: bool
    lower: float
    upper: float
    reason: str


def check(certificate: Mapping[str, Any]) -> Checked:
    """Prove a certificate again.

    flint's precision and order are set for the time of the call; from other threads' settings the proof may fail, but
    not succeed wrongly.

    Examples
    --------
    >>> check({"kind": "supremum"}).reason
    'the document is no certificate of this version, or was changed: its hash is not that of its content.'
    """
    before = ctx.prec, ctx.cap
    try:
        if not isinstance(certificate, Mapping) or certificate.get("sha256") != _hash(certificate):
            raise _NotShownError(
                "the document is no certificate of this version, or was changed: its hash is not that of its content"
            )
        lower, upper = _shown(certificate)
    except _NotShownError as error:
        return Checked(False, 0.0, math.inf, f"{error}.")
    except (PolyoptimError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return Checked(False, 0.0, math.inf, f"the certificate cannot be read: {type(error).__name__}: {error}.")
    finally:
        ctx.prec, ctx.cap = before
    return Checked(True, lower, upper, "")


def _hash(certificate: Mapping[str, Any]) -> str:
    text = spell({key: value for key, value in certificate.items() if key != "sha256"}).decode()
    return text[text.rindex('"sha256":"') + 10 :][:64]


def _shown(document: Mapping[str, Any]) -> tuple[float, float]:
    """Return the bounds of a certificate, once they are shown."""
    if (document["kind"], document["version"]) != ("supremum", 1):
        raise _NotShownError("this is no certificate of a supremum, version 1")
    ctx.prec = min(int(document["precision"]), MOST_BITS)
    ctx.cap = MOST_ORDER
    lower, upper = (float.fromhex(document[name]) for name in ("lower", "upper"))
    claim = _Claim(document)
    panels = document["panels"]
    if len(panels) > MOST_PANELS or not 0 <= lower <= upper < math.inf:
        raise _NotShownError("lower and upper are no bounds, or there are too many panels")
    if max(float.fromhex(panel["bound"]) for panel in panels) != upper:
        raise _NotShownError("upper is not the largest bound of the panels")
    bits, ctx.prec = ctx.prec, 2 * ctx.prec  # so that ends are known better than they were rounded
    domains = [tuple(_constant(text) for text in pair) for pair in document["domains"]]
    ctx.prec = bits
    _covered(domains, sorted((_fraction(panel["low"]), _fraction(panel["high"])) for panel in panels))
    for panel in panels:
        claim.bounded(panel)
    witness = _fraction(document["witness"])
    if not any(_at_most(low, witness) and _at_most(witness, high) for low, high in domains):
        raise _NotShownError("the witness is not in the domain")
    ctx.prec = 2 * bits  # one point: sums of near numbers may lose what they have to
    if not claim.at_point(witness) >= lower:
        raise _NotShownError("the error at the witness is below lower")
    return lower, upper


def _fraction(text: str) -> fmpq:
    numerator, denominator = text.split("/")
    return fmpq(int(numerator), int(denominator))


def _constant(text: str) -> fmpq | arb:
    """Return an end of a domain, as a ball where it is no rational number."""
    germ = computed(parse_tree(text, variable=None), Frame.at_point(fmpq(0)))
    if germ.exact is not None:
        return germ.exact[0]
    if not germ.value().is_finite():
        raise _NotShownError(f"the end {text} has no value")
    return germ.value()


def _at_most(a: fmpq | arb, b: fmpq | arb) -> bool:
    both = isinstance(a, fmpq) and isinstance(b, fmpq)
    return bool(a <= b if both else arb(a) <= arb(b))


def _covered(domains: list[Any], panels: list[tuple[fmpq, fmpq]]) -> None:
    """Show that panels, ascending, cover each domain without a gap."""
    for low, high in domains:
        reach = low  # from low to here all is covered
        at_all = False
        for start, end in panels:
            if _at_most(start, reach) and (not _at_most(end, reach) or _at_most(reach, end)):
                reach, at_all = end, True
        if not at_all or not _at_most(high, reach):
            raise _NotShownError("the panels do not cover the domain")


class _Claim:
    """The error that a certificate is about."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.target = parse_tree(document["target"], document["variable"])
        self.kind = document["error"]
        self.weight = None if self.kind in ("absolute", "relative") else parse_tree(self.kind, document["variable"])
        coef = {int(power): _fraction(value) for power, value in document["coef"].items()}
        if min(coef, default=0) < 0 or max(coef, default=0) > MOST_DEGREE:
            raise _NotShownError(f"a power is negative, or above {MOST_DEGREE}")
        self.polynomial = fmpq_poly([coef.get(power, fmpq(0)) for power in range(max(coef, default=-1) + 1)])

    def error(self, frame: Frame) -> Germ:
        """Return the germ of e."""
        target = computed(self.target, frame)
        difference = frame.germ(self.polynomial(frame.x)) - target
        difference = difference if self.kind == "absolute" else difference.sharpened()
        if self.weight is not None:
            return difference * computed(self.weight, frame)
        return difference / target if self.kind == "relative" else difference

    def bounded(self, panel: Mapping[str, Any]) -> None:
        """Show the bound of a panel, in halves where it does not show at once."""
        low, high, centre = (_fraction(panel[name]) for name in ("low", "high", "centre"))
        side, root, order, bound = panel["side"], panel["root"], panel["order"], float.fromhex(panel["bound"])
        if not (low <= centre <= high and 1 <= root <= MOST_ROOT and side in (-1, 0, 1) and 1 <= order <= MOST_ORDER):
            raise _NotShownError(f"the panel [{low}, {high}] is malformed")
        if (side or root != 1) and centre != (low if side > 0 else high):
            raise _NotShownError(f"the panel [{low}, {high}] is not expanded at its end")
        cuts = [_fraction(cut) for cut in panel["cuts"]]
        todo = [(low, high, centre, side, root, cuts, 0)]
        while todo:
            low, high, centre, side, root, cuts, depth = todo.pop()
            if self.is_below(Frame.on_panel(low, high, centre, side, root, order), cuts, bound):
                continue
            if depth == HALVINGS or low == high:
                raise _NotShownError(f"the error may be above {bound!r} on the panel [{low}, {high}]")
            middle = (low + high) / 2
            for start, end in ((low, middle), (middle, high)):
                kept = side and centre in (start, end)
                hint = (centre, side, root) if kept else ((start + end) / 2, 0, 1)
                todo.append((start, end, *hint, [], depth + 1))

    def at_point(self, x: fmpq) -> arb:
        """Return abs(e) at a point; 0 where its formula is 0 / 0, so that its limit stands for it."""
        try:
            return abs(self.error(Frame.at_point(x)).value())
        except HoleError:
            return arb(0)

    def is_below(self, frame: Frame, cuts: list[fmpq], bound: float) -> bool:
        """Return whether abs(e) is shown to be at most `bound` on a panel."""
        try:
            germ = self.error(frame).settled()
            if frame.jumps and not self.at_point(frame.x[0]) <= bound:
                return False
        except (ArithmeticError, ValueError):  # no expansion here; ValueError is flint's word for some
            return False
        order = min(germ.at.prec, germ.on.prec)
        rest = arb(bound) - abs(germ.on[order - 1]) * arb(max(-frame.start, frame.end)) ** (order - 1)
        if order == 1:
            return bool(rest >= 0)
        inside = [cut for cut in cuts if frame.start < cut < frame.end]
        ends = [frame.start, *inside, frame.end]
        polynomial = arb_poly([germ.at[place] for place in range(order - 1)])
        return _is_within(polynomial, list(pairwise(ends)), rest, order - 2)


def _is_within(polynomial: arb_poly, pieces: list[tuple[fmpq, fmpq]], size: arb, degree: int) -> bool:
    """Return whether a polynomial is shown to be at most `size`, by its coefficients in Bernstein's form."""
    for _ in range(PIECES):
        if not pieces:
            return True
        low, high = pieces.pop()
        plain = polynomial(arb_poly([low, high - low]))
        scaled = [plain[place] / math.comb(degree, place) for place in range(degree + 1)]
        for row in range(degree):  # sums of sums, as in Pascal's triangle
            scaled[row + 1 :] = [a + b for a, b in zip(scaled[row + 1 :], scaled[row:], strict=False)]
        if not all(abs(one) <= size for one in scaled):
            pieces += [(low, (low + high) / 2), ((low + high) / 2, high)]
    return False
