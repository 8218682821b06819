"""Bringing a host back from its bundle: everything that was live is built again, gets its data, and only then what uses it starts.

What has been done is written down as it is done: whatever is killed when, the next run goes on from there.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from hostess.domain.backups.backup import Backup
from hostess.domain.host_bundle import Recovery, restorable
from hostess.domain.ports import Artefacts, Clock, Journal
from hostess.domain.ports.host_files import RecoveryRecord
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import OPEN, Release, State, Workload
from hostess.services.backups.backups import Backups, Target
from hostess.services.backups.empty_volumes import EmptyVolumes
from hostess.services.backups.restore_files import of_command
from hostess.services.backups.restores import Restores, read_manifest
from hostess.services.deploying.rebuilding import Rebuilding
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.repairs import Repairs
from hostess.services.keeping.replicas import Replicas
from hostess.services.routing.publishing import Routing

AT_ONCE = 2
TRIES = 3
PAUSE = 16.0
"""Seconds until what could not be started is tried again; a repair rests as long."""
LOST = "the host was lost in the middle of it"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What does the work."""

    rebuilding: Rebuilding
    replicas: Replicas
    repairs: Repairs
    artefacts: Artefacts
    backups: Backups
    restores: Restores
    volumes: EmptyVolumes
    routing: Routing
    turns: Turns


class HostRecovery:
    """Runs before any door opens and before any timer: nobody deploys, backs up or runs a job meanwhile."""

    def __init__(self, journal: Journal, record: RecoveryRecord, hands: Hands, clock: Clock) -> None:
        self._journal = journal
        self._record = record
        self.hands = hands
        self._clock = clock

    def pending(self) -> Recovery | None:
        """Return what is to be brought back; None on any other host."""
        return self._record.read()

    async def run(self, say: Say) -> Recovery | None:
        """Bring back what is left; return how far that came, None when there was nothing to do.

        What could not be brought back is in `failed`, and the record stays for the next run; otherwise it is removed.
        """
        begun = self._record.read()
        if begun is None:
            return None
        await self._settle()
        state = _State(self._record, replace(begun, failed={}))
        room = asyncio.Semaphore(AT_ONCE)
        places = [
            place
            for place in await self._journal.places()
            if _name(place) not in begun.done and await self._journal.live(place.project, place.environment)
        ]
        await asyncio.gather(*(self._attempted(place, state, room, say) for place in places))
        with suppress(Problem):
            await self.hands.routing.publish()
        if not state.now.failed:
            self._record.end()
        await self._tell(state.now)
        return state.now

    async def give_up(self) -> None:
        """Leave what failed with nothing live, so that the daemon serves the others; a push brings it back, and then its data."""
        left = self._record.read()
        if left is None:
            return
        for name, why in left.failed.items():
            project, environment = name.split("/")
            await self._journal.revert(project, environment, None, {})
            message = f"{name} was not brought back, and nothing of it is live: {why}"
            log.error("%s", message)
            await self._journal.tell(
                "host.recovery-failed", message, self._clock.now(), project=project, environment=environment
            )
        self._record.end()

    # ---- within ------------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Close what was under way on the host that is gone: nothing of it runs anywhere."""
        now, problem = self._clock.now(), {"code": "interrupted", "what": LOST, "remedy": "push the same commit again"}
        for deployment in await self._journal.deployments(states=OPEN, limit=1000):
            live = await self._journal.live(deployment.project, deployment.environment)
            if deployment.state is State.SWITCHED and live is not None and live.number == deployment.release:
                await self._journal.move(deployment.id, State.LIVE, now, phase="")
            else:
                await self._journal.move(deployment.id, State.FAILED, now, problem=problem)
        for canary in await self._journal.canaries():
            await self._journal.drop_canary(canary.release.project, canary.release.environment)
        for task in await self._journal.tasks():
            if task.kind in {"retire", "repair", "webhook"}:
                await self._journal.finish_task(task.id)
        await self.hands.restores.abandon(LOST)

    async def _attempted(self, place: Place, state: "_State", room: asyncio.Semaphore, say: Say) -> None:
        name = _name(place)

        def told(line: str) -> None:
            say(f"{name}: {line.strip()}")

        async with room, self.hands.turns.turn(place.project, place.environment):
            for left in reversed(range(TRIES)):
                try:
                    await self._brought_back(place, state, told)
                except Problem as problem:
                    told(f"not yet: {problem}")
                    if not left:
                        state.fail(name, str(problem))
                    else:
                        await self._clock.sleep(PAUSE)
                else:
                    state.change(lambda now: replace(now, done=(*now.done, name)))
                    told("serves")
                    return

    async def _brought_back(self, place: Place, state: "_State", say: Say) -> None:
        live = await self._journal.live(place.project, place.environment)
        if live is None:
            return
        rebuilt = await self.hands.rebuilding.rebuilt(live, say)
        await self._journal.amend(rebuilt)
        await self.hands.replicas.make_network(place)
        databases = {name: each for name, each in rebuilt.workloads.items() if each.is_database}
        if databases:
            say(f"starting {', '.join(databases)}")
            await self._started(place, replace(rebuilt, workloads=databases))
        for workload in databases.values():
            await self._restored(rebuilt, workload, state, say)
        keepers = [each for each in rebuilt.workloads.values() if not each.is_database and each.volumes]
        for workload in keepers:
            await self._restored(rebuilt, workload, state, say, started=False)
        say("starting everything else")
        await self._started(place, rebuilt)
        for workload in rebuilt.workloads.values():
            if not workload.is_database and workload.backups is not None:
                await self._restored(rebuilt, workload, state, say)
        with suppress(Problem):  # the end of all does it again
            await self.hands.routing.publish()

    async def _started(self, place: Place, release: Release) -> None:
        if await self.hands.repairs.repair(place, release):
            return
        told = await self._journal.events(-1, place.project, 1, "service.repair-failed")
        raise Problem("not-started", told[0].message if told else f"not all of {release.title} could be started")

    async def _restored(
        self, release: Release, workload: Workload, state: "_State", say: Say, *, started: bool = True
    ) -> None:
        """Give a service its data, unless it has them. Not *started*: only volumes as they are, which nothing may have touched."""
        name = f"{release.project}/{release.environment}/{workload.name}"
        if name in state.now.restored:
            return
        known = await self._journal.backups(release.project, release.environment, workload.name)
        found = restorable(known, state.now.taken_at)
        if not found and started:
            say(f"note: there is no backup of {workload.name}: it begins empty")
        first: Problem | None = None
        for backup in found:
            try:
                if not await self._put_back(release, workload, backup, say, started=started):
                    return
            except Problem as problem:
                say(f"{backup.file} could not be restored: {problem}")
                if problem.code == "restore-by-hand":  # whoever knows the service does it; it serves meanwhile
                    return
                first = first or problem
            else:
                say(f"{workload.name} has the data of {backup.started_at:%Y-%m-%d %H:%M:%S} UTC ({backup.file})")
                state.change(lambda now: replace(now, restored=(*now.restored, name)))
                return
        if first is not None:
            raise first

    async def _put_back(self, release: Release, workload: Workload, backup: Backup, say: Say, *, started: bool) -> bool:
        """Restore one backup; False when this is not the moment for it."""
        if not workload.is_database:
            manifest = await read_manifest(self.hands.artefacts, backup)
            if of_command(manifest) is not started:
                return False
            if not started:
                await self.hands.backups.sound(backup)
                await self.hands.volumes.put_back(release, workload, backup)
                return True
        say(f"restoring {workload.name}")
        target: Target = await self.hands.backups.target(release.project, release.environment, workload.name)
        await self.hands.restores.bring_back(target, backup, say)
        return True

    async def _tell(self, state: Recovery) -> None:
        seconds = round((self._clock.now() - state.begun_at).total_seconds(), 1)
        failed = f"; not brought back: {', '.join(state.failed)}" if state.failed else ""
        message = f"the host was brought back from bundle {state.bundle} in {seconds} s{failed}"
        data = {"bundle": state.bundle, "seconds": seconds, "environments": list(state.done)}
        await self._journal.tell("host.recovered", message, self._clock.now(), data=data)


class _State:
    """What is written down, and changed by several."""

    def __init__(self, record: RecoveryRecord, now: Recovery) -> None:
        self._record = record
        self.now = now
        record.write(now)

    def change(self, change: Callable[[Recovery], Recovery]) -> None:
        """Change it, on the disk first."""
        after = change(self.now)
        self._record.write(after)
        self.now = after

    def fail(self, name: str, why: str) -> None:
        """Write down what could not be brought back."""
        self.change(lambda now: replace(now, failed={**now.failed, name: why}))


def _name(place: Place) -> str:
    return f"{place.project}/{place.environment}"
