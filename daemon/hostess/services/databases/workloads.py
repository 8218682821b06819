"""Managed databases and their poolers as workloads of a release."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hostess.domain import labels
from hostess.domain.databases import pooler
from hostess.domain.databases.containers import inside_of, recipe, version_of
from hostess.domain.databases.scopes import Access
from hostess.domain.databases.versions import Data, as_kept, data_of
from hostess.domain.hostess_yml.references import RefersTo, references
from hostess.domain.hostess_yml.stack import Condition, Health, Job, Resources, Service, ServiceType, Stack
from hostess.domain.ports import Journal
from hostess.domain.releases.release import Deployment, Opened, Workload
from hostess.services.databases.access import DatabaseAccess


@dataclass(frozen=True, slots=True)
class Made:
    """A workload that is not sealed yet, with its environment and its files (mode and content in base64)."""

    workload: Workload
    env: Mapping[str, str]
    files: Mapping[str, tuple[int, str]]


class DatabaseWorkloads:
    """Makes them out of the services that they are in hostess.yml."""

    def __init__(self, journal: Journal, access: DatabaseAccess, instance: str) -> None:
        self._journal = journal
        self._access = access
        self._instance = instance

    async def as_kept(self, deployment: Deployment, stack: Stack) -> tuple[Stack, list[str]]:
        """Return the stack with databases of the major that their data is of, and what is to be said of that."""
        return as_kept(stack, await self._kept(deployment))

    async def of(
        self, deployment: Deployment, service: Service, images: Mapping[str, str], hosts: Mapping[int, tuple[str, ...]]
    ) -> list[Made]:
        """Return the workload of a database and, where it has one, of its pooler; *images* has theirs by name.

        *hosts* are the names that the database has outside, by port.
        """
        project, environment = deployment.project, deployment.environment
        if service.type is ServiceType.POSTGRES:
            password = await self._access.first(project, environment, service.name)
        else:
            password = await self._access.internal(project, environment, service.name)
        made = await self._database(deployment, service, password, images[service.name])
        found = [replace(made, workload=replace(made.workload, opened=_opened(service, hosts)))]
        if pooler.has_pooler(service):
            own = await self._access.own(project, environment, service)
            found.append(self._pooler(service, own, images[pooler.pooler_name(service.name)]))
        return found

    async def _database(self, deployment: Deployment, service: Service, password: str, image: str) -> Made:
        made = recipe(service, password)
        project, environment = deployment.project, deployment.environment
        first = labels.volume_name(self._instance, project, environment, service.name, "data")
        kept = (await self._kept(deployment)).get(service.name)
        workload = Workload(
            name=service.name,
            type=service.type,
            image=image,
            spec="",
            sealed_env="",
            replicas=1,
            cpu=service.resources.cpu,
            memory=service.resources.memory,
            singleton=True,
            command=made.command,
            ports=(made.port,),
            health=Health(command=made.ready),
            volumes={kept.volume if kept else first: made.path},
            version=version_of(service) if service.type is ServiceType.POSTGRES else "",
            backups=service.backups,
            storage=service.resources.storage,
            inside=inside_of(service, await self._access.indexes(project, environment, service)),
        )
        return Made(workload, made.env, {})

    async def _kept(self, deployment: Deployment) -> dict[str, Data]:
        """Return where the data of each postgres is: what is live knows, and is written down for when it is not live any more."""
        project, environment = deployment.project, deployment.environment
        found = await self._access.data(project, environment)
        live = await self._journal.live(project, environment)
        for name, workload in live.workloads.items() if live else ():
            now = data_of(workload)
            if now is not None and found.get(name) != now:
                await self._access.keep_data(project, environment, name, now)
                found[name] = now
        return found

    def _pooler(self, service: Service, own: Access, image: str) -> Made:
        files = pooler.files(service, own)
        workload = Workload(
            name=pooler.pooler_name(service.name),
            type=ServiceType.CUSTOM,
            image=image,
            spec="",
            sealed_env="",
            replicas=pooler.instances(service),
            cpu=pooler.CPU,
            memory=pooler.MEMORY,
            singleton=False,
            entrypoint=("sh", "-c", pooler.start(service.name)),
            ports=(pooler.PORT,),
            depends_on=(service.name,),
        )
        return Made(workload, {}, as_files(files))


def _opened(service: Service, hosts: Mapping[int, tuple[str, ...]]) -> Opened | None:
    host = next((several[0] for several in hosts.values()), "")
    return Opened(host, service.opening.allow) if service.opening is not None and host else None


def images_of(stack: Stack) -> dict[str, Service]:
    """Return databases and poolers as services with a ready-made image."""
    found: dict[str, Service] = {}
    for service in stack.services.values():
        if service.is_database:
            found[service.name] = replace(service, image=recipe(service, "").image)
        if service.is_database and pooler.has_pooler(service):
            name, limits = pooler.pooler_name(service.name), Resources(pooler.CPU, pooler.MEMORY)
            found[name] = Service(name, ServiceType.CUSTOM, limits, image=pooler.IMAGE)
    return found


def poolers_used(part: Service | Job, stack: Stack) -> tuple[str, ...]:
    """Return the poolers that a service or job must find running, because its environment names them."""
    return tuple(
        pooler.pooler_name(service.name)
        for service in stack.services.values()
        if service.is_database
        and pooler.has_pooler(service)
        and any(f"${{{service.name}.pooled_url}}" in value for value in part.env.values())
    )


def databases_used(part: Service, stack: Stack) -> tuple[str, ...]:
    """Return the databases that a service's environment names."""
    named = {each.target for value in part.env.values() for each in references(value) if each.kind is RefersTo.SERVICE}
    return tuple(service.name for service in stack.services.values() if service.is_database and service.name in named)


def after_poolers(job: Job, stack: Stack) -> Job:
    """Return a job that waits for the poolers that it uses, too."""
    return replace(job, depends_on={**job.depends_on, **dict.fromkeys(poolers_used(job, stack), Condition.HEALTHY)})


def as_files(texts: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Return files as a workload has them, path -> mode and content in base64, that whoever runs in the container may read."""
    return {path: (0o444, base64.b64encode(text.encode()).decode()) for path, text in texts.items()}
