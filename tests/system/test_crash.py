"""Kill -9 of the daemon at every journal step of a deployment (scenario 29)."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.host import Host, Repository, a_repository, docker, echo_files, until

FINAL = {"live", "degraded", "failed", "cancelled", "superseded"}

BEAT = """  beat:
    type: custom
    build: {source: ., dockerfile: Beat}
    command: ["sleep", "100000"]
    health: {command: ["/echo", "print", "well"], interval: 1s, retries: 5}
    resources: {cpu: 0.5, memory: 128Mi}
"""
HOOKS = """    lifecycle:
      migrate: {command: ["print", "migrated"], timeout: 30s}
      post_deploy: {command: ["print", "told"], timeout: 30s}
"""


def stack(version: str) -> dict[str, str]:
    """Return an app with every kind of step: build, migrate, start, hand-over, switch, post_deploy."""
    files = echo_files(version, services=HOOKS + BEAT)
    files["Beat"] = f"FROM hostess-test/echo:1\nENV VERSION=beat-{version}\n"
    return files


def push_next(repository: Repository, version: str) -> subprocess.CompletedProcess[str]:
    """Commit and push a version in which every service changed."""
    repository.write(stack(version))
    repository.commit(version)
    return repository.push()


@contextmanager
def watching_beats(host: Host, project: str) -> Iterator[list[tuple[float, str, str]]]:
    """Record when each beat container starts and dies, as the engine tells it; the list is filled when the block ends."""
    seen: list[tuple[float, str, str]] = []
    labels = {"instance": host.instance, "project": project, "service": "beat"}
    filters = [word for key, value in labels.items() for word in ("--filter", f"label=sh.hostess.{key}={value}")]
    command = ["docker", "events", "--format", "{{json .}}", "--filter", "type=container", *filters]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:
        try:
            yield seen
        finally:
            events.terminate()
            assert events.stdout is not None
            for line in events.stdout:
                event = json.loads(line)
                if event["Action"] in {"start", "die"}:
                    seen.append((event["timeNano"] / 1e9, event["Action"], event["id"]))


def most_at_once(events: list[tuple[float, str, str]], running: int) -> int:
    """Return the highest number of containers that ran at once; *running* ran at the beginning."""
    most = now = running
    for _, action, _ in sorted(events):
        now += 1 if action == "start" else -1
        most = max(most, now)
    return most


def deployments(host: Host, project: str) -> list[dict[str, object]]:
    """Return the records of a project's deployments, oldest first."""
    rows = host.query("SELECT record FROM deployments WHERE project = ? ORDER BY seq", project)
    return [json.loads(str(row[0])) for row in rows]


def settled(host: Host, project: str) -> None:
    """Wait until every deployment is final and nothing waits to be retired."""

    def quiet() -> bool:
        final = all(record["state"] in FINAL for record in deployments(host, project))
        return final and not host.query("SELECT id FROM tasks")

    until(quiet, 60, f"a final state\n{host.log()}")


def versions(host: Host, project: str) -> tuple[str, str]:
    """Return which version serves, and which one beat is."""
    status, _, headers = host.get(f"{project}-web.localhost")
    assert status == 200, host.log()
    [beat] = host.containers(f"project={project}", "service=beat", running=True)
    environment = docker("inspect", "--format", "{{json .Config.Env}}", beat)
    found = re.search(r"VERSION=beat-(\w+)", environment)
    assert found, environment
    return headers["x-version"], found[1]


def moments(host: Host, repository: Repository, tmp_path: Path) -> list[str]:
    """Push once with every write counted; return what was written, in order."""
    count = tmp_path / "moments"
    host.start(module="tests.system.mortal", extra={"MORTAL_COUNT": str(count)})
    count.unlink(missing_ok=True)
    pushed = push_next(repository, "counted")
    assert pushed.returncode == 0, pushed.stderr
    settled(host, repository.project)
    host.stop()
    return count.read_text().splitlines()


@pytest.mark.timeout(600)
def test_killed_at_every_step_the_old_or_the_new_release_is_live(own_host: Host, tmp_path: Path) -> None:
    """Wherever the daemon dies, the record is final, old or new fully serves, the ref says which, and the next push is fine."""
    host = own_host
    repository = a_repository(host, "crash", stack("0"))
    assert repository.push().returncode == 0, host.log()
    host.stop()
    everything = moments(host, repository, tmp_path)
    assert {"before switch", "after switch"} <= {what.strip() for what in everything}
    live = "counted"
    host.start()
    with watching_beats(host, "crash") as beats:
        host.stop()
        for number, what in enumerate(everything, 1):
            host.start(module="tests.system.mortal", extra={"MORTAL_AT": str(number)})
            new = f"n{number}"
            push_next(repository, new)
            assert host.process is not None
            host.process.wait(60)
            host.start()
            settled(host, "crash")

            serving = versions(host, "crash")
            assert serving in {(live, live), (new, new)}, f"{what}: {serving}\n{host.log()}"
            assert len(host.containers("project=crash")) == 2, f"{what}\n{docker('ps', '--all')}"
            tip = repository.git("rev-parse", "HEAD").stdout.strip()
            ref = repository.git("ls-remote", repository.url, "refs/heads/main").stdout.split()
            assert (ref[0] == tip) == (serving[0] == new), f"{what}: the ref is {ref}, {serving} serves"
            live = serving[0]
            host.stop()
        host.start()
        last = push_next(repository, "last")
        assert last.returncode == 0, last.stderr
    assert len(beats) > len(everything) // 2, "the engine told of too few starts and deaths to prove anything"
    assert most_at_once(beats, running=1) == 1
