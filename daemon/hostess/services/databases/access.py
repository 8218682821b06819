"""The credentials of managed databases: made here, kept like secrets, and what each consumer gets of them."""

from collections.abc import Mapping
from functools import partial

from hostess.domain.databases.logins import Logins, read, role_of, written
from hostess.domain.databases.postgres import USER
from hostess.domain.databases.scopes import Access, group_of, indexes, scoped_name
from hostess.domain.databases.versions import Data
from hostess.domain.hostess_yml.stack import Service, ServiceType
from hostess.domain.ports import Clock, Redactor
from hostess.domain.releases.release import Workload
from hostess.services.secret_store import SecretStore

PASSWORD_BITS = 192
DATA = ":data"
LOGINS = ":logins"


class DatabaseAccess:
    """Knows who may use what of a database. Passwords are made once, until somebody rotates them; *group* "" is the database's own user."""

    def __init__(self, secrets: SecretStore, clock: Clock, redactor: Redactor) -> None:
        self._secrets = secrets
        self._clock = clock
        self._redactor = redactor

    async def first(self, project: str, environment: str, service: str) -> str:
        """Return the password that a database's own user had first: it is in the container's environment, and never changes there."""
        return await self._password(project, environment, service, 0)

    async def internal(self, project: str, environment: str, service: str) -> str:
        """Return the password that a redis takes from what runs in its own container, and that no consumer ever gets."""
        return await self._made(project, environment, f"{service}:internal")

    async def own(self, project: str, environment: str, service: Service | Workload) -> Access:
        """Return the access of a database's own user; user and database are empty where they are the usual ones."""
        number = (await self.logins(project, environment, service.name)).given
        password = await self._password(project, environment, service.name, number)
        role = role_of(USER, number) if service.type is ServiceType.POSTGRES else USER
        return Access(password, "" if role == USER else role)

    async def of(self, project: str, environment: str, service: Service, consumer: str) -> Access | None:
        """Return how a service or job reaches a database; None when the database has groups and it is in none."""
        if service.databases is None:
            return await self.own(project, environment, service)
        group = group_of(service, consumer)
        if not group:
            return None
        numbers = await self.indexes(project, environment, service)
        return await self._scoped(project, environment, service, group, numbers.get(group, 0))

    async def reach(self, project: str, environment: str, workload: Workload, group: str) -> Access:
        """Return with which user, database and password a group reaches a live database; "" means the database's own user."""
        if group:
            numbers = workload.inside.groups if workload.inside else {}
            return await self._scoped(project, environment, workload, group, numbers.get(group, 0))
        own = await self.own(project, environment, workload)
        if workload.type is ServiceType.POSTGRES:
            return Access(own.password, own.user or USER, workload.name)
        return Access(own.password, "default", "0")

    async def logins(self, project: str, environment: str, service: str, group: str = "") -> Logins:
        """Return which passwords a user has, by number."""
        text = await self._secrets.kept_credential(project, environment, _key(service, group) + LOGINS)
        return read(text) if text else Logins()

    async def ever_rotated(self, project: str, environment: str) -> bool:
        """Whether any password of the environment has been rotated."""
        stored = await self._secrets.values(project, environment, credentials=True)
        return any(name.endswith(LOGINS) for name in stored)

    async def as_first(self, project: str, environment: str, values: Mapping[str, str]) -> dict[str, str]:
        """Return values with the credentials of before any rotation: what differs in nothing else has not changed."""
        stored = await self._secrets.values(project, environment, credentials=True)
        first: dict[str, str] = {}
        for name, text in stored.items():
            number = read(text).given if name.endswith(LOGINS) else 0
            key = name.removesuffix(LOGINS)
            today = stored.get(f"{key}:password:{number}")
            if today:
                service, _, group = key.partition(":")
                owner = scoped_name(service, group) if group else USER
                first[today] = stored[f"{key}:password"]
                first[role_of(owner, number)] = owner
        found = dict(values)
        for now, before in first.items():
            found = {name: value.replace(now, before) for name, value in found.items()}
        return found

    async def unsettled(self, project: str, environment: str) -> dict[str, list[str]]:
        """Return service -> groups whose password is being rotated."""
        stored = await self._secrets.values(project, environment, credentials=True)
        found: dict[str, list[str]] = {}
        for name, text in stored.items():
            if name.endswith(LOGINS) and not read(text).settled:
                service, _, group = name.removesuffix(LOGINS).partition(":")
                found.setdefault(service, []).append(group)
        return found

    async def keep_logins(self, project: str, environment: str, service: str, group: str, logins: Logins) -> None:
        """Write down which passwords a user has; from now on the one that is given out is everybody's."""
        await self._secrets.put_credential(project, environment, _key(service, group) + LOGINS, written(logins))

    async def forget(self, project: str, environment: str, service: str, group: str, number: int) -> None:
        """Forget a password that is not taken any more; the first one stays, for it is in the database's own environment."""
        if number:
            name = f"{_key(service, group)}:password:{number}"
            await self._secrets.drop_credential(project, environment, name)

    async def passwords(
        self, project: str, environment: str, service: str, group: str, logins: Logins
    ) -> dict[int, str]:
        """Return the passwords that a database is to take from a user, by number; each is made the first time."""
        key = _key(service, group)
        return {number: await self._password(project, environment, key, number) for number in logins.taken}

    async def indexes(self, project: str, environment: str, service: Service) -> dict[str, int]:
        """Return the index of each group of a redis; those of new ones are the same until `keep_indexes` is called."""
        if service.type is not ServiceType.REDIS:
            return {}
        kept: dict[str, int] = {}
        for name, value in (await self._secrets.values(project, environment, credentials=True)).items():
            match name.split(":"):
                case [owner, group, "index"] if owner == service.name:
                    kept[group] = int(value)
        return indexes(service.databases or {}, kept)

    async def keep_indexes(self, project: str, environment: str, service: str, numbers: Mapping[str, int]) -> None:
        """Let no other group ever have these indexes: there may be data in them from now on."""
        for group, number in numbers.items():
            await self._secrets.credential(project, environment, f"{service}:{group}:index", partial(str, number))

    async def data(self, project: str, environment: str) -> dict[str, Data]:
        """Return where the data of each postgres was last written down to be."""
        stored = await self._secrets.values(project, environment, credentials=True)
        found = {name.removesuffix(DATA): value.split(" ") for name, value in stored.items() if name.endswith(DATA)}
        return {service: Data(*words) for service, words in found.items()}

    async def keep_data(self, project: str, environment: str, service: str, data: Data) -> None:
        """Write down where a postgres's data is: it is found there when the service comes back after a while."""
        await self._secrets.put_credential(project, environment, service + DATA, f"{data.version} {data.volume}")

    async def _scoped(
        self, project: str, environment: str, service: Service | Workload, group: str, index: int
    ) -> Access:
        number = (await self.logins(project, environment, service.name, group)).given
        password = await self._password(project, environment, _key(service.name, group), number)
        if service.type is ServiceType.POSTGRES:
            name = scoped_name(service.name, group)
            return Access(password, role_of(name, number), name)
        return Access(password, group, str(index))

    async def _password(self, project: str, environment: str, key: str, number: int) -> str:
        return await self._made(project, environment, f"{key}:password:{number}" if number else f"{key}:password")

    async def _made(self, project: str, environment: str, name: str) -> str:
        value = await self._secrets.credential(project, environment, name, lambda: self._clock.token(PASSWORD_BITS))
        self._redactor.learn([value])
        return value


def _key(service: str, group: str) -> str:
    return f"{service}:{group}" if group else service
