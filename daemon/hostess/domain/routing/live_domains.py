"""Domains that were given to services by command, beside those of hostess.yml. Pure.

They stand beside releases: no deployment and no rollback changes them. Where hostess.yml says something else of a host, it wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hostess.domain.records import LiveDomain
from hostess.domain.releases.release import Release, Workload
from hostess.domain.routing.routes import path_of


def attached(release: Release, domains: Iterable[LiveDomain]) -> Release:
    """Return *release* with those domains of its environment that lead to it, each at the first public port of its service."""
    workloads = dict(release.workloads)
    for domain in domains:
        if _is_of(domain, release) and not waits(release, domain):
            workloads[domain.service] = _with_host(workloads[domain.service], domain.host)
    return replace(release, workloads=workloads)


def waits(release: Release | None, domain: LiveDomain) -> str:
    """Return why a domain of the environment where *release* is live does not lead where it was said to, as a clause, or ""."""
    if release is None:
        return f"nothing is live in {domain.environment}"
    workload = release.workloads.get(domain.service)
    if workload is None:
        return f"{release.title} has no service {domain.service}"
    if not any(workload.hosts.values()):
        return f"service {domain.service} of {release.title} is not reached from outside"
    other = _in_file(release.workloads, domain.host, path_of(workload))
    return f"hostess.yml leads it to {other}" if other not in {"", domain.service} else ""


def waiting(release: Release, domains: Iterable[LiveDomain]) -> list[str]:
    """Return a sentence for each domain of the environment that waits."""
    own = [domain for domain in domains if _is_of(domain, release)]
    return [f"{domain.host} waits: {why}" for domain in own if (why := waits(release, domain))]


def _is_of(domain: LiveDomain, release: Release) -> bool:
    return (domain.project, domain.environment) == (release.project, release.environment)


def _in_file(workloads: Mapping[str, Workload], host: str, path: str) -> str:
    """Return the service that has a host at a path by itself, or "": services may share a host by their paths."""
    named = (
        w.name for w in workloads.values() if path_of(w) == path and any(host in some for some in w.hosts.values())
    )
    return next(named, "")


def _with_host(workload: Workload, host: str) -> Workload:
    port, hosts = next((port, hosts) for port, hosts in workload.hosts.items() if hosts)
    if any(host in several for several in workload.hosts.values()):
        return workload
    canonical = workload.proxy.asked.canonical_host if workload.proxy else ""
    leads_there = workload.proxy is not None and canonical in hosts
    # The first host is the one that people are told. A generated one is none to tell where there is a domain.
    at = 1 if leads_there else 0
    settings = workload.proxy
    if settings is not None and leads_there:
        settings = replace(settings, redirected=(*settings.redirected, host))
    return replace(workload, hosts={**workload.hosts, port: (*hosts[:at], host, *hosts[at:])}, proxy=settings)
