"""`hostess plan` against a real git remote whose hook answers as the daemon does."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hostess.cli.main import cli

HOOK = """#!/bin/sh
echo "       note: a notice"  >&2
echo "options $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1" >&2
cat "$GIT_DIR/answer" >&2
exit 1
"""
PLANNED = {
    "project": "shop",
    "environment": "production",
    "commit": "a" * 40,
    "changes": [
        {"verb": "restart", "service": "web", "detail": "image"},
        {"verb": "keep", "service": "db", "detail": ""},
    ],
}


def git(folder: Path, *words: str) -> None:
    """Run git there."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a checkout with a remote, and go there."""
    remote, work = tmp_path / "shop.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(remote, "config", "receive.advertisePushOptions", "true")
    (remote / "hooks").mkdir(exist_ok=True)
    (remote / "hooks" / "pre-receive").write_text(HOOK)
    (remote / "hooks" / "pre-receive").chmod(0o755)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(work))
    (work / "hostess.yml").write_text("services: {}\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "first")
    git(work, "remote", "add", "hostess", str(remote))
    monkeypatch.chdir(work)
    return remote


def run(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["plan", *words])


def test_the_plan_is_printed(checkout: Path) -> None:
    """The plan is on standard output, a line per change; notices are on standard error."""
    (checkout / "answer").write_text(f"plan: {json.dumps(PLANNED)}\n")

    shown = run()

    assert shown.exit_code == 0, shown.output
    assert shown.stdout == "restart  web (image)\nkeep     db\n"
    assert "note: a notice" in shown.stderr
    assert "aaaaaaa to production of shop:" in shown.stderr


def test_the_plan_as_json(checkout: Path) -> None:
    """With -o json it is what the daemon said, whole."""
    (checkout / "answer").write_text(f"plan: {json.dumps(PLANNED)}\n")

    assert json.loads(run("-o", "json").stdout) == PLANNED


def test_what_went_wrong_is_printed(checkout: Path) -> None:
    """Without a plan the daemon's words are shown, options and all, and the exit code is 1."""
    (checkout / "answer").write_text(" !     hostess.yml:1:1: no services\n")

    shown = run("-e", "staging")

    assert shown.exit_code == 1
    assert "hostess.yml:1:1: no services" in shown.stderr
    assert "options dry-run=json env=staging" in shown.stderr


def test_nothing_to_push(checkout: Path) -> None:
    """Where the remote has the commit, there is nothing that a push would change."""
    (checkout / "hooks" / "pre-receive").unlink()
    git(Path.cwd(), "push", "--quiet", "hostess", "main")

    shown = run("-o", "json")

    assert shown.exit_code == 0, (shown.stderr, shown.stdout)
    assert json.loads(shown.stdout)["changes"] == []
    assert "nothing to push" in shown.stderr


def test_without_a_remote(checkout: Path) -> None:
    """Without the remote, or outside of a checkout, it says what to do."""
    git(Path.cwd(), "remote", "rename", "hostess", "origin")

    shown = run()

    assert (shown.exit_code, checkout.is_dir()) == (2, True)
    assert "git remote add hostess" in shown.stderr
