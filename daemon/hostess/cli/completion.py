"""hostess completion."""

import click
from click.shell_completion import get_completion_class

from hostess.cli.failure import Failure
from hostess.cli.groups import example


@example("hostess completion bash > /etc/bash_completion.d/hostess")
@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes the shell complete commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "hostess", "_HOSTESS_COMPLETE").source())
