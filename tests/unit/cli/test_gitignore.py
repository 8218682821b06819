"""What .gitignore leaves out is what git itself says."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostess.cli.source_tree import tree

PATHS = (
    "a.log",
    "keep.log",
    "build/out.js",
    "src/build/x",
    "src/app.py",
    "src/app.pyc",
    "src/deep/er/app.log",
    "docs/a/b/c.md",
    "docs/c.md",
    "#hash",
    "!bang",
    "with space ",
    "with space",
    "file1",
    "filea",
    "file-",
    "back\\slash",
)
RULES = (
    "*.log",
    "*.log\n!keep.log",
    "build/",
    "/build",
    "build",
    "src/*",
    "src/*\n!src/app.py",
    "src/**",
    "**/app.*",
    "docs/**/c.md",
    "docs/*/c.md",
    "docs/**c.md",
    "a/b",
    "**/a/b",
    "\\#hash\n\\!bang",
    "# a comment\n\n   \n",
    "with space ",
    "with space\\ ",
    "file[0-9]",
    "file[!0-9]",
    "file[^a-z]",
    "file[[:alpha:]]",
    "file[-x]",
    "file[",
    "file[]-]",
    "file?",
    "src?app.py",
    "back\\\\slash",
    "back\\",
    "*\n!*/\n!*.py",
    "/*\n!/src",
    "*.log\r\nbuild/\r\n",
    "\ufeff*.log",
    "!a.log",
    "a.log\n!a.log\na.log",
    "src/build/",
    "deep/",
    "er",
    "/er",
    "***.log",
    "src/***/app.log",
    "**",
    "**/",
    "/",
    "docs/a/**/b/**",
    "docs/a/",
)


def ours(folder: Path) -> set[str]:
    """Return what would be uploaded."""
    return {source.path for source in tree(folder, {}).sources}


def theirs(folder: Path) -> set[str]:
    """Return what git would add."""
    words = [
        "git",
        "-C",
        str(folder),
        "-c",
        "core.excludesFile=/dev/null",
        "ls-files",
        "-co",
        "--exclude-standard",
        "-z",
    ]
    listed = subprocess.run(words, check=True, capture_output=True).stdout.decode()
    return set(filter(None, listed.split("\0")))


def filled(folder: Path) -> Path:
    """Make a repository with the files."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True, capture_output=True)
    for name in PATHS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository with the files."""
    return filled(tmp_path_factory.mktemp("rules"))


@pytest.mark.parametrize("rules", RULES)
def test_each_rule(repository: Path, rules: str) -> None:
    """A rule leaves out what git leaves out by it."""
    (repository / ".gitignore").write_bytes(rules.encode())

    assert ours(repository) == theirs(repository)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "*", "**", "/", "?", "!", "app", ".log", "src", "build", "[a-f]", "\\", "docs"]))
        .map("".join)
        .filter(lambda rule: "!!" not in rule),
        max_size=4,
    )
)
def test_any_rules(repository: Path, rules: list[str]) -> None:
    """Rules put together at random leave out what git leaves out by them."""
    (repository / ".gitignore").write_text("\n".join(rules))

    assert ours(repository) == theirs(repository)


def test_nested_files(tmp_path: Path) -> None:
    """A .gitignore further down speaks for its folder, and above those over it; one in a folder that is left out does not count."""
    filled(tmp_path)
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n")
    (tmp_path / "src" / ".gitignore").write_text("!*.log\n/app.py\n")
    (tmp_path / "build" / ".gitignore").write_text("!out.js\n")

    assert ours(tmp_path) == theirs(tmp_path)
    assert "src/deep/er/app.log" in ours(tmp_path)
