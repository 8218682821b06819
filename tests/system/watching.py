"""What tests wait for in a running installation: records, what a deployment said, and what the engine did, with its times."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, TypeVar

from tests.system.host import Host, docker, until

T = TypeVar("T")

TRIES = 8
FINAL = {"live", "degraded", "failed", "cancelled", "superseded"}


def deployments(host: Host, project: str) -> list[dict[str, Any]]:
    """Return the records of a project's deployments, oldest first."""
    rows = host.query("SELECT record FROM deployments WHERE project = ? ORDER BY seq", project)
    return [json.loads(str(row[0])) for row in rows]


def transcript(host: Host, deployment: str) -> str:
    """Return what a deployment has said so far."""
    path = host.data / "logs" / "deployments" / f"{deployment}.log"
    return path.read_text() if path.exists() else ""


def said(host: Host, project: str, text: str, number: int = -1, within: float = 60) -> str:
    """Wait until a deployment of *project* (the *number*-th, by default the newest) has said *text*; return its id."""

    def heard() -> bool:
        found = deployments(host, project)
        return bool(found[number:]) and text in transcript(host, found[number]["id"])

    until(heard, within, f"{text!r} of {project}")
    return str(deployments(host, project)[number]["id"])


def began(host: Host, project: str, count: int, within: float = 30) -> str:
    """Wait until there are *count* deployments of *project*; return the newest one's id."""
    until(lambda: len(deployments(host, project)) >= count, within, f"deployment {count} of {project}")
    return str(deployments(host, project)[count - 1]["id"])


def settled(host: Host, project: str, within: float = 60) -> list[dict[str, Any]]:
    """Wait until every deployment of *project* is final and nothing of it waits to be retired; return the records."""
    retiring = "SELECT id FROM tasks WHERE json_extract(payload, '$.name') LIKE ?"

    def quiet() -> bool:
        final = all(record["state"] in FINAL for record in deployments(host, project))
        return final and not host.query(retiring, f"%.{project}.%")

    until(quiet, within, f"a final state of {project}\n{host.log()}")
    return deployments(host, project)


def steps(host: Host, deployment: str) -> dict[str, tuple[str, str, str]]:
    """Return the steps of a deployment: name -> begun, ended (ISO 8601), outcome."""
    rows = host.query("SELECT name, begun_at, ended_at, outcome FROM steps WHERE deployment = ?", deployment)
    return {str(name): (str(begun), str(ended), str(outcome)) for name, begun, ended, outcome in rows}


def caught(begin: Callable[[], T], there: Callable[[T], bool], over: Callable[[T], object], what: str) -> T:
    """Begin something, and return it as soon as it is *there*; one that was *over* before it was looked at is begun anew."""
    for _ in range(TRIES):
        begun = begin()
        seen: list[bool] = []

        def looked(begun: T = begun, seen: list[bool] = seen) -> bool:
            seen[:] = [there(begun)]
            return seen == [True] or bool(over(begun))

        until(looked, 120, what)
        if seen == [True]:
            return begun
    raise AssertionError(f"{what} was never seen in {TRIES} tries")


@dataclass(frozen=True, slots=True)
class Event:
    """Something the engine did to a container."""

    at: float
    action: str
    container: str
    signal: str


@contextmanager
def engine_events(host: Host, **labels: str) -> Iterator[list[Event]]:
    """Record what happens to the containers that carry *labels* (service="web"); the list is filled when the block ends.

    What the client had not heard of by then the engine is asked for: it remembers the last few hundred events of all.
    """
    seen: list[Event] = []
    wanted = {"instance": host.instance, **labels}
    filters = [word for key, value in wanted.items() for word in ("--filter", f"label=sh.hostess.{key}={value}")]
    since = str(time.time())  # what happens while the client is still connecting is told, too
    words = ["events", "--since", since, "--format", "{{json .}}", "--filter", "type=container", *filters]
    # Into a file: nobody reads before the end, and the engine drops the events that a full pipe keeps it from telling.
    with TemporaryFile("w+") as told, subprocess.Popen(["docker", *words], stdout=told) as events:
        try:
            yield seen
        finally:
            remembered = docker(*words, "--until", str(time.time())).splitlines()
            events.terminate()
            events.wait(60)
            told.seek(0)
            heard = dict.fromkeys([*told.read().rpartition("\n")[0].splitlines(), *remembered])
            seen += sorted((_event(json.loads(line)) for line in heard), key=lambda each: each.at)


def _event(told: dict[str, Any]) -> Event:
    """Return what the engine told as one line of JSON."""
    return Event(told["timeNano"] / 1e9, told["Action"], told["id"], told["Actor"]["Attributes"].get("signal", ""))
