"""Callbacks: what is done with each recorded row while a run goes on, one file each."""

from typing import TYPE_CHECKING, Any

from polyoptim.registry import Registry

if TYPE_CHECKING:
    from polyoptim.callbacks.jsonlines import JSONLines
    from polyoptim.callbacks.tensorboard import TensorBoard

CALLBACKS = Registry(
    "callback",
    {
        "jsonlines": "polyoptim.callbacks.jsonlines:JSONLines",
        "tensorboard": "polyoptim.callbacks.tensorboard:TensorBoard",
    },
    extra={"tensorboard": "track"},
)

__all__ = ["CALLBACKS", "JSONLines", "TensorBoard"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return CALLBACKS[name]
    raise AttributeError(f"module 'polyoptim.callbacks' has no attribute {name!r}")
