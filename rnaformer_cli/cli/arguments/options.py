"""Options that several commands share: the same name and meaning everywhere."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from rnaformer_cli.errors import ConfigError, OutputError


# What a shell completes file names for; whether a file can be read is told by who reads it.
class NonEmptyPath(click.Path):
    """A path that is not empty, as that of an unset variable is: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
            click.BadParameter: an empty path, or what click.Path refuses.
        """
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class NonEmptyText(click.types.StringParamType):
    """Text that is not empty, as that of an unset variable is: it would mean the default."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text.

        Raises:
            click.BadParameter: an empty one.
        """
        text = super().convert(value, param, ctx)
        if not text:
            self.fail("the text is empty", param, ctx)
        return text


PATH = NonEmptyPath(readable=False)
FOLDER = NonEmptyPath(file_okay=False, readable=False)

STDOUT = ("-", "/dev/stdout")  # not opened by name: a rename would replace what it stands for


class FiniteRange(click.FloatRange):
    """A number in a range; NaN, which compares with nothing, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            click.BadParameter: no number, not finite, or out of the range.
        """
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def _file_or_stdout(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value in STDOUT else value


def _check_device(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is none of auto, cpu, cuda, cuda:N, mps")
    return value


def _parse_size(context: click.Context, _: click.Parameter, value: str | None) -> int | None:
    if value is None or context.resilient_parsing:  # a shell that completes waits for no torch
        return None
    from rnaformer_cli.prediction.memory import parse_size

    try:
        return parse_size(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None


def _check_no_checkpoint(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A folder for new weights, which must not hold others."""
    from rnaformer_cli.model.config import CONFIG_FILE

    if value is not None and (Path(value) / CONFIG_FILE).exists():
        raise OutputError("holds a checkpoint already; choose another folder", path=value)
    return value


def or_default(weights: str | None) -> str:
    """The weights that are asked for; an empty name, as of an unset variable, is none of them."""
    from rnaformer_cli.weight_store.store import DEFAULT

    return DEFAULT if weights is None else weights


def _parse_cycles(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "auto":
        return value
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value)):
        raise click.BadParameter(f"{value!r} is neither auto nor a number from 1 on")
    return int(value)


def _parse_shard(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", value, re.ASCII)
    if found is None or int(found[1]) > int(found[2]):
        raise click.BadParameter(f"{value!r} is no part such as 1/4 or 4/4")
    return int(found[1]), int(found[2])


def complete_weights(
    _: click.Context, __: click.Parameter, begun: str
) -> list[CompletionItem[str]]:
    """The names of weights, or folders where no name begins like that."""
    from rnaformer_cli.weight_store.store import list_weights

    names = [CompletionItem(name) for name in list_weights() if name.startswith(begun)]
    return names or [CompletionItem(begun, type="dir")]


new_weights = click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    type=FOLDER,
    callback=_check_no_checkpoint,
    help="Folder of the new weights.",
)
output = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PATH,
    callback=_file_or_stdout,
    help="Write to one file instead of stdout.",
)
weights = click.option(
    "-w",
    "--weights",
    metavar="NAME|DIR",
    type=NonEmptyText(),
    shell_complete=complete_weights,
    help="Weights by name (see `rnaformer weights list`) or folder.  [default: the shipped ones]",
)
like = click.option(
    "--like",
    type=click.Choice(["curated", "computed"]),
    help="Predict like curated structures or like a folding program (weights with a label flag).  "
    "[default: what the weights were released with]",
)
no_families = click.option(
    "--no-families",
    is_flag=True,
    help="Ask the network alone, whatever is known of the RNA's family.",
)
device = click.option(
    "--device",
    callback=_check_device,
    metavar="auto|cpu|cuda|cuda:N|mps",
    default="auto",
    show_default=True,
    help="What the network runs on.",
)
precision = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Number format; auto is fp32.",
)
threads = click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads.  [default: one a core]"
)
jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes of one thread each.  [default: one a thread if there are many short records]",
)
cycles = click.option(
    "--cycles", type=click.IntRange(min=1), help="Passes of recycling.  [default: the weights']"
)
cycles_or_auto = click.option(
    "--cycles",
    callback=_parse_cycles,
    metavar="N|auto",
    help="Passes of recycling; auto: the weights' number, or fewer if the scores have settled.  "
    "[default: the weights']",
)
shard = click.option(
    "--shard",
    metavar="I/N",
    callback=_parse_shard,
    help="Only the I-th of N parts: every N-th record, under the names of a whole run.",
)
max_memory = click.option(
    "--max-memory",
    metavar="SIZE",
    callback=_parse_size,
    help="Memory that one record may take, as 4G.  [default: what is free]",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings.")


def warn_slow_bf16(precision: str, device: str, quiet: bool) -> None:
    """Tell that bf16 was asked for on a processor that has to imitate it."""
    from rnaformer_cli.prediction.device import choose_device, has_bf16

    if precision == "bf16" and not quiet and not has_bf16(choose_device(device)):
        message = "this processor has no instructions for bf16, which fp32 outruns here"
        click.echo(f"rnaformer: warning: {message}", err=True)
