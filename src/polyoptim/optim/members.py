"""Find a class of torch by name, check its options against its signature, and make it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

from polyoptim.errors import ArgumentError
from polyoptim.registry import match, unknown


def members(module: ModuleType, base: type) -> dict[str, type]:
    """Return the public concrete subclasses of `base` that stand in `module`, by name."""
    return {
        name: found
        for name, found in sorted(vars(module).items())
        if isinstance(found, type) and issubclass(found, base) and found is not base and not name.startswith("_")
    }


def find(kind: str, wanted: Any, known: Mapping[str, type]) -> Callable[..., Any]:
    """Return the class of that name, in any letter case, or `wanted` itself where it is a class or a factory."""
    if callable(wanted):
        return wanted  # type: ignore[no-any-return]
    if not isinstance(wanted, str):
        raise ArgumentError(f"{kind} must be a name, a class or a factory, got {wanted!r}.")
    return known[match(kind, wanted, known)]


def name_of(made: Callable[..., Any]) -> str:
    """Return what a class or factory is called in a message."""
    return getattr(made, "__name__", repr(made))


def own_name(wanted: Any, maker: Callable[..., Any], known: Collection[Any]) -> Any:
    """Return the name by which torch knows `maker`, or the user's own object where it is none of torch's."""
    return name_of(maker) if isinstance(wanted, str) or maker in known else wanted


def takes(maker: Callable[..., Any], option: str) -> bool:
    """Tell whether a class or factory takes an option of that name."""
    accepted = inspect.signature(maker).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        return True
    return option in list(accepted)[1:] and option != "last_epoch"


def make(kind: str, maker: Callable[..., Any], first: Any, options: Mapping[str, Any]) -> Any:
    """Return ``maker(first, **options)``.

    Raises
    ------
    UnknownNameError
        For an option that the signature does not have, with the nearest.
    ArgumentError
        For a value that the class refuses; the sentence is torch's own.
    """
    for name in options:
        if not takes(maker, name):
            names = [known for known in list(inspect.signature(maker).parameters)[1:] if known != "last_epoch"]
            raise unknown(f"{name_of(maker)} option", name, names)
    try:
        return maker(first, **options)
    except Exception as error:  # code of torch or of the user: what it refuses is one sentence
        raise refusal(kind, maker, error, options) from error


def refusal(
    kind: str, maker: Callable[..., Any], error: Exception, options: Mapping[str, Any] | None = None
) -> ArgumentError:
    """Return our error for one that torch raised."""
    with_what = "".join(f", {name}={value!r}" for name, value in (options or {}).items() if name != "optimizer")
    reason = f"{type(error).__name__} {error}" if isinstance(error, (KeyError, IndexError, AssertionError)) else error
    return ArgumentError(
        f"{kind} {name_of(maker)!r} cannot be used here: {reason}{with_what and ' (with ' + with_what[2:] + ')'}"
    )
