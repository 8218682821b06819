"""The secrets that a live release runs with, and which of them are not those of today."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.hostess_yml.references import RefersTo, references
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.releases.release import Release
from hostess.doors.api.wiring import ApiServices


async def pending_restart(services: ApiServices, release: Release) -> frozenset[str]:
    """Return the services whose environment refers to a secret that was changed or deleted since it was resolved."""
    today = await services.secrets.values(release.project, release.environment)
    return frozenset(
        each.service
        for each in await _uses(services, release)
        if each.secret not in today or today[each.secret] not in each.running
    )


async def running_secrets(services: ApiServices, release: Release) -> frozenset[str]:
    """Return the values of variables, as they run, that refer to a secret: after a change these are no longer the store's."""
    return frozenset(each.running for each in await _uses(services, release))


async def secret_variables(release: Release, job: str) -> frozenset[str]:
    """Return the variables of a job whose values refer to a secret."""
    stack = await asyncio.to_thread(_stack, release.file, release.environment)
    env = stack.jobs[job].env if job in stack.jobs else {}
    return frozenset(variable for variable, text in env.items() if _secrets(text))


@dataclass(frozen=True, slots=True)
class _Use:
    """A variable that refers to a secret, and its value in the containers that run."""

    service: str
    secret: str
    running: str


async def _uses(services: ApiServices, release: Release) -> list[_Use]:
    if "${secret:" not in release.file:
        return []
    stack = await asyncio.to_thread(_stack, release.file, release.environment)
    found: list[_Use] = []
    for service in stack.services.values():
        workload = release.workloads.get(service.name)
        named = {variable: _secrets(text) for variable, text in service.env.items()}
        if workload is None or not any(named.values()):
            continue
        running = await services.replicas.env(release, workload)
        found += [
            _Use(service.name, secret, running.get(variable, ""))
            for variable, secrets in named.items()
            for secret in secrets
        ]
    return found


@lru_cache(maxsize=64)
def _stack(text: str, environment: str) -> Stack:
    return stack_for(parse(text.encode(), "hostess.yml"), environment)


def _secrets(text: str) -> tuple[str, ...]:
    return tuple(found.target for found in references(text) if found.kind is RefersTo.SECRET)
