"""What a host's records say, asked of a real name server."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.dns.name_servers import DnsNameServers
from hostess.domain.problem import Problem
from tests.name_server import PORT, NameServer, loopback, name_server

WITHIN = timedelta(seconds=5)
SHOP = """
shop A 203.0.113.9
shop A 203.0.113.7
shop AAAA 2001:db8::7
shop CAA 0 issue "letsencrypt.org"
shop TXT "two" "parts"
www CNAME shop
far CNAME www.other.test.
broken CNAME www.broken.test.
nowhere CNAME gone
round CNAME about
about CNAME round
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    """Run a name server with two zones that are good and one that is broken."""
    zones = {"example.test": SHOP, "other.test": "www A 198.51.100.1\n", "broken.test": ""}
    with name_server(tmp_path_factory.mktemp("knot"), zones) as running:
        yield running


@pytest.fixture
def servers(server: NameServer) -> DnsNameServers:
    """Return what asks it."""
    return DnsNameServers([(server.address, server.port)])


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("shop.example.test", "A", ("203.0.113.7", "203.0.113.9")),
        ("SHOP.example.test.", "A", ("203.0.113.7", "203.0.113.9")),
        ("shop.example.test", "AAAA", ("2001:db8::7",)),
        ("shop.example.test", "CAA", ('0 issue "letsencrypt.org"',)),
        ("shop.example.test", "TXT", ('"two" "parts"',)),
        ("example.test", "NS", ("ns1.example.test.",)),
        ("www.example.test", "CNAME", ("shop.example.test.",)),
    ],
)
async def test_values_come_in_their_text_form(
    servers: DnsNameServers, name: str, kind: str, values: tuple[str, ...]
) -> None:
    """The records of a name and kind are returned as they are written in a zone, sorted, whatever the case of the name."""
    assert await servers.records(name, kind, WITHIN) == values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("www.example.test", ("203.0.113.7", "203.0.113.9")),
        ("far.example.test", ("198.51.100.1",)),
        ("nowhere.example.test", ()),
    ],
)
async def test_aliases_are_followed(servers: DnsNameServers, name: str, values: tuple[str, ...]) -> None:
    """An alias gives the records of what it leads to, in another zone too; none where that does not exist."""
    assert await servers.records(name, "A", WITHIN) == values


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gone.example.test", "A"),
        ("example.test", "AAAA"),
        ("a..example.test", "A"),
        (f"{'a' * 64}.example.test", "A"),
    ],
)
async def test_what_does_not_exist_has_no_records(servers: DnsNameServers, name: str, kind: str) -> None:
    """A name that does not exist, a kind that it has not, and a name that cannot exist have no records; none is an error."""
    assert await servers.records(name, kind, WITHIN) == ()


@pytest.mark.parametrize("name", ["www.broken.test", "broken.example.test", "www.elsewhere.test", "round.example.test"])
async def test_no_answer_is_not_the_same_as_no_record(servers: DnsNameServers, name: str) -> None:
    """Where the servers fail, refuse or lead round in circles, that is a Problem, and not an empty answer."""
    with pytest.raises(Problem) as caught:
        await servers.records(name, "A", WITHIN)

    assert caught.value.code == "dns-failed"


async def test_a_failing_server_is_named_by_what_it_said(servers: DnsNameServers) -> None:
    """The sentence has the name, the kind and the server's own word for what is wrong."""
    with pytest.raises(Problem, match=r"could not answer for www\.broken\.test \(CAA\): SERVFAIL"):
        await servers.records("www.broken.test", "CAA", WITHIN)


async def test_silence_ends() -> None:
    """Servers that say nothing are a Problem when the time is over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((loopback(), 0))
        servers = DnsNameServers([silent.getsockname()])

        with pytest.raises(Problem, match=r"no name server answered for example\.test \(A\) within 0\.3 s"):
            await servers.records("example.test", "A", timedelta(seconds=0.3))


async def test_a_server_that_is_away_is_made_up_for_by_the_next(server: NameServer) -> None:
    """Where several servers are named, one that is not there costs a moment and no answer."""
    servers = DnsNameServers([(loopback(), server.port), (server.address, server.port)])

    assert await servers.records("www.example.test", "A", WITHIN) == ("203.0.113.7", "203.0.113.9")


async def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    """Nothing is remembered: the next question has the answer of the servers as they are then."""
    address = loopback()
    servers = DnsNameServers([(address, PORT)])
    for value in ("192.0.2.1", "192.0.2.2"):
        with name_server(tmp_path, {"example.test": f"shop A {value}\n"}, address):
            assert await servers.records("shop.example.test", "A", WITHIN) == (value,)
