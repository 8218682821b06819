"""Real replicas that end by themselves."""

import json
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from tests.system.host import Host, a_repository, echo_files, until

APP = "mortal-web.localhost"


def told(host: Host, kind: str) -> list[dict[str, Any]]:
    """Return the evidence of the events of a kind, oldest first."""
    found = host.query("SELECT data FROM events WHERE kind = ? AND project = 'mortal' ORDER BY id", kind)
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
