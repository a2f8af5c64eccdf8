"""The command line: one file per command."""

from __future__ import annotations

import io
import sys
from contextvars import copy_context
from typing import Any, NoReturn

import rich_click as click

from polyoptim import __version__
from polyoptim.cli.codes import DONE, INTERRUPTED, WRONG
from polyoptim.cli.words import unmarked
from polyoptim.errors import PolyoptimError
from polyoptim.registry import Registry, unknown

COMMANDS = Registry(
    "command",
    {
        "train": "polyoptim.cli.train:train",
        "fit": "polyoptim.cli.fit:fit",
        "approximate": "polyoptim.cli.approximate:approximate",
        "front": "polyoptim.cli.front:front",
        "function": "polyoptim.cli.function:function",
        "race": "polyoptim.cli.race:race",
        "sweep": "polyoptim.cli.sweep:sweep",
        "advise": "polyoptim.cli.advise:advise",
        "serve": "polyoptim.cli.serve:serve",
        "show": "polyoptim.cli.show:show",
        "export": "polyoptim.cli.export:export",
        "verify": "polyoptim.cli.verify:verify",
        "selftest": "polyoptim.cli.selftest:selftest",
    },
)


class Commands(click.RichGroup):
    """A group whose commands are found in the registry."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the registry."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of that name, or None."""
        return COMMANDS[cmd_name] if cmd_name in COMMANDS else None  # noqa: SIM401 - get() knows KeyError only

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command of the first argument; suggest the nearest."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(str(unknown("command", args[0], COMMANDS)), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "POLYOPTIM"})
@click.version_option(__version__, prog_name="polyoptim")
def cli() -> None:
    """Polynomials: trained with PyTorch next to the best that any can do, fitted to data, or approximating a function.

    \b
    polyoptim train "sin(x)" --seed 0 --save sine.json
    polyoptim fit data.csv --x t --y v --degree 2
    polyoptim approximate "2**x" --domain 0 1 --degree 3 --format float32
    polyoptim front "2**x" --domain 0 1 --degrees 2:7 --formats float32,bfloat16 --output-format bfloat16
    polyoptim function exp2 --format bfloat16 --export exp2.h
    polyoptim race "sin(x)" --optimizers all
    polyoptim sweep "sin(x)" --over lr=1e-6:1:61:log --over momentum=0:0.99:40 --plot map.png
    polyoptim advise "sin(x)"
    polyoptim serve
    polyoptim show sine.json
    polyoptim export sine.json sine.py sine.ipynb
    polyoptim verify exp2.h
    """  # noqa: D301 - click's mark against wrapping


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done; 1 failed; 2 bad usage or input; 3 other versions; 130 interrupted."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show becomes a question mark, not an error
            stream.reconfigure(errors="replace")
    try:
        # What a command sets for itself, such as that it makes one run only, ends with it.
        words = arguments or ["--help"]
        code = copy_context().run(cli.main, args=words, prog_name="polyoptim", standalone_mode=False)
    except click.exceptions.Exit as asked:  # type: ignore[attr-defined]  # rich_click hides its type
        code = asked.exit_code
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx else "polyoptim"
        return _complain(unmarked(f"{name}: {error.format_message()} See '{name} --help'."))
    except (click.Abort, KeyboardInterrupt):
        print("polyoptim: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except PolyoptimError as error:
        return _complain(f"polyoptim: {error}")
    except click.ClickException as error:
        return _complain(f"polyoptim: {error.format_message()}")
    return code if isinstance(code, int) else DONE


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return WRONG
