"""Who is killed first when the host has no memory left."""

import asyncio
import os
from pathlib import Path

from hostess.adapters.expendable import make_expendable
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.oom import APP, score_of
from hostess.domain.releases.release import Workload


def workload(kind: ServiceType, *, data: bool = False) -> Workload:
    """Return a service of that type, with data of its own or without."""
    volumes = {"v": "/data"} if data else {}
    return Workload("a", kind, "image", "spec", "", 1, 1.0, 1024, singleton=data, volumes=volumes)


def test_apps_die_before_databases() -> None:
    """Apps and what runs once come first, then services with data, then databases; none is as safe as the daemon's unit."""
    app = score_of(workload(ServiceType.FASTAPI), is_task=False)
    own = score_of(workload(ServiceType.CUSTOM, data=True), is_task=False)
    database = score_of(workload(ServiceType.POSTGRES, data=True), is_task=False)
    migration = score_of(workload(ServiceType.CUSTOM, data=True), is_task=True)

    assert migration == app == APP
    assert app > own > database > 0


def score(pid: int) -> int:
    """Return what the kernel has for a process."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


async def test_children_of_the_daemon_die_before_it() -> None:
    """A child is made to be killed as early as an app, whatever it inherited; one that has ended is no error."""
    child = await asyncio.create_subprocess_exec("sleep", "60")
    make_expendable(child.pid)
    raised = score(child.pid)
    child.kill()
    await child.wait()
    make_expendable(child.pid)

    assert raised == APP
    assert score(os.getpid()) != APP
