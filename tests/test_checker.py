"""The checker: what it accepts, and that a claim which is false, or a document that was touched, is rejected."""

from __future__ import annotations

import copy
import json
import math
from fractions import Fraction

import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.canonical import spell
from polyoptim.checker import check
from polyoptim.solvers.proof import to_certificate
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.parser import parse_tree

F = Fraction


def certificate(text, coef, domain, error="absolute"):
    ends = tuple(parse_tree(end, variable=None) for end in domain)
    kind = error if error in ("absolute", "relative") else parse_tree(error)
    return to_certificate(enclose(parse_tree(text), dict(enumerate(map(F, coef))), [ends], error=kind))


EXP = certificate("exp(x)", (1, 1, F(1, 2)), ("-log(2)/2", "log(2)/2"))
MANY = certificate("abs(x - 1/3)", (F(1, 3), -1), ("-1", "1"), "1/(1 + x**2)")
ROOT = certificate("asin(sqrt(x))/sqrt(x)", (1, F(1, 6)), ("0", "1"), "relative")


def sealed(document, **changes):
    """The document with changes and the hash that belongs to them."""
    changed = {**copy.deepcopy(document), **changes}
    return json.loads(spell(changed))


def ulp(text, direction):
    return math.nextafter(float.fromhex(text), direction).hex()


def leaves(value, path=()):
    """The paths to all texts and numbers of a document."""
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in leaves(part, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, part in enumerate(value) for leaf in leaves(part, (*path, place))]
    return [path]


def touched(text):
    """A text of the same kind, next to the given one."""
    if isinstance(text, int):
        return text + 1
    if text.startswith(("0x", "-0x")):
        return ulp(text, math.inf)
    if "/" in text and text.replace("/", "").lstrip("-").isdigit():
        numerator, denominator = text.split("/")
        return f"{numerator}0000000000000001/{denominator}0000000000000000"
    return text + " "


@pytest.mark.parametrize("document", [EXP, MANY, ROOT], ids=["exp", "corner", "root"])
def test_a_certificate_is_shown_again(document):
    verdict = check(document)
    assert verdict.ok, verdict.reason
    assert (verdict.lower, verdict.upper) == tuple(float.fromhex(document[name]) for name in ("lower", "upper"))
    assert verdict.upper - verdict.lower <= 1e-6 * verdict.upper
    assert check(json.loads(json.dumps(document))) == verdict


@pytest.mark.parametrize("document", [EXP, MANY, ROOT], ids=["exp", "corner", "root"])
def test_every_number_and_text_that_is_touched_is_noticed(document):
    for path in leaves(document):
        changed = copy.deepcopy(document)
        *way, last = path
        place = changed
        for step in way:
            place = place[step]
        place[last] = touched(place[last])
        assert place[last] != document, path
        verdict = check(changed)
        assert not verdict.ok, path
        assert verdict.upper == math.inf
        assert "hash" in verdict.reason


def test_a_missing_panel_is_noticed_under_a_hash_of_its_own():
    for place in range(len(MANY["panels"])):
        panels = [panel for other, panel in enumerate(MANY["panels"]) if other != place]
        verdict = check(sealed(MANY, panels=panels))
        assert not verdict.ok
        assert "cover" in verdict.reason or "largest bound" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lower": ulp(EXP["lower"], math.inf)}, "below lower"),
        ({"upper": ulp(EXP["upper"], 0)}, "largest bound"),
        ({"upper": ulp(EXP["upper"], math.inf)}, "largest bound"),
        ({"upper": "inf"}, "no bounds"),
        ({"upper": "nan"}, "no bounds"),
        ({"lower": "-0x1p-3"}, "no bounds"),
        ({"domains": [["-log(2)/2", "0.34657359027997270"]]}, "cover"),
        ({"domains": [["-0.34657359027997270", "log(2)/2"]]}, "cover"),
        ({"domains": [["-log(2)/2", "log(2)/2"], ["2/1", "3/1"]]}, "cover"),
        ({"domains": [["-log(0)", "log(2)/2"]]}, "has no value"),
        ({"witness": "347/1000"}, "not in the domain"),
        ({"witness": "1/3"}, "below lower"),
        ({"coef": {"0": "1/1", "1": "1/1", "2": "500001/1000000"}}, "may be above|below lower"),
        ({"coef": {"0": "1/1", "1": "1/1", "-2": "1/2"}}, "negative"),
        ({"coef": {"0": "1/1", "1": "1/1", "1000000000": "1/2"}}, "above 10000"),
        ({"coef": {"0": "1/1", "1": "1/1"}}, "may be above"),
        ({"coef": {"0": 1}}, "cannot be read"),
        ({"error": "relative"}, "may be above|below lower"),
        ({"error": "2"}, "may be above"),
        ({"target": "exp(x) + 1e-9"}, "may be above|below lower"),
        ({"target": "exp(x) + where(x == 1/4, 1, 0)"}, "may be above"),
        ({"target": "exp(x) + 1/(x - 1/5)"}, "may be above"),
        ({"target": "exp(x"}, "cannot be read"),
        ({"target": "__import__('os')"}, "cannot be read"),
        ({"precision": "many"}, "cannot be read"),
        ({"precision": 2}, "may be above|below lower|cover|not in the domain"),
        ({"kind": "minimum"}, "no certificate of a supremum"),
        ({"version": 2}, "no certificate of a supremum"),
        ({"panels": []}, "cannot be read"),
    ],
)
def test_a_false_claim_is_rejected_under_a_hash_of_its_own(changes, reason):
    verdict = check(sealed(EXP, **changes))
    assert not verdict.ok
    assert any(part in verdict.reason for part in reason.split("|")), verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        {"centre": "2/1"}, {"centre": "1/8", "side": 1}, {"side": 2}, {"root": 0}, {"root": 3},
        {"root": 10**9, "side": 1}, {"order": 0},
        {"order": 10**6}, {"low": "-1/3"}, {"high": "1/3"},
    ],
)  # fmt: skip
def test_a_malformed_panel_is_rejected(change):
    verdict = check(sealed(EXP, panels=[{**EXP["panels"][0], **change}]))
    assert not verdict.ok
    assert verdict.reason.startswith(("the panel", "the panels do not cover"))


@pytest.mark.parametrize("document", [None, [], "text", {}, {"sha256": 1}, {"sha256": "0"}])
def test_what_is_no_certificate_is_rejected(document):
    assert not check(document).ok


def test_a_missing_field_is_rejected():
    for key in EXP:
        if key != "sha256":
            assert not check(sealed({name: value for name, value in EXP.items() if name != key})).ok, key


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from([EXP, MANY, ROOT]),
    st.integers(1, 20),
    st.sampled_from([-1, 0, 1]),
    st.integers(1, 4),
    st.lists(st.fractions(-1, 1, max_denominator=100), max_size=4),
    st.integers(128, 512),
)
def test_no_hint_makes_a_false_bound_true(document, order, side, root, cuts, precision):
    too_low = (float.fromhex(document["lower"]) * (1 - 1e-12)).hex()
    panels = [
        {
            **panel, "order": order, "side": side, "root": root if side else 1, "bound": too_low,
            "centre": {1: panel["low"], -1: panel["high"], 0: panel["centre"]}[side],
            "cuts": [f"{cut.numerator}/{cut.denominator}" for cut in cuts],
        }
        for panel in document["panels"]
    ]  # fmt: skip
    verdict = check(sealed(document, panels=panels, upper=too_low, lower="0x0p+0", precision=precision))
    assert not verdict.ok
    assert "may be above" in verdict.reason


def test_hints_that_do_not_help_are_made_up_for():
    panels = [{**panel, "order": 12, "cuts": []} for panel in EXP["panels"]]
    assert check(sealed(EXP, panels=panels)).ok


@pytest.mark.parametrize(
    ("text", "coef", "domain"),
    [
        ("sqrt((0.62 - x)**2)", (F(1, 3), F(1, 5)), ("0", "1")),  # a root of plain balls that touch 0
        ("abs(expm1(sqrt(x**2)))**0.75", (F(-4), F(1)), ("-1", "1")),
        ("relu(sin(x))", (0,), ("-1", "-1/2")),  # nothing, without being seen to be
        ("abs(erf(floor(x)))**0.75", (0,), ("1/4", "3/4")),
        ("cosh(ceil(2.48*x + pi/3))", (F(885, 128),), ("log(2)/2", "pi/4")),  # the jump is at no rational number
        ("abs(floor(sign(x)))", (F(293, 200),), ("-1", "2")),
        ("tanh(x)", (0, 1, 0, F(-1365, 4096)), ("0", "1/1073741824")),  # digits cancel at the witness
    ],
)
def test_bounds_that_hold_at_corners_and_jumps_are_shown_again(text, coef, domain):
    verdict = check(certificate(text, coef, domain))
    assert verdict.ok, verdict.reason


def test_the_context_of_flint_is_given_back():
    before = ctx.prec, ctx.cap
    check(EXP)
    check(sealed(EXP, target="exp(x"))
    assert (ctx.prec, ctx.cap) == before
