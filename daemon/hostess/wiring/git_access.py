"""Who may push and fetch: what the doors for git over HTTP and over SSH ask."""

from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain import names
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Token
from hostess.domain.ssh_keys import SshKey
from hostess.services.ssh_keys import SshKeys
from hostess.services.tokens import Tokens, allowed


async def may_git(tokens: Tokens, token: str, project: str, action: str) -> str | None:
    """Return who the token belongs to; None when it is unknown, Problem when it must not do this."""
    found = await tokens.authenticate(token)
    return None if found is None else _checked(found, project, action, "token")


async def may_git_by_key(keys: SshKeys, key: str, project: str, action: str) -> str:
    """Return who the key with this id belongs to; Problem when it is gone, or must not do this."""
    found = await keys.use(key)
    if found is None:
        raise Problem("key-not-found", "this key was removed", remedy="`hostess keys add` takes another")
    return _checked(found, project, action, "key")


async def key_id(keys: SshKeys, kind: str, blob: str) -> str | None:
    """Return the id of a key that somebody shows; None when it is nobody's."""
    found = await keys.known(kind, blob)
    return None if found is None else found.id


async def ensure_project(
    journal: Journal, repositories: DulwichRepositories, clock: Clock, project: str, actor: str
) -> None:
    """Make project and repository if they are missing; a first push is enough to make a project."""
    names.check_project_name(project)
    now = clock.now()
    if await journal.create_project(project, now):
        await journal.tell("project.created", f"{project} was created by {actor}", now, project=project)
    if not repositories.path(project).is_dir():
        await repositories.create(project)


def _checked(found: Token | SshKey, project: str, action: str, what: str) -> str:
    if not allowed(found, "deploy" if action == "push" else "read", project):
        raise Problem(
            "not-allowed", f"this {what} must not {action} {project}", remedy=f"use a {what} of another role or scope"
        )
    return found.name
