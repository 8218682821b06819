"""Command groups that load a command's file only when it is asked for, and know aliases."""

import errno
import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from hostess.cli.failure import FAILED, Failure

INTERRUPTED = 130
"""What shells make of SIGINT."""

PROGRAMS = frozenset({"daemon", "proxy"})

C = TypeVar("C", bound=click.Command)


def example(*lines: str) -> Callable[[C], C]:
    """Put an example below a command's help."""

    def add(command: C) -> C:
        # The backspace tells click to keep the lines as they are.
        command.epilog = "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])
        return command

    return add


class Aliased(click.Group):
    """A group in which commands have other names, too; help shows the first only."""

    ALIASES: Mapping[str, str] = {"ls": "list"}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or an alias."""
        return super().get_command(ctx, self.ALIASES.get(cmd_name, cmd_name))


class Lazy(click.Group):
    """A group whose commands are named as "module:attribute" and imported when used, each with its summary.

    *aliases* may lead into groups ("a b").
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 -- click's own
        places: Mapping[str, tuple[str, str]],
        aliases: Mapping[str, str],
        **kwargs: Any,  # noqa: ANN401 -- click's own
    ) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._aliases = aliases

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the commands, without aliases."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or an alias."""
        first, _, second = self._aliases.get(cmd_name, cmd_name).partition(" ")
        if first not in self._places:
            return None
        module, attribute = self._places[first][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._places[first]} is no command")
        if second and isinstance(command, click.Group):
            return command.get_command(ctx, second)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a Failure is told and becomes the exit code, an interrupt needs no words.

        Only terminals get colours, and none with NO_COLOR (no-color.org).
        """
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            ctx.color = False
        try:
            return super().invoke(ctx)
        except Failure as failure:
            failure.show()
            ctx.exit(failure.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except OSError as error:
            # Who reads has enough: click ends quietly. Of the programs themselves it would be a bug.
            if error.errno == errno.EPIPE or ctx.invoked_subcommand in PROGRAMS:
                raise
            Failure(f"this could not be done here: {error}").show()
            ctx.exit(FAILED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """List the commands with their summaries."""
        room = formatter.width - 6 - max(map(len, self._places))
        with formatter.section("Commands"):
            formatter.write_dl([(name, stub.get_short_help_str(room)) for name, stub in self._stubs()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, and the options."""
        found = [CompletionItem(n, help=c.get_short_help_str()) for n, c in self._stubs() if n.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def _stubs(self) -> list[tuple[str, click.Command]]:
        return [(name, click.Command(name, help=summary)) for name, (_, summary) in self._places.items()]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the aliases to the help."""
        with formatter.section("Aliases"):
            formatter.write_dl(list(self._aliases.items()))
        super().format_epilog(ctx, formatter)
