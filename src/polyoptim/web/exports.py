"""Files to keep: what the page shows, by the ending of their names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from polyoptim.errors import PolyoptimError
from polyoptim.registry import Registry
from polyoptim.web.query import BadRequestError

RESULTS = Registry(
    "verb",
    {
        "train": "polyoptim.web.training_page:result_of",
        "fit": "polyoptim.web.fit_page:result_of",
        "approximate": "polyoptim.web.approximation_page:result_of",
    },
)
MEDIA_TYPES = {
    ".py": "text/x-python; charset=utf-8",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".png": "image/png",
    ".tex": "text/x-tex; charset=utf-8",
    ".h": "text/x-c; charset=utf-8",
    ".c": "text/x-c; charset=utf-8",
    ".cuh": "text/x-c; charset=utf-8",
}


def export(values: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the file that a query names by ``file=sine.py``, and its media type.

    Raises
    ------
    BadRequestError
        For a name or an ending that no such file has, and for what the file cannot hold.
    """
    name = values.get("file", "")
    ending = next((ending for ending in MEDIA_TYPES if name.endswith(ending)), None)
    if not re.fullmatch(r"[A-Za-z]\w{0,60}(\.triton)?\.[a-z]+", name, re.ASCII) or ending is None:
        raise BadRequestError(
            {"page": f"{name!r} is no file that is made here. Known endings: {' '.join(MEDIA_TYPES)}."}
        )
    result = RESULTS[values.get("verb", "train")](values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            if ending == ".png":
                result.plot(path)
            elif ending == ".json":
                result.save(path)
            else:
                result.export(path)
        except PolyoptimError as error:
            raise BadRequestError({"page": str(error).replace(f"{path}", name)}) from None
        return path.read_bytes(), MEDIA_TYPES[ending]
