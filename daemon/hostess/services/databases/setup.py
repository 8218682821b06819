"""What is made inside managed databases while they run: scoped databases and their users, extensions, limits of memory."""

from collections.abc import Iterable
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.databases import postgres, redis
from hostess.domain.databases.scopes import scoped_name
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Clock, Container, Engine
from hostess.domain.problem import Problem
from hostess.domain.quantities import memory_text
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Inside, Release, Workload
from hostess.services.databases.access import DatabaseAccess
from hostess.services.keeping.replicas import Replicas

LIMIT = timedelta(seconds=60)
TRIES = 120
PAUSE = 0.25
COMING = (
    "starting up",
    "in recovery mode",
    "not yet accepting connections",
    "shutting down",
    "server closed the connection unexpectedly",
    "failed: Connection refused",
    "failed: No such file",
    "Could not connect to Redis",
    "LOADING",
)
"""What databases and their clients say while a server is only just coming back."""


class DatabaseSetup:
    """Everything here can be done again at any time, changes nothing that is right already, and takes nothing away.

    Passwords stay here: databases are told what they keep in place of them.
    """

    def __init__(self, engine: Engine, replicas: Replicas, access: DatabaseAccess, clock: Clock) -> None:
        self._engine = engine
        self._replicas = replicas
        self._access = access
        self._clock = clock

    async def check(self, release: Release) -> None:
        """Raise Problem "extension-unavailable" for what a database that runs already tells that it will not have.

        So nothing is begun, and above all no database handed over, in vain.
        """
        for workload in databases_of(release):
            inside = workload.inside or Inside()
            container = await self._replicas.running(release, workload)
            if inside.extensions and container is not None and container.image == workload.image:
                postgres.check_available(workload.name, inside.extensions, await self._available(workload, container))

    async def make(self, release: Release, workload: Workload, say: Say) -> None:
        """Set up one database of *release*. Problems: "extension-unavailable", "database-setup-failed"."""
        container = await self._replicas.running(release, workload)
        if container is None or workload.inside is None:
            return
        current = container.labels.get(labels.SPEC) == workload.spec
        if workload.type is ServiceType.POSTGRES:
            await self._postgres(release, workload, container, current=current)
        else:
            await self._redis(release, workload, container, current=current)
        say(f"       {workload.name}: {told(workload)}")

    # ---- within ------------------------------------------------------------------------------------------------------

    async def _postgres(self, release: Release, workload: Workload, container: Container, *, current: bool) -> None:
        inside = workload.inside or Inside()
        # A server that was started without an extension's library cannot make it: its successor does.
        extensions = [name for name in inside.extensions if current or name not in postgres.LIBRARIES]
        if inside.extensions and current:
            available = await self._available(workload, container)
            postgres.check_available(workload.name, inside.extensions, available)
        scoped = {}
        for group in inside.groups:
            name = scoped_name(workload.name, group)
            password = await self._access.password(release.project, release.environment, workload.name, group)
            scoped[name] = postgres.verifier(password, name)
        script = postgres.script(workload.name, scoped, extensions)
        await self._run(workload, container, postgres.PSQL, script)

    async def _available(self, workload: Workload, container: Container) -> list[str]:
        return (await self._run(workload, container, postgres.PSQL, postgres.AVAILABLE)).split()

    async def _redis(self, release: Release, workload: Workload, container: Container, *, current: bool) -> None:
        inside = workload.inside or Inside()
        project, environment = release.project, release.environment
        await self._access.keep_indexes(project, environment, workload.name, inside.groups)
        digests = {
            group: redis.digest(await self._access.password(project, environment, workload.name, group))
            for group in inside.groups
        }
        known = (await self._run(workload, container, redis.LIST)).split() if digests else []
        asked = redis.commands(inside, digests, known, lasting=current)
        words = ("sh", "-c", redis.APPLY, redis.limits_file(inside))
        answer = await self._run(workload, container, words, "\n".join([*asked, ""]))
        refused = redis.refusals(asked, answer)
        if refused:
            raise _failed(workload, refused[-1])

    async def _run(self, workload: Workload, container: Container, command: Iterable[str], stdin: str = "") -> str:
        """Return what a command says; it is tried again while the database is only just coming back."""
        for left in reversed(range(TRIES)):
            code, output = await self._engine.execute(container.id, tuple(command), LIMIT, stdin)
            coming = any(words in output for words in COMING)
            if code == 0 and not coming:
                return output
            if not left or not coming:
                break
            await self._clock.sleep(PAUSE)
        lines = output.strip().splitlines() or [f"exit code {code}"]
        raise _failed(workload, next((line for line in lines if "ERROR" in line or "FATAL" in line), lines[-1]))


def databases_of(release: Release) -> list[Workload]:
    """Return the managed databases of a release."""
    return [workload for workload in release.workloads.values() if workload.is_database]


def told(workload: Workload) -> str:
    """Return what a database has inside, in words."""
    inside = workload.inside or Inside()
    parts = []
    if workload.type is ServiceType.REDIS:
        parts += [f"scoped database {group} has index {number}" for group, number in inside.groups.items()]
        parts.append(f"maxmemory {memory_text(inside.maxmemory) if inside.maxmemory else 'unlimited'}, {inside.policy}")
    elif inside.groups:
        parts.append(f"scoped databases {', '.join(scoped_name(workload.name, group) for group in inside.groups)}")
    if inside.extensions:
        parts.append(f"extensions {', '.join(inside.extensions)}")
    return "; ".join(parts) or "nothing beyond its own database"


def _failed(workload: Workload, said: str) -> Problem:
    return Problem(
        "database-setup-failed",
        f"{workload.name} could not be set up: it said {said[:200]}",
        remedy="look at its log (`hostess logs`), then push again; what was made already stays and is used then",
    )
