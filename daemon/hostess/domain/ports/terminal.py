"""A command inside a container that people talk to."""

from typing import Protocol


class Terminal(Protocol):
    """One command's input and output, until it ends."""

    async def read(self) -> tuple[str, bytes] | None:
        """Return what it wrote next, with its stream ("stdout"; "stderr" where there is no terminal); None when it has ended."""

    async def write(self, data: bytes) -> None:
        """Let it read *data*; of a command that has ended nothing is told here."""

    async def end_input(self) -> None:
        """Let it find the end of its input."""

    async def resize(self, rows: int, columns: int) -> None:
        """Tell it the size of the window."""

    async def exit_code(self) -> int:
        """Return how it ended."""
