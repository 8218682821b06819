"""Which environment a branch deploys to, and what the stack is there. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from hostess.domain.names import PRODUCTION
from hostess.domain.stack import Environment, Service, Stack

_DEFAULT_BRANCHES = frozenset({"main", "master"})
_GLOB = frozenset("*?[")


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
