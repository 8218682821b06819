"""Which services of a live release still run with other secrets than those of today."""

import asyncio
from functools import lru_cache

from hostess.domain.references import RefersTo, references
from hostess.domain.release import Release
from hostess.domain.stack import Stack
from hostess.domain.stack_file import parse, stack_for
from hostess.doors.api.wiring import ApiServices


async def pending_restart(services: ApiServices, release: Release) -> frozenset[str]:
    """Return the services whose environment refers to a secret that was changed or deleted since it was resolved."""
    if "${secret:" not in release.file:
        return frozenset()
    stack = await asyncio.to_thread(_stack, release.file, release.environment)
    today = await services.secrets.values(release.project, release.environment)
    found = set()
    for service in stack.services.values():
        workload = release.workloads.get(service.name)
        templates = {variable: _secrets(text) for variable, text in service.env.items()}
        if workload is None or not any(templates.values()):
            continue
        running = await services.replicas.env(release, workload)
        if any(
            name not in today or today[name] not in running.get(variable, "")
            for variable, names in templates.items()
            for name in names
        ):
            found.add(service.name)
    return frozenset(found)


@lru_cache(maxsize=64)
def _stack(text: str, environment: str) -> Stack:
    return stack_for(parse(text.encode(), "hostess.yml"), environment)


def _secrets(text: str) -> tuple[str, ...]:
    return tuple(found.target for found in references(text) if found.kind is RefersTo.SECRET)
