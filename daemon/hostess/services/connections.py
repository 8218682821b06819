"""Connections to services from outside the stack: tunnels to their ports, and terminals in their containers."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.backups.postgres_backup import USER
from hostess.domain.databases.scopes import Access
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Clock, Container, Engine, Journal, Terminal
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.databases.access import DatabaseAccess
from hostess.services.keeping.replicas import Replicas
from hostess.services.live import live_workload

MOST = 100
"""Tunnels and terminals at a time, of all projects."""
PATIENCE = 10.0
"""Seconds that a port has to accept a connection."""
TOLD_FOR = timedelta(minutes=10)
"""Somebody who opens tunnel after tunnel to the same service is written down once in this time."""
SHELL = ("/bin/sh",)
UNUSED_PORT = 8080


@dataclass(frozen=True, slots=True)
class Reach:
    """How a service is reached by a tunnel. *groups* are the scoped databases of a database, of which *group* is meant."""

    type: ServiceType
    port: int
    groups: tuple[str, ...] = ()
    group: str = ""
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Streams:
    """Both ends of a connection to a port."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Connections:
    """Opens them to what is live now. Each belongs to whoever opened it, and ends with them; a container that ends ends its own."""

    def __init__(
        self, journal: Journal, engine: Engine, replicas: Replicas, access: DatabaseAccess, clock: Clock
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._access = access
        self._clock = clock
        self._open = 0
        self._told: dict[tuple[str, ...], datetime] = {}

    async def reach(self, project: str, environment: str, service: str, group: str) -> Reach:
        """Return how a service is reached; *group* "" means the first. Problem "service-not-found", "group-not-found" and more."""
        _, workload = await self._workload(project, environment, service)
        port = workload.ports[0] if workload.ports else UNUSED_PORT
        groups = tuple(workload.inside.groups) if workload.inside else ()
        if group and group not in groups:
            raise Problem(
                "group-not-found",
                f"{service} has no scoped database {group}",
                remedy=f"its groups are {', '.join(groups)}" if groups else "leave --database out: it has one database",
            )
        if not workload.is_database:
            return Reach(workload.type, port)
        chosen = group or (groups[0] if groups else "")
        access = await self._access.reach(project, environment, workload, chosen)
        return Reach(workload.type, port, groups, chosen, access)

    def is_news(self, *about: str) -> bool:
        """Whether somebody's use of a service is to be written down: it was not a moment ago."""
        now = self._clock.now()
        self._told = {key: at for key, at in self._told.items() if now - at < TOLD_FOR}
        if about in self._told:
            return False
        self._told[about] = now
        return True

    @asynccontextmanager
    async def tunnel(self, project: str, environment: str, service: str, port: int) -> AsyncIterator[Streams]:
        """Give a connection to a port of a service. Problem "port-unreachable", "too-many-connections" and more."""
        with self._counted():
            release, workload = await self._workload(project, environment, service)
            container = await self._container(release, workload)
            try:
                async with asyncio.timeout(PATIENCE):
                    reader, writer = await asyncio.open_connection(container.address, port)
            except (OSError, TimeoutError) as error:
                raise Problem(
                    "port-unreachable",
                    f"{service} does not take connections on port {port}: {str(error) or 'it did not answer'}",
                    remedy="`hostess services list --detailed` shows its ports and state",
                ) from error
            try:
                yield Streams(reader, writer)
            finally:
                writer.close()

    @asynccontextmanager
    async def terminal(
        self, project: str, environment: str, service: str, command: Sequence[str], *, tty: bool
    ) -> AsyncIterator[Terminal]:
        """Give a command in a container of a service; an empty *command* means its client or a shell. Leaving kills what still runs."""
        with self._counted():
            release, workload = await self._workload(project, environment, service)
            container = await self._container(release, workload)
            words = tuple(command) or client_of(workload)
            mark = f"terminal-{self._clock.token(64)}"
            async with self._engine.terminal(container.id, words, mark, tty=tty) as terminal:
                yield terminal

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._open >= MOST:
            raise Problem(
                "too-many-connections",
                f"{MOST} tunnels and terminals are open already",
                remedy="close some; applications reach databases inside the stack, not by tunnels",
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _workload(self, project: str, environment: str, service: str) -> tuple[Release, Workload]:
        live, workload = await live_workload(self._journal, project, environment, service)
        if workload.static is not None:
            raise Problem("static-service", f"{service} is made of files: there is nothing to connect to")
        return live, workload

    async def _container(self, release: Release, workload: Workload) -> Container:
        container = await self._replicas.running(release, workload)
        if container is None and workload.asleep:
            raise Problem(
                "container-not-running",
                f"{workload.name} sleeps",
                remedy="ask it for a page, which wakes it; then try again",
            )
        if container is None:
            raise Problem(
                "container-not-running",
                f"{workload.name} does not run",
                remedy="`hostess services list` shows its state, `hostess logs` what it said",
            )
        return container


def client_of(workload: Workload) -> tuple[str, ...]:
    """Return what a terminal runs where nothing is asked for: the client of a database, which needs no password there, or a shell."""
    if workload.type is ServiceType.POSTGRES:
        return ("psql", "-U", USER, "-d", workload.name)
    if workload.type is ServiceType.REDIS:
        return ("redis-cli",)
    return SHELL
