"""Look up by name, suggest the nearest, load late.

A registry maps a name to the place of its object, ``"package.module:attribute"``. The module is imported when the
name is first asked for, so that a lower floor can name what stands above it, or what is slow to import, without
importing it.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from polyoptim.errors import MissingDependencyError, UnknownNameError


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the member of `names` that `name` most likely meant, in any letter case, or None."""
    by_fold = {known.casefold(): known for known in names}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def unknown(kind: str, name: object, names: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that nobody registered.

    >>> print(unknown("optimizer", "rmspop", ["SGD", "RMSprop"]))
    unknown optimizer 'rmspop'; did you mean 'RMSprop'? Known: RMSprop, SGD.
    """
    known = sorted(names, key=str.casefold)
    if not known:
        return UnknownNameError(f"unknown {kind} {name!r}; it takes none.")
    guess = nearest(name, known) if isinstance(name, str) else None
    hint = f"; did you mean {guess!r}?" if guess else "."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(known)}.")


def match(kind: str, name: object, names: Iterable[str]) -> str:
    """Return the registered spelling of `name`, found in any letter case.

    Raises
    ------
    UnknownNameError
        With the nearest name.
    """
    known = list(names)
    if isinstance(name, str):
        if name in known:
            return name
        for candidate in known:
            if candidate.casefold() == name.casefold():
                return candidate
    raise unknown(kind, name, known)


class Registry(Mapping[str, Any]):
    """Names of one kind and the places of their objects.

    Parameters
    ----------
    kind : what the names are called in messages, for example ``"basis"``.
    places : name to ``"module:attribute"``; ``"module"`` alone stands for the module.
    extra : the optional extra that provides what a place imports, by name; used in the message where it is missing.
    """

    def __init__(self, kind: str, places: Mapping[str, str], extra: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._places = dict(places)
        self._extra = dict(extra or {})

    def __getitem__(self, name: str) -> Any:
        name = match(self.kind, name, self._places)
        module, _, attribute = self._places[name].partition(":")
        try:
            loaded = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if name not in self._extra or (error.name or "").startswith("polyoptim"):
                raise
            raise MissingDependencyError(
                f"{self.kind} {name!r} needs {(error.name or '').partition('.')[0]}, which is not installed. "
                f"Install it with: pip install 'polyoptim[{self._extra[name]}]'"
            ) from None
        return getattr(loaded, attribute) if attribute else loaded

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
