"""What is made inside managed databases while they run: scoped databases and their users, extensions, limits of memory."""

from collections.abc import Iterable
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.databases import postgres, redis
from hostess.domain.databases.logins import Logins, roles_of
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

    async def rotated(self, release: Release, workload: Workload) -> bool:
        """Whether a password of a database has ever been rotated: a server that is new to it does not know that."""
        groups = ("", *(workload.inside.groups if workload.inside else ()))
        place = (release.project, release.environment, workload.name)
        return any([await self._access.logins(*place, group) != Logins() for group in groups])

    async def rotated_logins(self, release: Release, workload: Workload) -> str:
        """Return what psql reads to give a postgres all passwords that were ever rotated, as they are to be; "" where none was."""
        found = []
        for group in ("", *(workload.inside.groups if workload.inside else ())):
            logins = await self._access.logins(release.project, release.environment, workload.name, group)
            if logins != Logins():
                found.append(postgres.logins(await self._roles(release, workload, group, logins)))
        return "".join(found)

    async def let_in(self, release: Release, workload: Workload, group: str, logins: Logins) -> None:
        """Let a database that runs take these passwords of a group's user, and no others; sessions of others are ended (not in redis).

        Problems: "database-setup-failed", "container-not-running".
        """
        container = await self._replicas.running(release, workload)
        if container is None:
            raise Problem(
                "container-not-running",
                f"{workload.name} does not run",
                remedy="`hostess services list` shows its state, `hostess logs` what it said",
            )
        if workload.type is ServiceType.POSTGRES:
            roles = await self._roles(release, workload, group, logins)
            ended = [postgres.end_sessions(role) for role, secret in roles.items() if secret is None]
            await self._run(workload, container, postgres.PSQL, "".join([postgres.logins(roles), *ended]))
            return
        digests = await self._digests(release, workload, group, logins)
        if group:
            known = (await self._run(workload, container, redis.LIST)).split()
            index = (workload.inside or Inside()).groups[group]
            asked = [redis.user(group, index, digests, known)]
        else:
            asked = [redis.own_user(digests)]
        lasting = ["ACL SAVE"] if container.labels.get(labels.SPEC) == workload.spec else []
        await self._told(workload, container, ("redis-cli",), [*asked, *lasting])

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
            logins = await self._access.logins(release.project, release.environment, workload.name, group)
            owner, *_ = (await self._roles(release, workload, group, logins)).items()
            scoped[owner[0]] = owner[1]
        script = postgres.script(workload.name, scoped, extensions)
        logins_too = await self.rotated_logins(release, workload)
        await self._run(workload, container, postgres.PSQL, script + logins_too)

    async def _roles(self, release: Release, workload: Workload, group: str, logins: Logins) -> dict[str, str | None]:
        """Return what PostgreSQL keeps for the owner of a group's database, and for who logs in in its place."""
        owner = scoped_name(workload.name, group) if group else postgres.USER
        place = (release.project, release.environment)
        roles = roles_of(owner, await self._access.passwords(*place, workload.name, group, logins))
        return {role: password and postgres.verifier(password, role) for role, password in roles.items()}

    async def _available(self, workload: Workload, container: Container) -> list[str]:
        return (await self._run(workload, container, postgres.PSQL, postgres.AVAILABLE)).split()

    async def _redis(self, release: Release, workload: Workload, container: Container, *, current: bool) -> None:
        inside = workload.inside or Inside()
        project, environment = release.project, release.environment
        await self._access.keep_indexes(project, environment, workload.name, inside.groups)
        digests = {}
        for group in ("", *inside.groups):
            logins = await self._access.logins(project, environment, workload.name, group)
            digests[group] = await self._digests(release, workload, group, logins)
        known = (await self._run(workload, container, redis.LIST)).split() if inside.groups else []
        asked = redis.commands(inside, digests, known, lasting=current)
        words = ("sh", "-c", redis.APPLY, redis.limits_file(inside))
        await self._told(workload, container, words, asked)

    async def _digests(self, release: Release, workload: Workload, group: str, logins: Logins) -> list[str]:
        """Return what redis keeps of the passwords that a group's user has; the default user has the container's own, too."""
        place = (release.project, release.environment, workload.name)
        passwords = [*(await self._access.passwords(*place, group, logins)).values()]
        if not group:
            passwords.append(await self._access.internal(*place))
        return [redis.digest(password) for password in passwords]

    async def _told(self, workload: Workload, container: Container, words: Iterable[str], asked: list[str]) -> None:
        refused = redis.refusals(asked, await self._run(workload, container, words, "\n".join([*asked, ""])))
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
