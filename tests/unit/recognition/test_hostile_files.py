"""Files that were written to keep the daemon busy: each is read in a time that grows with its length, not with its square.

A regular expression that is at it lets no other thread go on. The limit on tests ends what takes for ever.
"""

import json
from contextlib import suppress

import pytest

from hostess.adapters.engine.build_trace import plain
from hostess.domain.problem import Problem
from hostess.domain.registries import base_images
from tests.unit.recognition.folders import APP, found

LONG = 256 * 1024 - 200


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("custom", {"package.json": json.dumps({"engines": {"node": "a" * LONG}, "scripts": {"start": "a"}})}),
        ("custom", {"package.json": json.dumps({"engines": {"node": "9" * LONG}, "scripts": {"start": "a"}})}),
        ("fastapi", {"pyproject.toml": f'[project]\nrequires-python = "{"a" * LONG}"\n', "main.py": APP}),
        ("fastapi", {"pyproject.toml": "a." * (LONG // 2) + "b = 1\n", "main.py": APP}),
        ("fastapi", {"pyproject.toml": f"a = {'9' * 5000}\n", "main.py": APP}),
        ("fastapi", {"requirements.txt": "fastapi", "code/x.py": "\n" * (LONG - 100) + "x\n" + APP}),
        ("custom", {"requirements.txt": "", "Procfile": "web: a" + " " * LONG + "b"}),
        ("nextjs", {"package.json": '{"dependencies": {"next": "1"}}', "next.config.js": "/*" * (LONG // 2)}),
        ("nextjs", {"package.json": '{"dependencies": {"next": "1"}}', "next.config.js": "\n" * LONG}),
    ],
)
def test_a_file_that_takes_for_ever(kind: str, files: dict[str, str]) -> None:
    """What is no version, no comment or no command is found out soon."""
    with suppress(Problem):
        assert found(kind, files) is not None


def test_a_line_of_a_build_that_takes_for_ever() -> None:
    """What begins a sequence for the terminal again and again, and ends none, stays."""
    assert plain("\x1b]" * LONG).count("]") == LONG
    assert plain("a\x1b]0;title\x07b\x1b[31mc") == "abc"


def test_arguments_that_grow() -> None:
    """An argument that names the one before twice, again and again, fills no memory: nothing is known of such an image."""
    lines = ["ARG A0=xxxxxxxxxx", *(f"ARG A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 60)), "FROM $A59", "FROM debian"]
    wide = ["ARG A=" + "x" * 900, f"FROM {'$A' * 4000}", f"RUN {'x' * LONG}", f"FROM {'x' * LONG}", "FROM debian"]

    assert base_images("\n".join(lines), {}) == ("debian",)
    assert base_images("\n".join(wide), {}) == ("debian",)


@pytest.mark.parametrize("line", ["# " + "=" * 70, "#" + " " * 70, "# a=b", "# a = b = c", "#=" + " =" * 70])
def test_remarks_at_the_head_of_a_dockerfile(line: str) -> None:
    """A banner, as many a Dockerfile begins with, keeps nobody busy."""
    assert base_images(f"{line}\n" * 50 + "FROM debian\n", {}) == ("debian",)
