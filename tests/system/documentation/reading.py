"""Which commands of the pages are typed here, and what is typed for those that leave something to the reader."""

from dataclasses import dataclass

from tests.documented import Command, documented
from tests.system.documentation.elsewhere import ELSEWHERE, MENTIONED


@dataclass(frozen=True)
class Told:
    """What a reader does about a command.

    *instead* is what is typed in its place, *typed* what the command reads, *before* what has to be there and *then* what has to be true
    afterwards: both are shell scripts that end with 0. *codes* are the exit codes that the page tells, *says* is a pattern of its output.
    A command that goes on until somebody ends it says *until* when it is interrupted.
    """

    instead: str = ""
    typed: str = ""
    before: str = ""
    then: str = ""
    says: str = ""
    until: str = ""
    codes: tuple[int, ...] = (0,)


def is_elsewhere(command: Command) -> bool:
    """Whether another test executes it."""
    return any(name in ELSEWHERE or name in MENTIONED for name in names(command))


def names(command: Command) -> tuple[str, str]:
    """Return what a command is called in a table: on this page, and on every page."""
    return f"{command.page}: {command.text}", command.text


def typed_on(page: str) -> list[Command]:
    """Return the commands of a page that are typed here, in the page's order.

    One that a sentence speaks of is typed once, on the first page that has it, unless it has a line of its own somewhere or is the
    beginning of a longer one.
    """
    everything = documented()
    of_lines = {command.text for command in everything if command.alone}
    first = {command.text: command for command in reversed(everything)}
    longer = {command.text for command in everything}

    def is_typed(command: Command) -> bool:
        if command.page != page or is_elsewhere(command):
            return False
        return command.alone or (
            command == first[command.text]
            and command.text not in of_lines
            and not any(is_beginning(command.text, other) for other in longer)
        )

    return [command for command in everything if is_typed(command)]


def is_beginning(text: str, other: str) -> bool:
    """Whether a command says the first words of another one, and no more."""
    words = text.split()
    return text != other and other.split()[: len(words)] == words
