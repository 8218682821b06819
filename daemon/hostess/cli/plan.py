"""hostess plan."""

import json
import os
import subprocess
from typing import Any

import click

from hostess.cli import options
from hostess.cli.failure import FAILED, TIMED_OUT, USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, tell

WITHIN = 600.0
REMOTE = "remote: "
PLAN = "plan: "
UP_TO_DATE = "Everything up-to-date"


@example("hostess plan", "hostess plan -e staging -o json")
@click.command()
@click.option("--env", "--environment", "-e", "environment", help="Environment; by default the branch's own.")
@click.option("--remote", default="hostess", show_default=True, help="The git remote to ask.")
@click.option("--branch", help="The branch to ask for; by default the one that is checked out.")
@options.form
def plan(environment: str | None, remote: str, branch: str | None, form: str) -> None:
    """Tell what `git push` of the last commit would change, without changing anything.

    It is asked with `git push -o dry-run`: by the same way, and with the same plan, as the push that follows. Changes that are not
    committed are not part of it. Environment values are told by name only.
    """
    _git("remote", "get-url", remote, remedy=f"add it: git remote add {remote} http://127.0.0.1:7654/git/<project>.git")
    branch = branch or _branch()
    if _git("status", "--porcelain").strip():
        tell("note: there are changes that are not committed; they are not part of this plan")
    lines, code = _asked(remote, branch, environment)
    found = next((line.removeprefix(PLAN) for line in lines if line.startswith(PLAN)), None)
    if found is None and UP_TO_DATE in lines:
        tell(f"nothing to push: {remote} has this commit as {branch} already")
        found = json.dumps({"project": None, "environment": environment, "commit": None, "changes": []})
    if found is None:
        said = tuple(line for line in lines if line) or (f"git push ended with {code} and said nothing",)
        raise Failure("no plan could be made", exit_code=FAILED, tail=said)
    for line in lines:
        tell(line if "note: " in line else "")
    _show(json.loads(found), form)


def _show(found: dict[str, Any], form: str) -> None:
    if form == "json":
        show_json(found)
        return
    if found["commit"]:
        tell(f"{found['commit'][:7]} to {found['environment']} of {found['project']}:")
    for each in found["changes"]:
        detail = f" ({each['detail']})" if each["detail"] else ""
        click.echo(f"{each['verb']:<8} {each['service']}{detail}")


def _asked(remote: str, branch: str, environment: str | None) -> tuple[list[str], int]:
    """Return what git said, without its own marks, and how it ended."""
    chosen = ["-o", f"env={environment}"] if environment else []
    words = ["push", "--no-verify", "-o", "dry-run=json", *chosen, remote, f"HEAD:refs/heads/{branch}"]
    try:
        asked = subprocess.run(
            ["git", *words], stderr=subprocess.PIPE, text=True, timeout=WITHIN, check=False, env=_environ()
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{remote} did not answer within {WITHIN:.0f} s", exit_code=TIMED_OUT) from None
    return [line.removeprefix(REMOTE).rstrip() for line in asked.stderr.splitlines()], asked.returncode


def _branch() -> str:
    found = _git("symbolic-ref", "--quiet", "--short", "HEAD", remedy="no branch is checked out: add --branch NAME")
    return found.strip()


def _git(*words: str, remedy: str = "") -> str:
    try:
        asked = subprocess.run(["git", *words], capture_output=True, text=True, timeout=60, check=False, env=_environ())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"git could not be asked: {error}", exit_code=USAGE) from error
    if asked.returncode != 0:
        what = asked.stderr.strip().splitlines() or [f"git {words[0]} failed"]
        raise Failure(what[-1].removeprefix("fatal: ").removeprefix("error: "), exit_code=USAGE, remedy=remedy)
    return asked.stdout


def _environ() -> dict[str, str]:
    """Return an environment in which git speaks English, whose words are looked for."""
    return {**os.environ, "LC_ALL": "C"}
