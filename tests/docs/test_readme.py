"""What the two READMEs say is so: their commands and blocks run, their links lead somewhere, and they agree."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polyoptim.bases import FAMILIES
from polyoptim.cli import COMMANDS
from polyoptim.losses import LOSSES

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", read(name), re.MULTILINE | re.DOTALL)


def shell_lines(name):
    lines = "".join(blocks(name, "sh")).splitlines()
    return [line.split("  #")[0].rstrip() for line in lines]


def code_lines(name):
    lines = "".join(blocks(name, "python")).splitlines()
    return [line.split("  #")[0].rstrip() for line in lines]


def make():
    spec = importlib.util.spec_from_file_location("make_of_readme", ROOT / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_both_readmes_have_the_same_commands_and_code():
    assert shell_lines(READMES[0]) == shell_lines(READMES[1])
    assert code_lines(READMES[0]) == code_lines(READMES[1])


def test_both_readmes_show_the_same_output():
    shown = [[line for line in blocks(name, "text")[0].splitlines() if not line.startswith("…")] for name in READMES]
    assert shown[0] == shown[1]


def test_both_readmes_have_as_many_sections_and_rows():
    marks = [[line[:2] for line in read(name).splitlines() if line.startswith(("#", "| "))] for name in READMES]
    assert marks[0] == marks[1]


def test_python_blocks_run(tmp_path):
    for block in blocks("README.md", "python"):
        run(tmp_path, "-c", block)
    assert (tmp_path / "bell.png").stat().st_size > 10_000


def test_polyoptim_commands_run(tmp_path):
    commands = [shlex.split(line) for line in shell_lines("README.md") if line.startswith("polyoptim ")]
    assert {words[1] for words in commands} == set(COMMANDS)
    shutil.copy(ROOT / "src" / "polyoptim" / "certified" / "norris.csv", tmp_path)
    for words in commands:
        if words[1] != "serve":  # it does not end by itself; tests/web starts it
            run(tmp_path, "-m", *words)
    assert {path.name for path in tmp_path.iterdir()} == {
        "sine.json",
        "sine.png",
        "sine.py",
        "sine.ipynb",
        "sine.tex",
        "sweep.png",
        "norris.csv",
        "exp2.h",
        "front.png",
        "tanh.h",
    }


def shape(line):
    """A line without its numbers; which terms a formula has is one of their last digits where one is near 0."""
    words, formula, _ = line.partition("formula        y = ")
    return words + formula if formula else NUMBER.sub("#", line).replace(" - #", " + #")


def test_output_of_the_first_command_is_what_it_prints(tmp_path):
    command, *words = make().MAIN
    assert command == "polyoptim"
    printed = run(tmp_path, "-m", command, *words)
    # Another processor may change the last digits: the words count here, and the floats in the next assertion.
    lines = {shape(line) for line in printed.splitlines()}
    shown = [line for line in blocks("README.md", "text")[0].splitlines() if not line.startswith("…")]
    assert [line for line in shown if shape(line) not in lines] == []
    lesson = run(tmp_path, "polynomial_optim.py").splitlines()
    assert printed.splitlines()[:21] == lesson


@pytest.mark.parametrize("name", READMES)
def test_links_lead_to_files(name):
    links = re.findall(r"\]\(([^)#]+)\)", read(name))
    assert [link for link in links if "://" not in link and not (ROOT / link).is_file()] == []
    assert set(READMES) - {name} <= set(links)


@pytest.mark.parametrize("name", READMES)
def test_targets_of_make_exist(name):
    code = [*shell_lines(name), *re.findall("`(.+?)`", read(name))]
    named = re.findall(r"\bmake(?:\.py)? ([a-z]+)\b", "\n".join(code))
    assert {"train", "test", "docs"} <= set(named) <= {target.name for target in make().TARGETS}


@pytest.mark.parametrize("name", READMES)
def test_table_names_every_loss_and_command(name):
    rows = [line for line in read(name).splitlines() if line.startswith("| ")]
    assert next(row for row in rows if "squared" in row and all(loss in row for loss in LOSSES))
    assert next(row for row in rows if re.findall(r"`(\w+)`", row) == list(COMMANDS))
    bases = next(row for row in rows if "Chebyshev" in row or "切比雪夫" in row)
    assert len(re.split("[,、]", bases)) == len(FAMILIES)


def test_picture_is_small():
    assert (ROOT / "docs" / "images" / "polynomial_optim.png").stat().st_size < 200_000
