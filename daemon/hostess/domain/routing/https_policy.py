"""Where plain HTTP leads to HTTPS: at hosts whose certificate everybody trusts, or that somebody brought, and never else.

A certificate of the internal authority is a warning for who was not told to trust it, and a way back must stay.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hostess.domain.certificates.names import wildcard_of
from hostess.domain.hostess_yml.stack import Remembered
from hostess.domain.ports import ServedCertificate, Upstreams
from hostess.domain.ports.proxy import Hsts
from hostess.domain.routing.route_settings import RouteSettings


def secured(routes: Iterable[Upstreams], certificates: Iterable[ServedCertificate]) -> list[Upstreams]:
    """Return the routes as they are when these certificates are shown: what their services ask for, where it may be."""
    is_trusted = trusted(certificates)
    return [_secured(route) if is_trusted(route.host) else route for route in routes]


def trusted(certificates: Iterable[ServedCertificate]) -> Callable[[str], bool]:
    """Return what tells whether the proxy shows one to trust for a host: that for the very name goes before wildcards."""
    shown = _by_name(certificates)

    def is_trusted(host: str) -> bool:
        found = shown.get(host) or shown.get(wildcard_of(host))
        return found is not None and found.trusted

    return is_trusted


def _by_name(certificates: Iterable[ServedCertificate]) -> Mapping[str, ServedCertificate]:
    """Return the certificate for each name: of several the first."""
    found: dict[str, ServedCertificate] = {}
    for each in certificates:
        for name in each.names:
            found.setdefault(name, each)
    return found


def _secured(route: Upstreams) -> Upstreams:
    asked = (route.settings or RouteSettings()).asked
    redirected = asked.redirect_https is None or route.host in asked.redirect_https
    # Who may come by plain HTTP must not be told never to do it again.
    return replace(route, redirect_https=True, hsts=_told(asked.hsts)) if redirected else route


def _told(asked: Remembered | None) -> Hsts | None:
    return None if asked is None else Hsts(int(asked.max_age.total_seconds()), asked.subdomains, asked.preload)
