"""The lessons: each is listed, its links lead somewhere, and its pictures say what they show.

That they run, and that what can be downloaded is what ran, is seen by building the pages: `make docs`.
"""

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

import polyoptim

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
HEADER = (EXAMPLES / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
LISTED = re.findall(r"^ +:doc:`/learn/(\w+)`", HEADER, re.MULTILINE)
SPEC = importlib.util.spec_from_file_location("docs_checks", ROOT / "docs" / "extensions" / "checks.py")
checks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(checks)


def source(lesson):
    return (EXAMPLES / f"{lesson}.py").read_text(encoding="utf-8")


def blocks(lesson):
    """Return the statements of each block that has some, as text."""
    parsed = [ast.parse(block).body for block in re.split(r"^# %%\n", source(lesson), flags=re.MULTILINE)]
    return [[ast.unparse(statement) for statement in body] for body in parsed if body]


def test_every_lesson_is_listed_once_and_the_reference_run_first():
    assert LISTED[0] == "polynomial_optim"
    assert sorted(LISTED) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


def test_the_list_has_picture_link_and_text_of_the_same_lesson():
    found = re.findall(
        r"figure:: /learn/images/thumb/sphx_glr_(\w+)_thumb\.png\n"
        r" +:target: (\w+)\.html\n +:alt: \S.+\n\n +:doc:`/learn/(\w+)`: \S",
        HEADER,
    )
    assert found == [(name, name, name) for name in LISTED]


@pytest.mark.parametrize("lesson", LISTED)
def test_links_lead_to_lessons_and_each_ends_with_what_to_try(lesson):
    links = re.findall(r"<(\w+)\.html>", source(lesson))
    assert links
    assert set(links) <= set(LISTED) - {lesson}
    assert re.findall(r"\n# (.+)\n# -{3,}\n", source(lesson))[-1] == "Where to go next"


@pytest.mark.parametrize("lesson", LISTED)
def test_every_lesson_has_a_picture_that_says_what_it_shows(lesson):
    made = [body for body in blocks(lesson) if body[-1] == "figure"]
    assert made or any(body[-1].endswith(".plot()") for body in blocks(lesson))
    assert all(body[-2].startswith("figure.set_label(") for body in made)


def test_every_figure_of_polyoptim_says_what_it_shows():
    trained = polyoptim.train("sin(x)", seed=0, steps=10, engine="fused")
    fitted = polyoptim.fit([1.0, 2.0, 3.0, 4.0], [2.1, 3.9, 6.2, 7.8], degree=1)
    over = {"lr": [1e-7, 1e-6], "momentum": [0.0, 0.5]}
    swept = polyoptim.sweep("sin(x)", over=over, optimizer="SGD", steps=5)
    curve = polyoptim.sweep("sin(x)", over={"lr": [1e-7, 1e-6]}, optimizer="SGD", steps=5)
    raced = polyoptim.race("sin(x)", optimizers=["SGD"], steps=20, seeds=2, tuning_seeds=2, lrs=[1e-7, 1e-6])
    front = polyoptim.front("2**x", domain=(0, 1), degrees=[2], formats="float16", schemes="horner")
    approximated = [polyoptim.approximate("2**x", domain=(0, 1), degree=2, format=name) for name in ("float16", "real")]
    labels = [one.plot().get_label() for one in (trained, fitted, swept, curve, raced, front, *approximated)]
    assert all(re.fullmatch(r"[A-Z][^0-9]{30,}\.", label) for label in labels), labels
    assert len(set(labels)) == len(labels)


def write_gallery(folder, script, notebook):
    folder.mkdir()
    (folder / "one.py").write_text(script, encoding="utf-8")
    (folder / "one.ipynb").write_text(nbformat.writes(notebook) if notebook else "{}", encoding="utf-8")
    return folder


def test_downloads_have_to_be_what_ran(tmp_path):
    script = '"""\nOne\n===\n"""\n\nx = 1\n\n# %%\n# Words.\n\nprint(x)\n'
    code = map(nbformat.v4.new_code_cell, ("%matplotlib inline", "x = 1", "print(x)"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# One"), *code])
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "one.py").write_text(script, encoding="utf-8")
    assert checks.wrong_downloads(write_gallery(tmp_path / "a", script, notebook), examples) == []
    found = checks.wrong_downloads(write_gallery(tmp_path / "b", script + "\n", notebook), examples)
    assert found == ["one.py is not the lesson"]
    del notebook.cells[-1]
    found = checks.wrong_downloads(write_gallery(tmp_path / "c", script, notebook), examples)
    assert found == ["one.ipynb has not the code of the lesson"]
    (found,) = checks.wrong_downloads(write_gallery(tmp_path / "d", script, None), examples)
    assert found.startswith("one.ipynb is no notebook: ")
