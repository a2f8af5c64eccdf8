"""The drawing of the architecture is that of the source."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRAWN = (ROOT / "docs" / "internals" / "architecture.md").read_text(encoding="utf-8")
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
FLOORS = [[name.strip() for name in layer.split("|")] for layer in reversed(CONTRACT["layers"])]


def test_drawing_has_every_module_and_no_other():
    built = {path.name + "/" * path.is_dir() for path in (ROOT / "src" / "polyoptim").iterdir() if path.name[0] != "_"}
    drawn = set(re.findall(r"^  ([a-z]\w*(?:\.py|/)) ", DRAWN, re.MULTILINE))
    assert drawn == built - {"py.typed"}


def test_drawing_goes_up_as_the_contract_does():
    heights = {name: height for height, names in enumerate(FLOORS) for name in names}
    drawn = [heights[name] for name in re.findall(r"^  ([a-z]\w*)(?:\.py|/) ", DRAWN, re.MULTILINE)]
    assert drawn == sorted(drawn)
