"""The credentials of managed databases: made here, kept like secrets, and what each consumer gets of them."""

from collections.abc import Mapping
from functools import partial

from hostess.domain.databases.scopes import Access, group_of, indexes, scoped_name
from hostess.domain.databases.versions import Data
from hostess.domain.hostess_yml.stack import Service, ServiceType
from hostess.domain.ports import Clock, Redactor
from hostess.domain.releases.release import Workload
from hostess.services.secret_store import SecretStore

PASSWORD_BITS = 192
DATA = ":data"


class DatabaseAccess:
    """Knows who may use what of a database. A password that was made once is never another one."""

    def __init__(self, secrets: SecretStore, clock: Clock, redactor: Redactor) -> None:
        self._secrets = secrets
        self._clock = clock
        self._redactor = redactor

    async def own(self, project: str, environment: str, service: str) -> Access:
        """Return the access of a database's own user, made the first time."""
        return Access(await self._password(project, environment, f"{service}:password"))

    async def of(self, project: str, environment: str, service: Service, consumer: str) -> Access | None:
        """Return how a service or job reaches a database; None when the database has groups and it is in none."""
        if service.databases is None:
            return await self.own(project, environment, service.name)
        return (await self.groups(project, environment, service)).get(group_of(service, consumer))

    async def groups(self, project: str, environment: str, service: Service) -> dict[str, Access]:
        """Return the access of each group of a database, in the order of the file."""
        found: dict[str, Access] = {}
        numbers = await self.indexes(project, environment, service)
        for group in service.databases or {}:
            password = await self.password(project, environment, service.name, group)
            if service.type is ServiceType.POSTGRES:
                name = scoped_name(service.name, group)
                found[group] = Access(password, name, name)
            else:
                found[group] = Access(password, group, str(numbers[group]))
        return found

    async def reach(self, project: str, environment: str, workload: Workload, group: str) -> Access:
        """Return with which user, database and password a group reaches a live database; "" means the database's own user."""
        postgres = workload.type is ServiceType.POSTGRES
        if not group:
            own = (await self.own(project, environment, workload.name)).password
            return Access(own, "postgres", workload.name) if postgres else Access(own, "default", "0")
        password = await self.password(project, environment, workload.name, group)
        if postgres:
            name = scoped_name(workload.name, group)
            return Access(password, name, name)
        numbers = workload.inside.groups if workload.inside else {}
        return Access(password, group, str(numbers.get(group, 0)))

    async def password(self, project: str, environment: str, service: str, group: str) -> str:
        """Return the password of a group, made the first time."""
        return await self._password(project, environment, f"{service}:{group}:password")

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

    async def _password(self, project: str, environment: str, name: str) -> str:
        value = await self._secrets.credential(project, environment, name, lambda: self._clock.token(PASSWORD_BITS))
        self._redactor.learn([value])
        return value
