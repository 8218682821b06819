"""Limits that are above what the host has: they hold nothing back, and whoever pushed is told. Pure."""

from hostess.domain.quantities import memory_text
from hostess.domain.stack import Stack


def above_host(stack: Stack, cpus: float, memory: int) -> list[str]:
    """Return a sentence per limit in *stack* that is above the host's cores or bytes of memory."""
    found = []
    for service in stack.services.values():
        if service.resources.cpu > cpus:
            found.append(
                f"{service.name} may use {service.resources.cpu:g} cores and this host has {cpus:g}: it may use all"
            )
        if service.resources.memory > memory:
            wanted, there = memory_text(service.resources.memory), f"{memory // 1024**2}Mi"
            found.append(f"{service.name} may use {wanted} of memory and this host has {there}: it may use all")
    return found
