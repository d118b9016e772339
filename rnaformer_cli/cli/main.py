"""The command `rnaformer`: its group, and where failures become one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from rnaformer_cli import __version__
from rnaformer_cli.errors import RnaformerError

COMMANDS = {  # name -> one line for --help, so that no command module is imported for it
    "predict": "Predict structures of the RNAs in FASTA files.",
    "score": "Score predicted structures against references.",
    "convert": "Convert structures between file formats.",
    "weights": "List, check, import and fetch weights.",
    "doctor": "Tell what is installed and whether it works.",
}

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class CommandGroup(click.Group):
    """Imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"rnaformer_cli.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="rnaformer")
def cli() -> None:
    """Predict RNA secondary structures with an RNAformer, offline.

    \b
    Examples:
      rnaformer predict seqs.fasta                    dot-bracket to stdout
      rnaformer predict seqs.fasta --ref known.dbn    and F1 against references
      rnaformer predict seqs.fasta --out-dir out -f ct -f bpseq
      rnaformer score predicted.dbn --ref known.ct
    """


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code: 0 fine, 1 something failed, 2 wrong usage, 130 interrupted."""
    try:
        code = cli.main(arguments, prog_name="rnaformer", standalone_mode=False)
        sys.stdout.flush()
    except RnaformerError as error:
        click.echo(f"rnaformer: {one_line(str(error))}", err=True)
        return EXIT_FAILED
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("rnaformer: interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`| head`): nothing failed, and Python must not flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def one_line(text: str) -> str:
    """Text that cannot move the cursor or break the line: other characters are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
