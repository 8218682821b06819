"""What users do, each as one thing that begins, goes on beside a fault, and is judged when it has ended."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.system.soak.invariants import live, live_version, releases
from tests.system.soak.world import World, files

WELL, REFUSED, NOT_FOUND = frozenset({0}), frozenset({1}), frozenset({3})
"""Exit codes."""
LONGEST = 150.0
"""Seconds that a command may take, with whatever fails meanwhile."""

Claim = Callable[[bool], str]
"""Takes whether the command went well, and returns what is wrong with what it has left; "" when nothing is."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that runs. *codes* are those that it may end with where nothing fails meanwhile."""

    what: str
    project: str
    process: subprocess.Popen[str]
    codes: frozenset[int]
    claim: Claim

    def ended(self) -> int:
        """Wait for its end and return its exit code; -1 when it takes too long."""
        try:
            self.process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return -1
        return self.process.returncode


Action = Callable[[World, str], Begun]


def nothing_claimed(went_well: bool) -> str:
    """Claim nothing."""
    del went_well
    return ""


def push(world: World, project: str) -> Begun:
    """Push a new version. When it is said to be live, it is; when not, the old one or the new one is."""
    before, version = live_version(world, project), world.next_version(project)

    def claim(went_well: bool) -> str:
        now = live_version(world, project)
        if now == version or (now == before and not went_well):
            return ""
        return f"version {version} was pushed to {project} ({'live' if went_well else 'rejected'}), version {now} is live, not {before}"

    return Begun("push", project, _pushed(world, project, files(project, version)), codes=WELL, claim=claim)


def push_unwell(world: World, project: str) -> Begun:
    """Push a version whose health check fails for as long as it is waited for."""
    return _bad_push(world, project, 'HEALTH: "fail"')


def push_broken(world: World, project: str) -> Begun:
    """Push a version that ends right after its start."""
    return _bad_push(world, project, 'EXIT_ON_START: "3"')


def _bad_push(world: World, project: str, flaw: str) -> Begun:
    """Push what is refused, whatever happens meanwhile; nobody is ever answered by it."""
    before, version = live_version(world, project), world.next_version(project)
    world.refused.add(f"{project}/api/{version}")

    def claim(went_well: bool) -> str:
        now = live_version(world, project)
        return (
            ""
            if now == before and not went_well
            else f"{project}: an unwell version {version} was taken, {now} is live"
        )

    return Begun(
        "bad push", project, _pushed(world, project, files(project, version, flaw)), codes=REFUSED, claim=claim
    )


def stage(world: World, project: str) -> Begun:
    """Push a new version to another environment, which is made by that."""
    version = world.next_version(project)
    process = _pushed(
        world, project, files(project, version), "--force", "-o", "env=staging", ref="HEAD:refs/heads/staging"
    )
    return Begun("push to staging", project, process, codes=WELL, claim=nothing_claimed)


def unstage(world: World, project: str) -> Begun:
    """Delete the other environment and its data. When it is said to be done, nothing is left of it."""

    def claim(went_well: bool) -> str:
        return f"staging of {project} is still there" if went_well and (project, "staging") in releases(world) else ""

    process = world.host.begin("environments", "delete", "staging", "--data", "--yes", "--project", project)
    return Begun("end of staging", project, process, codes=WELL | NOT_FOUND, claim=claim)


def _pushed(
    world: World, project: str, changed: dict[str, str], *arguments: str, ref: str = "main"
) -> subprocess.Popen[str]:
    repository = world.repositories[project]
    # What was not taken may be in the way of nobody: developers begin with what is on the host.
    repository.git("fetch", "--quiet", repository.url, "main", check=False)
    repository.git("reset", "--quiet", "--hard", "FETCH_HEAD", check=False)
    repository.write(changed)
    repository.commit()
    return repository.begin_push(*arguments, ref=ref)


def _command(what: str, words: str, *arguments: str, codes: frozenset[int] = WELL) -> Action:
    def begin(world: World, project: str) -> Begun:
        process = world.host.begin(*words.split(), "--project", project, *arguments)
        return Begun(what, project, process, codes, nothing_claimed)

    return begin


def scale(world: World, project: str) -> Begun:
    """Change how many replicas web has. When it is said to be done, so many are wanted."""
    count = world.chance.choice([1, 2, 3])

    def claim(went_well: bool) -> str:
        wanted = live(world, project)["workloads"]["web"]["replicas"]
        return f"{project}: web was scaled to {count}, {wanted} are wanted" if went_well and wanted != count else ""

    process = world.host.begin("services", "scale", f"web={count}", "--project", project)
    return Begun(f"scale to {count}", project, process, codes=WELL, claim=claim)


rollback = _command("rollback", "rollback", codes=WELL | NOT_FOUND)
backup = _command("backup", "backups create", "store")
restart = _command("restart", "services restart")
one_off = _command("one-off run", "run", "web", "--", "sleep", "2")

ACTIONS: tuple[Action, ...] = (
    push,
    push_unwell,
    push_broken,
    rollback,
    scale,
    restart,
    backup,
    one_off,
    stage,
    unstage,
)


def awaited(begun: Begun, faulty: bool) -> tuple[int, list[str], float]:
    """Wait for the end of a command; return its exit code, what is wrong with that, and how long it took from now."""
    since = time.monotonic()
    code = begun.ended()
    found = [f"{begun.what} of {begun.project} did not end within {LONGEST:.0f} s"] if code == -1 else []
    if not faulty and code != -1 and code not in begun.codes:
        found.append(f"{begun.what} of {begun.project} ended with exit code {code} though nothing had failed")
    return code, found, time.monotonic() - since
