"""JSON: the saved result."""

from __future__ import annotations

from polyoptim.result import Result


def document(result: Result) -> str:
    """Return the text of the saved result, hash included."""
    return result.to_bytes().decode("utf-8")
