"""The command group `rnaformer`: turns errors into one line on stderr and an exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click
from click.shell_completion import shell_complete

from rnaformer_cli import __version__
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.run.startup import without_garbage_collection
from rnaformer_cli.errors import InputError, RnaformerError
from rnaformer_cli.files import os_error_text

COMMANDS = {  # name -> help line; listing the commands imports none of their modules
    "predict": "Predict structures of the RNAs in FASTA files.",
    "score": "Score predicted structures against references.",
    "convert": "Convert structures between file formats.",
    "draw": "Draw structures: helices in the plane, arcs, dot plots.",
    "report": "Write predictions as one HTML page.",
    "weights": "List, verify, average, grow, import and fetch weights.",
    "data": "Make, describe, split and label data sets.",
    "train": "Train a network.",
    "train-folding": "Train the folding model of a network.",
    "train-families": "Build a library of RNA family profiles.",
    "evaluate": "Measure the accuracy of weights on labelled data sets.",
    "release": "Calibrate trained weights and choose their thresholds.",
    "completion": "Print a shell completion script.",
    "doctor": "Show the installation and run a self-test.",
}

COMMAND_GROUPS = {  # of --help
    "Use": ("predict", "score", "convert", "draw", "report"),
    "Weights": ("weights", "evaluate", "doctor", "completion"),
    "Training": ("data", "train", "train-folding", "train-families", "release"),
}

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

# How often an idle OpenMP thread polls for work before it sleeps. The default is 100 times larger
# and makes a run 10 times slower on a busy machine; 0 is 10 % slower on an idle machine.
GOMP_SPIN_COUNT = "3000"

COMPLETION_VARIABLE = "_RNAFORMER_COMPLETE"  # set by the shell to request completions


class CommandGroup(click.Group):
    """Imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of --help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        with without_garbage_collection():
            command: click.Command = import_module(f"rnaformer_cli.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The requested command; an unknown name is an error that suggests a similar one."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in groups, without importing them."""
        for title, names in COMMAND_GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names])


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="rnaformer")
def cli() -> None:
    """Predict RNA secondary structures with an RNAformer network, offline.

    \b
    Examples:
      rnaformer predict seqs.fasta                    dot-bracket to stdout
      rnaformer predict seqs.fasta --ref known.dbn    and F1 against references
      rnaformer predict seqs.fasta --out-dir out -f ct -f bpseq
      rnaformer score predicted.dbn --ref known.ct
    """


def main() -> NoReturn:
    """Run the command line and exit with its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)  # a closed terminal; nohup leaves it ignored
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup leaves it ignored
        signal.signal(signal.SIGINT, _interrupt)
    if "OMP_WAIT_POLICY" not in os.environ:  # before PyTorch is imported, which reads it
        os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPIN_COUNT)
    # NumPy multiplies many small matrices, for which starting a second thread takes longer.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported, which reads it
    sys.stdout = sys.stdout or _open_devnull()  # None: closed by the shell (`>&-`)
    sys.stderr = sys.stderr or _open_devnull()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # UTF-8 in any locale, as in files; file names that are not UTF-8 keep their bytes.
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; return 0 for success, 1 failure, 2 a usage error, 130 an interrupt."""
    try:
        _check_folder()
        _invoke(arguments)
        sys.stdout.flush()
    except (RnaformerError, MemoryError) as error:
        is_known = isinstance(error, RnaformerError)
        text = escape_controls(str(error)) if is_known else "not enough memory"
        click.echo(f"rnaformer: {text}", err=True)
        return EXIT_FAILED
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(
            "\n".join(map(escape_controls, shown.getvalue().split("\n"))), err=True, nl=False
        )
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("rnaformer: interrupted", err=True)
        return EXIT_INTERRUPTED
    except OSError as error:
        return _fail_on_file(error)
    return 0


def _invoke(arguments: list[str]) -> None:
    """Like click's main(), except that click turns a closed pipe into exit code 1."""
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        raise click.exceptions.Exit(
            shell_complete(cli, {}, "rnaformer", COMPLETION_VARIABLE, instruction)
        )
    with cli.make_context("rnaformer", list(arguments)) as context:
        cli.invoke(context)


def _check_folder() -> None:
    """Refuse a deleted working directory, in which libraries raise unexpected errors.

    Raises:
        InputError: the working directory was deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the working directory was deleted; change to another folder") from None


def _open_devnull() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _fail_on_file(error: OSError) -> int:
    """Report an OSError that no reader or writer has handled, and return the exit code."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        limit = "too many open files: raise the limit (ulimit -n) or use fewer --jobs"
        click.echo(f"rnaformer: {limit}", err=True)
        return EXIT_FAILED
    if error.filename is None:
        return _close_stdout(error)
    click.echo(
        f"rnaformer: {escape_controls(str(error.filename))}: {os_error_text(error)}", err=True
    )
    return EXIT_FAILED


def _close_stdout(error: OSError) -> int:
    """Close stdout, the only file without a name, after an OSError; return the exit code."""
    # Python flushes stdout again at exit, which must not fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0  # the reading process has ended, as in `| head`
    click.echo(f"rnaformer: stdout: {os_error_text(error)}", err=True)
    return EXIT_FAILED


def _interrupt(*_: Any) -> NoReturn:
    """Raise KeyboardInterrupt once; a second Ctrl-C must not interrupt the clean-up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt
