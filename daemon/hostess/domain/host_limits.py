"""Limits that are above what the host has: they hold nothing back, and whoever pushed is told. Pure."""

from hostess.domain.hostess_yml.stack import Job, Service, ServiceType, Stack
from hostess.domain.quantities import memory_text


def above_host(stack: Stack, cpus: float, memory: int) -> list[str]:
    """Return a sentence per limit in *stack* that is above the host's cores or bytes of memory."""
    found = []
    # A static service has no container.
    services = [service for service in stack.services.values() if service.type is not ServiceType.STATIC]
    parts: list[Service | Job] = [*services, *stack.jobs.values()]
    for part in parts:
        if part.resources.cpu > cpus:
            found.append(f"{part.name} may use {part.resources.cpu:g} cores and this host has {cpus:g}: it may use all")
        if part.resources.memory > memory:
            wanted, there = memory_text(part.resources.memory), f"{memory // 1024**2}Mi"
            found.append(f"{part.name} may use {wanted} of memory and this host has {there}: it may use all")
    return found
