"""serve(): the playground on an address of this machine."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import sys
import threading
import webbrowser
from typing import Any

import uvicorn

from polyoptim.errors import ArgumentError
from polyoptim.targets.expression import integer
from polyoptim.web.application import Playground, application

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
PATIENCE = 2  # seconds after Ctrl-C for answers that are on their way
TRIED = 20  # ports after the default one, where that is taken


def serve(host: str = DEFAULT_HOST, port: Any = None, *, open_browser: bool = True) -> None:
    """Serve the playground until Ctrl-C, and print its address first.

    Parameters
    ----------
    host : the address to listen on. Any but one of this machine's own, 127.0.0.1 or ::1, can be reached by others: the
        address that is printed then holds a token, without which nothing is answered.
    port : a number, or text that is one; None takes 8765, or the next that is free; 0 takes any.
    open_browser : whether the page is opened in the user's browser.

    Raises
    ------
    ArgumentError
        Where the address cannot be used.
    """
    listening = listen(host, None if port is None else integer(port, "port"))
    shown, number = ("localhost" if host == "localhost" else _spelled(host)), listening.getsockname()[1]
    local = is_local(host)
    token = None if local else secrets.token_urlsafe(24)
    hosts = frozenset({"127.0.0.1", "localhost", "[::1]"}) if local else None
    address = f"http://{shown}:{number}/" + ("" if token is None else f"?token={token}")
    playground = Playground()
    app = application(playground, hosts, token)
    settings: dict[str, Any] = {"log_level": "error", "access_log": False, "server_header": False, "ws": "none"}
    server = _Server(uvicorn.Config(app, timeout_graceful_shutdown=PATIENCE, **settings))
    server.ready = lambda: _tell(address, host, token, open_browser)
    server.ending = playground.give_up
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()


class _Server(uvicorn.Server):
    """Says when it is ready, and when it is about to end."""

    ready: Any
    ending: Any

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.ending()  # it would wait for all answers, some of which take a minute
        await super().shutdown(sockets=sockets)


def _tell(address: str, host: str, token: str | None, open_browser: bool) -> None:
    print(address, flush=True)  # noqa: T201 - the first line of the output
    if token is not None:
        print(  # noqa: T201 - a person has to know
            f"Warning: {host} can be reached from other machines. Only who knows the token in the address above is "
            "answered; the connection is not encrypted.",
            file=sys.stderr,
        )
    print("Ctrl-C ends it.", file=sys.stderr)  # noqa: T201
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some wait until it is closed


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens there.

    Raises
    ------
    ArgumentError
        Where the host is not one of this machine's addresses, or the port is taken.
    """
    if port is not None and not 0 <= port <= 65535:
        raise ArgumentError(f"port must be from 0 to 65535, got {port}.")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ArgumentError(
            f"host must be an address of this machine such as 127.0.0.1, got {host!r}: {error}."
        ) from None
    tried = range(DEFAULT_PORT, DEFAULT_PORT + TRIED) if port is None else (port,)
    trouble: OSError | None = None
    for number in tried:
        found = socket.socket(family, kind, protocol)  # without it asyncio does not set TCP_NODELAY, and 40 ms are lost
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((place[0], number, *place[2:]))
        except OSError as error:
            found.close()
            trouble = error
            continue
        found.listen(128)
        return found
    ports = f"port {port}" if port is not None else f"ports {DEFAULT_PORT} to {DEFAULT_PORT + TRIED - 1}"
    reason = trouble.strerror if trouble else "taken"
    raise ArgumentError(f"{ports} of {host} cannot be used: {reason}. Choose another with --port, or 0 for any.")


def is_local(host: str) -> bool:
    """Tell whether an address can be reached from this machine only.

    >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host
