"""The gate: a new replica takes part only after it has shown, from outside, that it is well."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from hostess.domain.exit_codes import advice
from hostess.domain.health import LONGEST_PAUSE, STABLE, gate_limit, pauses
from hostess.domain.hostess_yml.stack import Health
from hostess.domain.oom import killed_for
from hostess.domain.ports import Answer, Clock, Container, Engine, Prober
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload

TAIL = 30
LOOK_EVERY = 0.25
USUAL_PORTS = (8000, 8080, 3000, 80, 5000, 4000, 9000, 8888, 8081, 3001)


class Gate:
    """Waits until a replica is healthy, or says in one sentence why it never was."""

    def __init__(self, engine: Engine, prober: Prober, clock: Clock, hide: Callable[[str], str]) -> None:
        self._engine = engine
        self._prober = prober
        self._clock = clock
        self._hide = hide

    async def passed(self, workload: Workload, container: Container, longest_pause: float = LONGEST_PAUSE) -> None:
        """Return once *container* is healthy; Problem "replica-crashed" or "replica-unhealthy" with its last lines.

        A crash is noticed at once. At the deadline there is one last probe, so that the result does not hang on timing.
        """
        began = self._clock.now()
        limit = gate_limit(workload.health)
        waits = pauses(workload.health, longest_pause)
        looked = began
        if not workload.ports:
            # A worker's command can be content before the worker itself has had the time to fail.
            await self._clock.sleep(next(waits))
        await self._alive(workload, container)
        while True:
            last = self._clock.now() - began >= limit
            answer = await self._asked(workload, container, began)
            if answer.ok:
                await self._alive(workload, container)  # what answered may have ended since
                return
            if (self._clock.now() - looked).total_seconds() >= LOOK_EVERY:
                looked = self._clock.now()
                await self._alive(workload, container)
            if last:
                raise await self._unhealthy(workload, container, answer)
            left = (limit - (self._clock.now() - began)).total_seconds()
            await self._clock.sleep(max(0.0, min(next(waits), left)))

    async def ask(self, workload: Workload, container: Container) -> Answer:
        """Ask once how a replica is."""
        return await self._ask(workload, container, self._clock.now())

    async def _asked(self, workload: Workload, container: Container, began: datetime) -> Answer:
        """Ask once; a replica that ends meanwhile is not waited for: nobody answers at its address, nor refuses to."""
        asking = asyncio.ensure_future(self._ask(workload, container, began))
        try:
            while not (await asyncio.wait({asking}, timeout=LOOK_EVERY))[0]:
                await self._alive(workload, container)
            return asking.result()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask(self, workload: Workload, container: Container, began: datetime) -> Answer:
        health = workload.health
        if health is None and workload.ports:
            health = Health()
            well = await self._prober.tcp(container.address, workload.ports[0], health.timeout)
            return Answer(ok=well, evidence=f"does not accept connections on port {workload.ports[0]}")
        if health is None:
            up = self._clock.now() - began
            return Answer(ok=up >= STABLE, evidence=f"has been up for {up.total_seconds():.0f} s only")
        if health.http is not None:
            host = next((names[0] for names in workload.hosts.values() if names), workload.name)
            port = health.port or workload.ports[0]
            return await self._prober.http(container.address, port, health.http, host, health.timeout)
        if workload.is_database and not await self._prober.tcp(container.address, workload.ports[0], health.timeout):
            return Answer(ok=False, evidence=f"does not accept connections on port {workload.ports[0]}")
        return await self._command(container, health)

    async def _command(self, container: Container, health: Health) -> Answer:
        try:
            code, output = await self._engine.execute(container.id, health.command, health.timeout)
        except Problem as problem:
            if problem.code != "container-not-running":
                raise
            return Answer(ok=False, evidence="does not run")
        said = output.strip().splitlines()[-1][:200] if output.strip() else "nothing"
        return Answer(
            ok=code == 0, evidence=f"fails its health command (exit code {code}; it said: {self._hide(said)})"
        )

    async def _alive(self, workload: Workload, container: Container) -> None:
        now = await self._engine.container(container.id)
        if now is not None and now.state in {"running", "created"} and now.restarts == 0:
            return
        if now is None:
            raise Problem("replica-crashed", f"the new container of {workload.name} disappeared")
        short = killed_for(now.exit_code, workload.memory, told=now.oom_killed)
        reason = short or f"exit code {now.exit_code}"
        raise Problem(
            "replica-crashed",
            f"the new {workload.name} stopped right after its start ({reason})",
            remedy=f"raise resources.memory of {workload.name} in hostess.yml, or make it need less"
            if short
            else advice(now.exit_code) or "read its last lines above, mend it, commit and push again",
            tail=await self.tail(container.id),
        )

    async def tail(self, container: str) -> tuple[str, ...]:
        """Return the last lines that a container said, redacted."""
        return tuple(self._hide(line.text) for line in await self._engine.logs(container, TAIL))

    async def _unhealthy(self, workload: Workload, container: Container, answer: Answer) -> Problem:
        await self._alive(workload, container)
        limit = gate_limit(workload.health).total_seconds()
        remedy = "read its last lines above, mend it, commit and push again"
        port = (workload.health.port if workload.health else None) or (workload.ports[0] if workload.ports else None)
        if port is not None and not await self._prober.tcp(container.address, port, Health().timeout):
            for other in USUAL_PORTS:
                if other != port and await self._prober.tcp(container.address, other, Health(http="/").timeout):
                    remedy = f"it listens on port {other}: set `ports: [{other}]` for {workload.name}, or make it listen on {port}"
                    break
            else:
                remedy = f"make it listen on 0.0.0.0:{port} (127.0.0.1 inside a container cannot be reached), or set `ports:`"
        return Problem(
            "replica-unhealthy",
            f"the new {workload.name} did not become healthy within {limit:.0f} s: it {answer.evidence}",
            remedy=remedy,
            tail=await self.tail(container.id),
        )
