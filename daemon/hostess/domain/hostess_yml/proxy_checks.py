"""The rules of `proxy`: where it applies, what its keys need, and what two services that share a host must not both say."""

from datetime import timedelta

from hostess.domain.hostess_yml.draft import DATABASES, Draft, asked_visibility, is_worker, ports_of, type_of
from hostess.domain.hostess_yml.mistakes import Path, did_you_mean, listed
from hostess.domain.hostess_yml.models import ServicePart
from hostess.domain.hostess_yml.proxy import HstsPart, ProxyPart
from hostess.domain.hostess_yml.stack import Protocol, ServiceType, Visibility

NOT_STATIC = ("response_timeout", "max_body", "buffer_requests", "compress", "slow_start")
"""The keys that are about what runs: files have no use for them."""


A_YEAR = timedelta(days=365)


def check_proxies(draft: Draft) -> None:
    """Note what is wrong with the `proxy` of each service."""
    for name, part in draft.services.items():
        kind = draft.known_type(name)
        if part.proxy is None or kind is None or kind in DATABASES:
            continue
        path = ("services", name, "proxy")
        _check_reached(draft, name, part, path)
        _check_kind(draft, kind, part.proxy, path)
        _check_strip(draft, part.proxy, path)
        _check_asks_once(draft, name, part, path)
        _check_domains(draft, name, part.proxy, path)
        _check_preload(draft, part.proxy, path)


def _check_reached(draft: Draft, name: str, part: ServicePart, path: Path) -> None:
    """Note a service that nobody reaches through the proxy."""
    if draft.findings.is_spoilt(*path[:2], "ports") or draft.findings.is_spoilt(*path[:2], "visibility"):
        return
    own = draft.visibility(name)
    if is_worker(draft, name):
        draft.findings.add(path, "needs a port: nothing is routed to this service", "list its ports", key=True)
    elif {asked_visibility(port) or own for port in ports_of(part)} | ({own} if not part.ports else set()) == {
        Visibility.PRIVATE
    }:
        draft.findings.add(path, "needs a service that is reached from outside", "add visibility: public", key=True)


def _check_kind(draft: Draft, kind: ServiceType, proxy: ProxyPart, path: Path) -> None:
    if kind is ServiceType.STATIC:
        for key in NOT_STATIC:
            if getattr(proxy, key) is not None:
                draft.findings.add((*path, key), "does not apply to static", "the proxy has the files itself", key=True)
    if proxy.protocol is Protocol.H2C and kind is not ServiceType.CUSTOM:
        draft.findings.add((*path, "protocol"), f"cannot be h2c: {kind} speaks HTTP/1.1", "it is for custom")


def _check_strip(draft: Draft, proxy: ProxyPart, path: Path) -> None:
    if proxy.strip_prefix and proxy.path in {None, "/"} and not draft.findings.is_spoilt(*path, "path"):
        draft.findings.add((*path, "strip_prefix"), "needs path", "for example path: /api", key=True)


def _check_asks_once(draft: Draft, name: str, part: ServicePart, path: Path) -> None:
    """Note a service that would ask for a password and for sign-in: a request has one Authorization field."""
    asked = {asked_visibility(port) for port in ports_of(part)} | {draft.visibility(name)}
    if part.proxy and part.proxy.basic_auth is not None and Visibility.TEAM in asked:
        draft.findings.add((*path, "basic_auth"), "excludes visibility: team", "keep one of the two", key=True)


def _check_domains(draft: Draft, name: str, proxy: ProxyPart, path: Path) -> None:
    """Note a host that `canonical_host` or `redirect_https` names, and the service has not."""
    listed_hosts = proxy.redirect_https if isinstance(proxy.redirect_https, list) else []
    named = [((*path, "redirect_https", at), host) for at, host in enumerate(listed_hosts)]
    if proxy.canonical_host is not None:
        named.append(((*path, "canonical_host"), proxy.canonical_host))
    own = draft.services[name].domains or []
    others = (part.domains or {} for part in (draft.file.environments or {}).values())
    known = [*own, *(domain for found in others for domain in found.get(name, []))]
    for place, host in named:
        if host not in known and not draft.findings.is_spoilt("services", name, "domains"):
            hint = did_you_mean(host, known) or (f"they are {listed(known, 'and')}" if known else "list it in domains")
            draft.findings.add(place, "is no domain of this service", hint)


def _check_preload(draft: Draft, proxy: ProxyPart, path: Path) -> None:
    """Note what browsers' makers take no host for into their list: https://hstspreload.org."""
    hsts = proxy.hsts
    if isinstance(hsts, HstsPart) and hsts.preload:
        if not hsts.subdomains:
            draft.findings.add((*path, "hsts", "preload"), "needs subdomains: true", "or leave preload out")
        if hsts.max_age is not None and hsts.max_age < A_YEAR:
            draft.findings.add((*path, "hsts", "max_age"), "must be 365d or more where preload is true", "")


def path_of(draft: Draft, name: str) -> str:
    """Return the path at which a service is reached."""
    part = draft.services.get(name)
    return (part.proxy.path or "/") if part and part.proxy and type_of(part) not in DATABASES else "/"
