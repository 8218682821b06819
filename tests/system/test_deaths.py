"""Real replicas that end by themselves."""

import json
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from hostess.services.keeping.heard import NOTE
from tests.system.host import Host, a_repository, echo_files, until
from tests.system.sources import inspected

APP = "mortal-web.localhost"
ORPHAN = "orphan-web.localhost"


def told(host: Host, kind: str, project: str = "mortal") -> list[dict[str, Any]]:
    """Return the evidence of the events of a kind, oldest first."""
    found = host.query("SELECT data FROM events WHERE kind = ? AND project = ? ORDER BY id", kind, project)
    return [json.loads(str(data)) for (data,) in found]


def test_an_end_is_told_with_its_cause(host: Host) -> None:
    """An exit code and the last lines, or that it took more memory than it may, are told; it is healthy again afterwards.

    What it uses is shown meanwhile.
    """
    pushed = a_repository(host, "mortal", echo_files()).push()
    assert pushed.returncode == 0, pushed.stderr

    host.get(APP, "/exit?code=7")
    until(lambda: told(host, "service.healthy"), 60, "the replica to be healthy again")
    with suppress(HTTPException, OSError):
        host.get(APP, "/alloc?mb=300")
    until(lambda: len(told(host, "service.healthy")) > 1, 60, "the replica to be healthy again")

    left, greedy = told(host, "service.died")
    assert (left["exit_code"], left["out_of_memory"], left["state"]) == (7, False, "restarting")
    assert "exit with 7 as asked" in " ".join(left["tail"])
    assert (greedy["exit_code"], greedy["out_of_memory"]) == (137, True)
    until(lambda: uses(host) > 0, 60, "the memory that it uses")


def uses(host: Host) -> int:
    """Return the bytes of memory that the replica uses, as the command line has it."""
    (web,) = json.loads(host.hostess("services", "list", "-p", "mortal", "-o", "json").stdout)
    (replica,) = web["containers"]
    return int(replica["memory"] or 0)


def test_what_ended_while_no_daemon_was_there(host: Host) -> None:
    """A daemon that was killed finds out what ended meanwhile, and tells it with its evidence; those after it tell nothing of it."""
    pushed = a_repository(host, "orphan", echo_files()).push()
    assert pushed.returncode == 0, pushed.stderr
    [container] = host.containers("project=orphan")

    host.kill()
    os.kill(int(inspected(container, "{{.State.Pid}}")), signal.SIGKILL)
    until(lambda: runs_after(container, 1), 60, "the replica to be started again")
    until(lambda: answers(host), 60, "the replica to serve again")
    with suppress(HTTPException, OSError):
        host.get(ORPHAN, "/alloc?mb=300")
    until(lambda: runs_after(container, 2), 60, "the replica to be started again")
    began = datetime.now(UTC)
    host.start()
    until(lambda: told(host, "service.healthy", "orphan"), 60, "the replica to be healthy again")
    until(lambda: heard(host) > began, 30, "the daemon to have told what it missed")
    for stop in (host.stop, host.kill):
        stop()
        began = datetime.now(UTC)
        host.start()
        until(lambda: heard(host) > began, 30, "the daemon to have told what it missed")  # noqa: B023 -- called at once

    [death] = told(host, "service.died", "orphan")
    assert (death["times"], death["exit_code"], death["out_of_memory"], death["unseen"]) == (2, 137, True, True)
    assert datetime.fromisoformat(death["ended_at"]) < began
    assert len(told(host, "service.started", "orphan")) == 1


def runs_after(container: str, restarts: int) -> bool:
    """Whether the engine has started a container again so many times, and it runs."""
    return inspected(container, "{{.RestartCount}} {{.State.Running}}") == f"{restarts} true"


def answers(host: Host) -> bool:
    """Whether the app serves."""
    try:
        return host.get(ORPHAN)[0] == 200
    except (HTTPException, OSError):
        return False


def heard(host: Host) -> datetime:
    """Return up to when the daemon has listened."""
    [(at,)] = host.query("SELECT value FROM facts WHERE name = ?", f"note {NOTE}")
    return datetime.fromisoformat(str(at))
