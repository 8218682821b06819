"""Following what was begun to its end: a deployment line by line, a backup or restore by what is being done."""

import json
import time
from typing import Any

import click

from hostess.cli.client import Client, path_of
from hostess.cli.failure import CONFLICT, FAILED, Failure
from hostess.cli.output import show_json, tell

LOOK_AGAIN = 0.25
_EXITS = {"failed": FAILED, "cancelled": FAILED, "superseded": CONFLICT}
_IN_THE_WAY = frozenset({"locked", "fetch-first", "canary-running"})
"""Codes of deployments that failed for what somebody else does."""


def watched(client: Client, deployment: str) -> dict[str, Any]:
    """Print a deployment's lines on standard error as they come; return it as it ended."""
    try:
        for event in client.events(path_of("deployments", deployment, "log")):
            if event.event == "end":
                ended: dict[str, Any] = json.loads(event.data)
                return ended
            tell(event.data)
    except KeyboardInterrupt:
        tell(f"\nthe deployment goes on; stop it with `hostess deployments cancel {deployment}`")
        raise
    raise Failure(f"the log of deployment {deployment} ended before it did")


def carried_out(client: Client, begun: dict[str, Any], form: str) -> None:
    """Follow a deployment that was just begun; Failure when it does not become live."""
    ended = watched(client, begun["id"])
    if form == "json":
        show_json(ended)
    raise_unless_live(ended)
    if form != "json":
        click.echo(f"v{ended['release']} is {ended['state']} in {ended['environment']} of {ended['project']}")


def raise_unless_live(ended: dict[str, Any]) -> None:
    """Raise a Failure that tells why a deployment ended otherwise."""
    exit_code = _EXITS.get(ended["state"])
    if exit_code is not None:
        problem = ended["problem"] or {}
        exit_code = CONFLICT if problem.get("code") in _IN_THE_WAY else exit_code
        raise Failure(
            f"deployment {ended['id']} {ended['state']}: {problem.get('what') or 'no reason is known'}",
            exit_code=exit_code,
            serving=str(problem.get("serving") or ""),
            remedy=str(problem.get("remedy") or ""),
        )


def worked(client: Client, path: str) -> dict[str, Any]:
    """Wait until what the API shows at *path* (a backup, a restore) has ended, and tell what is being done meanwhile."""
    said = ""
    while True:
        found: dict[str, Any] = client.get(path)
        if found["progress"] != said:
            said = found["progress"]
            tell(f"       {said}" if said else "")
        if found["state"] != "running":
            return found
        time.sleep(LOOK_AGAIN)
