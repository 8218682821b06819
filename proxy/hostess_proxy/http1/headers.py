"""Which fields go on, which end here, and which are ours (RFC 9110 §7.6.1). Pure functions on bytes."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]

_HOP_BY_HOP = frozenset({
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
})  # fmt: skip
_OURS = frozenset({
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-real-ip",
    b"x-request-id",
    b"x-request-start",
})  # fmt: skip

DROPPED_IN_REQUESTS = _HOP_BY_HOP | _OURS | {b"forwarded", b"http2-settings", b"x-forwarded-server", b"x-forwarded-ssl"}
COLLECTED_IN_REQUESTS = _OURS | {
    b"accept",
    b"connection",
    b"content-length",
    b"expect",
    b"host",
    b"idempotency-key",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
}
# What the proxy itself says in an answer must not come from a backend, too.
DROPPED_IN_RESPONSES = _HOP_BY_HOP | {b"x-request-id", b"x-hostess-error", b"x-hostess-release"}
COLLECTED_IN_RESPONSES = frozenset({b"connection", b"content-length", b"transfer-encoding", b"upgrade"})

BY_TLS = b"\r\nX-Forwarded-Proto: https\r\n"
"""Stands in the lines about a client that came by TLS."""
CLIENT = b"\r\nX-Real-IP: "
"""Stands before the client's address in the same lines."""
PREFIX = b"\r\nX-Forwarded-Prefix: "
"""Stands before what proxies in front of this one have cut off the path, if they say so."""

# What a trusted proxy says of these is passed on as it is.
_KEPT = (b"X-Forwarded-Proto: ", b"X-Forwarded-Port: ", b"X-Forwarded-Host: ", PREFIX.lstrip())

# A sender must not be able to remove, by naming them in Connection, fields that say who and what a request is.
_PROTECTED = _OURS | {
    b"authorization",
    b"close",
    b"content-length",
    b"content-type",
    b"cookie",
    b"host",
    b"keep-alive",
    b"set-cookie",
    b"upgrade",
}


def without_named_in_connection(lines: list[bytes], tokens: frozenset[bytes]) -> list[bytes]:
    """Return the lines without those whose names stand in Connection; protected names stay."""
    named = tokens - _PROTECTED
    if not named:
        return lines
    return [line for line in lines if line.partition(b":")[0].lower() not in named]


def is_trusted(address: str, networks: Networks) -> bool:
    """Whether *address* lies in one of the networks whose X-Forwarded-* is believed."""
    return bool(networks) and lies_in(ip_of(address), networks)


def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address as a value, None when it is none; IPv4 is IPv4 in whatever clothes."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def lies_in(ip: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    """Whether an address lies in one of the networks."""
    return ip is not None and any(ip in network for network in networks)


def forwarding_fields(address: str, port: int, scheme: bytes) -> bytes:
    """Return the lines that tell a backend about a client nobody vouches for, the same for a whole connection.

    They end with the name X-Forwarded-Host; its value is the request's.
    """
    client = address.encode("ascii", "replace")
    return (
        b"X-Forwarded-For: %b\r\nX-Real-IP: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\nX-Forwarded-Host: "
        % (client, client, scheme, port)
    )


def trusted_forwarding_fields(address: str, told: Mapping[bytes, list[bytes]], networks: Networks, own: bytes) -> bytes:
    """Return the same lines where the peer is a trusted proxy: its chain is continued, its other words are kept.

    The client is the right-most address that is not trusted. *own* are the lines of `forwarding_fields` with the request's Host.
    """
    chain = [hop for value in told.get(b"x-forwarded-for", ()) for hop in _hops(value)]
    if not chain:
        client = address.encode()
    else:
        outside = (hop for hop in reversed(chain) if not is_trusted(hop.decode("latin-1"), networks))
        client = next(outside, chain[0])
    lines = {line.partition(b":")[0].lower(): line for line in own.split(b"\r\n")}
    lines[b"x-forwarded-for"] = b"X-Forwarded-For: " + b", ".join([*chain, address.encode()])
    lines[b"x-real-ip"] = b"X-Real-IP: " + client
    for label in _KEPT:
        name = label.partition(b":")[0].lower()
        values = told.get(name)
        if values:
            lines[name] = label + values[-1]
    return b"\r\n".join([*lines.values(), b""])


def _hops(value: bytes) -> Iterable[bytes]:
    return (hop for hop in (part.strip(b" \t") for part in value.split(b",")) if hop)
