"""Reading a routing table: `parse_table` turns what was read from JSON into a value, behind which nobody checks again.

What is no table raises one `TableError` that names the place. Unknown keys are refused: a misspelt limit must not be a missing
limit.
"""

import re
from ipaddress import IPv4Address, IPv4Network

from hostess_proxy.tables.challenges_parsing import read_challenges
from hostess_proxy.tables.kinds import (
    read_digest,
    read_flag,
    read_host,
    read_list,
    read_object,
    read_path,
    read_seconds,
    read_text,
    read_whole,
)
from hostess_proxy.tables.table import (
    CONNECTIONS,
    H2C,
    HTTP1,
    MAX_PORT,
    POSTGRES,
    REDIS,
    Buffer,
    Canary,
    Certificate,
    Database,
    Inside,
    Route,
    StaticRoot,
    Table,
    TableError,
    split_target,
)
from hostess_proxy.tables.terms import NOTHING_ASKED
from hostess_proxy.tables.terms_parsing import TERMS, read_networks, read_terms, read_wake

_KEY = re.compile(r"(?:[0-9a-f]{2}){16,64}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_ALL = 100


def parse_table(raw: object) -> Table:
    """Return the table that *raw* (as read from JSON) stands for; TableError when it stands for none."""
    top = read_object("", raw, allowed=set(Table.__dataclass_fields__) - {"raw"})
    routes = tuple(_route(f"routes[{i}]", entry) for i, entry in enumerate(read_list("routes", top.get("routes", []))))
    _refuse_doubles(routes)
    key = _session_key(top.get("session_key"), routes)
    inside = tuple(_inside(f"inside[{i}]", entry) for i, entry in enumerate(read_list("inside", top.get("inside", []))))
    _refuse_shared(inside)
    certificates = read_list("certificates", top.get("certificates", []))
    databases = read_list("databases", top.get("databases", []))
    return Table(
        routes=routes,
        certificates=tuple(_certificate(f"certificates[{i}]", entry) for i, entry in enumerate(certificates)),
        inside=inside,
        generation=read_whole("generation", top.get("generation", 0)),
        session_key=key,
        challenges=read_challenges("challenges", top.get("challenges", {})),
        databases=_apart(tuple(_database(f"databases[{i}]", entry) for i, entry in enumerate(databases))),
        raw=top,
    )


def _route(place: str, raw: object) -> Route:
    allowed = set(Route.__dataclass_fields__) - {"terms"} | TERMS
    entry = read_object(place, raw, allowed, needed=("host", "service", "release"))
    static = entry.get("static")
    if static is None and "targets" not in entry:
        raise TableError(place, "targets is missing")
    if static is not None and entry.get("targets"):
        raise TableError(f"{place}.static", "a route has targets or static files, not both")
    canary = entry.get("canary")
    if static is not None and canary is not None:
        raise TableError(f"{place}.canary", "static files have none")
    limit, passes = entry.get("body_limit"), entry.get("sign_in")
    return Route(
        host=read_host(f"{place}.host", entry["host"]),
        path=read_path(f"{place}.path", entry.get("path", "/")),
        service=read_text(f"{place}.service", entry["service"]),
        release=read_text(f"{place}.release", entry["release"]),
        project=read_text(f"{place}.project", entry.get("project", "")),
        environment=read_text(f"{place}.environment", entry.get("environment", "")),
        targets=_targets(f"{place}.targets", entry.get("targets", [])),
        redirect_https=read_flag(f"{place}.redirect_https", entry.get("redirect_https", False)),
        expose_release=read_flag(f"{place}.expose_release", entry.get("expose_release", False)),
        first_byte_timeout=read_seconds(f"{place}.first_byte_timeout", entry.get("first_byte_timeout", 60.0)),
        body_limit=None if limit is None else read_whole(f"{place}.body_limit", limit),
        static=None if static is None else _static(f"{place}.static", static),
        sign_in=None if passes is None else _digests(f"{place}.sign_in", passes),
        terms=read_terms(place, entry) if entry.keys() & TERMS else NOTHING_ASKED,
        slow_start=read_seconds(f"{place}.slow_start", entry.get("slow_start", 0.0)),
        buffer=None if entry.get("buffer") is None else _buffer(f"{place}.buffer", entry["buffer"]),
        compress=read_flag(f"{place}.compress", entry.get("compress", False)),
        canary=None if canary is None else _canary(f"{place}.canary", canary),
        protocol=_protocol(f"{place}.protocol", entry.get("protocol", HTTP1)),
    )


def _buffer(place: str, raw: object) -> Buffer:
    entry = read_object(place, raw, Buffer.__dataclass_fields__)
    return Buffer(**{name: read_whole(f"{place}.{name}", value) for name, value in entry.items()})


def _protocol(place: str, raw: object) -> str:
    if not isinstance(raw, str) or raw not in {HTTP1, H2C}:
        raise TableError(place, f'expected "{HTTP1}" or "{H2C}", what the targets speak')
    return raw


def _canary(place: str, raw: object) -> Canary:
    entry = read_object(place, raw, Canary.__dataclass_fields__, needed=("release", "targets"))
    percent = entry.get("percent", 0.0)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= _ALL:
        raise TableError(f"{place}.percent", "expected a percentage, 0 to 100")
    header = read_text(f"{place}.header", entry.get("header", ""))
    if header and not _NAME.fullmatch(header):
        raise TableError(f"{place}.header", f"{header!r} is not the name of a header")
    values = read_list(f"{place}.values", entry.get("values", []))
    return Canary(
        release=read_text(f"{place}.release", entry["release"]),
        targets=_targets(f"{place}.targets", entry["targets"]),
        percent=float(percent),
        header=header,
        values=tuple(_value(f"{place}.values[{i}]", value) for i, value in enumerate(values)),
    )


def _value(place: str, raw: object) -> str:
    text = read_text(place, raw)
    if not text.strip() or text != text.strip():
        raise TableError(place, "expected text without spaces around it")
    return text


def _targets(place: str, raw: object) -> tuple[str, ...]:
    return tuple(_target(f"{place}[{i}]", target) for i, target in enumerate(read_list(place, raw)))


def _static(place: str, raw: object) -> StaticRoot:
    entry = read_object(place, raw, StaticRoot.__dataclass_fields__)
    for name, folder in (("root", entry.get("root")), ("earlier", entry.get("earlier", "/"))):
        if not isinstance(folder, str) or not folder.startswith("/") or "\0" in folder:
            raise TableError(f"{place}.{name}", "expected the absolute path of a folder")
    return StaticRoot(entry["root"], read_flag(f"{place}.spa", entry.get("spa", False)), entry.get("earlier", ""))


def _inside(place: str, raw: object) -> Inside:
    entry = read_object(place, raw, Inside.__dataclass_fields__, needed=("network", "address", "service", "release"))
    network, address = _network(f"{place}.network", entry["network"]), _v4(f"{place}.address", entry["address"])
    if IPv4Address(address) not in network:
        raise TableError(f"{place}.address", f"{address} is not in {network}")
    static, replicas = entry.get("static"), read_list(f"{place}.replicas", entry.get("replicas", []))
    if static is not None and replicas:
        raise TableError(f"{place}.static", "a service has replicas or static files, not both")
    if static is not None and entry.get("wake") is not None:
        raise TableError(f"{place}.wake", "static files do not sleep")
    ports = _ports(f"{place}.ports", entry.get("ports", []))
    return Inside(
        network=str(network),
        address=address,
        service=read_text(f"{place}.service", entry["service"]),
        release=read_text(f"{place}.release", entry["release"]),
        replicas=tuple(_v4(f"{place}.replicas[{i}]", replica) for i, replica in enumerate(replicas)),
        ports=ports,
        http=_ports(f"{place}.http", entry.get("http", [])),
        project=read_text(f"{place}.project", entry.get("project", "")),
        environment=read_text(f"{place}.environment", entry.get("environment", "")),
        static=None if static is None else _static(f"{place}.static", static),
        wake=None if entry.get("wake") is None else read_wake(f"{place}.wake", entry["wake"]),
    )


def _digests(place: str, raw: object) -> tuple[str, ...]:
    return tuple(read_digest(f"{place}[{i}]", digest) for i, digest in enumerate(read_list(place, raw)))


def _session_key(raw: object, routes: tuple[Route, ...]) -> bytes:
    if raw is None and all(route.sign_in is None for route in routes):
        return b""
    if not isinstance(raw, str) or not _KEY.fullmatch(raw):
        raise TableError("session_key", "routes with sign_in need one: 32 or more lower-case hex digits")
    return bytes.fromhex(raw)


def _refuse_shared(inside: tuple[Inside, ...]) -> None:
    seen: dict[str, int] = {}
    for number, entry in enumerate(inside):
        first = seen.setdefault(entry.address, number)
        if first != number:
            raise TableError(f"inside[{number}].address", f"{entry.address} belongs to inside[{first}] already")


def _database(place: str, raw: object) -> Database:
    entry = read_object(place, raw, Database.__dataclass_fields__, needed=("host", "protocol", "service", "release"))
    host = read_host(f"{place}.host", entry["host"])
    if host.startswith(("*", "[")):
        raise TableError(f"{place}.host", f"{entry['host']!r} is not the name of one host")
    if entry["protocol"] not in (POSTGRES, REDIS):
        raise TableError(f"{place}.protocol", f'expected "{POSTGRES}" or "{REDIS}"')
    return Database(
        host=host,
        protocol=entry["protocol"],
        service=read_text(f"{place}.service", entry["service"]),
        release=read_text(f"{place}.release", entry["release"]),
        targets=_targets(f"{place}.targets", entry.get("targets", [])),
        project=read_text(f"{place}.project", entry.get("project", "")),
        connections=read_whole(f"{place}.connections", entry.get("connections", CONNECTIONS)),
        allow=read_networks(f"{place}.allow", entry.get("allow", [])),
        environment=read_text(f"{place}.environment", entry.get("environment", "")),
    )


def _apart(databases: tuple[Database, ...]) -> tuple[Database, ...]:
    """Return databases as they are; TableError when two have one name."""
    seen: dict[tuple[str, str], int] = {}
    for number, database in enumerate(databases):
        first = seen.setdefault((database.protocol, database.host), number)
        if first != number:
            raise TableError(f"databases[{number}].host", f"{database.host} is that of databases[{first}] already")
    return databases


def _certificate(place: str, raw: object) -> Certificate:
    entry = read_object(place, raw, Certificate.__dataclass_fields__, needed=("names", "chain", "key"))
    names = read_list(f"{place}.names", entry["names"])
    return Certificate(
        names=tuple(read_host(f"{place}.names[{i}]", name) for i, name in enumerate(names)),
        chain=read_text(f"{place}.chain", entry["chain"]),
        key=read_text(f"{place}.key", entry["key"]),
    )


def _refuse_doubles(routes: tuple[Route, ...]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for number, route in enumerate(routes):
        first = seen.setdefault((route.host, route.path), number)
        if first != number:
            other = routes[first].service
            raise TableError(
                f"routes[{number}]", f"{route.host}{route.path} is routed to {other} by routes[{first}] already"
            )


def _target(place: str, raw: object) -> str:
    text = read_text(place, raw)
    try:
        split_target(text)
    except ValueError:
        raise TableError(place, f"{text!r} is not address:port") from None
    return text


def _v4(place: str, raw: object) -> str:
    try:
        return str(IPv4Address(read_text(place, raw)))
    except ValueError:
        raise TableError(place, f"{raw!r} is not an IPv4 address") from None


def _network(place: str, raw: object) -> IPv4Network:
    try:
        return IPv4Network(read_text(place, raw))
    except ValueError:
        raise TableError(place, f"{raw!r} is not an IPv4 network") from None


def _ports(place: str, raw: object) -> tuple[int, ...]:
    found = tuple(read_whole(f"{place}[{i}]", port) for i, port in enumerate(read_list(place, raw)))
    for index, port in enumerate(found):
        if not 0 < port <= MAX_PORT:
            raise TableError(f"{place}[{index}]", f"{port} is not a port")
    return found
