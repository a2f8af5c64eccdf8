"""The documentation's settings for Sphinx; ``docs/build.py`` builds it in both languages."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx.locale import _
from sphinx.search.zh import SearchChinese

from polyoptim import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

SECONDS = {"en": "{:.1f} seconds", "zh_CN": "{:.1f} 秒"}
HAN = "[\u3400-\u4dbf\u4e00-\u9fff]+"
# The lessons in reading order: as their first page lists them.
LESSONS = re.findall(
    r"^ +:doc:`/learn/(\w+)`",
    (Path(__file__).parents[1] / "examples" / "GALLERY_HEADER.rst").read_text(encoding="utf-8"),
    re.MULTILINE,
)
# sphinx-gallery's own list, which has no Chinese: the page has a list of its own.
THUMBNAILS = re.compile(r"\n\.\. raw:: html\s+<div id=.sg-tag-list.*\.\. thumbnail-parent-div-close.*?</div>\n", re.S)
# How sphinx-gallery spells the running time; each build has another, and a translation needs one sentence for all.
RUNNING_TIME = re.compile(r"\*\*Total running time of the script:\*\* \((\d+) minutes ([\d.]+) seconds\)")

project = "polyoptim"
author = "The polyoptim developers"
version = release = __version__
language = "en"
locale_dirs = ["_build/locale"]  # build.py compiles docs/locale into it
gettext_compact = False
gettext_auto_build = False
gettext_location = False  # line numbers would change with every edit
exclude_patterns = ["_build"]
extensions = ["sphinx_gallery.gen_gallery", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "pages"]
default_role = "literal"  # what the docstrings mean by `x`
napoleon_google_docstring = False
napoleon_use_param = False  # several names with one meaning stay together
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # a method without words of its own is one without
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
html_math_renderer = "mathml"
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["config.cache"]  # sphinx-gallery takes functions as settings, which Sphinx cannot store
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["polyoptim.css"]
html_theme = "pydata_sphinx_theme"
html_title = "polyoptim"
html_show_sourcelink = False
html_copy_source = False
# A room with several pages shows them at the left.
html_sidebars = {
    **{place: [] for place in ("index", "choose", "search", "genindex", "py-modindex", "learn/*")},
    **{f"{room}/*": ["sidebar-nav-bs"] for room in ("use", "internals", "api", "benchmarks")},
}
html_theme_options = {
    "navbar_end": ["language-switch", "theme-switcher"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}


def figures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:  # noqa: ARG001
    """Save the figure that a block of a lesson ends with: sphinx-gallery itself sees only those of pyplot."""
    shown = block_vars["example_globals"].get("___")
    if not isinstance(shown, Figure) or shown.get_gid() == "saved":
        return ""
    if not shown.get_label():
        raise ValueError("a picture needs a text for those who do not see it: figure.set_label(...)")
    shown.set_gid("saved")
    path = Path(next(block_vars["image_path_iterator"]))
    shown.savefig(path)
    return f"\n.. image:: /{path.relative_to(gallery_conf['src_dir']).as_posix()}\n   :alt: {shown.get_label()}\n"


class ReadingOrder:
    """The order of the lessons, which sphinx-gallery asks for by their files."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder

    def __call__(self, file: Any) -> int:
        """Return the place of a file; one that the page does not list is an error."""
        return LESSONS.index(Path(file).stem)


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "learn",
    "within_subsection_order": ReadingOrder,
    "filename_pattern": r"\.py$",
    "image_scrapers": (figures,),
    "ignore_repr_types": r"matplotlib\.figure",
    "reset_modules": (),
    "first_notebook_cell": "%matplotlib inline",
    "write_computation_times": False,  # its page loads scripts from elsewhere
    "download_all_examples": False,
    "show_signature": False,
    "abort_on_example_error": True,
}


class ChineseWords(SearchChinese):
    """Search for Chinese by each character and each pair of them: no dictionary knows 切比雪夫.

    A longer query becomes its pairs, all of which must be on the page.
    """

    js_splitter_code = f"""
var splitQuery = (query) => query
    .split(/[^\\p{{Letter}}\\p{{Number}}_]+/gu)
    .flatMap(word => word.match(/{HAN}|[^\\u3400-\\u4dbf\\u4e00-\\u9fff]+/gu) || [])
    .flatMap(word => /^{HAN}$/u.test(word) && word.length > 2
        ? Array.from({{length: word.length - 1}}, (_, i) => word.slice(i, i + 2)) : [word]);
"""

    def split(self, input: str) -> list[str]:  # noqa: A002 - Sphinx's signature
        """Return the words of a text."""
        runs = re.findall(HAN, input)
        chinese = [run[i : i + size] for run in runs for size in (1, 2) for i in range(len(run) - size + 1)]
        latin = self.latin1_letters.findall(input)
        self.latin_terms.update(latin)
        return chinese + latin

    def word_filter(self, stemmed_word: str) -> bool:
        """Keep single characters too, where they are Chinese."""
        return len(stemmed_word) > 1 or re.fullmatch(HAN, stemmed_word) is not None


def mend_lesson(app: Any, docname: str, source: list[str]) -> None:
    """Give the running time of a lesson a name, so that the sentence around it is the same in every build.

    And take sphinx-gallery's list from the first page of the lessons.
    """
    if docname == "learn/index":
        source[0], removed = THUMBNAILS.subn("", source[0])
        if removed != 1:
            raise ValueError("the list that sphinx-gallery makes looks otherwise than expected.")
    found = RUNNING_TIME.search(source[0])
    if found:
        seconds = 60 * int(found[1]) + float(found[2])
        sentence = "**Total running time of the script:** |running time|"
        definition = f"\n.. |running time| replace:: {SECONDS[app.config.language].format(seconds)}\n"
        source[0] = source[0].replace(found[0], sentence) + definition


def add_language(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:  # noqa: ARG001
    """Tell the templates which language this is, and translate what the theme has as a setting."""
    context["folder"] = app.config.language
    context["theme_search_bar_text"] = _(context["theme_search_bar_text"])
    if page == "search" and app.config.language == "zh_CN":
        app.add_js_file("search-zh.js", priority=900)  # after Sphinx's own translations


def setup(app: Any) -> None:
    """Register what stands above."""
    app.add_search_language(ChineseWords)
    app.connect("source-read", mend_lesson)
    app.connect("html-page-context", add_language)
