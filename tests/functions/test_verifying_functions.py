"""verify() of whole functions: measured again, made again; an edit does not pass."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from polyoptim import ResultFileError, function, verify
from polyoptim.cli import run
from polyoptim.exporters.manifest import NO_HASH


def resealed(text):
    """The text with the hash that belongs to it."""
    old = re.search(r'"sha256": "([0-9a-f]{64})"', text)[1]
    return text.replace(old, hashlib.sha256(text.replace(old, NO_HASH, 1).encode()).hexdigest(), 1)


@pytest.fixture(scope="module")
def found():
    return function("sin", format="bfloat16")


@pytest.mark.parametrize("ending", [".h", ".c"])
def test_files_are_verified(tmp_path, found, ending):
    found.export(tmp_path / f"sine{ending}")
    seen = verify(tmp_path / f"sine{ending}")
    assert (seen.status, seen.regenerated, seen.proved) == ("verified", True, None), seen.reasons
    assert seen.measured == found.max_ulp


def test_another_coefficient_is_found_also_where_the_hash_is_recomputed(tmp_path, found):
    path = tmp_path / "sine.h"
    found.export(path)
    text = path.read_text()
    literal = re.search(r"s3 = (-0x1\.\w+)p-3f", text)[1]
    path.write_text(resealed(text.replace(literal, "-0x1.8")))
    seen = verify(path)
    assert (seen.status, seen.measured) == ("failed", None)
    assert "the file says at most" in seen.reasons[-1]


def test_other_code_and_another_claim_are_found(tmp_path, found):
    path = tmp_path / "sine.h"
    found.export(path)
    text = path.read_text()
    path.write_text(text.replace("#include <float.h>\n", "#include <float.h>\n\n"))
    assert "hash" in verify(path).reasons[-1]
    path.write_text(resealed(text.replace("#include <float.h>\n", "#include <float.h>\n\n")))
    seen = verify(path)
    assert (seen.status, seen.regenerated) == ("failed", False)
    assert "the file is another: line" in seen.reasons[-1]
    path.write_text(resealed(text.replace(f'"max_ulp": {found.max_ulp!r}', '"max_ulp": 0.5')))
    assert verify(path).status == "failed"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"function": "sin"', '"function": "sine"', "unknown function"),
        ('"degrees"', '"degree"', "it lacks degrees"),
        ('"scheme"', '"order"', "it lacks scheme"),
        ("float s3 = ", "float s4 = ", "other powers"),
        ("float s3 = ", "float z3 = ", "which sin has none of"),
    ],
)
def test_damaged_files_are_refused(tmp_path, found, old, new, said):
    path = tmp_path / "sine.h"
    found.export(path)
    text = path.read_text()
    assert old in text
    path.write_text(resealed(text.replace(old, new)))
    with pytest.raises(ResultFileError, match=said):
        verify(path)


def test_other_versions_are_told(tmp_path, found):
    path = tmp_path / "sine.h"
    found.export(path)
    path.write_text(resealed(re.sub(r'"numpy": "[^"]+"', '"numpy": "1.0"', path.read_text())))
    seen = verify(path)
    assert (seen.status, seen.measured, seen.regenerated) == ("versions differ", found.max_ulp, None)


def test_the_command_line_says_what_python_says(tmp_path, found, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["function", "sin", "--format", "bfloat16", "--json", "--export", "a.h", "b.c"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "Written: a.h\nWritten: b.c\n"
    assert json.loads(printed.out) | {"seconds": 0} == found.to_dict() | {"seconds": 0}
    assert run(["function", "sin", "--format", "bfloat16", "--quiet"]) == 0
    assert capsys.readouterr().out.split() == [text for one in found.coef_hex.values() for text in one.values()]
    assert run(["function", "sin", "--format", "bfloat16"]) == 0
    shown = capsys.readouterr().out
    assert "polyoptim function: sin for every bfloat16" in shown
    assert f"{found.max_ulp:.6g} ulp, exhaustive: of every input" in shown
    assert run(["verify", "a.h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measured"] == found.max_ulp


def test_the_command_line_checks_its_words_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["function", "sin", "--export", "a.tex"]) == 2
    assert "no whole function is exported with the ending '.tex'" in capsys.readouterr().err
    assert run(["function", "sin", "--export", "nowhere/a.h"]) == 2
    assert "there is no folder 'nowhere'" in capsys.readouterr().err
    assert run(["function", "sinus", "--max-ulp", "0.2"]) == 2
    assert "did you mean 'sin'" in (said := capsys.readouterr().err)
    assert "max_ulp must be a number >= 0.5" in said
    assert run(["function", "--help"]) == 0
    shown = capsys.readouterr().out
    for word in ("exp2, sin, exp, log2, tanh, gelu, silu or erf", "--max-ulp", "exp2f.h"):
        assert word in shown
