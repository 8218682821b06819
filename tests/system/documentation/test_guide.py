"""README.md and the pages of the guide, typed into a shell from top to bottom; the page of the command line has a file of its own."""

from pathlib import Path

import pytest

from tests.documented import PAGES, Command
from tests.system.documentation.reader import Reader
from tests.system.documentation.reading import Told, typed_on
from tests.system.documentation.told import TOLD
from tests.system.host import Host

READ = [page.name for page in PAGES if page.name != "cli.md" and typed_on(page.name)]


@pytest.mark.parametrize("page", READ)
def test_each_command_does_what_its_page_says(host: Host, page: str, tmp_path: Path) -> None:
    """As it stands there, or with the words that it leaves to the reader."""
    with Reader(host, page, tmp_path / "home", TOLD) as reader:
        wrong = [problem for command in typed_on(page) if (problem := reader.types(command))]

    assert not wrong, "\n\n".join(wrong)


def test_what_a_new_page_has_wrong_is_found(host: Host, tmp_path: Path) -> None:
    """A command that is not there, one that fails, one that says or does something else than the table has it, one that says too little."""
    told = {
        "hostess status": Told(says="no such word"),
        "hostess projects list": Told(then="hostess projects info nobody"),
        "hostess tokens list": Told(before="false"),
        "hostess connect cache": Told(until="redis://", codes=(3,)),
        "hostess whoami": Told(),
    }
    lines = ["dance --with git", "hostess projects info", "hostess projects info nobody", *told]
    with Reader(host, "new.md", tmp_path / "home", told) as reader:
        wrong = [bool(reader.types(Command("new.md", 1, line, alone=True))) for line in lines]

    assert wrong == [True, False, *[True] * 5, False]
