"""What the soak acts upon: an installation on a machine of its own, with two projects of the same names, and clients that ask them."""

import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.host import UP_WITHIN, Host, Repository, a_repository
from tests.system.soak.asking import Asked, Asking, asking
from tests.system.soak.engine import OwnEngine
from tests.system.soak.ledger import Ledger

PROJECTS = ("left", "right")
SERVICES = ("web", "api")
HOSTS = tuple(f"{project}-{service}.localhost" for project in PROJECTS for service in SERVICES)
PORT = 8080

STACK = """version: "1.0"
services:
  web:
    type: custom
    build: {{source: .}}
    ports: [8000]
    visibility: public
    replicas: 2
    health: {{http: /health, interval: 1s, retries: 3}}
    resources: {{cpu: 0.5, memory: 128Mi}}
  api:
    type: custom
    image: hostess-test/echo:1
    env: {{VERSION: {project}/api/{version}, {flaw}}}
    ports: [8000]
    visibility: public
    health: {{http: /health, interval: 1s, retries: 3}}
    resources: {{cpu: 0.5, memory: 128Mi}}
  beat:
    type: custom
    image: hostess-test/echo:1
    command: ["sleep", "1000000"]
    env: {{VERSION: {project}/beat/{version}}}
    health: {{command: ["/echo", "print", "well"], interval: 1s, retries: 5}}
    resources: {{cpu: 0.5, memory: 128Mi}}
"""
STORES = {
    "left": "  store: {type: redis, resources: {cpu: 0.5, memory: 128Mi}, special: {version: 7}}\n",
    "right": "  store: {type: postgres, resources: {cpu: 0.5, memory: 256Mi}, special: {version: 16}}\n",
}
"""What each project keeps its data in."""


@dataclass(frozen=True, slots=True)
class Outage:
    """When requests to which hosts may fail: those that were under way at some moment between *began* and *ended*."""

    hosts: frozenset[str]
    began: float
    ended: float

    def excuses(self, asked: Asked) -> bool:
        """Whether that request may have failed."""
        return asked.host in self.hosts and asked.began <= self.ended and asked.ended >= self.began


@dataclass
class World:
    """The installation, and what was done so far. *hold* is how many seconds a process is stopped, or a disk is full."""

    host: Host
    engine: OwnEngine
    clients: Asking
    repositories: Mapping[str, Repository]
    chance: random.Random
    hold: float
    ledger: Ledger
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PROJECTS, 1))
    versions: dict[str, str] = field(default_factory=dict)
    """By commit, those that were looked up."""
    refused: set[str] = field(default_factory=set)
    """The versions that were never well: nobody may ever be answered by one."""

    @property
    def proxy(self) -> dict[str, Any]:
        """What the proxy says of itself; empty while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.host.data / "run" / "proxy.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def next_version(self, project: str) -> str:
        """Return a version that was never used."""
        self.numbers[project] += 1
        return str(self.numbers[project])

    def jump(self, seconds: int) -> None:
        """Set the daemon's clock so much beside the machine's."""
        set_clock(self.host.folder, seconds)


def files(project: str, version: str, flaw: str = 'HEALTH: "ok"') -> dict[str, str]:
    """Return a project's stack in this version; *flaw* is a variable of its api. Each answer names project, service and version."""
    return {
        "hostess.yml": STACK.format(project=project, version=version, flaw=flaw) + STORES[project],
        "Dockerfile": f"FROM hostess-test/echo:1\nENV VERSION={project}/web/{version}\n",
    }


def start_daemon(host: Host, within: float = UP_WITHIN) -> None:
    """Start the daemon, whose clock can be set."""
    host.start(module="tests.system.soak.jumping", within=within)


def set_clock(folder: Path, seconds: int) -> None:
    """Write down how many seconds the daemon's clock is off."""
    fresh = folder / "clock.new"
    fresh.write_text(f"{seconds:+d}\n")
    fresh.replace(folder / "clock")


@contextmanager
def a_world(folder: Path, images: Path, chance: random.Random, hold: float) -> Iterator[World]:
    """Give a world in which both projects are live and asked all the time. *images* is an archive of those that it needs."""
    engine = OwnEngine(folder)
    engine.start(live_restore=True)
    engine.load(images)
    host = Host(
        folder / "host",
        {
            "HOSTESS_API__LISTEN": "127.0.0.1:7654",
            "HOSTESS_PROXY__HTTP": f"127.0.0.1:{PORT}",
            "HOSTESS_ENGINE__SUBNETS": "10.213.0.0/16",
            "SOAK_CLOCK": str(folder / "host" / "clock"),
        },
    )
    set_clock(host.folder, 0)
    start_daemon(host)
    repositories = {project: a_repository(host, project, files(project, "1")) for project in PROJECTS}
    for repository in repositories.values():
        done = repository.push()
        assert done.returncode == 0, done.stderr + host.log()
    ledger = Ledger(host)
    ledger.begin()
    with asking(PORT, HOSTS, folder / "asked") as clients:
        yield World(host, engine, clients, repositories, chance, hold, ledger)


def now() -> float:
    """Return the machine's time, whatever the daemon takes it for."""
    return time.time()


def spared(world: World) -> set[int]:
    """Return the processes that are no part of the machine: the clients, and those above this program."""
    return {world.clients.process.pid, os.getppid()}
