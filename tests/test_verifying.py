"""verify(): generated files prove their numbers again and are made again; an edit does not pass."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest

import polyoptim
from polyoptim import ResultFileError, approximate, fit, load, verify
from polyoptim.cli import run
from polyoptim.exporters.manifest import NO_HASH
from polyoptim.formats import find_format

ENDINGS = (".h", ".c", ".cuh", ".py", ".triton.py", ".tex", ".json")
CASES = {
    "exp2": {
        "target": "2**x",
        "domain": (0, 1),
        "degree": 3,
        "error": "relative",
        "format": "float32",
        "fixed": {0: 1},
    },
    "sine": {"target": "sin(x)", "domain": (0, "pi/4"), "tolerance": 1e-6, "error": "relative"},
    "pieces": {"target": "cos(x)", "domain": [(-1, -0.1), (0.1, 1)], "degree": 4, "format": "bfloat16", "fma": False},
    "fixed": {"target": "exp(x)", "domain": (0, 1), "degree": 3, "format": "q3.20", "scheme": "estrin"},
    "mixed": {"target": "exp(x)", "domain": (0, 1), "degree": 2, "format": ["float32", "float16", "bfloat16"]},
    "least squares": {"target": "exp(x)", "domain": (0, 9), "degree": 3, "objective": "l2", "format": "float32"},
    "through": {"target": "exp(x)", "domain": (0, 1), "degree": 3, "through": [0], "error": "x+1"},
}


def resealed(text):
    """The text with the hash that belongs to it."""
    old = re.search(r'"sha256": "([0-9a-f]{64})"', text)[1]
    return text.replace(old, hashlib.sha256(text.replace(old, NO_HASH, 1).encode()).hexdigest(), 1)


@pytest.mark.parametrize("case", CASES)
def test_files_are_verified(tmp_path, case):
    result = approximate(**CASES[case])
    for ending in ENDINGS:
        path = tmp_path / f"{case}{ending}"
        result.export(path)
        found = verify(path)
        assert (found.status, found.regenerated) == ("verified", True), found.reasons
        assert result.sup_error <= found.proved <= result.sup_error_bound
    result.save(tmp_path / "saved.json")
    load(tmp_path / "saved.json").export(tmp_path / f"{case}.h")
    assert verify(tmp_path / f"{case}.h").status == "verified"


@pytest.mark.parametrize(
    ("case", "ending"),
    [
        *(("exp2", ending) for ending in (".h", ".c", ".cuh", ".py", ".triton.py", ".tex")),
        *((case, ending) for case in ("sine", "fixed") for ending in (".h", ".triton.py")),
    ],
)
def test_one_ulp_fails_also_where_the_hash_is_recomputed(tmp_path, case, ending):
    path = tmp_path / f"{case}{ending}"
    result = approximate(**CASES[case])
    result.export(path)
    text = path.read_text()
    power = max(result.powers)
    own = find_format(result.arguments["format"][-1])
    old = result.coef_hex[power]
    for beside in (own.next_up(own.read(old)), own.next_down(own.read(old))):
        edited = text.replace(f"{old}", own.hex(beside))
        assert edited != text
        path.write_text(edited)
        assert verify(path).status == "failed"
        path.write_text(resealed(edited))
        assert verify(path).status == "failed"
    path.write_text(text)
    assert verify(path).status == "verified"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sup_error_bound": 8.559', '"sup_error_bound": 8.558'),
        ('"total_error_bound": 8.565', '"total_error_bound": 8.560'),
        ('"domain": [["0", "1"]]', '"domain": [["0", "2"]]'),
        ('"target": "2**x"', '"target": "2**x+x/1000"'),
        ('"error": "relative"', '"error": "absolute"'),
        ("fmaf(p1, x, c1)", "fmaf(p1, x, c2)"),
        ('"scheme": "horner"', '"scheme": "estrin"'),
        ("by polyoptim", "by nobody"),
    ],
)
def test_other_edits_fail_too(tmp_path, old, new):
    path = tmp_path / "exp2.h"
    approximate(**CASES["exp2"]).export(path)
    text = path.read_text()
    assert old in text
    path.write_text(resealed(text.replace(old, new, 1)))
    assert verify(path).status == "failed"


def test_other_versions_prove_it_and_say_that_they_differ(tmp_path, capsys):
    path = tmp_path / "exp2.h"
    approximate(**CASES["exp2"]).export(path)
    text = path.read_text()
    path.write_text(resealed(text.replace(f'"polyoptim": "{polyoptim.__version__}"', '"polyoptim": "0.0.1"')))
    found = verify(path)
    assert (found.status, found.regenerated) == ("versions differ", None)
    assert found.proved is not None
    assert "polyoptim 0.0.1 (here" in found.reasons[-1]
    assert run(["verify", str(path)]) == 3
    path.write_text(resealed(path.read_text().replace("0x1.3baa94p-4", "0x1.3bab94p-4")))
    assert verify(path).status == "failed"
    assert run(["verify", str(path)]) == 1
    capsys.readouterr()


def test_a_number_that_is_sampled_is_said_to_be(tmp_path):
    path = tmp_path / "e.h"
    approximate("exp(x)", domain=(0, 1), degree=2, format="float32", prove=False).export(path)
    found = verify(path)
    assert (found.status, found.proved) == ("verified", None)
    assert "sampled, as the file says" in found.reasons[0]


def test_a_saved_result_that_was_changed_fails(tmp_path):
    result = approximate(**CASES["exp2"])
    texts = (*result.coef_hex[:-1], "0x1.3baa96p-4")
    coef = result.coef.copy()
    coef[-1] = float.fromhex(texts[-1])
    replace(result, coef=coef, coef_hex=texts).save(tmp_path / "a.json")
    assert verify(tmp_path / "a.json").status == "failed"
    replace(result, coef_hex=texts).save(tmp_path / "b.json")
    assert verify(tmp_path / "b.json").reasons == ("The coefficients and their texts in the format differ.",)
    certificate = {**result.certificate, "upper": (8e-5).hex()}
    replace(result, certificate=certificate).save(tmp_path / "c.json")
    assert "certificate does not hold" in verify(tmp_path / "c.json").reasons[-1]


def test_what_cannot_be_verified_is_a_clear_error(tmp_path, capsys):
    (tmp_path / "a.h").write_text("int main() { return 0; }\n")
    with pytest.raises(ResultFileError, match="no manifest"):
        verify(tmp_path / "a.h")
    with pytest.raises(ResultFileError, match="cannot be read: No such file"):
        verify(tmp_path / "none.h")
    (tmp_path / "b.h").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultFileError, match="no text"):
        verify(tmp_path / "b.h")
    fit([0.0, 1.0, 2.0], [1.0, 2.0, 5.0], degree=1).save(tmp_path / "fit.json")
    with pytest.raises(ResultFileError, match=r"the result of fit\(\)"):
        verify(tmp_path / "fit.json")
    approximate(abs, domain=(-1, 1), degree=2).save(tmp_path / "callable.json")
    with pytest.raises(ResultFileError, match="no expression"):
        verify(tmp_path / "callable.json")
    approximate(abs, domain=(-1, 1), degree=2).export(tmp_path / "callable.h")
    with pytest.raises(ResultFileError, match="no expression"):
        verify(tmp_path / "callable.h")
    approximate(**CASES["exp2"]).export(tmp_path / "c.h")
    text = (tmp_path / "c.h").read_text()
    for old, new in (
        ('"manifest": 1', '"manifest": 2'),
        ('  "scheme"', '  "shceme"'),
        ('"powers": [', '"powers": [[], '),
        ('"powers": [', '"powers": [1000000000000, '),
        ('"powers": [', '"powers": [2.5, '),
        ('"format": ["float32"', '"format": ["float3"'),
        ('"target": "2**x"', '"target": "2**"'),
        ('"target": "2**x"', '"target": 7'),
        ("{", "[{"),
        ("const float c1 = ", "const float c0 = "),
        ("const float c1 = ", "const float c9 = "),
        ("0x1.63e658p-1", "0x1.63e6580001p-1"),
    ):
        (tmp_path / "d.h").write_text(text.replace(old, new, 1))
        with pytest.raises(ResultFileError):
            verify(tmp_path / "d.h")
    assert run(["verify", str(tmp_path / "a.h")]) == 2
    assert "Export it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"domain": [["0", "1"]]', '"domain": 3'),
        ('"domain": [["0", "1"]]', '"domain": [["1", "0"]]'),
        ('"domain": [["0", "1"]]', '"domain": [["0", "x"]]'),
        ('"error": "relative"', '"error": null'),
        ('"error": "relative"', '"error": "1/"'),
        ('"sup_error_bound": 8.', '"sup_error_bound": "a", "b": 8.'),
        ('"scheme": "horner"', '"scheme": "hornr"'),
        ('"fixed": {"0": "1"}', '"fixed": [1]'),
        ('"through": null', '"through": {"a": 1}'),
        ('"export": "header"', '"export": "haeder"'),
        ('"versions": {', '"versions": 3, "were": {'),
    ],
)
def test_a_damaged_manifest_never_passes_and_never_breaks(tmp_path, old, new):
    path = tmp_path / "exp2.h"
    approximate(**CASES["exp2"]).export(path)
    text = path.read_text()
    assert old in text
    path.write_text(resealed(text.replace(old, new, 1)))
    assert run(["verify", str(path)]) in (1, 2)


def test_command_line_says_what_was_found(tmp_path, capsys):
    path = tmp_path / "exp2.h"
    words = ["approximate", "2**x", "--domain", "0", "1", "--degree", "3", "--error", "relative", "--format", "float32"]
    assert run([*words, "--fixed", "0=1", "--export", str(path), "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["sup_error_bound"] < fields["total_error_bound"]
    assert run(["verify", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: verified\n  Proved again: the largest error")
    assert run(["verify", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["regenerated"]) == ("verified", True)
    path.write_text(path.read_text().replace("0x1.3baa94p-4", "0x1.3baa96p-4"))
    assert run(["verify", str(path)]) == 1
    assert "failed" in capsys.readouterr().out


def test_a_file_with_windows_line_ends_is_the_same_file(tmp_path):
    path = tmp_path / "exp2.h"
    approximate(**CASES["exp2"]).export(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert verify(path).status == "verified"
