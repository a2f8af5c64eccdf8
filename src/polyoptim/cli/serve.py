"""``polyoptim serve``."""

from __future__ import annotations

import rich_click as click

from polyoptim.cli.codes import DONE
from polyoptim.cli.words import WORD, Command
from polyoptim.registry import Registry

SERVER = Registry("command", {"serve": "polyoptim.web.server:serve"}, extra={"serve": "web"})


@click.command(cls=Command)
@click.option(
    "--host",
    metavar="ADDRESS",
    type=WORD,
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. One that others can reach, such as 0.0.0.0, wants a token, which is printed.",
)
@click.option(
    "--port",
    metavar="N",
    type=WORD,
    help="Port to listen on; 0 takes any that is free.  [default: 8765, or the next free]",
)
@click.option("--no-open", is_flag=True, help="Open no browser.")
def serve(host: str, port: str | None, no_open: bool) -> int:
    """Serve the playground: a page on which every change shows the whole run again.

    It opens in your browser. The first line of the output is its address. Nothing leaves this machine, and nothing is
    fetched from elsewhere. Ctrl-C ends it.

    \b
    Examples:
    polyoptim serve
    polyoptim serve --port 9000 --no-open
    """  # noqa: D301 - click's mark against wrapping
    SERVER["serve"](host, port, open_browser=not no_open)
    return DONE
