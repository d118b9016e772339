"""`rnaformer completion`: prints a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rnaformer_cli.cli.main import COMPLETION_VARIABLE, cli

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script for SHELL (bash, zsh or fish).

    It completes commands, options, file names and names of weights.

    \b
    Permanently (bash needs the package bash-completion):
      bash   rnaformer completion bash > ~/.local/share/bash-completion/completions/rnaformer
      zsh    rnaformer completion zsh > DIR/_rnaformer          with DIR in $fpath
      fish   rnaformer completion fish > ~/.config/fish/completions/rnaformer.fish

    \b
    In the current bash or zsh:
      source <(rnaformer completion bash)
    """
    completer = get_completion_class(shell)
    assert completer is not None  # click has a class for each of SHELLS
    click.echo(completer(cli, {}, "rnaformer", COMPLETION_VARIABLE).source(), nl=False)
