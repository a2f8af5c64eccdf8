"""What a file with a whole function is about, beside its instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sheet:
    """What stands in a file beside code.

    Parameters
    ----------
    name : of the function that the file defines.
    lines : sentences at its beginning.
    manifest : see `polyoptim.exporters.function_manifest`; without hash.
    """

    name: str
    lines: tuple[str, ...]
    manifest: Mapping[str, Any]
