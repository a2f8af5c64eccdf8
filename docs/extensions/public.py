"""The public names of polyoptim, all of which the reference has to have."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import polyoptim
from polyoptim import callbacks, nn

OWN = "polyoptim"


def names() -> set[str]:
    """Return all of them, with the public methods and properties of the classes."""
    found = set(names_of(nn, public_of(nn))) | set(names_of(callbacks, callbacks.__all__))
    listed = [name for name in dir(polyoptim) if not name.startswith("_") and name not in ("nn", "callbacks")]
    return found | set(names_of(polyoptim, listed))


def public_of(module: ModuleType) -> list[str]:
    """Return the functions and classes that a module without ``__all__`` defines."""
    return [
        name
        for name, one in vars(module).items()
        if getattr(one, "__module__", "") == module.__name__ and name[0] != "_"
    ]


def names_of(module: ModuleType, listed: list[str]) -> Iterator[str]:
    """Yield those names of a module, and what their classes have."""
    for name in listed:
        found = getattr(module, name)
        yield f"{module.__name__}.{name}"
        if isinstance(found, type):
            yield from (f"{module.__name__}.{name}.{one}" for one in members(found))


def members(found: type) -> list[str]:
    """Return the public methods and properties that a class has from this package."""
    owners = [one for one in found.__mro__ if one.__module__.split(".")[0] == OWN]
    return sorted({name for one in owners for name, value in vars(one).items() if name[0] != "_" and is_method(value)})


def is_method(value: Any) -> bool:
    """Tell whether a member of a class is more than data."""
    return inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod))


def undocumented() -> list[str]:
    """Return the public names without a docstring of their own."""
    found = []
    for name in sorted(names()):
        module = next(one for one in ("polyoptim.nn", "polyoptim.callbacks", "polyoptim") if name.startswith(one + "."))
        thing = {"polyoptim.nn": nn, "polyoptim.callbacks": callbacks, "polyoptim": polyoptim}[module]
        for part in name.removeprefix(module + ".").split("."):
            thing = getattr(thing, part)
        if not described(thing):
            found.append(name)
    return found


def described(thing: Any) -> bool:
    """Tell whether a function, class or property has a docstring of its own; an object has that of its class."""
    text = (getattr(thing, "__doc__", "") or "").strip()
    made = isinstance(thing, type) and text.startswith(f"{thing.__name__}(")  # by dataclass, where there is none
    return bool(text) and not made
