"""Which certificates authorities of public trust are asked for."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hostess.domain.certificates.names import coverage, covered, is_address, takes_wildcard
from hostess.domain.certificates.order import Kind
from hostess.domain.names import deployment_host, distinct_host
from hostess.domain.releases.release import Release

BY_NAME = (Kind.HTTP, Kind.ALPN)
"""How a host is proven, in this order: the first needs port 80, the second port 443 and nobody in front who ends TLS."""

BY_ZONE = (Kind.DNS,)
"""How a wildcard is proven: authorities take nothing else for it (RFC 8555 §7.1.3)."""

PRIVATE = frozenset(
    {"alt", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost"}
    | {"onion", "private", "test"}
)
"""Names that nobody can own below the root of DNS, so that no authority of public trust issues for them: RFC 6761, RFC 6762, RFC 7686,
RFC 9476, what ICANN set aside, and what private networks call themselves."""

_PRIVATE_DOMAINS = frozenset({"home.arpa"})
"""RFC 8375."""


class HostKind(StrEnum):
    """What a host is to its project."""

    CUSTOM = "custom"
    """A domain that somebody brought."""
    GENERATED = "generated"
    """The stable name of a service, below the base domain."""
    PASSING = "passing"
    """Of one deployment, or of an ephemeral environment: it never causes an order."""
    API = "api"
    """`api.host`."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host that is routed; *project* is to whom it belongs ("" for `api.host`)."""

    name: str
    project: str
    kind: HostKind


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say: whether there is an authority to ask, and somebody who writes records (for dns-01) of *base_domain*."""

    acme: bool
    base_domain: str
    dns_writer: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """One certificate that there should be: its *names*, sorted, and the challenges that may prove them, the first to try first."""

    names: tuple[str, ...]
    challenges: tuple[Kind, ...] = BY_NAME


def wanted_certificates(
    hosts: Iterable[Host], policy: Policy, imported: Collection[str] = (), waiting: Collection[str] = frozenset()
) -> tuple[Wanted, ...]:
    """Return the certificates that *hosts* need besides *imported* ones (their names); the same for the same hosts, in whatever order.

    A public host gets a certificate of its own, so that one that cannot be proven is in nobody's way; a domain and its "www." share
    one when they belong to one project and neither is among those *waiting* for their DNS. Hosts directly below a public base
    domain share its wildcard where it can be proven.
    """
    brought = coverage(imported)
    ordered = {
        host.name: host.project
        for host in hosts
        if policy.acme and host.kind is not HostKind.PASSING and public(host.name) and not brought(host.name)
    }
    wild = f"*.{policy.base_domain}"
    shares = policy.dns_writer and public(policy.base_domain) and takes_wildcard(policy.base_domain)
    below = {name for name in ordered if shares and covered([wild], name)}
    single = {name: project for name, project in ordered.items() if name not in below}
    groups = {_group(name, single, waiting) for name in single}
    return tuple(sorted([*([Wanted((wild,), BY_ZONE)] if below else []), *map(Wanted, groups)]))


def hosts_of(release: Release, base_domain: str, *, ephemeral: bool) -> list[Host]:
    """Return the hosts of a release, each once; *ephemeral*: its environment is."""
    found: dict[str, Host] = {}
    for workload in release.workloads.values():
        own = deployment_host(release.project, workload.name, release.commit[:7], base_domain)
        passing = {own, distinct_host(own, release.project, workload.name, release.environment)}
        for name in (name for names in workload.hosts.values() for name in names):
            below = name.endswith(f".{base_domain}")
            lasting = HostKind.GENERATED if below else HostKind.CUSTOM
            kind = HostKind.PASSING if ephemeral or name in passing else lasting
            found.setdefault(name, Host(name, release.project, kind))
        if workload.opened is not None:
            kind = HostKind.PASSING if ephemeral else HostKind.GENERATED
            found.setdefault(workload.opened.host, Host(workload.opened.host, release.project, kind))
    return list(found.values())


def public(host: str) -> bool:
    """Whether somebody may own *host* below the root of DNS; not an address, nor a name that is private by its ending."""
    if is_address(host.strip("[]")) or "." not in host:
        return False
    last = host.rpartition(".")[2]
    private = any(host == domain or host.endswith(f".{domain}") for domain in _PRIVATE_DOMAINS)
    return last not in PRIVATE and not private


def _group(name: str, projects: Mapping[str, str], waiting: Collection[str]) -> tuple[str, ...]:
    """Return the names that *name* shares a certificate with, itself among them."""
    bare = name.removeprefix("www.")
    pair = (bare, f"www.{bare}")
    shared = all(projects.get(each) == projects[name] and each not in waiting for each in pair)
    return pair if shared else (name,)
