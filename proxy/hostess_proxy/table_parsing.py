"""Reading a routing table: `parse_table` turns what was read from JSON into a value, behind which nobody checks again.

What is no table raises one `TableError` that names the place. Unknown keys are refused: a misspelt limit must not be a missing
limit.
"""

import re
from ipaddress import IPv4Address, IPv4Network

from hostess_proxy.table import (
    H2C,
    HTTP1,
    Buffer,
    Canary,
    Certificate,
    Inside,
    Route,
    StaticRoot,
    Table,
    TableError,
    split_target,
)
from hostess_proxy.table_kinds import read_flag as _flag
from hostess_proxy.table_kinds import read_host as _host
from hostess_proxy.table_kinds import read_list as _list
from hostess_proxy.table_kinds import read_object as _object
from hostess_proxy.table_kinds import read_path as _path
from hostess_proxy.table_kinds import read_seconds as _seconds
from hostess_proxy.table_kinds import read_text as _text
from hostess_proxy.table_kinds import read_whole as _whole
from hostess_proxy.terms import NOTHING_ASKED
from hostess_proxy.terms_parsing import TERMS, read_terms

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"(?:[0-9a-f]{2}){16,64}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_MAX_PORT = 65535
_ALL = 100


def parse_table(raw: object) -> Table:
    """Return the table that *raw* (as read from JSON) stands for; TableError when it stands for none."""
    top = _object("", raw, allowed=set(Table.__dataclass_fields__) - {"raw"})
    routes = tuple(_route(f"routes[{i}]", entry) for i, entry in enumerate(_list("routes", top.get("routes", []))))
    _refuse_doubles(routes)
    key = _session_key(top.get("session_key"), routes)
    inside = tuple(_inside(f"inside[{i}]", entry) for i, entry in enumerate(_list("inside", top.get("inside", []))))
    _refuse_shared(inside)
    certificates = _list("certificates", top.get("certificates", []))
    return Table(
        routes=routes,
        certificates=tuple(_certificate(f"certificates[{i}]", entry) for i, entry in enumerate(certificates)),
        inside=inside,
        generation=_whole("generation", top.get("generation", 0)),
        session_key=key,
        raw=top,
    )


def _route(place: str, raw: object) -> Route:
    allowed = set(Route.__dataclass_fields__) - {"terms"} | TERMS
    entry = _object(place, raw, allowed=allowed)
    static = entry.get("static")
    for name in ("host", "service", "release", *(() if static is not None else ("targets",))):
        if name not in entry:
            raise TableError(place, f"{name} is missing")
    if static is not None and entry.get("targets"):
        raise TableError(f"{place}.static", "a route has targets or static files, not both")
    canary = entry.get("canary")
    if static is not None and canary is not None:
        raise TableError(f"{place}.canary", "static files have none")
    limit, passes = entry.get("body_limit"), entry.get("sign_in")
    return Route(
        host=_host(f"{place}.host", entry["host"]),
        path=_path(f"{place}.path", entry.get("path", "/")),
        service=_text(f"{place}.service", entry["service"]),
        release=_text(f"{place}.release", entry["release"]),
        project=_text(f"{place}.project", entry.get("project", "")),
        targets=_targets(f"{place}.targets", entry.get("targets", [])),
        redirect_https=_flag(f"{place}.redirect_https", entry.get("redirect_https", False)),
        expose_release=_flag(f"{place}.expose_release", entry.get("expose_release", False)),
        first_byte_timeout=_seconds(f"{place}.first_byte_timeout", entry.get("first_byte_timeout", 60.0)),
        body_limit=None if limit is None else _whole(f"{place}.body_limit", limit),
        static=None if static is None else _static(f"{place}.static", static),
        sign_in=None if passes is None else _digests(f"{place}.sign_in", passes),
        terms=read_terms(place, entry) if entry.keys() & TERMS else NOTHING_ASKED,
        slow_start=_seconds(f"{place}.slow_start", entry.get("slow_start", 0.0)),
        buffer=None if entry.get("buffer") is None else _buffer(f"{place}.buffer", entry["buffer"]),
        compress=_flag(f"{place}.compress", entry.get("compress", False)),
        canary=None if canary is None else _canary(f"{place}.canary", canary),
        protocol=_protocol(f"{place}.protocol", entry.get("protocol", HTTP1)),
    )


def _buffer(place: str, raw: object) -> Buffer:
    entry = _object(place, raw, allowed=set(Buffer.__dataclass_fields__))
    return Buffer(**{name: _whole(f"{place}.{name}", value) for name, value in entry.items()})


def _protocol(place: str, raw: object) -> str:
    if not isinstance(raw, str) or raw not in {HTTP1, H2C}:
        raise TableError(place, f'expected "{HTTP1}" or "{H2C}", what the targets speak')
    return raw


def _canary(place: str, raw: object) -> Canary:
    entry = _object(place, raw, allowed=set(Canary.__dataclass_fields__))
    for name in ("release", "targets"):
        if name not in entry:
            raise TableError(place, f"{name} is missing")
    percent = entry.get("percent", 0.0)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= _ALL:
        raise TableError(f"{place}.percent", "expected a percentage, 0 to 100")
    header = _text(f"{place}.header", entry.get("header", ""))
    if header and not _NAME.fullmatch(header):
        raise TableError(f"{place}.header", f"{header!r} is not the name of a header")
    values = _list(f"{place}.values", entry.get("values", []))
    return Canary(
        release=_text(f"{place}.release", entry["release"]),
        targets=_targets(f"{place}.targets", entry["targets"]),
        percent=float(percent),
        header=header,
        values=tuple(_value(f"{place}.values[{i}]", value) for i, value in enumerate(values)),
    )


def _value(place: str, raw: object) -> str:
    text = _text(place, raw)
    if not text.strip() or text != text.strip():
        raise TableError(place, "expected text without spaces around it")
    return text


def _targets(place: str, raw: object) -> tuple[str, ...]:
    return tuple(_target(f"{place}[{i}]", target) for i, target in enumerate(_list(place, raw)))


def _static(place: str, raw: object) -> StaticRoot:
    entry = _object(place, raw, allowed={"root", "spa", "earlier"})
    for name, folder in (("root", entry.get("root")), ("earlier", entry.get("earlier", "/"))):
        if not isinstance(folder, str) or not folder.startswith("/") or "\0" in folder:
            raise TableError(f"{place}.{name}", "expected the absolute path of a folder")
    return StaticRoot(entry["root"], _flag(f"{place}.spa", entry.get("spa", False)), entry.get("earlier", ""))


def _inside(place: str, raw: object) -> Inside:
    entry = _object(place, raw, allowed=set(Inside.__dataclass_fields__))
    for name in ("network", "address", "service", "release"):
        if name not in entry:
            raise TableError(place, f"{name} is missing")
    network, address = _network(f"{place}.network", entry["network"]), _v4(f"{place}.address", entry["address"])
    if IPv4Address(address) not in network:
        raise TableError(f"{place}.address", f"{address} is not in {network}")
    static, replicas = entry.get("static"), _list(f"{place}.replicas", entry.get("replicas", []))
    if static is not None and replicas:
        raise TableError(f"{place}.static", "a service has replicas or static files, not both")
    ports = _ports(f"{place}.ports", entry.get("ports", []))
    return Inside(
        network=str(network),
        address=address,
        service=_text(f"{place}.service", entry["service"]),
        release=_text(f"{place}.release", entry["release"]),
        replicas=tuple(_v4(f"{place}.replicas[{i}]", replica) for i, replica in enumerate(replicas)),
        ports=ports,
        http=_ports(f"{place}.http", entry.get("http", [])),
        project=_text(f"{place}.project", entry.get("project", "")),
        static=None if static is None else _static(f"{place}.static", static),
    )


def _digests(place: str, raw: object) -> tuple[str, ...]:
    found = _list(place, raw)
    for index, digest in enumerate(found):
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise TableError(f"{place}[{index}]", "expected a SHA-256 digest: 64 lower-case hex digits")
    return tuple(str(digest) for digest in found)


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


def _certificate(place: str, raw: object) -> Certificate:
    entry = _object(place, raw, allowed={"names", "chain", "key"})
    for name in ("names", "chain", "key"):
        if name not in entry:
            raise TableError(place, f"{name} is missing")
    names = _list(f"{place}.names", entry["names"])
    return Certificate(
        names=tuple(_host(f"{place}.names[{i}]", name) for i, name in enumerate(names)),
        chain=_text(f"{place}.chain", entry["chain"]),
        key=_text(f"{place}.key", entry["key"]),
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
    text = _text(place, raw)
    try:
        split_target(text)
    except ValueError:
        raise TableError(place, f"{text!r} is not address:port") from None
    return text


def _v4(place: str, raw: object) -> str:
    try:
        return str(IPv4Address(_text(place, raw)))
    except ValueError:
        raise TableError(place, f"{raw!r} is not an IPv4 address") from None


def _network(place: str, raw: object) -> IPv4Network:
    try:
        return IPv4Network(_text(place, raw))
    except ValueError:
        raise TableError(place, f"{raw!r} is not an IPv4 network") from None


def _ports(place: str, raw: object) -> tuple[int, ...]:
    found = tuple(_whole(f"{place}[{i}]", port) for i, port in enumerate(_list(place, raw)))
    for index, port in enumerate(found):
        if not 0 < port <= _MAX_PORT:
            raise TableError(f"{place}[{index}]", f"{port} is not a port")
    return found
