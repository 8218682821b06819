"""Which environment a branch deploys to, and what the stack is there. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from hostess.domain.hostess_yml.stack import Environment, Service, Stack
from hostess.domain.names import PRODUCTION
from hostess.domain.records import EnvironmentSettings

_DEFAULT_BRANCHES = frozenset({"main", "master"})
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What holds for an environment: what was set for it, else what hostess.yml says, else the defaults."""

    name: str
    branches: tuple[str, ...] = ()
    ephemeral: bool = False
    ttl: timedelta | None = None
    auto_delete: bool = False
    protected: bool = False

    @property
    def kind(self) -> str:
        """Return production, ephemeral or standard."""
        return PRODUCTION if self.name == PRODUCTION else "ephemeral" if self.ephemeral else "standard"

    @property
    def lifetime(self) -> timedelta | None:
        """Return how long after its last deployment it is removed; None: never."""
        return self.ttl if self.auto_delete and not self.protected else None


def attributes(name: str, declared: Environment | None, kept: EnvironmentSettings | None) -> Attributes:
    """Return what holds. production is always protected and never ephemeral; others with `ephemeral` are deleted by themselves."""
    said = declared or Environment(name)
    given = kept or EnvironmentSettings("", name)
    ephemeral = (said.ephemeral if given.ephemeral is None else given.ephemeral) and name != PRODUCTION
    return Attributes(
        name=name,
        branches=said.branches if given.branches is None else given.branches,
        ephemeral=ephemeral,
        ttl=said.ttl if given.ttl is None else given.ttl,
        auto_delete=ephemeral if given.auto_delete is None else given.auto_delete,
        protected=name == PRODUCTION or bool(given.protected),
    )


def with_settings(stack: Stack, kept: Iterable[EnvironmentSettings]) -> Stack:
    """Return the stack with what was set for its environments; those that only the settings know are added."""
    merged = dict(stack.environments)
    for given in kept:
        declared = merged.get(given.environment, Environment(given.environment))
        found = attributes(given.environment, declared, given)
        merged[given.environment] = replace(declared, branches=found.branches, ephemeral=found.ephemeral, ttl=found.ttl)
    return replace(stack, environments=merged)


def environment_for(stack: Stack, branch: str) -> str | None:
    """Return the environment that a branch deploys to; None when it deploys nowhere.

    An exact name goes before a pattern, a longer pattern before a shorter one, an earlier environment before a later one; `*`
    matches any text, slashes included. main and master go to production when nothing else claims them.
    """
    claims = list(_claims(stack, branch))
    if claims:
        return max(claims, key=lambda claim: claim[0])[1]
    return PRODUCTION if branch in _DEFAULT_BRANCHES else None


def stack_for(stack: Stack, environment: str) -> Stack:
    """Return the stack as it is in one environment: its domains, its numbers of replicas, data that ends with it if it does.

    Domains of services are those of production, unless the environment has its own list for the service.
    """
    found = stack.environments.get(environment, Environment(environment))
    services = {name: _service_in(service, found) for name, service in stack.services.items()}
    return replace(stack, services=services)


def _service_in(service: Service, environment: Environment) -> Service:
    own = service.domains if environment.name == PRODUCTION else ()
    return replace(
        service,
        domains=environment.domains.get(service.name, own),
        replicas=environment.replicas.get(service.name, service.replicas),
        permanent=service.permanent and (service.retention_written or not environment.ephemeral),
    )


def _claims(stack: Stack, branch: str) -> Iterator[tuple[tuple[bool, int], str]]:
    """Yield how strongly each environment claims the branch: exact or not, and the length of the pattern."""
    for environment in stack.environments.values():
        for pattern in environment.branches:
            if pattern == branch:
                yield (True, len(pattern)), environment.name
            elif _GLOB & set(pattern) and fnmatchcase(branch, pattern):
                yield (False, len(pattern)), environment.name
