"""Build the documentation in English and Simplified Chinese: ``python docs/build.py``.

The pages are translated in full, but for those of three rooms, which stay in English: the reference (``api``), the
benchmarks and the internals. Each message of the others has its translation in ``docs/locale``. After a page was
changed, ``python docs/build.py --update`` brings the new messages there, to be translated by hand.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

sys.path.insert(0, str(Path(__file__).resolve().parent / "extensions"))
from benchmark_pages import write_benchmarks
from checks import ENGLISH, fetched, unfound, wrong_downloads

DOCS = Path(__file__).resolve().parent
BUILT = DOCS / "_build"
GALLERY = DOCS / "learn"
BENCHMARKS = DOCS / "benchmarks"
HTML = BUILT / "html"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
CHINESE = Path("zh_CN", "LC_MESSAGES")
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>polyoptim</title>
<style>body {{ font: 1.25rem/1.8 system-ui, sans-serif; max-width: 30rem; margin: 15vh auto; padding: 0 1rem; }}</style>
</head>
<body>
<h1>polyoptim</h1>
<ul>
{links}
</ul>
</body>
</html>
"""


def sphinx(builder: str, language: str, output: Path) -> bool:
    """Run Sphinx and return whether it succeeded; a warning is an error."""
    words = [sys.executable, "-m", "sphinx", "-b", builder, "-W", "--keep-going", "-q"]
    words += ["-D", f"language={language}", "-d", str(BUILT / "doctrees" / builder / language), str(DOCS), str(output)]
    # No window opens, and the pages do not depend on the user's settings of matplotlib.
    environment = {**os.environ, "MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull, "PYTHONUTF8": "1"}
    return subprocess.run(words, env=environment, check=False).returncode == 0


def drop_english() -> None:
    """Drop the messages of the pages that stay in English."""
    for room in ENGLISH:
        shutil.rmtree(BUILT / "gettext" / room, ignore_errors=True)


def update() -> bool:
    """Bring the messages of the pages into docs/locale."""
    words = [sys.executable, "-m", "sphinx_intl", "update", "-p", str(BUILT / "gettext"), "-d", str(DOCS / "locale")]
    return subprocess.run([*words, "-l", "zh_CN", "-w", "0"], check=False).returncode == 0


def compile_catalogues() -> None:
    """Compile docs/locale into the build folder."""
    for source in sorted((DOCS / "locale").rglob("*.po")):
        target = (BUILT / source.relative_to(DOCS)).with_suffix(".mo")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            write_mo(file, catalogue(source))


def untranslated() -> list[str]:
    """Return the messages of the pages that have no translation."""
    wrong = []
    for template in sorted((BUILT / "gettext").rglob("*.pot")):
        place = CHINESE / template.relative_to(BUILT / "gettext").with_suffix(".po")
        have = catalogue(DOCS / "locale" / place)
        for message in catalogue(template):
            found = have.get(message.id)
            if message.id and (found is None or not found.string or found.fuzzy):
                wrong.append(f"{place}: {message.id}")
    return wrong


def catalogue(path: Path) -> Catalog:
    """Return the messages of a file, none where there is no file."""
    return read_po(io.BytesIO(path.read_bytes() if path.exists() else b""))


def write_index() -> None:
    """Write the page that leads to both languages."""
    links = [f'<li><a href="{code}/index.html" lang="{code[:2]}">{name}</a></li>' for code, name in LANGUAGES.items()]
    (HTML / "index.html").write_text(INDEX.format(links="\n".join(links)), encoding="utf-8")


def build(updating: bool) -> str:
    """Build it all and return what went wrong, empty where nothing did."""
    for folder in (BUILT, GALLERY, BENCHMARKS):  # the lessons run anew: what they show depends on the package too
        shutil.rmtree(folder, ignore_errors=True)
    write_benchmarks(BENCHMARKS)
    print("Running the lessons, building the English pages ...", flush=True)
    if not sphinx("html", "en", HTML / "en"):  # runs the lessons; the later builds find them unchanged
        return "The English pages were not built."
    wrong = wrong_downloads(GALLERY, DOCS.parent / "examples")
    if wrong:
        return said("Not as the lesson ran:", wrong)
    print("Collecting the messages to translate ...", flush=True)
    if not sphinx("gettext", "en", BUILT / "gettext"):
        return "The messages were not collected."
    drop_english()
    if updating and not update():
        return "The messages were not brought into docs/locale."
    wrong = untranslated()
    if wrong:
        advice = "Translate them in docs/locale" + ("." if updating else ", after: python docs/build.py --update")
        return said("Not translated into Chinese:", wrong) + f"\n{advice}"
    compile_catalogues()
    print("Building the Chinese pages ...", flush=True)
    if not sphinx("html", "zh_CN", HTML / "zh_CN"):
        return "The Chinese pages were not built."
    write_index()
    outside, lost = fetched(HTML), unfound(HTML / "zh_CN")
    if outside:
        return said("The pages would fetch from other hosts:", outside)
    return said("A search in Chinese does not find:", lost) if lost else ""


def said(head: str, lines: list[str]) -> str:
    """Return a list under its head."""
    return "\n  ".join([head, *lines])


def main() -> int:
    """Build, and say where the pages are."""
    parser = argparse.ArgumentParser(description="Build the documentation in English and Simplified Chinese.")
    parser.add_argument("--update", action="store_true", help="bring changed messages into docs/locale first")
    wrong = build(parser.parse_args().update)
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    print("Built:")
    for page in (Path("index.html"), *(Path(code, "index.html") for code in LANGUAGES)):
        print(f"  {HTML / page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
