"""The pages of use/ and the reference: their examples run, their tables are those of the commands, nothing is left out.

What is tested of ``docs/extensions`` needs no Sphinx; that the pages build is seen by building them: `make docs`.
"""

import doctest
import importlib.util
import inspect
import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

import polyoptim
from polyoptim.cli import COMMANDS
from polyoptim.cli.words import grid_of, value, words
from polyoptim.losses import LOSSES
from polyoptim.web.limits import LIMITS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
CATALOGUES = DOCS / "locale" / "zh_CN" / "LC_MESSAGES"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "learn" not in path.parts)
WRITTEN = [*PAGES, "choose.md"]  # of which none is made from something else
EXAMPLE = re.compile(r"^\.\. code-block:: pycon\n\n((?:   .*\n|\n)+)|^```pycon\n((?:.*\n)+?)```$", re.MULTILINE)
SHOWN = [page for page in WRITTEN if ">>>" in (DOCS / page).read_text(encoding="utf-8") and page != "index.rst"]
DIRECTIVE = re.compile(r"^\.\. options:: (.+)\n(?:   :besides: (.+)\n)?", re.MULTILINE)


def load(name):
    """Return a module of docs/extensions."""
    spec = importlib.util.spec_from_file_location(f"docs_extension_{name}", DOCS / "extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


options, public, checks, benchmark_pages = map(load, ("options", "public", "checks", "benchmark_pages"))


def directives(page):
    """Return the commands of each table of options on a page, and those besides."""
    found = DIRECTIVE.findall((DOCS / page).read_text(encoding="utf-8"))
    return [(names.split(), besides.split()) for names, besides in found]


def rows_of(command):
    return [
        row for rows in options.panels(command, dict.fromkeys(options.arguments(command), "…")).values() for row in rows
    ]


@pytest.mark.parametrize("page", SHOWN)
def test_examples_give_what_they_show(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = EXAMPLE.findall((DOCS / page).read_text(encoding="utf-8"))
    module = types.ModuleType("page")
    module.__doc__ = "\n".join(textwrap.dedent(indented or flush) for indented, flush in blocks)
    failed, tried = doctest.testmod(module, report=True)
    assert failed == 0
    assert tried == (DOCS / page).read_text(encoding="utf-8").count(">>> ")


def test_every_command_has_its_options_on_a_page():
    whole, parts = set(), {}
    for page in PAGES:
        for names, besides in directives(page):
            if len(names) > 1:
                parts.setdefault(page, set()).add(frozenset(names))
            elif not besides:
                whole.add(names[0])
    for page in PAGES:
        for names, besides in directives(page):
            if besides and frozenset([*names, *besides]) in parts.get(page, ()):
                whole.add(names[0])
    assert whole == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_table_has_every_option_and_every_argument(command):
    found = rows_of(command)
    named = [name for row in found for name in re.findall(r"--[a-z-]+", row.written)]
    expected = [
        name for one in COMMANDS[command].params for name in (*one.opts, *one.secondary_opts) if name[:2] == "--"
    ]
    assert sorted(named) == sorted(expected)
    verb = getattr(polyoptim, command, None)
    arguments = set() if verb is None else set(inspect.signature(verb).parameters)
    assert arguments <= {row.python.partition("=")[0] for row in found}
    assert all(row.meaning for row in found)


def test_tables_of_several_commands_lose_no_option():
    shared = ["race", "sweep", "advise"]
    alike = options.alike(shared)
    common = [row for rows in options.shared_panels(shared, dict.fromkeys(alike, "…")).values() for row in rows]
    for command in shared:
        own = dict.fromkeys(set(options.arguments(command)) - alike, "…")
        rest = options.panels(command, own, [one for one in shared if one != command]).values()
        have = sorted(row.written + row.python for row in [*common, *(row for rows in rest for row in rows)])
        assert have == sorted(row.written + row.python for row in rows_of(command))


@pytest.mark.parametrize("command", [name for name in COMMANDS if hasattr(polyoptim, name)])
def test_defaults_on_the_page_are_those_of_python(command):
    signature = inspect.signature(getattr(polyoptim, command)).parameters
    for row in rows_of(command):
        parameter = signature.get(row.python)
        if parameter is None or parameter.default in (None, parameter.empty, (), False):
            continue
        if row.written.startswith("--lrs"):
            assert grid_of("--lrs", row.default) == parameter.default
        elif parameter.default is True:
            assert row.default in ("true", f"--{row.python.replace('_', '-')}")
        elif isinstance(parameter.default, tuple) and row.python == "domain":
            assert tuple(row.default.partition(";")[0].split()) == parameter.default
        elif isinstance(parameter.default, tuple):
            assert tuple(map(value, words(row.default))) == parameter.default
        else:
            assert row.default == str(parameter.default) or value(row.default) == parameter.default, row


def test_a_default_in_python_alone_is_one_on_the_command_line():
    for command in COMMANDS:
        signature = inspect.signature(getattr(polyoptim, command, lambda: None)).parameters
        for row in rows_of(command):
            parameter = signature.get(row.python)
            if row.default == "required" and parameter is not None:
                assert parameter.default is parameter.empty, row


def test_an_argument_without_a_meaning_is_refused():
    def two_needed(x, y):
        return x, y

    def two_given(x=1, y=2):
        return x, y

    with pytest.raises(ValueError, match=r"\['target'\] have no meaning"):
        options.panels("train", {})
    with pytest.raises(ValueError, match=r"\['strange'\] should have none"):
        options.panels("train", {"target": "…", "strange": "…"})
    with pytest.raises(ValueError, match="'y'"):
        options.signature_rows(two_needed, {"x": "…"})
    with pytest.raises(ValueError, match="different defaults"):
        options.signature_rows(two_given, {"x, y": "…"})


def test_losses_on_the_page_are_all_with_their_defaults():
    text = (DOCS / "use" / "train.rst").read_text(encoding="utf-8")
    table = re.findall(
        r"^   \* - ``(\w+)``\n     - .+(?:\n       .+)*\n     - ?(?:``(\w+)=([\d.]+)``)?$", text, re.MULTILINE
    )
    found = {name: {option: float(default)} if option else {} for name, option, default in table}
    assert found == {
        name: {option: one.default for option, one in loss.options.items()} for name, loss in LOSSES.items()
    }


def test_limits_of_the_playground_are_those_of_its_page():
    text = (
        (DOCS / "use" / "playground.rst")
        .read_text(encoding="utf-8")
        .replace("50 000", "50000")
        .replace("20 000", "20000")
    )
    table = dict(re.findall(r"^   \* - (\w+)\n     - (.+)$", text, re.MULTILINE))
    numbers = {name: [int(number) for number in re.findall(r"\d+", table[name])] for name in table}
    assert numbers["text"] == [LIMITS.text, LIMITS.query]
    assert numbers["degree"][0] == LIMITS.degree
    assert numbers["updates"] == [LIMITS.steps, LIMITS.long_steps]
    assert numbers["samples"] == [LIMITS.samples]
    assert numbers["files"] == [LIMITS.body >> 20]
    assert tuple(numbers["time"]) == LIMITS.seconds


def test_public_names_have_docstrings_and_a_place_in_the_reference():
    assert public.undocumented() == []
    listed = set()
    for page in (DOCS / "api").glob("*.rst"):
        listed |= set(re.findall(r"^\.\. auto\w+:: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    names = {
        name
        for name in public.names()
        if name.count(".") == (2 if re.match(r"polyoptim\.(nn|callbacks)\.", name) else 1)
    }
    assert names <= listed


def test_a_public_name_without_a_docstring_is_found(monkeypatch):
    class Bare:
        __module__ = "polyoptim.made_up"

        def told(self):
            """Say something."""

        def untold(self):
            return 0

    monkeypatch.setattr(polyoptim, "Bare", Bare, raising=False)
    monkeypatch.setattr(polyoptim, "__dir__", lambda: ["Bare", "train"])
    assert {"polyoptim.Bare", "polyoptim.Bare.told", "polyoptim.Bare.untold", "polyoptim.train"} <= public.names()
    assert public.undocumented() == ["polyoptim.Bare", "polyoptim.Bare.untold"]


def test_every_source_that_the_code_names_is_on_the_page_of_mathematics():
    page = (DOCS / "internals" / "mathematics.md").read_text(encoding="utf-8")
    named = re.compile(r"doi:(10\.\d{4,}/[^\s,;]*[\w)])|arXiv:(\d{4}\.\d{4,5})")
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src" / "polyoptim").rglob("*.py")))
    sources = {
        (doi.removesuffix(")") if ")" in doi and "(" not in doi else doi) or arxiv for doi, arxiv in named.findall(code)
    }
    assert len(sources) > 50
    assert sorted(source for source in sources if source not in page) == []


def test_every_promise_names_a_test_that_is_there():
    page = (DOCS / "internals" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page)
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test


def test_pages_are_english_alone_or_translated():
    for page in WRITTEN:
        catalogue = (CATALOGUES / page).with_suffix(".po")
        assert catalogue.exists() == (page.split("/")[0] not in checks.ENGLISH), page
    assert [path.name for room in checks.ENGLISH for path in (CATALOGUES / room).glob("*")] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://host/a.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//host/a.css">'),
        ("a.css", "@font-face { src: url(https://host/a.woff2) }"),
        ("a.js", 'fetch("https://host/data.json")'),
        ("a.js", 'import("https://host/module.js")'),
        ("a.js", 'element.src = "https://host/a.js"'),
        ("a.svg", '<image href="https://host/a.png"/>'),
    ],
)
def test_what_would_be_fetched_from_elsewhere_is_found(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(checks.fetched(tmp_path)) == 1


def test_links_that_a_reader_may_follow_are_no_fetching(tmp_path):
    (tmp_path / "a.html").write_text('<a href="https://host/"> <img src="a.svg">', encoding="utf-8")
    (tmp_path / "a.js").write_text("// see https://host/ for the licence", encoding="utf-8")
    assert checks.fetched(tmp_path) == []


def test_search_in_chinese_finds_a_word_by_its_pairs():
    index = {"docnames": ["a", "b"], "terms": {"学习": [0, 1], "习率": 1}, "titleterms": {}}
    assert checks.pages_with("学习", index) == {"a", "b"}
    assert checks.pages_with("学习率", index) == {"b"}
    assert checks.pages_with("动量", index) == set()


def test_pictures_of_the_benchmarks_find_their_tables():
    for stem, pictures in benchmark_pages.PICTURES.items():
        text = (ROOT / "benchmarks" / f"{stem}.md").read_text(encoding="utf-8")
        for picture in pictures:
            rows = benchmark_pages.rows_of(text, picture)
            assert len(rows) > 4
            assert len({name for name, _ in rows}) == len(rows)
            assert "from" in benchmark_pages.alt(rows, picture)


def test_every_page_of_the_benchmarks_is_on_their_first_page():
    first = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "benchmarks").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", first)) == pages
