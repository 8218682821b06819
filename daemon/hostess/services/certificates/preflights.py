"""Looks whether authorities could issue certificates for hosts now: what DNS says, and who answers where it leads."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

from hostess.domain.certificates.names import name_fault, spelled
from hostess.domain.certificates.wanted import public
from hostess.domain.dns.caa import climb
from hostess.domain.dns.preflight import Found, Here, Means, Preflight, Reply, is_local, judge, privately, reply_of
from hostess.domain.dns.public_networks import is_private
from hostess.domain.ports import ChallengeProbe, Clock, NameServers
from hostess.domain.problem import Problem

log = logging.getLogger(__name__)

WITHIN = timedelta(seconds=5)
AT_ONCE = 20
MOST_ADDRESSES = 16
"""So many a host may have: each is asked, and whoever runs a domain's name servers must not choose whom we ask a thousand times."""
TOKEN_BITS = 128


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is asked: DNS, and addresses. *recognised* has the proxy give an answer to a token while it is open."""

    servers: NameServers
    probe: ChallengeProbe
    recognised: Callable[[str, str], AbstractAsyncContextManager[None]]


class Preflights:
    """Checks of hosts. *here* tells where DNS should lead, *means* what issuing is done with."""

    def __init__(self, outlook: Outlook, clock: Clock, here: Callable[[], Here], means: Means) -> None:
        self._outlook = outlook
        self._clock = clock
        self._here = here
        self._means = means
        self._places = asyncio.Semaphore(AT_ONCE)

    async def check_one(self, name: str, within: timedelta = WITHIN) -> Preflight:
        """Check a name as people write it; Problem "domain-invalid" where no certificate can be for it."""
        domain = spelled(name)
        fault = name_fault(domain)
        if fault:
            remedy = "give a host name such as shop.example.com, or a wildcard such as *.example.com"
            raise Problem("domain-invalid", f'"{name[:253]}" {fault}', remedy=remedy)
        [checked] = await self.check([domain], within)
        return checked

    async def check(self, domains: Sequence[str], within: timedelta = WITHIN) -> list[Preflight]:
        """Return what follows for each of these, in their order; DNS, and then each address, is given so much time."""
        here = self._here()
        found = await asyncio.gather(*(self._looked_up(domain, within) for domain in dict.fromkeys(domains)))
        heard = await self._heard(found, here, within)
        judged = {each.domain: self._judged(each, here) for each in heard}
        return [judged[domain] for domain in domains]

    def _judged(self, found: Found, here: Here) -> Preflight:
        return judge(found, here, self._means) if public(_bare(found.domain)) else privately(found, here)

    async def _looked_up(self, domain: str, within: timedelta) -> Found:
        """Return what DNS says of a domain."""
        found = Found(domain)
        async with self._places:
            if not domain.startswith("*.") and not is_local(domain):
                try:
                    four, six = await asyncio.gather(
                        *(self._outlook.servers.records(domain, kind, within) for kind in ("A", "AAAA"))
                    )
                except Problem as problem:
                    return replace(found, address_fault=str(problem))
                found = _with_addresses(found, (*four, *six))
            return await self._with_caa(found, within) if public(_bare(domain)) else found

    async def _with_caa(self, found: Found, within: timedelta) -> Found:
        """Return it with the CAA records that count (RFC 8659 §3): those of the nearest name that has any."""
        names = climb(found.domain)
        asked = await asyncio.gather(
            *(self._outlook.servers.records(name, "CAA", within) for name in names), return_exceptions=True
        )
        for name, answer in zip(names, asked, strict=True):
            if isinstance(answer, Problem):
                return replace(found, caa_fault=str(answer))
            if isinstance(answer, BaseException):
                raise answer
            if answer:
                return replace(found, caa_at=name, caa=answer)
        return found

    async def _heard(self, found: Iterable[Found], here: Here, within: timedelta) -> list[Found]:
        """Return each with who answered at its addresses; without that where our proxy cannot be told what to answer."""
        looked = list(found)
        if not any(self._worth(address, here) for each in looked for address in each.addresses):
            return looked
        token = self._clock.token(TOKEN_BITS)
        answer = f"{token}.{self._clock.token(TOKEN_BITS)}"
        try:
            async with self._outlook.recognised(token, answer):
                return list(await asyncio.gather(*(self._asked(each, here, token, answer, within) for each in looked)))
        except Problem as problem:
            log.info("nobody was asked whether domains lead here: %s", problem)
            return looked

    async def _asked(self, found: Found, here: Here, token: str, answer: str, within: timedelta) -> Found:
        async def one(address: str) -> Reply:
            async with self._places:
                heard = await self._outlook.probe.ask(found.domain, address, token, within)
            return reply_of(heard, found.domain, answer)

        addresses = [address for address in found.addresses if self._worth(address, here)]
        replies = await asyncio.gather(*map(one, addresses))
        return replace(found, replies=dict(zip(addresses, replies, strict=True)))

    def _worth(self, address: str, here: Here) -> bool:
        """Whether to ask at an address: not at one of a private network, where no public authority (one that is known) comes."""
        return address in here.addresses or not is_private(address) or not self._means.issuers


def _with_addresses(found: Found, addresses: tuple[str, ...]) -> Found:
    if len(addresses) > MOST_ADDRESSES:
        return replace(found, address_fault=f"it has {len(addresses)} addresses, more than {MOST_ADDRESSES}")
    return replace(found, addresses=addresses)


def _bare(domain: str) -> str:
    return domain.removeprefix("*.")
