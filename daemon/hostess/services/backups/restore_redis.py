"""Restores of Redis: loaded and checked in a server beside, which the live one then copies as its replica.

The live server takes the copy whole before it lets go of its own keys, and goes on without a restart: no volume changes hands, and
there is no moment at which a crash could leave a server without data.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from hostess.domain.backups import redis_backup
from hostess.domain.backups.backup import Backup, Manifest, Restore
from hostess.domain.hostess_yml.stack import Hook
from hostess.domain.ports import Artefacts, Clock, Container, Engine, Shell
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.services.backups.backups import Target
from hostess.services.backups.loads import check_redis, load_redis
from hostess.services.backups.restore_postgres import mark_of
from hostess.services.keeping.replicas import Replicas

LIMIT = timedelta(seconds=60)
LOADING = timedelta(hours=1)
PAUSE = 0.2

Condition = Callable[[Mapping[str, str]], bool]


class RedisRestore:
    """What a killed daemon leaves is told by the live server's own id of its data."""

    def __init__(self, engine: Engine, replicas: Replicas, artefacts: Artefacts, clock: Clock) -> None:
        self._engine = engine
        self._replicas = replicas
        self._artefacts = artefacts
        self._clock = clock

    @asynccontextmanager
    async def beside(
        self, place: Place, target: Target, restore: Restore, backup: Backup, manifest: Manifest
    ) -> AsyncIterator[Container]:
        """Give a server that has loaded a backup and was checked; it is gone afterwards."""
        mark, hook = mark_of(restore), Hook(command=redis_backup.WAIT)
        self._replicas.hold(mark)
        try:
            container = await self._replicas.start_task(place, target.release, target.workload, hook, mark, mark)
            try:
                await self.serve(container, mark, backup, manifest)
                yield container
            finally:
                await asyncio.shield(self._replicas.remove(container.id))
        finally:
            self._replicas.release(mark)

    async def serve(self, container: Container, mark: str, backup: Backup, manifest: Manifest) -> int:
        """Load a backup into a container that waits, start its server and check it; return the number of keys."""

        def load(shell: Shell) -> None:
            load_redis(shell, self._artefacts, backup.path, manifest)

        await self._engine.within(container.id, mark, load)
        code, said = await self._engine.execute(container.id, redis_backup.SERVE, LIMIT)
        if code != 0:
            raise Problem("restore-check-failed", f"the server beside did not start: {said.strip()[-200:]}")
        await self._until(container.id, lambda told: told.get("loading") == "0", "loading the snapshot")
        return await self._engine.within(container.id, mark, check_redis)

    async def identity(self, container: str) -> str:
        """Return the id of the data that a server has."""
        return (await self._info(container)).get("master_replid", "")

    async def copy(self, target: Target, beside: Container) -> None:
        """Let the live server copy the one beside, and write down what it got; a failure before that leaves its own keys."""
        live = target.container.id
        run = (await self._info(live)).get("run_id", "")
        # The server beside was started with the same environment.
        password = (await self._replicas.env(target.release, target.workload))["REDISCLI_AUTH"]
        await self._tell(live, f"CONFIG SET masterauth {password}\nREPLICAOF {beside.address} 6379\n")
        try:
            await self._until(live, _copied, "copying", run)
        finally:
            await self._tell(live, 'REPLICAOF NO ONE\nCONFIG SET masterauth ""\n')
        await self._until(live, _written, "writing down what was restored", run)

    async def tidy(self, target: Target, restore: Restore) -> bool:
        """Let the live server be its own again after a restart; return whether it has the restored data."""
        live = target.container.id
        await self._tell(live, 'REPLICAOF NO ONE\nCONFIG SET masterauth ""\n')
        told = await self._info(live)
        return bool(restore.mark) and restore.mark in {told.get("master_replid"), told.get("master_replid2")}

    async def _until(self, container: str, true: Condition, what: str, run: str = "") -> None:
        try:
            async with asyncio.timeout(LOADING.total_seconds()):
                while not await self._is(container, true, what, run):
                    await self._clock.sleep(PAUSE)
        except TimeoutError as error:
            raise Problem("restore-interrupted", f"{what} took longer than {LOADING}") from error

    async def _is(self, container: str, true: Condition, what: str, run: str) -> bool:
        told = await self._info(container)
        if run and told.get("run_id", run) != run:
            raise Problem("restore-interrupted", f"the server was started anew while it was {what}")
        return bool(told) and true(told)

    async def _info(self, container: str) -> dict[str, str]:
        code, said = await self._engine.execute(container, redis_backup.INFO, LIMIT)
        return redis_backup.fields(said) if code == 0 else {}

    async def _tell(self, container: str, commands: str) -> None:
        code, said = await self._engine.execute(container, ("redis-cli",), LIMIT, commands)
        wrong = [line for line in said.split("\n") if line.strip() and not line.startswith("OK")]
        if code != 0 or wrong:
            raise Problem("restore-interrupted", f"the server said {wrong[0] if wrong else f'exit code {code}'}")


def _copied(told: Mapping[str, str]) -> bool:
    if told.get("role") != "slave":
        raise Problem("restore-interrupted", "the server stopped copying")
    return (told.get("master_link_status"), told.get("master_sync_in_progress"), told.get("loading")) == (
        "up",
        "0",
        "0",
    )


def _written(told: Mapping[str, str]) -> bool:
    """Whether the log of changes is that of the new data: until then a crash brings the old one back."""
    busy = told.get("aof_rewrite_in_progress"), told.get("aof_rewrite_scheduled")
    return busy == ("0", "0") and told.get("aof_enabled") == "1" and told.get("aof_last_bgrewrite_status") == "ok"
