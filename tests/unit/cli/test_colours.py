"""Colours: on terminals only, and not where somebody does not want them."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import click
import pytest

from hostess.cli.groups import Lazy


@click.command()
def shout() -> None:
    """Say something in red."""
    click.secho("loud", fg="red")


PROGRAM = """
import click
from tests.unit.cli.test_colours import group
group()
"""
group = Lazy("loudly", places={"shout": (f"{__name__}:shout", "Say something in red.")}, aliases={})


def on_a_terminal(environment: Mapping[str, str]) -> str:
    """Run the command with a terminal as its output; return what that got."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PROGRAM, "shout"],
            env={**os.environ, "TERM": "xterm", **environment},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            check=True,
        )
        return os.read(ours, 4096).decode()
    finally:
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_terminals_get_colours_unless_they_are_not_wanted(environment: Mapping[str, str], coloured: bool) -> None:
    """A terminal gets colours; with NO_COLOR (not empty), and where the terminal is dumb, it gets none."""
    said = on_a_terminal({"NO_COLOR": "", **environment})

    assert ("\x1b[31m" in said) == coloured
    assert "loud" in said


def test_what_is_no_terminal_gets_no_colours() -> None:
    """Through a pipe comes plain text."""
    said = subprocess.run([sys.executable, "-c", PROGRAM, "shout"], capture_output=True, check=True).stdout

    assert said == b"loud\n"
