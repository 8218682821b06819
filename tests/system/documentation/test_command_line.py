"""The page of the command line, typed into a shell from top to bottom: every command that there is."""

from pathlib import Path

from tests.system.documentation.reader import Reader
from tests.system.documentation.reading import typed_on
from tests.system.documentation.told_cli import TOLD_OF_CLI
from tests.system.host import Host


def test_each_command_does_what_its_row_says(host: Host, tmp_path: Path) -> None:
    """As it stands there, or with the words that it leaves to the reader."""
    with Reader(host, "cli.md", tmp_path / "home", TOLD_OF_CLI) as reader:
        wrong = [problem for command in typed_on("cli.md") if (problem := reader.types(command))]

    assert not wrong, "\n\n".join(wrong)
