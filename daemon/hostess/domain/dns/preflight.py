"""Whether an authority could issue a certificate for a host now, as far as DNS and this host itself can tell, and what is in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from hostess.domain.certificates.names import is_address
from hostess.domain.certificates.order import Kind
from hostess.domain.dns.caa import Permission, permission
from hostess.domain.dns.public_networks import is_private, owner_of
from hostess.domain.ports import Heard

LONGEST_NAME: Final = 40
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
UNKNOWN: Final = "<this host's public address>"


class Seen(StrEnum):
    """Who answered a request for a challenge at port 80 of an address."""

    US = "us"
    OTHER = "other"
    """Something else did, or nothing."""
    REDIRECT = "redirect"
    """Somebody sends the client to HTTPS at the same host, where authorities follow: it cannot be told who would answer there."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; *evidence* is a clause ("refused the connection")."""

    seen: Seen
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Here:
    """Where we are. DNS should point to *addresses* (none: not known); *own* are those at its own interfaces, none behind a NAT."""

    addresses: tuple[str, ...]
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about a *domain*, with the asterisk where it has one.

    *replies* are by address; addresses that were not asked have none. *caa* are the records at *caa_at*. *address_fault* and
    *caa_fault* tell why DNS could not be asked, "" where it could.
    """

    domain: str
    addresses: tuple[str, ...] = ()
    replies: Mapping[str, Reply] = field(default_factory=dict)
    caa_at: str = ""
    caa: tuple[str, ...] = ()
    address_fault: str = ""
    caa_fault: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """What issuing is done with: the names that authorities have in CAA records (none: not known), and whether there is a DnsWriter."""

    issuers: tuple[str, ...] = ()
    dns_writer: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence for people; *code* is stable. What *hinders* has to change before a certificate can be issued."""

    code: str
    sentence: str
    hinders: bool = True


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to make, or to *remove*."""

    kind: str
    name: str
    value: str
    remove: bool = False

    @property
    def brief(self) -> str:
        """Kind and value, as in "A 203.0.113.7" or "no AAAA 2001:db8::7"."""
        return f"{'no ' if self.remove else ''}{self.kind} {self.value}"


@dataclass(frozen=True, slots=True)
class Preflight:
    """What follows for a domain: *records* are those to make in DNS so that it leads here and may have a certificate."""

    domain: str
    findings: tuple[Finding, ...] = ()
    records: tuple[DnsRecord, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing that is known hinders."""
        return not any(finding.hinders for finding in self.findings)

    @property
    def pending(self) -> str:
        """What to make, on one line; "" when nothing is."""
        return ", ".join(
            each.brief if each.name == self.domain else f"{each.brief} at {each.name}" for each in self.records
        )

    @property
    def verdict(self) -> str:
        """All in one sentence."""
        if self.ready:
            return f"{self.domain} is ready: nothing keeps authorities from issuing a certificate for it"
        return f"{self.domain} is not ready: no certificate can be issued for it yet"


def reply_of(heard: Heard, host: str, answer: str) -> Reply:
    """Return who it was that was heard, when *answer* is what we would say."""
    if heard.fault:
        return Reply(Seen.OTHER, heard.fault)
    if heard.status == HTTPStatus.OK and heard.body.strip() == answer:
        return Reply(Seen.US)
    server = "".join(letter for letter in heard.server[:LONGEST_NAME] if letter.isprintable())
    said = f"answers {heard.status}{f' ({server})' if server else ''}"
    secure = heard.location.lower().startswith(f"https://{host}/")
    return Reply(Seen.REDIRECT if secure and heard.status in _REDIRECTS else Seen.OTHER, said)


def judge(found: Found, here: Here, means: Means) -> Preflight:
    """Return what follows from what was found. A wildcard leads nowhere: it has to be written for, and CAA has to permit it."""
    wild = found.domain.startswith("*.")
    findings = _wildcard(found, means) if wild else _leading(found, here)
    hindered = any(finding.hinders for finding in findings)
    records = _to_make(found, here) if hindered and not wild else ()
    forbidden, permitting = _caa(found, means)
    return Preflight(found.domain, (*findings, *forbidden), (*records, *permitting))


def privately(found: Found, here: Here) -> Preflight:
    """Return what follows for a name that nobody can own: it needs no authority, but has to lead here in a DNS of its own."""
    domain = found.domain
    what = f"no public authority issues certificates for {domain}: it gets one of this installation's own authority by itself"
    places = Here(here.addresses or tuple(sorted(here.own)), here.own)
    led = any(address in here.own or _leads_here(address, found, places) for address in found.addresses)
    records = () if led or is_local(domain) else _to_make(replace(found, addresses=()), places)
    return Preflight(domain, (Finding("not-public", what),), records)


def is_local(domain: str) -> bool:
    """Whether a name leads each host to itself (RFC 6761 §6.3), or is no name but an address: DNS has no say."""
    return domain.rpartition(".")[2] == "localhost" or is_address(domain)


def _wildcard(found: Found, means: Means) -> tuple[Finding, ...]:
    if means.dns_writer:
        return ()
    what = f"certificates for {found.domain} take records that are written into its zone (dns-01), and acme.dns.provider is not set"
    return (Finding("wildcard-needs-dns", what),)


def _leading(found: Found, here: Here) -> tuple[Finding, ...]:
    """Return where the addresses of a host lead, as far as that matters."""
    domain = found.domain
    if found.address_fault:
        return (Finding("dns-failed", f"where {domain} leads could not be found out: {found.address_fault}"),)
    if not found.addresses:
        return (Finding("no-record", f"{domain} has no A and no AAAA record"), *_unknown(here))
    astray = [address for address in found.addresses if not _leads_here(address, found, here)]
    if not astray:
        return tuple(_passing(found, here))
    if len(astray) == len(found.addresses):
        return (*_elsewhere(found, astray), *_unknown(here))
    return _partly(domain, astray, [address for address in found.addresses if address not in astray])


def _leads_here(address: str, found: Found, here: Here) -> bool:
    """Whether requests to an address arrive here: it is ours by its number, or we heard ourselves there."""
    return address in here.addresses or (address in found.replies and found.replies[address].seen is Seen.US)


def _passing(found: Found, here: Here) -> list[Finding]:
    """Return what should be known of addresses that lead here."""
    findings = []
    cdns = {owner.name for address in found.addresses if (owner := owner_of(address)) and owner.cdn}
    for name in sorted(cdns):
        what = f"{found.domain} leads here by way of {name}, which has to pass on requests below /.well-known/acme-challenge/"
        findings.append(Finding("behind-cdn", what, hinders=False))
    for address, reply in found.replies.items():
        # Of an address that a NAT has, what is heard from inside says little: many answer there themselves.
        if address in here.own and reply.seen is not Seen.US:
            what = (
                f"port 80 of {address} {reply.evidence}, where Hostess's proxy should answer: "
                "unless port 443 is its own, no certificate can be issued"
            )
            findings.append(Finding("port-80", what, hinders=False))
    return findings


def _elsewhere(found: Found, astray: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding for a host none of whose addresses leads here."""
    domain, listed = found.domain, _listed(astray)
    owners = {owner_of(address) for address in astray}
    if all(map(is_private, astray)):
        what = f"{domain} leads to {listed}, which nobody can reach from the internet, and no authority either"
        return (Finding("private-address", what),)
    owner = owners.pop() if len(owners) == 1 else None
    if owner is None:
        heard = next((reply.evidence for reply in found.replies.values() if reply.evidence), "")
        return (Finding("elsewhere", f"{domain} leads to {listed}, not to this host{f' ({heard})' if heard else ''}"),)
    if not owner.cdn:
        return (Finding("elsewhere", f"{domain} leads to {listed}, which is {owner.name}, not to this host"),)
    if any(reply.seen is Seen.REDIRECT for reply in found.replies.values()):
        what = f"{domain} is behind a CDN: {owner.name} sends clients to HTTPS, so it cannot be seen from here whether it leads here"
        return (Finding("behind-cdn", what, hinders=False),)
    what = (
        f"{domain} is behind a CDN: {owner.name} answers for it at {listed} and does not lead to this host; make this host the "
        "origin there, or have DNS point here without it"
    )
    return (Finding("behind-cdn", what),)


def _partly(domain: str, astray: Sequence[str], right: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding for a host some of whose addresses lead here."""
    kinds, others = set(map(_kind, astray)), set(map(_kind, right))
    if kinds == {"AAAA"} and others == {"A"}:
        what = (
            f"{domain} leads here by its A record, but its AAAA record leads to {_listed(astray)}: authorities, and most browsers, "
            "take IPv6 first"
        )
        return (Finding("stale-aaaa", what),)
    if kinds == {"A"} and others == {"AAAA"}:
        what = f"{domain} leads here by its AAAA record, but its A record leads to {_listed(astray)}"
        return (Finding("stale-a", what),)
    what = f"{domain} leads to {_listed(right)}, which is this host, and to {_listed(astray)}, which is not: each request takes one of them"
    return (Finding("mixed", what),)


def _unknown(here: Here) -> tuple[Finding, ...]:
    if here.addresses:
        return ()
    what = (
        "the public address of this host is not known: set public_address, so that it can be told which record to make"
    )
    return (Finding("address-unknown", what, hinders=False),)


def _to_make(found: Found, here: Here) -> tuple[DnsRecord, ...]:
    """Return the records of addresses to make and to remove."""
    astray = [address for address in found.addresses if not _leads_here(address, found, here)]
    if found.addresses and not astray:
        return ()
    if not here.addresses:
        return (DnsRecord("A", found.domain, UNKNOWN),)
    missing = [address for address in here.addresses if address not in found.addresses]
    # A record that is made takes the place of what is there of its kind; all other ones have to go.
    replaced = set(map(_kind, missing))
    gone = [] if found.address_fault else [address for address in astray if _kind(address) not in replaced]
    made = [DnsRecord(_kind(address), found.domain, address) for address in missing]
    return (*made, *(DnsRecord(_kind(address), found.domain, address, remove=True) for address in gone))


def _caa(found: Found, means: Means) -> tuple[tuple[Finding, ...], tuple[DnsRecord, ...]]:
    """Return whether CAA is in the way, and the record that would permit it."""
    domain = found.domain
    if found.caa_fault:
        what = f"the CAA records of {domain} could not be read, and authorities issue nothing then: {found.caa_fault}"
        return (Finding("caa-unreadable", what),), ()
    permitted = permission(domain, found.caa, means.issuers)
    if permitted.given:
        return tuple(_methods(found, permitted, means)), ()
    told = f"CAA records at {found.caa_at} let {_listed(permitted.named) or 'nobody'} issue for {domain}"
    if not means.issuers:
        what = f"{told}; what the authority calls itself there is not known"
        return (Finding("caa-unchecked", what, hinders=False),), ()
    tag = "issuewild" if domain.startswith("*.") and any(" issuewild " in each for each in found.caa) else "issue"
    record = DnsRecord("CAA", found.caa_at, f'0 {tag} "{means.issuers[0]}"')
    return (Finding("caa", f"{told}, not {means.issuers[0]}"),), (record,)


def _methods(found: Found, permitted: Permission, means: Means) -> list[Finding]:
    """Return what CAA has against all ways in which a domain would be proven (RFC 8657)."""
    possible = _possible(found.domain, means)
    if permitted.kinds is None or permitted.kinds & possible:
        return []
    only = _listed(sorted(permitted.kinds)) or "nothing"
    what = f"CAA records at {found.caa_at} let names be proven by {only} only; {found.domain} is proven by {_listed(sorted(possible))}"
    return [Finding("caa-methods", what)]


def _possible(domain: str, means: Means) -> frozenset[str]:
    """Return the kinds of challenges by which a domain could be proven."""
    if domain.startswith("*."):
        return frozenset({str(Kind.DNS)})
    return frozenset({str(Kind.HTTP), str(Kind.ALPN), *([str(Kind.DNS)] if means.dns_writer else [])})


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _listed(values: Sequence[str]) -> str:
    return " and ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
