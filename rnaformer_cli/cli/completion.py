"""`rnaformer completion`: the script by which a shell asks for completions."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rnaformer_cli.cli.main import COMPLETION_VARIABLE, cli

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL (bash, zsh, fish) complete commands, options, files and weights.

    \b
    For good, in shells that are opened later (bash needs the package bash-completion):
      bash   rnaformer completion bash > ~/.local/share/bash-completion/completions/rnaformer
      zsh    rnaformer completion zsh > DIR/_rnaformer          with DIR in $fpath
      fish   rnaformer completion fish > ~/.config/fish/completions/rnaformer.fish

    \b
    In the bash or zsh that is open:
      source <(rnaformer completion bash)
    """
    completer = get_completion_class(shell)
    assert completer is not None  # all three are click's own
    click.echo(completer(cli, {}, "rnaformer", COMPLETION_VARIABLE).source(), nl=False)
