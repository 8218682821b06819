"""What one service of a release asks of the proxy, resolved: passwords are digests, pages are texts, domains are those of the place.

It is no part of what a container is made from: a change is in the next table and starts nothing anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from hostess.domain.hostess_yml.stack import Proxy

PAGES = (
    *("400", "401", "403", "404", "408", "413", "414", "421", "429", "431", "500", "502", "503", "504"),
    *("4xx", "5xx"),
)
"""The answers that have a page, if a folder of error pages has one of that name."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who may come: *digest* is the SHA-256 (hex) of *salt* (hex) and password."""

    user: str
    salt: str
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """What is asked. *pages* maps a status, "4xx" or "5xx" to the text of its page; *redirected* are the hosts that lead elsewhere."""

    asked: Proxy = field(default_factory=Proxy)
    logins: tuple[Login, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    redirected: tuple[str, ...] = ()

    def outside(self, path: str) -> str | None:
        """Return how a *path* of the service is asked for from outside; None when it cannot be."""
        prefix = self.asked.path
        if prefix == "/":
            return path
        if self.asked.strip_prefix:
            return prefix + path
        return path if path == prefix or path.startswith(f"{prefix}/") else None


def changed(before: RouteSettings | None, after: RouteSettings | None) -> tuple[str, ...]:
    """Return the names of the keys of `proxy` that do not say the same; names alone, as values can be nobody else's business."""
    return tuple(dict.fromkeys(_changed(before or RouteSettings(), after or RouteSettings())))


def _changed(before: RouteSettings, after: RouteSettings) -> Iterator[str]:
    for each in fields(Proxy):
        if getattr(before.asked, each.name) != getattr(after.asked, each.name):
            yield each.name
    if before.logins != after.logins:
        yield "basic_auth"
    if before.pages != after.pages:
        yield "error_pages"
    if before.redirected != after.redirected:
        yield "canonical_host"
