"""Option types, and options that several commands have in common."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from rnaformer_cli.errors import ConfigError, OutputError


class NonEmptyPath(click.Path):
    """A path that is not empty. An unset shell variable would otherwise name the current folder.

    Shells complete file names for it. The readers of files report unreadable ones.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            click.BadParameter: an empty path, or one that click.Path rejects.
        """
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class NonEmptyText(click.types.StringParamType):
    """Text that is not empty. An unset shell variable would otherwise select the default."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text.

        Raises:
            click.BadParameter: an empty one.
        """
        text = super().convert(value, param, ctx)
        if not text:
            self.fail("the text is empty", param, ctx)
        return text


class SequenceText(NonEmptyText):
    """A sequence alone, whose letters are checked later."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The sequence without white space around it.

        Raises:
            click.BadParameter: an empty one, or the text of a FASTA file.
        """
        text = super().convert(value, param, ctx).strip()
        if not text:
            self.fail("the text is empty", param, ctx)
        if text.startswith((">", ";")):
            self.fail("expected a sequence without a FASTA header", param, ctx)
        return text


class GroupedCommand(click.Command):
    """A command whose help lists its options in groups; the last, "Options", has all others."""

    def __init__(self, *arguments: Any, groups: Mapping[str, Sequence[str]], **values: Any) -> None:
        super().__init__(*arguments, **values)
        self._groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each group under its title."""
        rows = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):
                rows[parameter.opts[-1]] = row
        for title, names in self._groups.items():
            with formatter.section(title):
                formatter.write_dl([rows.pop(name) for name in names])
        with formatter.section("Options"):
            formatter.write_dl(list(rows.values()))


PATH = NonEmptyPath(readable=False)
FOLDER = NonEmptyPath(file_okay=False, readable=False)

STDOUT = ("-", "/dev/stdout")  # never opened by name: writing by rename would replace the device


class FiniteRange(click.FloatRange):
    """A finite number in a range; click.FloatRange alone accepts NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            click.BadParameter: not a number, not finite, or out of the range.
        """
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def _file_or_stdout(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value in STDOUT else value


def _check_device(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is not one of auto, cpu, cuda, cuda:N, mps")
    return value


def _parse_size(context: click.Context, _: click.Parameter, value: str | None) -> int | None:
    if value is None or context.resilient_parsing:  # shell completion must not import PyTorch
        return None
    from rnaformer_cli.prediction.memory import parse_size

    try:
        return parse_size(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None


def _check_no_checkpoint(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A folder for new weights.

    Raises:
        OutputError: the folder holds a checkpoint.
    """
    from rnaformer_cli.model.config import CONFIG_FILE

    if value is not None and (Path(value) / CONFIG_FILE).exists():
        raise OutputError("already contains a checkpoint; choose another folder", path=value)
    return value


def or_default(weights: str | None) -> str:
    """The given weights, or the default for None; an empty name is not the default."""
    from rnaformer_cli.weight_store.store import DEFAULT

    return DEFAULT if weights is None else weights


def _parse_cycles(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "auto":
        return value
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value)):
        raise click.BadParameter(f"{value!r} is neither auto nor a positive whole number")
    return int(value)


def _parse_shard(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", value, re.ASCII)
    if match is None or int(match[1]) > int(match[2]):
        raise click.BadParameter(f"{value!r} is not a part I/N, such as 1/4 or 4/4")
    return int(match[1]), int(match[2])


def complete_weights(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete names of weights; if none begins with the text, complete folders."""
    from rnaformer_cli.weight_store.store import list_weights

    names = [CompletionItem(name) for name in list_weights() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="dir")]


new_weights = click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=FOLDER,
    callback=_check_no_checkpoint,
    help="Folder to write the new weights to.",
)
output = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PATH,
    callback=_file_or_stdout,
    help="Write to FILE instead of stdout.",
)
weights = click.option(
    "-w",
    "--weights",
    metavar="NAME|DIR",
    type=NonEmptyText(),
    shell_complete=complete_weights,
    help="Name of weights (see `rnaformer weights list`) or folder.  [default: the shipped ones]",
)
like = click.option(
    "--like",
    type=click.Choice(["curated", "computed"]),
    help="Imitate curated structures or a folding program's output; needs weights with a label "
    "flag.  [default: set by the weights]",
)
no_families = click.option(
    "--no-families",
    is_flag=True,
    help="Do not use Rfam family profiles.",
)
no_pseudoknots = click.option(
    "--no-pseudoknots",
    is_flag=True,
    help="Do not add pseudoknots to the folding model. Those of known families are predicted.",
)
device = click.option(
    "--device",
    callback=_check_device,
    metavar="auto|cpu|cuda|cuda:N|mps",
    default="auto",
    show_default=True,
    help="Device that the network runs on.",
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Number format of the network; auto is fp32.",
)
threads = click.option(
    "--threads", type=click.IntRange(min=1), help="Number of CPU threads.  [default: one per core]"
)
jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    help="Number of worker processes, with one thread each.  "
    "[default: one per thread if there are many short records]",
)
cycles = click.option(
    "--cycles",
    type=click.IntRange(min=1),
    help="Number of recycling passes.  [default: set by the weights]",
)
cycles_or_auto = click.option(
    "--cycles",
    callback=_parse_cycles,
    metavar="N|auto",
    help="Number of recycling passes; auto stops early when the probabilities no longer change.  "
    "[default: set by the weights]",
)
shard = click.option(
    "--shard",
    metavar="I/N",
    callback=_parse_shard,
    help="Predict part I of N: every N-th record. File names are those of an undivided run.",
)
max_memory = click.option(
    "--max-memory",
    metavar="SIZE",
    callback=_parse_size,
    help="Memory limit for one record, for example 4G.  [default: the free memory]",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print no progress and no warnings.")


def warn_slow_bf16(precision: str, device: str, quiet: bool) -> None:
    """Warn if bf16 is requested on a processor that emulates it."""
    from rnaformer_cli.prediction.device import choose_device, has_bf16

    if precision == "bf16" and not quiet and not has_bf16(choose_device(device)):
        message = "this processor has no bf16 instructions; --precision fp32 is faster"
        click.echo(f"rnaformer: warning: {message}", err=True)
