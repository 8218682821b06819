"""Every command of README.md and docs/ is executed by a test: which ones by tests/system/documentation, and which ones elsewhere."""

import re

from tests.documented import ROOT, Command, commands, documented
from tests.system.documentation.elsewhere import ELSEWHERE, MENTIONED, By
from tests.system.documentation.reading import is_beginning, is_elsewhere, names, typed_on
from tests.system.documentation.told_cli import TOLD_OF_CLI

PAGE = """# A page

`hostess status` and `hostess
logs web` are spoken of; `hostess.yml` is a file.

    export A=b          # said in a comment: nothing
    hostess deploy \\
      --env staging

    version: "1.0"
    services:
      web: {type: nextjs}

```toml
[api]
host = "hostess.example.com"
```

    dance --with git

| command | |
| --- | --- |
| `hostess jobs list`, `run JOB` | `--follow` |
| `hostess login`, `logout` | |
"""


def test_a_page_is_read() -> None:
    """Lines of blocks that are no settings are commands, whatever they begin with; so are those in ticks, and the rest of their rows."""
    found = [(command.line, command.text, command.alone) for command in commands("page.md", PAGE)]

    assert found == [
        (3, "hostess status", False),
        (3, "hostess logs web", False),
        (6, "export A=b", True),
        (7, "hostess deploy --env staging", True),
        (19, "dance --with git", True),
        (23, "hostess jobs list", False),
        (23, "hostess jobs run JOB", False),
        (24, "hostess login", False),
        (24, "hostess logout", False),
    ]


def test_nobody_is_told_of_commands_that_there_are_not() -> None:
    """What the tables say is about commands that pages have; and what is typed in place of one is about one that is typed."""
    everything = documented()
    there = {name for command in everything for name in names(command)}
    typed = {
        name for page in {command.page for command in everything} for each in typed_on(page) for name in names(each)
    }

    assert [name for name in {**ELSEWHERE, **MENTIONED} if name not in there] == []
    assert [name for name in TOLD_OF_CLI if name not in typed] == []


def test_each_command_is_executed() -> None:
    """It is typed as it stands or as the table has it, executed elsewhere, or the beginning of another one of which that is true."""
    everything = documented()
    typed = {each.text for page in {command.page for command in everything} for each in typed_on(page)}
    executed = typed | {command.text for command in everything if is_elsewhere(command)}

    def is_executed(command: Command) -> bool:
        return command.text in executed or any(is_beginning(command.text, other) for other in executed)

    assert [command.place for command in everything if not is_executed(command)] == []
    assert len(typed) > 150


def test_who_is_named_executes_it() -> None:
    """Each test is there, and its source, or that of its helper, has the words; a helper is one that the test's file uses."""
    assert [problem for command, by in ELSEWHERE.items() if (problem := wrong(command, by))] == []
    assert wrong("hostess status", By("tests/system/test_acme.py::test_nothing", "tls"))
    assert wrong("hostess status", By("tests/system/test_acme.py::test_a_renewal_loses_no_request", "no such words"))


def wrong(command: str, by: By) -> str:
    """Return what is wrong about who executes a command, "" if nothing is."""
    file, _, name = by.test.partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    told = (ROOT / by.helper).read_text(encoding="utf-8") if by.helper else source
    if not re.search(rf"^(async )?def {name}\(", source, re.MULTILINE):
        return f"{command}: there is no {by.test}"
    if by.words not in told:
        return f"{command}: {by.helper or file} does not have {by.words}"
    if by.helper and by.helper.removesuffix(".py").replace("/", ".") not in source:
        return f"{command}: {file} does not use {by.helper}"
    return ""
