"""Kill -9 of the daemon at every journal step of a deployment (scenario 29)."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.system.host import Host, Repository, a_repository, docker, echo_files
from tests.system.watching import Event, engine_events, settled

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


def most_at_once(events: list[Event], running: int) -> int:
    """Return the highest number of containers that ran at once; *running* ran at the beginning."""
    most = now = running
    for event in events:
        now += 1 if event.action == "start" else -1
        most = max(most, now)
    return most


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


def worth_dying_at(everything: list[str]) -> list[tuple[int, str]]:
    """Return the moments (numbered from 1) that differ: before each write, and after those that something follows in the world.

    Right after the end of a step is left out where the next write comes next: nothing happens in between.
    """
    following = [*everything[1:], ""]
    return [
        (number, what)
        for number, (what, after) in enumerate(zip(everything, following, strict=True), 1)
        if what.startswith(("before", "after begin_step", "after switch")) or not after
    ]


@pytest.mark.timeout(600)
def test_killed_at_every_step_the_old_or_the_new_release_is_live(own_host: Host, tmp_path: Path) -> None:
    """Wherever the daemon dies, the record is final, old or new fully serves, the ref says which, and the next push is fine."""
    host = own_host
    repository = a_repository(host, "crash", stack("0"))
    assert repository.push().returncode == 0, host.log()
    host.stop()
    everything = moments(host, repository, tmp_path)
    assert {"before switch", "after switch"} <= {what.strip() for what in everything}
    dying = [(number, what, {"MORTAL_AT": str(number)}) for number, what in worth_dying_at(everything)]
    live = "counted"
    host.start()
    with engine_events(host, project="crash", service="beat") as events:
        host.stop()
        host.start(module="tests.system.mortal", extra=dying[0][2])
        for (number, what, _), (_, _, following) in zip(dying, [*dying[1:], (0, "", {})], strict=True):
            new = f"n{number}"
            push_next(repository, new)
            assert host.process is not None
            host.process.wait(180)
            # The daemon that finishes what this one left is the one that dies next; the last one does not.
            host.start(module="tests.system.mortal", extra=following)
            settled(host, "crash")

            serving = versions(host, "crash")
            assert serving in {(live, live), (new, new)}, f"{what}: {serving}\n{host.log()}"
            assert len(host.containers("project=crash")) == 2, f"{what}\n{docker('ps', '--all')}"
            tip = repository.git("rev-parse", "HEAD").stdout.strip()
            ref = repository.git("ls-remote", repository.url, "refs/heads/main").stdout.split()
            assert (ref[0] == tip) == (serving[0] == new), f"{what}: the ref is {ref}, {serving} serves"
            live = serving[0]
        last = push_next(repository, "last")
        assert last.returncode == 0, last.stderr
    beats = [event for event in events if event.action in {"start", "die"}]
    assert len(beats) > len(everything) // 2, "the engine told of too few starts and deaths to prove anything"
    assert most_at_once(beats, running=1) == 1
