"""Which certificates there should be by ACME, from what is routed."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.wanted import Host, HostKind, Policy, Wanted, hosts_of, wanted_certificates
from hostess.domain.environments import attributes
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.release import Release


class CertificateWants:
    """Reads the hosts of a table as what they are to their projects. *api_host* is the installation's own, "" for none."""

    def __init__(self, journal: Journal, policy: Policy, api_host: str) -> None:
        self._journal = journal
        self._policy = policy
        self._api_host = api_host

    async def of(
        self, routed: Mapping[str, str], waiting: Collection[str], certificates: Iterable[Certificate]
    ) -> tuple[Wanted, ...]:
        """Return what is wanted for the hosts that are *routed* (to whom each belongs).

        *waiting* are those with the wrong DNS, *certificates* all there are.
        """
        imported = [name for each in certificates if each.source is Source.IMPORTED for name in each.names]
        kinds = await self._kinds()
        hosts = [Host(name, project, self._kind(name, kinds)) for name, project in routed.items()]
        return wanted_certificates(hosts, self._policy, imported, waiting)

    def _kind(self, name: str, kinds: Mapping[str, HostKind]) -> HostKind:
        if name == self._api_host:
            return HostKind.API
        below = name.endswith(f".{self._policy.base_domain}")
        return kinds.get(name) or (HostKind.GENERATED if below else HostKind.CUSTOM)

    async def _kinds(self) -> Mapping[str, HostKind]:
        """Return what the hosts of live releases are."""
        found: dict[str, HostKind] = {}
        for place in await self._journal.places():
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                ephemeral = await self._is_ephemeral(place, live)
                found |= {
                    each.name: each.kind for each in hosts_of(live, self._policy.base_domain, ephemeral=ephemeral)
                }
        return found

    async def _is_ephemeral(self, place: Place, live: Release) -> bool:
        set_for = await self._journal.environment_settings(place.project)
        kept = next((each for each in set_for if each.environment == place.environment), None)
        stack = await asyncio.to_thread(_parsed, live.file)
        declared = stack.environments.get(place.environment) if stack else None
        return attributes(place.environment, declared, kept).ephemeral


@lru_cache(maxsize=256)
def _parsed(text: str) -> Stack | None:
    try:
        return parse(text)
    except Problem:  # written for another version of Hostess
        return None
