"""Magic variables in the values of `env`: finding, checking and resolving them. Pure.

`${database.url}`, `${api.port_2.url}`, `${deployment.id}`, `${service.name}`, `${secret:NAME}`; `$${` is a literal `${`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

from hostess.domain.databases.pooler import PORT as POOLER_PORT
from hostess.domain.databases.pooler import pooler_name
from hostess.domain.databases.scopes import Access
from hostess.domain.hostess_yml.mistakes import WrongValue, quoted
from hostess.domain.hostess_yml.stack import Job, Service, ServiceType, Stack


class RefersTo(StrEnum):
    """What a reference points at."""

    SECRET = "secret"  # noqa: S105 -- a word of the format, no secret
    SERVICE = "service"
    DEPLOYMENT = "deployment"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Reference:
    """One magic variable. *target* is a service's name, a secret's name, "deployment" or "service"; *place* its offset."""

    kind: RefersTo
    target: str
    property: str
    place: int

    def __str__(self) -> str:
        separator, rest = (":", self.target) if self.kind is RefersTo.SECRET else (".", self.property)
        head = "secret" if self.kind is RefersTo.SECRET else self.target
        return f"${{{head}{separator}{rest}}}"


DEPLOYMENT_PROPERTIES = ("id", "environment", "version", "timestamp")
SELF_PROPERTIES = ("name", "type")
HTTP_PROPERTIES = ("url", "external_url", "host", "external_host", "port")
REDIS_PROPERTIES = ("url", "external_url", "host", "external_host", "port", "password")
POSTGRES_PROPERTIES = (*REDIS_PROPERTIES, "user", "database", "read_url")
POOLED = "pooled_url"
"""The property that postgres has only with `special.pooler`."""

_SECRET_PROPERTIES = frozenset({"url", "external_url", "password", "read_url", POOLED})
PORT_PROPERTIES = ("url", "external_url", "port")
_NAME = r"[a-z][a-z0-9-]*"
_SECRET_FORM = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_]{0,127})", re.ASCII)
_PORT_FORM = re.compile(rf"({_NAME})\.(port_[0-9]{{1,3}}\.[a-z_]+)", re.ASCII)
_PLAIN_FORM = re.compile(rf"({_NAME})\.([A-Za-z0-9_]+)", re.ASCII)
_MARK = re.compile(r"\$\$\{|\$\{")
VALUE_PATTERN = (
    rf"(?:[^$]|\$(?!\$?\{{)|\$\$\{{|\$\{{(?:{_SECRET_FORM.pattern}|{_PORT_FORM.pattern}|{_PLAIN_FORM.pattern})\}})*"
)
"""What a value of `env` looks like whose references are all well-formed, as a regular expression."""


def references(text: str) -> tuple[Reference, ...]:
    """Return the references in a value, in order; WrongValue for the first that is malformed."""
    return tuple(part for part in _parts(text) if isinstance(part, Reference))


def resolve(text: str, lookup: Callable[[Reference], str]) -> str:
    """Return the value with every reference replaced by what *lookup* says and `$${` by `${`; what *lookup* raises passes through."""
    return "".join(lookup(part) if isinstance(part, Reference) else part for part in _parts(text))


def resolve_env(env: Mapping[str, str], lookup: Callable[[Reference], str]) -> dict[str, str]:
    """Return the environment with every value resolved."""
    return {name: resolve(value, lookup) for name, value in env.items()}


def needed_secrets(stack: Stack) -> tuple[str, ...]:
    """Return the names of all secrets that services and jobs need, each once, in the order of the file."""
    found: dict[str, None] = {}
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    for part in parts:
        found.update(dict.fromkeys(_secrets_of(part)))
    return tuple(found)


def is_secret(reference: Reference, services: Mapping[str, Service]) -> bool:
    """Whether the value behind a reference must not be shown."""
    target = services.get(reference.target)
    from_database = target is not None and target.is_database and reference.property in _SECRET_PROPERTIES
    return reference.kind is RefersTo.SECRET or (reference.kind is RefersTo.SERVICE and from_database)


def allowed_properties(service: Service) -> tuple[str, ...]:
    """Return the properties that others can ask of a service (spec section 3.6a)."""
    if service.type is ServiceType.POSTGRES:
        return (*POSTGRES_PROPERTIES, POOLED) if service.special.get("pooler") else POSTGRES_PROPERTIES
    if service.type is ServiceType.REDIS:
        return REDIS_PROPERTIES
    if service.is_worker:
        return ("host",)
    numbered = (f"port_{n}.{what}" for n in range(1, len(service.ports) + 1) for what in PORT_PROPERTIES)
    return (*HTTP_PROPERTIES, *numbered)


def properties(
    service: Service,
    *,
    external_urls: Mapping[int, str],
    host: str = "",
    access: Access | None = None,
) -> dict[str, str]:
    """Return the values of a service's properties.

    *external_urls* maps a port's number to its public URL ("https://shop-api.example.com", "http://shop-api.localhost:8080"; for
    databases only host and port of it count); properties of ports that it leaves out are left out. *host* is the name inside
    the stack, by default the service's; *access* is how the consumer reaches a database (redis: its index as the database).
    """
    inside = host or service.name
    if service.is_database:
        return _database_properties(service, external_urls, inside, access or Access())
    values = {"host": inside}
    for index, port in enumerate(service.ports, start=1):
        found = {"url": f"http://{inside}:{port.number}", "port": str(port.number)}
        if port.number in external_urls:
            found["external_url"] = external_urls[port.number]
        values |= {f"port_{index}.{name}": value for name, value in found.items()}
        if index == 1:
            values |= found
    if "external_url" in values:
        values["external_host"] = urlsplit(values["external_url"]).hostname or ""
    return values


def _database_properties(
    service: Service, external_urls: Mapping[int, str], host: str, access: Access
) -> dict[str, str]:
    port = service.ports[0].number
    address = urlsplit(external_urls[port]) if port in external_urls else None
    values = {"host": host, "port": str(port), "password": access.password}
    password = quote(access.password, safe="")
    if address is not None:
        values["external_host"] = address.hostname or ""
    if service.type is ServiceType.REDIS:
        path = f"/{access.database or '0'}"
        values["url"] = f"redis://{access.user}:{password}@{host}:{port}{path}"
        # A name in any case: redis-cli takes an empty one for somebody's.
        outside = f"rediss://{access.user or 'default'}:{password}@{address.netloc}{path}" if address else ""
    else:
        user, name = access.user or "postgres", access.database or service.name
        values |= {"user": user, "database": name}
        values["url"] = f"postgresql://{user}:{password}@{host}:{port}/{quote(name, safe='')}"
        values["read_url"] = values["url"]
        if service.special.get("pooler"):
            pooler = f"{pooler_name(service.name)}:{POOLER_PORT}"
            values[POOLED] = f"postgresql://{user}:{password}@{pooler}/{quote(name, safe='')}"
        outside = f"postgresql://{user}:{password}@{address.netloc}/{name}?sslmode=require" if address else ""
    return values | ({"external_url": outside} if outside else {})


def _secrets_of(part: Service | Job) -> Iterator[str]:
    for value in part.env.values():
        yield from (found.target for found in references(value) if found.kind is RefersTo.SECRET)
    yield from (file.secret for file in part.files if file.secret)
    if isinstance(part, Service) and part.proxy is not None:
        yield from part.proxy.basic_auth.values()


def _parts(text: str) -> Iterator[str | Reference]:
    """Yield the literal stretches and references of a value."""
    position = 0
    while mark := _MARK.search(text, position):
        yield text[position : mark.start()]
        if mark[0] == "$${":
            yield "${"
            position = mark.end()
            continue
        end = text.find("}", mark.end())
        if end < 0:
            raise WrongValue(f"{quoted(text[mark.start() :])} has no closing brace", "write $${ for a literal ${")
        yield _reference(text[mark.end() : end], mark.start())
        position = end + 1
    yield text[position:]


def _reference(inner: str, place: int) -> Reference:
    if found := _SECRET_FORM.fullmatch(inner):
        return Reference(RefersTo.SECRET, found[1], "", place)
    if inner.startswith("secret."):
        hint = f"secrets are written with a colon: ${{secret:{inner.removeprefix('secret.')}}}"
        raise WrongValue(f"{quoted('${' + inner + '}')} is not a reference", hint)
    if found := _PORT_FORM.fullmatch(inner) or _PLAIN_FORM.fullmatch(inner):
        kind = {"deployment": RefersTo.DEPLOYMENT, "service": RefersTo.SELF}.get(found[1], RefersTo.SERVICE)
        return Reference(kind, found[1], found[2], place)
    hint = "write ${service.property} or ${secret:NAME}, and $${ for a literal ${"
    raise WrongValue(f"{quoted('${' + inner + '}')} is not a reference", hint)
