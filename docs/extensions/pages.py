"""What the pages need beyond Sphinx: tables of options, formulas as MathML, and a check of the reference."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import options
import public
from checks import ENGLISH
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ONLY_ENGLISH = "本页只有英文。"
OPTION = re.compile(r"(?<![`\w-])(--[a-z][a-z-]*)")
# "name, name : what it is", as the docstrings have it; numpydoc would take what follows the colon for a type.
ENTRY = re.compile(r"^(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*) : (?P<text>.*)$")
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]\d+)?")
HEADS = ("command line", "Python", "meaning", "default")

logger = logging.getLogger(__name__)


class Options(SphinxDirective):
    """The options of a command: ``.. options:: train``, with a line ``name: meaning`` for each other argument.

    Several commands: what they have alike. ``:besides:`` other commands: what they do not have alike with these.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"besides": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        more = dict(line.split(": ", 1) for line in self.content if line.strip())
        commands = self.arguments[0].split()
        try:
            if len(commands) > 1:
                found = options.shared_panels(commands, more)
            else:
                found = options.panels(commands[0], more, self.options.get("besides", "").split())
        except ValueError as error:
            raise self.error(str(error)) from error
        lines = [line for title, rows in found.items() for line in panel(title, rows)]
        return parsed(self, lines)


class Parameters(SphinxDirective):
    """The arguments of a class: ``.. parameters:: polyoptim.nn.Polynomial``, a line ``name, name: meaning`` each."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        more = dict(line.split(": ", 1) for line in self.content if line.strip())
        try:
            rows = options.signature_rows(getattr(importlib.import_module(module), name), more)
        except ValueError as error:
            raise self.error(f"{name}: {error}") from error
        cells = [(codes(row.python), prose(row.meaning), code(row.default)) for row in rows]
        return parsed(self, table(("parameter", "meaning", "default"), cells, "30 52 18"))


def parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    """Return what lines of reStructuredText mean."""
    box = nodes.container()
    source = f"{directive.name} of {directive.arguments[0]}"
    directive.state.nested_parse(StringList(lines, source=source), directive.content_offset, box)
    return box.children


def panel(title: str, rows: list[options.Row]) -> list[str]:
    """Return a heading and a table in reStructuredText."""
    cells = [(code(row.written), code(row.python), prose(row.meaning), default(row.default)) for row in rows]
    return [f".. rubric:: {title}", "", *table(HEADS, cells, "28 22 36 14")]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], widths: str) -> list[str]:
    """Return a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "   :class: options", ""]
    for cells in [heads, *rows]:
        lines += [f"   {'* ' if place == 0 else '  '}- {cell}".rstrip() for place, cell in enumerate(cells)]
    return [*lines, ""]


def codes(names: str) -> str:
    """Return names with commas as code."""
    return ", ".join(code(name) for name in names.split(", "))


def default(text: str) -> str:
    """Return a default: words as words, a value as code."""
    return prose(text) if " " in text or text in ("required", "all", "range") else code(text)


def code(text: str) -> str:
    """Return words as code."""
    return f"``{text}``" if text else ""


def prose(text: str) -> str:
    """Return a sentence of a command's help, its options as code."""
    return OPTION.sub(r"``\1``", text)


class LeaveCode(SphinxTransform):
    """Take paragraphs of code, numbers or names of pages alone, as in tables, out of what is translated."""

    default_priority = 5  # before Sphinx collects what is to be translated

    def apply(self, **_: Any) -> None:
        """Mark them."""
        for paragraph in self.document.findall(nodes.paragraph):
            words = [one.astext() for one in paragraph.children if not isinstance(one, (nodes.literal, pending_xref))]
            if not re.search(r"[^\W\d_]", NUMBER.sub("", " ".join(words))):
                paragraph["translatable"] = False


def write_formula(translator: Any, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers draw by themselves."""
    block = isinstance(node, nodes.math_block)
    try:
        drawn = tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logger.warning("%s: %s", node.astext(), error, location=node)
        drawn = ""
    translator.body.append(f'<div class="formula">{drawn}</div>' if block else drawn)
    raise nodes.SkipNode


def list_parameters(app: Any, what: str, name: str, thing: Any, settings: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Bring the entries of a docstring into the form that napoleon reads."""
    found: list[str] = []
    for line in lines:
        entry = ENTRY.match(line)
        found += [entry["names"], f"    {entry['text']}"] if entry else [line]
    lines[:] = found


def write_dashes(app: Any, what: str, name: str, thing: Any, settings: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Write the dash between a name and its meaning, which Sphinx makes of two hyphens in English alone."""
    lines[:] = [re.sub(r"^(\* \*\*.+\*\*) -- ", r"\1 – ", line) for line in lines]


def check_reference(app: Any, environment: Any) -> None:  # noqa: ARG001 - Sphinx's signature
    """Warn, which is an error here, of each public name that the reference lacks."""
    listed = set(environment.get_domain("py").objects)
    for name in sorted(public.names() - listed):
        logger.warning("%s has no docstring, or no place in docs/api.", name)


def say_english(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:  # noqa: ARG001
    """Say on the Chinese side of a page in English that it is in English."""
    if app.config.language == "zh_CN" and page.partition("/")[0] in ENGLISH and "body" in context:
        note = f'<div class="admonition note"><p>{ONLY_ENGLISH}</p></div>'
        context["body"] = f'{note}<div lang="en">{context["body"]}</div>'


def setup(app: Any) -> dict[str, Any]:
    """Register what stands above."""
    app.add_directive("options", Options)
    app.add_transform(LeaveCode)
    app.add_directive("parameters", Parameters)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("autodoc-process-docstring", list_parameters, priority=400)  # before napoleon's
    app.connect("autodoc-process-docstring", write_dashes, priority=600)  # after it
    app.connect("env-check-consistency", check_reference)
    app.connect("html-page-context", say_english)
    return {"parallel_read_safe": True}
