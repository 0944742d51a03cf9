"""The command `lstm-parity`: a lazy group, so that `--help` and `inspect` import nothing they don't use."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from harness.memory import settle
from weight_mapping import __version__
from weight_mapping.errors import PortingError, printable

NAME = "lstm-parity"
COMMANDS = {
    "verify": "The main job: fresh pairs, mapped, compared, timed; results.json and report.html.",
    "port": "A Keras file into PyTorch (or back), with its proof.",
    "results": "The log of a whole folder that was ported, asked in SQL.",
    "inspect": "What is in a file, and what a port would do; no framework imported.",
    "draft": "The configuration that a file of weights leaves out, with what is open marked.",
    "diagnose": "Two files or exports that disagree: which convention differs, and the fix.",
    "explain": "What `units` means, with shapes, parameter counts and a picture.",
    "bench": "Time the implementations against each other.",
    "report": "The HTML page of a results.json.",
    "doctor": "What is installed, what can be measured here, and what clashes.",
}


class LazyGroup(click.Group):
    """Each command lives in the module of its name in `harness.commands`, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Keras recurrent models into PyTorch and back, with proof.

    \b
    lstm-parity inspect model.h5
    lstm-parity port model.h5 -o ported

    Completion of commands and options in bash (zsh and fish likewise), a line for the shell's start-up file:

    \b
    eval "$(_LSTM_PARITY_COMPLETE=bash_source lstm-parity)"

    Exit codes: 0 ok, 1 mismatch, 2 unsupported, 3 unsafe or damaged input, 4 usage, 130 interrupted."""


def main(args: list[str] | None = None) -> None:
    """Run the command and exit with its code; a PortingError is one line on stderr, no traceback without --debug."""
    if args is None:
        settle()  # the command is the process
    arguments = sys.argv[1:] if args is None else args
    try:
        code: Any = cli.main(arguments, prog_name=NAME, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(4)
    except PortingError as error:
        _failed(error, arguments, error.exit_code)
    except OSError as error:
        _failed(error, arguments, 4)
    except Exception as error:
        _failed(error, arguments, 3, f"an error of its own, {type(error).__name__}: {error}. --debug shows where.")


def _failed(error: Exception, arguments: list[str], code: int, told: object = None) -> None:
    if "--debug" in arguments:
        raise error
    click.echo(f"lstm-parity: {printable(told or error, 2000)}", err=True)
    sys.exit(code)
