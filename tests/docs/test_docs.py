"""The pages: the lesson does what it says, and every message has its Chinese.

That the pages build without a warning is seen by building them: `make docs`.
"""

import ast
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "examples" / "polynomial_optim.py"
CATALOGUES = ROOT / "docs" / "locale" / "zh_CN" / "LC_MESSAGES"
HAN = re.compile("[\u4e00-\u9fff]")
MARKUP = re.compile(r"``[^`]+``|:\w+:`[^`]*?<[^`]+>`|\|[^|]+\|")


def catalogue(name):
    """Return the messages of a .po file, those that are fuzzy, and those that are no more."""
    entry = re.compile(r'((?:^#.*\n)*)^msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|\Z))+)', re.MULTILINE)
    found = entry.findall((CATALOGUES / name).read_text(encoding="utf-8"))
    text = {joined(message): joined(translated) for _, message, translated in found}
    fuzzy = [joined(message) for comment, message, _ in found if "fuzzy" in comment]
    text.pop("")
    return text, fuzzy


def joined(lines):
    return "".join(ast.literal_eval(line) for line in lines.splitlines())


def prose(text):
    """Return the paragraphs, headings and list items of reStructuredText or Markdown, each on one line."""
    text = re.sub(r"^```.*\n(.*\n)*?```$", "\n", text, flags=re.MULTILINE)  # fences
    text = re.sub(r"^#+ ", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\.\. .*\n(\n| +.*\n)*", "\n", text, flags=re.MULTILINE)  # directives
    text = re.sub(r"^[=-]{3,}$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\* ", "\n", text, flags=re.MULTILINE)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def lesson_prose(path):
    source = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^# %%\n((?:#.*\n)+)", source, re.MULTILINE)
    comments = [re.sub("^# ?", "", block, flags=re.MULTILINE) for block in blocks]
    return "\n\n".join([ast.get_docstring(ast.parse(source)), *comments])


ENGLISH = ("api", "benchmarks", "internals")
WRITTEN = sorted(
    path.relative_to(ROOT / "docs")
    for path in (*(ROOT / "docs").rglob("*.rst"), ROOT / "docs" / "choose.md")
    if path.relative_to(ROOT / "docs").parts[0] not in (*ENGLISH, "learn", "_build")
)
CHINESE = sorted(path.relative_to(CATALOGUES).as_posix() for path in CATALOGUES.rglob("*.po"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"learn/{path.stem}.po", lesson_prose(path)) for path in sorted(LESSON.parent.glob("*.py"))),
        *((page.with_suffix(".po").as_posix(), (ROOT / "docs" / page).read_text(encoding="utf-8")) for page in WRITTEN),
    ],
)
def test_every_paragraph_has_its_chinese(name, text):
    messages, fuzzy = catalogue(name)
    assert len(prose(text)) > 1
    assert [part for part in prose(text) if part not in messages] == []
    assert fuzzy == []


@pytest.mark.parametrize("name", CHINESE)
def test_translations_are_chinese_and_keep_code_and_links(name):
    messages, _ = catalogue(name)
    for message, chinese in messages.items():
        assert HAN.search(chinese) or message in ("polyoptim", "scikit-learn")
        kept = [re.sub("`.*<", "`<", mark) for mark in MARKUP.findall(message)]
        assert sorted(kept) == sorted(re.sub("`.*<", "`<", mark) for mark in MARKUP.findall(chinese)), message


@pytest.mark.parametrize("name", CHINESE)
def test_marks_stand_apart_from_the_characters_around_them(name):
    mark = re.compile(r"``[^`]+``|:[\w-]+:`[^`]*`|`[^`]+`__?|(?<!\*)\*\*[^*\s][^*]*\*\*")
    for chinese in catalogue(name)[0].values():
        for found in mark.finditer(chinese):
            before, after = f" {chinese} "[found.start()], f" {chinese} "[found.end() + 1]
            assert before.isspace() or unicodedata.category(before) in ("Ps", "Pi", "Pf", "Pd", "Po"), chinese
            assert after.isspace() or unicodedata.category(after) in ("Pe", "Pi", "Pf", "Pd", "Po"), chinese


def test_gallery_words_have_their_chinese():
    messages, _ = catalogue("learn/polynomial_optim.po")
    for words in (
        "Total running time",
        "Download Python source",
        "Download Jupyter",
        "Download zipped",
        "Go to the end",
    ):
        assert any(words in message for message in messages), words


def test_lesson_asks_for_polyoptim_only_after_the_question():
    before = LESSON.read_text(encoding="utf-8").split("# Is 8.9 good?")[0]
    code = [line for line in before.splitlines() if not line.startswith("#")]
    assert "polyoptim" not in "\n".join(code[code.index("import math") :])


def test_lesson_shows_the_same_floats_and_a_small_gap(tmp_path):
    printed = subprocess.check_output([sys.executable, LESSON], cwd=tmp_path, encoding="utf-8", timeout=300)
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines[1:21]] == [str(t) for t in range(99, 2000, 100)]
    assert "same losses:       True" in lines
    assert "same coefficients: True" in lines
    assert "optimum:               8.817168" in lines
    assert 8.817 < float(lines[20].split()[1]) < 9.05  # the "8.9" of the prose
    gaps = [float(line.split()[-1]) for line in lines if line.startswith(("RMSprop, ", "LBFGS, "))]
    assert gaps[0] > 20 * gaps[1] > 20 * gaps[2]
    assert not list(tmp_path.iterdir())


def test_numbers_of_the_first_page_are_so():
    page = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
    names = {}
    exec("\n".join(re.findall(r"^ +>>> (.*)$", page, re.MULTILINE)), names)  # noqa: S102 - our own page
    loss, optimum = map(float, re.search(r"^ +\(([\d.]+), ([\d.]+)\)$", page, re.MULTILINE).groups())
    assert optimum == round(names["result"].optimum, 4)
    assert loss == pytest.approx(names["result"].loss, abs=0.1)  # its last digits are the processor's
