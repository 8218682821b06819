"""Records for dns-01 by dynamic updates (RFC 2136), signed with TSIG (RFC 8945): BIND, Knot, PowerDNS and many providers take them."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from hostess.adapters.dns.tsig_key import tsig_key
from hostess.domain.dns.caa import climb
from hostess.domain.ports import Clock, NameServers
from hostess.domain.problem import Problem
from hostess.domain.settings import DnsSettings
from hostess.domain.settings_kinds import Address

TTL = 60
LONGEST_CHAIN = 8
ANSWERS_WITHIN = timedelta(seconds=10)
LOOKS_AGAIN = 1.0
"""Seconds between two looks at name servers that do not give a record out yet."""
_REFUSALS = {
    dns.rcode.REFUSED: "it does not let us change this name",
    dns.rcode.NOTAUTH: "it is not responsible for this zone, or does not take the key",
    dns.rcode.NOTZONE: "the name is not in this zone",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record belongs: its *name*, when aliases are followed, and the *zone* that it is in."""

    name: str
    zone: str


class UpdateDnsWriter:
    """DnsWriter on a server that takes updates. *port* is where the zone's name servers are asked, another one in tests."""

    def __init__(
        self, settings: DnsSettings, server: Address, servers: NameServers, clock: Clock, port: int = 53
    ) -> None:
        self._settings = settings
        self._server = server
        self._servers = servers
        self._clock = clock
        self._port = port

    async def present(self, name: str, value: str) -> None:
        """Add the record, and wait until each of the zone's name servers gives it out."""
        place = await self._place(name)
        update = self._update(place)
        update.add(_absolute(place.name), TTL, "TXT", f'"{value}"')
        await self._send(update, place)
        await self._given_out(place, value)

    async def clear(self, name: str, value: str) -> None:
        """Take the record away; other values of the name stay."""
        place = await self._place(name)
        update = self._update(place)
        update.delete(_absolute(place.name), "TXT", f'"{value}"')
        await self._send(update, place)

    async def _place(self, name: str) -> _Place:
        """Return where the record of *name* belongs."""
        target = await self._target(name)
        if self._settings.zone:
            return _Place(target, self._settings.zone)
        for zone in climb(target):
            if await self._servers.records(zone, "SOA", ANSWERS_WITHIN):
                return _Place(target, zone)
        raise _failed(f"no zone was found that {target} is in", "set acme.dns.zone")

    async def _target(self, name: str) -> str:
        """Return where the records of a name are that is an alias: people lead `_acme-challenge` into a zone of its own.

        An alias that every name beside it has comes from a wildcard, and ends where the name has a record of its own.
        """
        for _ in range(LONGEST_CHAIN):
            beside = f"{self._clock.token(64)}.{name.partition('.')[2]}"
            asked = (self._servers.records(each, "CNAME", ANSWERS_WITHIN) for each in (name, beside))
            aliases, wild = await asyncio.gather(*asked)
            if not aliases or aliases == wild:
                return name
            name = aliases[0].rstrip(".")
        raise _failed(f"{name} is an alias of an alias, more than {LONGEST_CHAIN} times", "make fewer of them")

    def _update(self, place: _Place) -> dns.update.UpdateMessage:
        key = tsig_key(self._settings)
        return dns.update.UpdateMessage(_absolute(place.zone), keyring=key, keyname=key.name if key else None)

    async def _send(self, update: dns.update.UpdateMessage, place: _Place) -> None:
        """Have the server make a change; over TCP, as nothing is lost there and its answer comes once."""
        who = f"the name server {self._server}"
        try:
            address = await self._address()
            answer = await dns.asyncquery.tcp(
                update, address, timeout=ANSWERS_WITHIN.total_seconds(), port=self._server.port
            )
        except dns.tsig.PeerError as error:
            raise _failed(f"{who} does not take the key: {error}", _KEY_REMEDY) from error
        except dns.exception.FormError as error:
            # A server signs no answer about a zone that it does not have; dnspython gives such an answer to nobody.
            what = f"{who} gave an answer without a signature: it is not responsible for {place.zone}, or does not take the key"
            raise _failed(what, _KEY_REMEDY) from error
        except dns.exception.Timeout:
            raise _failed(f"{who} did not answer within {ANSWERS_WITHIN.total_seconds():g} s", _SERVER_REMEDY) from None
        except (OSError, EOFError, dns.exception.DNSException) as error:
            raise _failed(f"{who} could not be asked: {error}", _SERVER_REMEDY) from error
        if answer.rcode() != dns.rcode.NOERROR:
            reason = _REFUSALS.get(answer.rcode(), "see its log")
            what = (
                f"{who} refused to change {place.name} in {place.zone} ({dns.rcode.to_text(answer.rcode())}): {reason}"
            )
            raise _failed(what, _KEY_REMEDY)

    async def _address(self) -> str:
        """Return an address of the server that takes updates."""
        loop, limit = asyncio.get_running_loop(), ANSWERS_WITHIN.total_seconds()
        try:
            async with asyncio.timeout(limit):
                found = await loop.getaddrinfo(self._server.host, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            what = f"the address of the name server {self._server} was not found within {limit:g} s"
            raise _failed(what, _SERVER_REMEDY) from None
        return str(found[0][4][0])

    async def _given_out(self, place: _Place, value: str) -> None:
        """Return when each of the zone's name servers gives a record out; Problem when one still does not at the end."""
        waiting = [each.rstrip(".") for each in await self._servers.records(place.zone, "NS", ANSWERS_WITHIN)]
        try:
            async with asyncio.timeout(self._settings.propagation_timeout.total_seconds()):
                while waiting:
                    gives = await asyncio.gather(*(self._gives(server, place, value) for server in waiting))
                    waiting = [server for server, given in zip(waiting, gives, strict=True) if not given]
                    if waiting:
                        await self._clock.sleep(LOOKS_AGAIN)
        except TimeoutError:
            limit = self._settings.propagation_timeout.total_seconds()
            what = f"{' and '.join(waiting)} did not give out the new TXT record of {place.name} within {limit:g} s"
            remedy = "look whether the zone's name servers follow each other; acme.dns.propagation_timeout says how long to wait"
            raise _failed(what, remedy) from None

    async def _gives(self, server: str, place: _Place, value: str) -> bool:
        """Whether a name server, at one of its addresses, has the record."""
        try:
            found = await asyncio.gather(
                *(self._servers.records(server, kind, ANSWERS_WITHIN) for kind in ("A", "AAAA"))
            )
        except Problem:
            return False
        for address in (each for addresses in found for each in addresses):
            if value in await self._texts(address, place.name):
                return True
        return False

    async def _texts(self, address: str, name: str) -> Iterable[str]:
        """Return the texts that an address has for a name; none when it cannot be asked."""
        question = dns.message.make_query(_absolute(name), dns.rdatatype.TXT)
        limit = ANSWERS_WITHIN.total_seconds() / 2
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(question, address, timeout=limit, port=self._port)
        except (OSError, EOFError, dns.exception.DNSException):
            return ()
        rdatas = (rdata for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset)
        return [b"".join(rdata.strings).decode("ascii", "replace") for rdata in rdatas]


_KEY_REMEDY = (
    "look at acme.dns.key_name, acme.dns.key_file and acme.dns.algorithm, and at what the name server lets this key do"
)
_SERVER_REMEDY = "look at acme.dns.server, and whether the name server takes TCP from here"


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name.rstrip(".") + ".")


def _failed(what: str, remedy: str) -> Problem:
    return Problem("dns-write-failed", what, serving="certificates that are served stay as they are", remedy=remedy)
