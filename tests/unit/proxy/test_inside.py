"""What is spoken on a connection is told by its first bytes, wherever they are cut."""

import pytest

from hostess_proxy.inside.listener import speaks_http
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.targets import Targets

INSIDE = {"network": "10.9.0.0/24", "address": "10.9.0.192", "service": "api", "release": "1"}


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n",
        b"POST /x?y=1 HTTP/1.0\r\nHost: a\r\n\r\nbody",
        b"PROPFIND /a HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
    ],
)
def test_http(data: bytes) -> None:
    """A request line is HTTP, as soon as it is whole; a part of it leaves the question open."""
    line = data[: data.index(b"\n") + 1]

    assert speaks_http(data) is True
    assert {speaks_http(line[:size]) for size in range(1, len(line))} == {None}


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # PostgreSQL asks for TLS
        b"AMQP\x00\x00\x09\x01",
        b"get key\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"GET / HTTP/1.12\r\n",
        b"GET http://elsewhere/ HTTP/1.1\r\n",  # asks a proxy
        b"CONNECT elsewhere:443 HTTP/1.1\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"\n",
    ],
)
def test_other(data: bytes) -> None:
    """Everything else is not."""
    assert speaks_http(data) is False


def test_endless_address() -> None:
    """An address that does not end is HTTP's to refuse."""
    assert speaks_http(b"GET /" + b"a" * 100_000) is True


def test_unlisted_ports_leave_no_trace() -> None:
    """A caller that tries all ports of a service costs no memory: what no table lists is forgotten at the next look."""
    targets = Targets()
    targets.swap(parse_table({"inside": [{**INSIDE, "replicas": ["10.9.0.2"], "ports": [8000]}]}))

    for port in range(1, 1000):
        assert targets.table.inside("10.9.0.192", port) is not None
    targets.sweep(0.0)

    assert list(targets.in_flight()) == ["10.9.0.2:8000"]
