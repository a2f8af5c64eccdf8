"""The documentation's settings for Sphinx; ``docs/build.py`` builds it in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx.locale import _
from sphinx.search.zh import SearchChinese

from polyoptim import __version__

SECONDS = {"en": "{:.1f} seconds", "zh_CN": "{:.1f} 秒"}
HAN = "[\u3400-\u4dbf\u4e00-\u9fff]+"
ALT = "Four panels: target and polynomial, residual, loss over the steps, coefficients over the steps."
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
exclude_patterns = ["_build", "internals", "gallery/index.rst"]
extensions = ["sphinx_gallery.gen_gallery"]
suppress_warnings = ["config.cache"]  # sphinx-gallery takes functions as settings, which Sphinx cannot store
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["polyoptim.css"]
html_theme = "pydata_sphinx_theme"
html_title = "polyoptim"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"**": []}
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
    shown.set_gid("saved")
    path = Path(next(block_vars["image_path_iterator"]))
    shown.savefig(path)
    return f"\n.. image:: /{path.relative_to(gallery_conf['src_dir']).as_posix()}\n   :alt: {ALT}\n"


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
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


def name_running_time(app: Any, docname: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx's signature
    """Give the running time of a lesson a name, so that the sentence around it is the same in every build."""
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
    app.connect("source-read", name_running_time)
    app.connect("html-page-context", add_language)
