"""Files that were dropped on the page, kept until the server ends."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

MOST_FILES = 16
LONGEST = 200  # bytes of a name; file systems take 255
ENDINGS = (".csv", ".parquet")


class Uploads:
    r"""A folder with a folder for each file, the latest few.

    Attributes
    ----------
    nowhere : a folder without files: what is computed there finds none, whatever an expression is called.

    Examples
    --------
    >>> uploads = Uploads()
    >>> key = uploads.keep("../data.csv", b"x,y\n1,2\n")
    >>> [path.name for path in uploads.folder(key).iterdir()]
    ['data.csv']
    >>> uploads.close()
    """

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="polyoptim-"))
        self.nowhere = self._root / "nowhere"
        self.nowhere.mkdir()
        self._folders: OrderedDict[str, Path] = OrderedDict()

    def keep(self, name: str, content: bytes) -> str:
        """Keep a file and return its key, which is the same for the same file."""
        name = safe_name(name)
        key = hashlib.sha256(name.encode() + b"\0" + content).hexdigest()[:32]
        if key not in self._folders:
            folder = self._root / key
            folder.mkdir()
            (folder / name).write_bytes(content)
            self._folders[key] = folder
            while len(self._folders) > MOST_FILES:
                shutil.rmtree(self._folders.popitem(last=False)[1], ignore_errors=True)
        self._folders.move_to_end(key)
        return key

    def folder(self, key: str) -> Path | None:
        """Return the folder of a file, None where it is not there (any more)."""
        return self._folders.get(key)

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._root, ignore_errors=True)


def safe_name(name: str) -> str:
    r"""Return a name without folders and without letters that a shell or a file system takes amiss.

    >>> safe_name("C:\\data\\CO₂ (1).csv"), safe_name("-x.csv"), safe_name("..")
    ('CO₂ (1).csv', 'x.csv', 'data.csv')
    """
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in last)
    kept = kept.encode()[-LONGEST:].decode(errors="ignore").strip(" .-")
    return kept if re.search(r"\w", kept) and "." in kept else "data.csv"
