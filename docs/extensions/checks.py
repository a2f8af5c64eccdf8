"""What has to hold for the built pages, in plain Python."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import nbformat

ENGLISH = ("api", "benchmarks", "internals")  # the rooms that are not translated; the others are, in full
# What a reader may search for in Chinese, and a page that has to be found.
SOUGHT = {
    "优化器": "use/train",
    "学习率": "use/many",
    "残差": "use/fit",
    "预测带": "use/fit",
    "分组": "use/groups",
    "逼近": "use/approximate",
    "舍入": "use/ships",
    "检查点": "use/results",
    "切比雪夫": "use/fit",
    "条件数": "choose",
}
# What a browser fetches by itself; a link that a reader may follow is none of it.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed)\b[^>]*\ssrc(?:set)?=["']?(?:https?:)?//[^>]*>
    |<link\b[^>]*\shref=["']?(?:https?:)?//[^>]*>
    |url\(\s*["']?(?:https?:)?//[^)]*\)
    |@import\s+["'](?:https?:)?//[^"']*
    |\b(?:fetch|import|importScripts|Worker)\(\s*["'`](?:https?:)?//[^)]*\)
    |\b(?:import|from)\s*["'](?:https?:)?//[^"']*
    |\.(?:src|href)\s*=\s*["'`](?:https?:)?//[^"'`]*
    |<(?:image|use)\b[^>]*\shref=["']?(?:https?:)?//[^>]*>""",
    re.VERBOSE,
)


def fetched(html: Path) -> list[str]:
    """Return what the pages in a folder would fetch from other hosts."""
    files = [path for path in sorted(html.rglob("*")) if path.suffix in (".html", ".css", ".js", ".svg")]
    found = [(path, match[0]) for path in files for match in FETCHED.finditer(path.read_text(encoding="utf-8"))]
    return [f"{path.relative_to(html)}: {what}" for path, what in found]


def wrong_downloads(gallery: Path, examples: Path) -> list[str]:
    """Return what is wrong with the scripts and notebooks that the lessons are offered as: both hold what ran."""
    wrong = []
    for lesson in sorted(examples.glob("*.py")):
        script, notebook = gallery / lesson.name, gallery / f"{lesson.stem}.ipynb"
        if not script.exists() or script.read_bytes() != lesson.read_bytes():
            wrong.append(f"{script.name} is not the lesson")
        try:
            content = nbformat.read(notebook, as_version=4)
            nbformat.validate(content)
        except (OSError, ValueError, nbformat.ValidationError) as error:
            wrong.append(f"{notebook.name} is no notebook: {error}")
            continue
        cells = [cell.source for cell in content.cells if cell.cell_type == "code" and cell.source[:1] != "%"]
        if _code("\n".join(cells)) != _code(lesson.read_text(encoding="utf-8")):
            wrong.append(f"{notebook.name} has not the code of the lesson")
    return wrong


def _code(text: str) -> str:
    """Return the statements of a program, without its docstring."""
    program = ast.parse(text)
    if ast.get_docstring(program) is not None:
        del program.body[0]
    return ast.dump(program)


def unfound(html: Path) -> list[str]:
    """Return the Chinese words that the search of the pages in a folder does not find where they are."""
    text = (html / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return [f"{word}: not on {page}" for word, page in SOUGHT.items() if page not in pages_with(word, index)]


def pages_with(word: str, index: dict[str, Any]) -> set[str]:
    """Return the pages that have all pairs of the characters of a word, which is how the search reads it."""
    pairs = [word[place : place + 2] for place in range(len(word) - 1)]
    found = []
    for pair in pairs:
        places = [index[kind].get(pair, []) for kind in ("terms", "titleterms")]
        found.append({one for some in places for one in ([some] if isinstance(some, int) else some)})
    return {index["docnames"][one] for one in set.intersection(*found)}
