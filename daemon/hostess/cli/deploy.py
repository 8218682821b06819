"""hostess deploy."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hostess.cli import options
from hostess.cli.client import Client, path_of
from hostess.cli.failure import NOT_FOUND, USAGE, Failure
from hostess.cli.following import carried_out
from hostess.cli.groups import example
from hostess.cli.output import tell
from hostess.cli.server import find_server
from hostess.domain.quantities import size_text

if TYPE_CHECKING:
    from hostess.domain.hostess_yml.stack import Stack

MESSAGE = 1000


@example("hostess deploy", "hostess deploy --env staging -p shop", "hostess deploy --file deploy/hostess.yml")
@click.command()
@click.option(
    "--file", "-f", default="hostess.yml", show_default=True, help="The stack file; its folder is what is uploaded."
)
@options.project
@options.environment
@click.option("--no-interactive", is_flag=True, help="Ask nothing: what is missing is an error.")
@click.option("--no-git", is_flag=True, help="Look at neither git's remotes nor its commits.")
@click.option("--no-cache", is_flag=True, help="Build everything anew.")
@click.option("--canary", type=click.IntRange(0, 100), help="Try it out with so many percent of the clients.")
@click.option("--canary-auto", is_flag=True, help="Give it more by itself until it is live, or take it back.")
@options.form
@options.which_server
def deploy(  # noqa: PLR0913, PLR0917 -- click's: an option each
    file: str,
    project: str | None,
    environment: str,
    no_interactive: bool,  # noqa: FBT001 -- click's
    no_git: bool,  # noqa: FBT001 -- click's
    no_cache: bool,  # noqa: FBT001 -- click's
    canary: int | None,
    canary_auto: bool,  # noqa: FBT001 -- click's
    form: str,
    url: str | None,
    token: str | None,
) -> None:
    """Upload the folder as it is, committed or not, and deploy it by the same way as a push.

    What .gitignore files and .hostessignore (or else .dockerignore) name is left out, and .git, .env and .env.* always; what
    hostess.yml names is included. The file is checked first, without the daemon.
    """
    from hostess.cli import source_archive, source_tree

    root = Path(file).parent
    raw = _read(file)
    stack = _checked(raw, file)
    found = source_tree.tree(root, source_tree.needed(stack))
    source_archive.check_limits(found)
    for notice in found.notices:
        tell(f"note: {notice}")
    name = _project(project, stack, git=not no_git)
    client = Client(find_server(*options.given_server(url, token)))
    ask = not no_interactive and sys.stdin.isatty()
    _ready(client, name, environment, stack, ask=ask)
    tell(f"-----> {name} ({environment}): {', '.join(sorted(stack.services))}")
    with source_archive.archive(root, found, raw) as archive:
        size = archive.seek(0, 2)
        archive.seek(0)
        tell(f"-----> uploading {len(found.sources)} files, {size_text(size)}")
        begun = client.upload(
            path_of("projects", name, "environments", environment, "upload"),
            source_archive.Shown(archive, size),
            size,
            message="" if no_git else _message(root),
            no_cache=no_cache,
            canary=None if canary is None else str(canary),
            canary_auto=canary_auto and canary is not None,
        )
    carried_out(client, begun, form)


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Failure(
            f"{file} cannot be read: {error.strerror}", exit_code=USAGE, remedy="go to its folder, or give --file"
        ) from error


def _checked(raw: bytes, file: str) -> "Stack":
    """Return the stack; Failure with all mistakes, or with what cannot be deployed yet."""
    from hostess.domain.hostess_yml.file import InvalidStack, parse
    from hostess.domain.hostess_yml.openings import refuse_closed
    from hostess.domain.hostess_yml.unsupported import refuse_unsupported
    from hostess.domain.problem import Problem

    try:
        stack = parse(raw, file)
        refuse_unsupported(stack)
        refuse_closed(stack, raw, file)
    except InvalidStack as invalid:
        count = len(invalid.mistakes)
        raise Failure(
            f"{file} has {count} mistake{'' if count == 1 else 's'}; nothing was uploaded",
            exit_code=USAGE,
            tail=tuple(map(str, invalid.mistakes)),
        ) from None
    except Problem as problem:
        raise Failure(problem.what, exit_code=USAGE, remedy=problem.remedy) from None
    return stack


def _project(given: str | None, stack: "Stack", *, git: bool) -> str:
    from hostess.domain.names import slug

    if given or not stack.name:
        if not (given or git):
            raise Failure(
                "no project was given, and the file has no name", exit_code=USAGE, remedy="add --project NAME"
            )
        return options.chosen_project(given)
    return slug(stack.name)


def _ready(client: Client, project: str, environment: str, stack: "Stack", *, ask: bool) -> None:
    """Make sure that project and environment are there, made when somebody says so; Failure otherwise."""
    try:
        client.get(path_of("projects", project))
    except Failure as failure:
        if failure.exit_code != NOT_FOUND:
            raise
        if not (ask and click.confirm(f"There is no project {project}. Make it?", default=True, err=True)):
            raise Failure(
                f"there is no project {project}",
                exit_code=NOT_FOUND,
                remedy=f"make it: `hostess projects create {project}`",
            ) from None
        client.send("POST", "/v1/projects", {"name": project})
    if environment == "production" or environment in stack.environments:
        return
    known = client.get(path_of("projects", project, "environments"))["items"]
    if environment in {each["name"] for each in known}:
        return
    if not (ask and click.confirm(f"{project} has no environment {environment}. Make it?", default=False, err=True)):
        raise Failure(
            f"{project} has no environment {environment}",
            exit_code=NOT_FOUND,
            remedy=f"make it: `hostess environments ensure {environment} -p {project}`",
        )
    client.send("POST", path_of("projects", project, "environments"), {"name": environment, "ensure": True})


def _message(root: Path) -> str:
    """Return what the upload's commit says: the commit that is checked out, and whether more was changed; "" without git."""
    head = _git(root, "log", "-1", "--format=%h %s")
    if not head:
        return ""
    changed = ", with changes that are not committed" if _git(root, "status", "--porcelain", "--", ".") else ""
    return f"hostess deploy of {head}{changed}"[:MESSAGE]


def _git(root: Path, *words: str) -> str:
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
