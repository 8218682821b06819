"""The resolved environment of each service of a stack: literals, magic variables, secrets and generated credentials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hostess.domain import names
from hostess.domain.hostess_yml.build_secrets import refuse_absent
from hostess.domain.hostess_yml.references import Reference, RefersTo, needed_secrets, properties, resolve_env
from hostess.domain.hostess_yml.stack import Job, Service, Stack
from hostess.domain.ports import Redactor
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Deployment
from hostess.services.databases.access import DatabaseAccess
from hostess.services.routing.public_urls import PublicUrls
from hostess.services.secret_store import SecretStore


@dataclass(frozen=True, slots=True)
class Context:
    """What the values of one deployment are made from. *hosts*: service -> port number -> its public host names, best first."""

    deployment: Deployment
    version: str
    hosts: Mapping[str, Mapping[int, tuple[str, ...]]]


class EnvironmentValues:
    """Resolves `env` for one project and environment. *urls* are those of public hosts."""

    def __init__(
        self,
        secrets: SecretStore,
        access: DatabaseAccess,
        redactor: Redactor,
        urls: PublicUrls,
        base_domain: str,
    ) -> None:
        self._secrets = secrets
        self._access = access
        self._redactor = redactor
        self._urls = urls
        self._base_domain = base_domain

    async def check_secrets(self, project: str, environment: str, stack: Stack) -> None:
        """Raise Problem "secret-missing" that names every secret the stack needs and the environment lacks, with the commands."""
        present = await self._secrets.values(project, environment)
        self._redactor.learn(present.values())
        missing = [name for name in needed_secrets(stack) if name not in present]
        if missing:
            names = ", ".join(missing)
            scope = "" if environment == "production" else f" --envs {environment}"
            commands = "\n".join(f"  hostess secrets add {name} --project {project}{scope}" for name in missing)
            raise Problem(
                "secret-missing",
                f"hostess.yml needs {'a secret' if len(missing) == 1 else 'secrets'} that {environment} does not have: {names}",
                remedy=f"add {'it' if len(missing) == 1 else 'them'}, then push again:\n{commands}",
            )

    async def build_secrets(
        self, project: str, environment: str, stack: Stack, text: str, name: str
    ) -> dict[str, dict[str, str]]:
        """Return service or job -> id -> value of what builds are handed; InvalidStack, for the file *name*, where one is not there."""
        present = await self._secrets.values(project, environment)
        self._redactor.learn(present.values())
        refuse_absent(stack, text, name, present, environment)
        parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
        return {
            part.name: {identity: present[secret] for identity, secret in part.build.secrets.items()}
            for part in parts
            if part.build is not None
        }

    async def resolve(self, stack: Stack, context: Context) -> dict[str, dict[str, str]]:
        """Return name -> variable -> value for every service that is not a database, and for every job."""
        project, environment = context.deployment.project, context.deployment.environment
        secrets = await self._secrets.values(project, environment)
        self._redactor.learn(secrets.values())
        databases = [service for service in stack.services.values() if service.is_database]
        place = stack.environments.get(environment)
        url = self._urls.of if place is not None and place.ephemeral else self._urls.lasting
        facts = {s.name: self._facts(s, context, url) for s in stack.services.values() if not s.is_database}
        parts: list[Service | Job] = [service for service in stack.services.values() if not service.is_database]
        result: dict[str, dict[str, str]] = {}
        for part in [*parts, *stack.jobs.values()]:
            own = {database.name: await self._reached(database, context, part.name) for database in databases}
            result[part.name] = resolve_env(part.env, _lookup(part, context, {**facts, **own}, secrets))
        return result

    async def unrotated(self, deployment: Deployment, env: Mapping[str, str]) -> Mapping[str, str]:
        """Return a resolved environment as it would be if no password of a database had ever been rotated."""
        return await self._access.as_first(deployment.project, deployment.environment, env)

    async def _reached(self, database: Service, context: Context, consumer: str) -> Mapping[str, str]:
        """Return what a consumer gets to know of a database: the parts of its group, nothing when it is in none."""
        deployment = context.deployment
        access = await self._access.of(deployment.project, deployment.environment, database, consumer)
        if access is None:
            return {}
        hosts = context.hosts.get(database.name, {})
        urls = {port: self._urls.of_database(database.type, several[0]) for port, several in hosts.items()}
        found = properties(database, external_urls=urls, access=access)
        self._redactor.learn(value for name, value in found.items() if name.endswith("url"))
        return found

    def _facts(self, service: Service, context: Context, url: Callable[[str], str]) -> Mapping[str, str]:
        """Return a service's properties; a private port gets the URL that it would have, so that no reference is left open."""
        hosts = context.hosts.get(service.name, {})
        deployment = context.deployment
        path = service.proxy.path.rstrip("/") if service.proxy else ""
        urls = {}
        for index, port in enumerate(service.ports, 1):
            would_be = names.generated_host(
                deployment.project, service.name, deployment.environment, self._base_domain, index
            )
            urls[port.number] = url((hosts.get(port.number) or (would_be,))[0]) + path
        return properties(service, external_urls=urls)


def _lookup(
    part: Service | Job, context: Context, facts: Mapping[str, Mapping[str, str]], secrets: Mapping[str, str]
) -> Callable[[Reference], str]:
    deployment = context.deployment
    of_deployment = {
        "id": deployment.id,
        "environment": deployment.environment,
        "version": context.version,
        "timestamp": deployment.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    of_self = {"name": part.name, "type": str(part.type) if isinstance(part, Service) else "job"}
    place = f"{'services' if isinstance(part, Service) else 'jobs'}.{part.name}"

    def look_up(reference: Reference) -> str:
        if reference.kind is RefersTo.SECRET:
            return secrets[reference.target]
        if reference.kind is RefersTo.DEPLOYMENT:
            return of_deployment[reference.property]
        if reference.kind is RefersTo.SELF:
            return of_self[reference.property]
        try:
            return facts[reference.target][reference.property]
        except KeyError:
            raise Problem(
                "no-such-value",
                f"{place}.env: {reference} has no value on this host",
                remedy=f"use ${{{reference.target}.{reference.property.removeprefix('external_')}}} inside the stack",
            ) from None

    return look_up
