"""Every command of the program, groups included."""

import click

from rnaformer_cli.cli.main import cli


def all_contexts(command=cli, name="rnaformer", above=None):
    """Yield a context of each command; its `command_path` is how the command is called."""
    settings = command.context_settings
    context = click.Context(command, info_name=name, parent=above, **settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from all_contexts(command.get_command(context, below), below, context)


CONTEXTS = {tuple(one.command_path.split()[1:]): one for one in all_contexts()}
COMMAND_WORDS = list(CONTEXTS)  # the words after `rnaformer` that call each command
