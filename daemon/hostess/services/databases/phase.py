"""The part of a deployment that is about managed databases, between their gate and the first migration."""

from hostess.domain.databases.scopes import scoped_name
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Inside, Workload
from hostess.services.databases.setup import DatabaseSetup, databases_of
from hostess.services.deploying.steps import Order, Progress, Steps

STEP = "set up:"


class DatabasePhase:
    """Sets up what the wanted release has inside its databases, step by step."""

    def __init__(self, setup: DatabaseSetup, steps: Steps) -> None:
        self._setup = setup
        self._steps = steps

    async def begin(self, order: Order) -> None:
        """Raise the Problem of what cannot be made, as far as that is known before anything is begun."""
        await self._setup.check(order.wanted)

    async def make(self, order: Order, progress: Progress, workload: Workload) -> None:
        """Set up one database; nothing is done for one that has, and had, nothing inside, unless it is new or has other passwords."""
        live = order.live.workloads.get(workload.name) if order.live else None
        is_new = live is None or live.spec != workload.spec
        has_something = _has_something(workload) or (live is not None and _has_something(live))
        if is_new or has_something or await self._setup.rotated(order.wanted, workload):
            async with self._steps.step(order, progress, "databases", f"{STEP}{workload.name}"):
                await self._setup.make(order.wanted, workload, order.say)
        if live is not None:
            _tell_kept(live, workload, order.say)

    async def make_all(self, order: Order, progress: Progress) -> None:
        """Set up every database that runs; one that is still to be handed over as far as its old container lets it."""
        for workload in databases_of(order.wanted):
            await self.make(order, progress, workload)


def _has_something(workload: Workload) -> bool:
    return (workload.inside or Inside()) != Inside()


def _tell_kept(live: Workload, workload: Workload, say: Say) -> None:
    after = workload.inside.groups if workload.inside else {}
    for group in live.inside.groups if live.inside else {}:
        if group not in after:
            scoped = scoped_name(workload.name, group)
            kept = f"database and role {scoped}" if workload.type is ServiceType.POSTGRES else "data and user"
            say(f"       {workload.name}: group {group} is no longer in hostess.yml; its {kept} stay")
