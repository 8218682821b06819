"""Records for dns-01: written into a real name server, and by a program."""

import asyncio
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.dns import writer_rfc2136
from hostess.adapters.dns.name_servers import DnsNameServers
from hostess.adapters.dns.writer_command import CommandDnsWriter
from hostess.adapters.dns.writer_rfc2136 import UpdateDnsWriter
from hostess.adapters.dns.writers import dns_writer_of
from hostess.domain.problem import Problem
from hostess.domain.settings import DnsSettings
from hostess.domain.settings_kinds import Address
from tests.name_server import KEY, KEY_NAME, NameServer, loopback, name_server

NAME, VALUE, OTHER = "_acme-challenge.example.com", "A-value_of-dns-01", "Another-value"
SECOND = loopback()
ZONES = {
    "example.com": "_acme-challenge.shop CNAME shop.challenges.example.net.\n",
    "challenges.example.net": "",
    "wild.example": "* CNAME shop\nshop A 192.0.2.1\n",
    "two.example": f"@ NS ns2\nns2 A {SECOND}\n",
    "sub.example.com": "a A 192.0.2.1\n",
}


@dataclass(frozen=True)
class Zones:
    """Two name servers: the second has the zone two.example alone."""

    first: NameServer
    second: NameServer


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[Zones]:
    """Run both."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    written = {zone: lines or "@ A 192.0.2.1\n" for zone, lines in ZONES.items()}
    with (
        name_server(tmp_path / "first", written) as first,
        name_server(tmp_path / "second", {"two.example": written["two.example"]}, SECOND) as second,
    ):
        yield Zones(first, second)


def writer(folder: Path, server: NameServer, asked: NameServer | None = None, **settings: object) -> UpdateDnsWriter:
    """Return a writer with a key that *server* takes; *asked* is the one that knows all zones."""
    key = folder / "dns.key"
    if not key.exists():
        key.write_text(KEY)
    given = {"provider": "rfc2136", "key_name": KEY_NAME, "key_file": key, "propagation_timeout": 20, **settings}
    known = asked or server
    return UpdateDnsWriter(
        DnsSettings.model_validate({**given, "server": str(Address(server.address, server.port))}),
        Address(server.address, server.port),
        DnsNameServers([(known.address, known.port)]),
        SystemClock(),
        server.port,
    )


async def refused(writing: UpdateDnsWriter) -> Problem:
    """Return why a record was not written."""
    with pytest.raises(Problem) as caught:
        await writing.present(NAME, VALUE)
    assert caught.value.code == "dns-write-failed"
    return caught.value


async def test_a_record_is_made_and_taken_away(zones: Zones, tmp_path: Path) -> None:
    """The name server gives the value out when it is made, beside another, and no more when it is taken away; twice is no error."""
    writing = writer(tmp_path, zones.first)

    await writing.present(NAME, VALUE)
    await writing.present(NAME, OTHER)
    await writing.present(NAME, OTHER)
    assert zones.first.values(NAME, "TXT") == [f'"{VALUE}"', f'"{OTHER}"']
    await writing.clear(NAME, VALUE)
    await writing.clear(NAME, VALUE)

    assert zones.first.values(NAME, "TXT") == [f'"{OTHER}"']


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("_acme-challenge.sub.example.com", "_acme-challenge.sub.example.com"),
        ("_acme-challenge.shop.example.com", "shop.challenges.example.net"),
        ("_acme-challenge.wild.example", "_acme-challenge.wild.example"),
    ],
)
async def test_the_zone_is_found(zones: Zones, tmp_path: Path, name: str, there: str) -> None:
    """The nearest zone is changed; where the name is an alias, the place that it leads to, but not for a wildcard's sake."""
    await writer(tmp_path, zones.first).present(name, VALUE)

    assert zones.first.values(there, "TXT") == [f'"{VALUE}"']


async def test_a_key_may_come_with_its_name(zones: Zones, tmp_path: Path) -> None:
    """The output of tsig-keygen is taken as it is, with the name and the algorithm in it."""
    text = f'key "{KEY_NAME}" {{\n\talgorithm hmac-sha256;\n\tsecret "{KEY}";\n}};\n'
    (tmp_path / "dns.key").write_text(text)

    await writer(tmp_path, zones.first, key_name="", algorithm="hmac-sha512").present(NAME, VALUE)

    assert zones.first.values(NAME, "TXT") == [f'"{VALUE}"']


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"key_name": "stranger"}, "does not take the key"),
        ({"key_file": None}, "refused to change _acme-challenge.example.com in example.com"),
        ({"zone": "elsewhere.example"}, "it is not responsible for elsewhere.example, or does not take the key"),
        ({"key_file": "/nonexistent/dns.key"}, "cannot be read: No such file or directory"),
    ],
)
async def test_what_the_server_does_not_take_is_told(
    zones: Zones, tmp_path: Path, settings: Mapping[str, object], said: str
) -> None:
    """A key that it does not know, none, a zone that is not its own, and a key file that is not there: each has its sentence."""
    problem = await refused(writer(tmp_path, zones.first, None, **settings))

    assert said in str(problem)
    assert "acme.dns" in problem.remedy or "tsig-keygen" in problem.remedy


@pytest.mark.parametrize(
    "text", ["d3Jvbmcgc2VjcmV0IHdyb25n", "not base64, this is", "", 'key "hostess" { secret ""; };']
)
async def test_a_wrong_secret_is_not_shown(zones: Zones, tmp_path: Path, text: str) -> None:
    """A secret that is wrong, or none, is refused in words that do not have it in them."""
    (tmp_path / "dns.key").write_text(text)

    problem = await refused(writer(tmp_path, zones.first))

    shown = f"{problem} {problem.remedy} {problem.tail} {problem.__cause__}"
    assert not any(len(word) > 6 and word in shown for word in text.split('"'))


async def test_it_waits_for_all_name_servers_of_the_zone(zones: Zones, tmp_path: Path) -> None:
    """A record counts as written once each name server that the zone names gives it out."""
    name = "_acme-challenge.two.example"
    writing = asyncio.create_task(writer(tmp_path, zones.first).present(name, VALUE))
    async with asyncio.timeout(25):
        while not zones.first.values(name, "TXT"):
            assert not writing.done()
            await asyncio.sleep(0.02)
    assert not writing.done()

    await writer(tmp_path, zones.second, zones.first, propagation_timeout=20).present(name, VALUE)
    await writing

    assert zones.second.values(name, "TXT") == [f'"{VALUE}"']


async def test_a_name_server_that_does_not_follow_is_named(zones: Zones, tmp_path: Path) -> None:
    """When the time is over the sentence says which name server lacks the record."""
    writing = writer(tmp_path, zones.first, propagation_timeout=0.5)

    with pytest.raises(
        Problem, match=r"ns2\.two\.example did not give out the new TXT record of .* within 0\.5 s"
    ) as caught:
        await writing.present("_acme-challenge.two.example", VALUE)

    assert "ns1" not in str(caught.value)


async def test_a_server_that_is_away_is_told(tmp_path: Path, zones: Zones) -> None:
    """Where nothing takes updates at the address that is set, that is a Problem."""
    away = NameServer(loopback(), zones.first.port)

    problem = await refused(writer(tmp_path, away, zones.first))

    assert f"the name server {away.address}:{away.port} could not be asked" in str(problem)


async def test_a_name_that_nobody_looks_up_in_time_is_told(
    tmp_path: Path, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system does not find the server's address in time, that is a Problem, and not an endless wait."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    writing = writer(tmp_path, zones.first)
    monkeypatch.setattr(writer_rfc2136, "ANSWERS_WITHIN", timedelta(seconds=1))
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)

    assert "was not found within 1 s" in str(await refused(writing))


def program(folder: Path, text: str) -> Path:
    """Return a program of the operator's."""
    path = folder / "dns"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_a_program_gets_name_and_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called with what to do as its argument, name and value in its environment, and nothing of the daemon's settings."""
    monkeypatch.setenv("HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY", "hush")
    said = f'echo "$1 $HOSTESS_DNS_NAME $HOSTESS_DNS_VALUE $HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY" >>{tmp_path}/said'
    writing = CommandDnsWriter(program(tmp_path, said), timedelta(seconds=20))

    await writing.present(NAME, VALUE)
    await writing.clear(NAME, VALUE)

    assert (tmp_path / "said").read_text() == f"present {NAME} {VALUE} \nclear {NAME} {VALUE} \n"


@pytest.mark.parametrize(
    ("text", "within", "what", "tail"),
    [
        (
            "echo asked the API; echo no such zone >&2; exit 3",
            20,
            "ended with exit code 3",
            ("asked the API", "no such zone"),
        ),
        ("echo waiting; exec sleep 60", 0.5, "did not end within 0.5 s", ("waiting",)),
    ],
)
async def test_a_program_that_fails_is_told_with_its_words(
    tmp_path: Path, text: str, within: float, what: str, tail: tuple[str, ...]
) -> None:
    """One that ends with anything but 0, or does not end, is a Problem with the last of what it said."""
    path = program(tmp_path, text)

    with pytest.raises(Problem) as caught:
        await CommandDnsWriter(path, timedelta(seconds=within)).present(NAME, VALUE)

    assert str(caught.value) == f"`{path} present` for {NAME} {what}"
    assert caught.value.tail == tail
    assert caught.value.code == "dns-write-failed"


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """One that cannot be started is a Problem that says why."""
    with pytest.raises(Problem, match="cannot be started: No such file or directory"):
        await CommandDnsWriter(tmp_path / "gone", timedelta(seconds=20)).clear(NAME, VALUE)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, type(None)),
        ({"provider": "command", "command": "/usr/local/bin/dns"}, CommandDnsWriter),
        ({"provider": "rfc2136", "server": "192.0.2.53"}, UpdateDnsWriter),
    ],
)
def test_the_settings_choose(settings: Mapping[str, object], kind: type) -> None:
    """Without a provider there is no writer; else it is that of the provider."""
    assert type(dns_writer_of(DnsSettings.model_validate(settings), DnsNameServers(), SystemClock())) is kind
