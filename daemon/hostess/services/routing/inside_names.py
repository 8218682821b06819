"""The names by which services of a stack find each other: virtual addresses, given once and kept, and led to the proxy."""

from collections.abc import Collection, Mapping

from hostess.domain.ports import Firewall, Journal
from hostess.domain.records import Place
from hostess.domain.releases.release import Release
from hostess.domain.routing.inside import called_by_address, known_names, virtual_addresses

Addresses = Mapping[str, str]
"""Service -> its virtual address."""


class InsideNames:
    """Gives addresses and leads their callers. Where the host cannot lead them, names are those of the containers alone."""

    def __init__(self, journal: Journal, firewall: Firewall) -> None:
        self._journal = journal
        self._firewall = firewall
        self._led = False

    async def give(self, place: Place, release: Release, in_use: Collection[str]) -> bool:
        """See to it that the services of *release* have addresses which are led; return whether one is new.

        *in_use* are the addresses of the environment's containers. While one that an earlier version started has an address of
        those that are for services, none is given: leading it would cut that container off.
        """
        pool = virtual_addresses(place.subnet)
        if not await self.lead() or not set(pool).isdisjoint(in_use):
            return False
        live = await self._journal.live(place.project, place.environment)
        spare = called_by_address(live) if live else ()
        called = called_by_address(release)
        is_new = await self._journal.give_addresses(place.project, place.environment, called, pool, spare)
        return is_new and await self.lead()

    async def lead(self) -> bool:
        """Lead the callers of all environments with addresses."""
        instance = await self._journal.instance()
        given = await self.everywhere()
        networks = [p.subnet for p in await self._journal.places() if (p.project, p.environment) in given]
        self._led = await self._firewall.lead(instance, networks)
        return self._led

    async def keep_apart(self) -> None:
        """Keep the networks of all environments apart, as far as this host can; to be done before there is a container in one."""
        networks = [place.subnet for place in await self._journal.places()]
        await self._firewall.keep_apart(await self._journal.instance(), networks)

    async def look(self) -> None:
        """Do both again, for others may have changed the firewall: called by the timer."""
        await self.keep_apart()
        await self.lead()

    async def of(self, release: Release, replica_of: str = "") -> Addresses:
        """Return the names that a container of *release* which is made now shall know: none where nobody can be led.

        *replica_of* is the service that it is a replica of, "" for one that runs a task.
        """
        if not (self._led or await self.lead()):
            return {}
        given = await self.everywhere()
        return known_names(release, given.get((release.project, release.environment), {}), replica_of)

    async def everywhere(self) -> Mapping[tuple[str, str], Addresses]:
        """Return (project, environment) -> the addresses that were given there."""
        return await self._journal.addresses()
