"""Files from the page: each is what its ending says, and gives the loss that the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import polyoptim
from polyoptim.web.exports import MEDIA_TYPES, export
from polyoptim.web.query import BadRequestError
from polyoptim.web.training_page import result_of

RUN = {"target": "exp(-x**2)", "degree": "4", "domain": "-1,2", "optimizer": "Adam", "lr": "0.05", "steps": "200"}


def test_a_program_gives_the_loss_of_the_page(tmp_path: Path) -> None:
    content, media_type = export({**RUN, "file": "sine.py"})
    assert media_type.startswith("text/x-python")
    (tmp_path / "sine.py").write_bytes(content)
    done = subprocess.run([sys.executable, "sine.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    *rows, last = done.stdout.splitlines()
    result = result_of(RUN)
    step, loss = rows[-1].split()
    [row] = [row for row in result.trace if row["step"] == int(step)]
    assert float(loss) == pytest.approx(row["loss"], rel=1e-9)
    coef = [float(found) for found in re.findall(r"-?\d+\.\d+(?:e[+-]\d+)?", last)]
    assert coef == pytest.approx(result.coef.tolist(), rel=1e-9)


def test_a_notebook_is_one() -> None:
    content, media_type = export({**RUN, "file": "sine.ipynb"})
    assert media_type == "application/x-ipynb+json"
    notebook = nbformat.reads(content.decode(), as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")


def test_a_document_is_the_result(tmp_path: Path) -> None:
    content, _ = export({**RUN, "file": "sine.json"})
    (tmp_path / "sine.json").write_bytes(content)
    found, wanted = polyoptim.load(tmp_path / "sine.json"), result_of(RUN)
    assert found.coef.tolist() == wanted.coef.tolist()
    assert found.loss == wanted.loss


def test_a_picture_is_one() -> None:
    content, media_type = export({**RUN, "file": "sine.png"})
    assert media_type == "image/png"
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.rstrip().endswith(b"IEND\xaeB`\x82")
    assert int.from_bytes(content[16:20], "big") >= 600


def test_a_formula_is_one() -> None:
    content, media_type = export({**RUN, "file": "sine.tex"})
    assert media_type.startswith("text/x-tex")
    assert "x^{4}" in content.decode() or "x^4" in content.decode()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        ".py",
        "a.exe",
        "a.onnx",
        "../a.py",
        "/etc/a.py",
        "a/b.py",
        "a\\b.py",
        "a b.py",
        "-a.py",
        "a.py\n",
        "é.py",
        'a".py',
        "a.py.json",
        "a" * 70 + ".py",
        "a.PY",
        "0a.py",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        export({"file": name})
    assert list(caught.value.fields) == ["page"]
    assert "Known endings" in caught.value.fields["page"]


def test_no_name_is_refused() -> None:
    with pytest.raises(BadRequestError):
        export({})


@pytest.mark.parametrize("ending", [".h", ".c", ".cuh"])
def test_code_for_machines_is_no_file_of_a_run_and_says_so_without_a_path(ending: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        export({**RUN, "file": f"sine{ending}"})
    assert caught.value.fields["page"].startswith(f"'sine{ending}': ")


def test_a_run_that_cannot_be_is_refused_at_its_field() -> None:
    with pytest.raises(BadRequestError) as caught:
        export({"file": "a.py", "degree": "-1"})
    assert list(caught.value.fields) == ["degree"]


def test_every_ending_has_a_media_type_that_no_browser_runs() -> None:
    assert not [kind for kind in MEDIA_TYPES.values() if "html" in kind or "javascript" in kind or "svg" in kind]
