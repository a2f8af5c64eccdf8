"""What the tests of the playground share."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

Unpack = Callable[[bytes], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture(scope="session")
def unpack() -> Unpack:
    """Return what reads an answer of the server as a browser does: the header, and the arrays by name."""

    def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        line, _, rest = content.partition(b"\n")
        assert (len(line) + 1) % 8 == 0  # so that a browser may look at the doubles where they lie
        head = json.loads(line)
        found = {}
        for name, place in head.pop("arrays").items():
            size = int(np.prod(place["shape"]))
            found[name] = np.frombuffer(rest, "<f8", size, place["offset"]).reshape(place["shape"])
        return head, found

    return unpacked


@pytest.fixture(scope="session")
def asking() -> Callable[..., Callable[..., httpx.Response]]:
    """Return what asks an ASGI application under a host: ``asking(app, host)(method, path)``."""

    def asks(app: Any, host: str) -> Callable[..., httpx.Response]:
        def ask(method: str, path: str, **more: Any) -> httpx.Response:
            async def once() -> httpx.Response:
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                    return await client.request(method, path, **more)

            return asyncio.run(once())

        return ask

    return asks


# Where nothing can be kept no loop is compiled behind the answers, which are the same: a test of its own sees to that.
NOWHERE = {"POLYOPTIM_CACHE_DIR": os.devnull, "XDG_CACHE_HOME": os.devnull}


class Running:
    """A server that was started as a person starts it."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "polyoptim", "serve", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().rstrip("\n")

    @property
    def port(self) -> int:
        """The port that its address names."""
        return int(re.search(r":(\d+)/", self.address)[1])  # type: ignore[index]

    def children(self) -> list[int]:
        """Return its processes, itself aside."""
        number = self.process.pid
        return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C, and return the exit code and what was printed after the address."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)  # as a terminal does: to all processes
        try:
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return self.process.returncode, out, err


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., Running]]:
    """Return what starts a server; all are ended at the end."""
    made: list[Running] = []

    def begin(*words: str, **environment: str) -> Running:
        made.append(Running(*(words or ("--port", "0", "--no-open")), **environment))
        return made[-1]

    yield begin
    for one in made:
        one.end()


@pytest.fixture(scope="session")
def server(start: Callable[..., Running]) -> Running:
    """Return a server that all tests share."""
    return start(**NOWHERE)
