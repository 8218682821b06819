"""DNS asked with dnspython: the servers of resolv.conf, or those that the settings name."""

from collections.abc import Sequence
from datetime import timedelta

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdatatype import RdataType

from hostess.domain.problem import Problem

LONGEST_CHAIN = 8
"""How many aliases are followed that a server does not follow itself."""


class DnsNameServers:
    """NameServers on dnspython. Nothing is kept: an answer is what the servers say now."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        """*servers* are (address, port); those of resolv.conf, as it is at each question, where there are none."""
        self._servers = tuple(servers)

    async def records(self, name: str, kind: str, timeout: timedelta) -> tuple[str, ...]:
        """Return the values of the records of one *kind*, sorted."""
        try:
            asked = dns.name.from_text(name.rstrip(".") + ".")
        except (dns.exception.DNSException, UnicodeError):
            return ()  # nothing that could exist: a label too long, an empty one
        try:
            return await self._values(asked, RdataType.from_text(kind), timeout)
        except dns.resolver.NoResolverConfiguration:
            raise _failed(f"{name} could not be looked up: this host has no name servers in /etc/resolv.conf") from None
        except dns.exception.Timeout:
            what = f"no name server answered for {name} ({kind}) within {timeout.total_seconds():g} s"
            raise _failed(what) from None
        except dns.exception.DNSException as error:
            raise _failed(f"the name servers could not answer for {name} ({kind}): {_reason(error)}") from error
        except OSError as error:
            raise _failed(f"no name server could be asked for {name}: {error.strerror or error}") from error

    async def _values(self, name: dns.name.Name, kind: RdataType, timeout: timedelta) -> tuple[str, ...]:
        resolver = self._resolver()
        resolver.lifetime = timeout.total_seconds()
        # A single server that is slow, or whose first answer is lost, leaves time for another question.
        resolver.timeout = max(timeout.total_seconds() / 3, 0.1)
        for _ in range(LONGEST_CHAIN):
            try:
                answer = await resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN:
                return ()
            if answer.rrset is not None:
                return tuple(sorted({record.to_text() for record in answer.rrset}))
            if answer.canonical_name == name:
                return ()
            # A server that follows no aliases into zones of others tells where they lead.
            name = answer.canonical_name
        raise _failed(f"{name} is an alias of an alias, more than {LONGEST_CHAIN} times")

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if not self._servers:
            return dns.asyncresolver.Resolver()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers]
        return resolver


def _reason(error: dns.exception.DNSException) -> str:
    """Return what the servers said, without the addresses and ports that dnspython adds."""
    if isinstance(error, dns.resolver.NoNameservers):
        said = [str(each[3]) for each in error.kwargs.get("errors", ())]
        return ", ".join(dict.fromkeys(said)) or "none of them is usable"
    return str(error)


def _failed(what: str) -> Problem:
    return Problem(
        "dns-failed",
        what,
        serving="what is served does not change",
        remedy="try again; if it stays, look at the domain's name servers, or name others in acme.dns.servers",
    )
