"""What is left of services that the live release does not have: volumes and credentials that stay until somebody wants them gone."""

from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.ports import Container, Engine, Journal
from hostess.domain.problem import Problem
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.retirement import Retirement


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of one service: names of volumes and containers, and of the credentials that Hostess made for it."""

    service: str
    volumes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()


class KeptServices:
    """Knows what is left of services, and removes it. What a crash interrupts can be asked for again."""

    def __init__(self, journal: Journal, engine: Engine, retirement: Retirement, turns: Turns) -> None:
        self._journal = journal
        self._engine = engine
        self._retirement = retirement
        self._turns = turns

    async def known(self, project: str, environment: str) -> list[Kept]:
        """Return what is left, by the service's name; also in an environment that was deleted."""
        live = await self._journal.live(project, environment)
        owned = labels.of_place(await self._journal.instance(), project, environment)
        volumes = [(labels.service_of_volume(volume), volume) for volume in await self._engine.volumes(owned)]
        containers = [(each.labels.get(labels.SERVICE, ""), each.name) for each in await self._replicas(owned)]
        secrets = [
            (each.name.partition(":")[0], each.name) for each in await self._journal.secrets(project, environment)
        ]
        credentials = [(service, name) for service, name in secrets if ":" in name]
        named = {service for service, _ in (*volumes, *containers, *credentials)} - {""}
        return [
            Kept(service, _of(service, volumes), _of(service, containers), _of(service, credentials))
            for service in sorted(named - set(live.workloads if live else ()))
        ]

    async def destroy(self, project: str, environment: str, service: str, *, data: bool) -> Kept:
        """Remove the containers that are left of a service, and with *data* its volumes and credentials; return what there was.

        Problem "service-live" while the live release has it, "service-not-found" when nothing is left of it.
        """
        async with self._turns.turn(project, environment):
            live = await self._journal.live(project, environment)
            if live is not None and service in live.workloads:
                raise Problem(
                    "service-live",
                    f"{service} is in {live.title}, which is live in {environment} of {project}",
                    serving="it runs on, and nothing was removed",
                    remedy="take it out of hostess.yml and push first, then ask again",
                )
            left = next((kept for kept in await self.known(project, environment) if kept.service == service), None)
            if left is None:
                raise Problem(
                    "service-not-found",
                    f"nothing is left of a service {service} in {environment} of {project}",
                    remedy="`hostess services list --all` shows what is kept",
                )
            owned = labels.of_place(await self._journal.instance(), project, environment)
            mine = [each for each in await self._replicas(owned) if each.labels.get(labels.SERVICE) == service]
            await self._retirement.gone(mine)
            if data:
                for volume in left.volumes:
                    await self._engine.remove_volume(volume)
                # Last: as long as there is data, there is the password that opens it.
                for credential in left.credentials:
                    await self._journal.remove_secret(project, environment, credential)
            return left

    async def _replicas(self, owned: dict[str, str]) -> list[Container]:
        return [each for each in await self._engine.containers(owned) if labels.is_replica(each.labels)]


def _of(service: str, found: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(name for owner, name in found if owner == service))
