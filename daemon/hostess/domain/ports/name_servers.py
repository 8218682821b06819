"""DNS: what a name's records say, and a place to put records for dns-01."""

from datetime import timedelta
from typing import Protocol


class NameServers(Protocol):
    """DNS, asked for single record types; what the system's resolver knows from elsewhere (a hosts file) does not count."""

    async def records(self, name: str, kind: str, timeout: timedelta) -> tuple[str, ...]:
        """Return the values of the records of one *kind* ("A", "AAAA", "CAA", "CNAME", "NS", "SOA", "TXT"), in their text form, sorted.

        Aliases are followed. Empty where the name or the kind does not exist; Problem "dns-failed" when no name server gave an answer.
        """


class DnsWriter(Protocol):
    """Somebody who can put TXT records into a zone, for dns-01. Problem "dns-write-failed"."""

    async def present(self, name: str, value: str) -> None:
        """Make *value* one of the TXT records of *name*; return when the zone's name servers give it out."""

    async def clear(self, name: str, value: str) -> None:
        """Take it away again; no error when it is not there."""
