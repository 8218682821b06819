"""Jobs: commands that end, each run in a container of its own, tried again when they fail, with their output kept per run."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace

from hostess.domain import labels
from hostess.domain.ports import Clock, Container, Engine, Journal, Redactor, Transcripts
from hostess.domain.problem import Problem
from hostess.domain.push import Say
from hostess.domain.records import JobRun, Place
from hostess.domain.release import Release, ReleaseJob
from hostess.domain.stack import Hook
from hostess.services.gate import TAIL
from hostess.services.replicas import Replicas

LAST_LINES = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One run that is wanted. *env* replaces values for this run only; *deployment* names the deployment it is part of."""

    place: Place
    release: Release
    job: ReleaseJob
    trigger: str
    deployment: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


class Jobs:
    """Runs jobs. A run belongs to this object, not to whoever asked for it."""

    def __init__(
        self,
        engine: Engine,
        replicas: Replicas,
        journal: Journal,
        transcripts: Transcripts,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._replicas = replicas
        self._journal = journal
        self._transcripts = transcripts
        self._redactor = redactor
        self._clock = clock
        self._running: dict[str, asyncio.Task[JobRun]] = {}

    def running(self, place: Place, job: str) -> bool:
        """Whether a run of the job is under way here (a job never overlaps itself)."""
        return any(key.startswith(_key(place, job)) for key in self._running)

    async def begin(self, ask: Ask) -> JobRun:
        """Write a run down and start it; `ended` waits for it. Problem "job-runs-already" while another one runs."""
        if self.running(ask.place, ask.job.name):
            raise Problem(
                "job-runs-already",
                f"a run of {ask.job.name} is under way, and a job never overlaps itself",
                remedy=f"wait for it: hostess jobs logs {ask.job.name} --project {ask.place.project} --follow",
            )
        run = JobRun(
            id=self._clock.token(48),
            project=ask.place.project,
            environment=ask.place.environment,
            job=ask.job.name,
            trigger=ask.trigger,
            spec=ask.job.workload.spec,
            started_at=self._clock.now(),
            deployment=ask.deployment,
        )
        key = _key(ask.place, ask.job.name) + run.id
        self._own(key, self._attempts(ask, run, None))
        # In the queue of the journal before the task's own words: whoever asks for the run from now on finds it.
        await self._journal.put_run(run)
        return run

    async def ended(self, run: JobRun) -> JobRun:
        """Wait until a run has ended and return it."""
        task = next((task for key, task in self._running.items() if key.endswith(run.id)), None)
        if task is not None:
            return await asyncio.shield(task)
        found = await self._journal.runs(run.project, run.environment, run.job, 500)
        return next((one for one in found if one.id == run.id), run)

    async def within_deployment(self, ask: Ask, say: Say) -> None:
        """Run a job to its end as a step of a deployment, cancelled with it; Problem "job-failed" with its last lines."""
        run = JobRun(
            id=self._clock.token(48),
            project=ask.place.project,
            environment=ask.place.environment,
            job=ask.job.name,
            trigger=ask.trigger,
            spec=ask.job.workload.spec,
            started_at=self._clock.now(),
            deployment=ask.deployment,
        )
        ended = await self._attempts(ask, run, say)
        if ended.outcome != "done":
            how = "was killed after its timeout" if ended.outcome == "timeout" else f"failed: exit {ended.exit_code}"
            raise Problem(
                "job-failed",
                f"the job {run.job} {how}",
                remedy="read its last lines above, mend it, commit and push again",
                tail=tuple(parted(line)[1] for line in self._transcripts.read(run.id)[-TAIL:]),
            )

    async def recover(self) -> None:
        """After a restart: wait for runs whose containers still run, and close the records of the others."""
        for run in await self._journal.open_runs():
            containers = await self._replicas.of_place(run.project, run.environment)
            mine = [c for c in containers if c.labels.get(labels.REPLICA, "").startswith(_mark(run))]
            if mine and not run.deployment:
                key = f"{run.project}/{run.environment}/{run.job}/{run.id}"
                self._own(key, self._adopted(run, mine[-1]))
            else:
                await self._close(run, "interrupted", None)

    async def stop(self) -> None:
        """Let go of the runs: their containers run on, and `recover` finds them."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _own(self, key: str, work: Coroutine[object, object, JobRun]) -> None:
        task = asyncio.create_task(work)
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    # ---- one run -----------------------------------------------------------------------------------------------------

    async def _attempts(self, ask: Ask, run: JobRun, say: Say | None) -> JobRun:
        await self._journal.put_run(run)
        try:
            for attempt in range(1, ask.job.retries + 2):
                run = replace(run, attempt=attempt)
                if attempt > 1:
                    self._tell(run, f"attempt {attempt} of {ask.job.retries + 1}", say)
                    await self._journal.put_run(run)
                code = await self._once(ask, run, say)
                if code == 0:
                    break
            outcome = "done" if code == 0 else "timeout" if code is None else "failed"
            return await self._close(run, outcome, code)
        except Problem as problem:
            self._tell(run, str(problem), say)
            return await self._close(run, "failed", None)
        except asyncio.CancelledError:
            if ask.deployment:
                await asyncio.shield(self._close(run, "cancelled", None))
            raise

    async def _once(self, ask: Ask, run: JobRun, say: Say | None) -> int | None:
        hook = Hook(command=ask.job.workload.command or (), timeout=ask.job.timeout)
        container = await self._replicas.start_task(
            ask.place,
            ask.release,
            ask.job.workload,
            hook,
            ask.deployment or run.id,
            f"{_mark(run)}-{run.attempt}",
            env=ask.env,
        )
        try:
            code = await self._watch(run, container, ask.job.timeout.total_seconds(), say)
        except asyncio.CancelledError:
            if ask.deployment:
                await asyncio.shield(self._replicas.remove(container.id))
            raise
        await self._replicas.remove(container.id)
        return code

    async def _watch(self, run: JobRun, container: Container, seconds: float, say: Say | None) -> int | None:
        follower = asyncio.ensure_future(self._relay(run, container, say))
        try:
            async with asyncio.timeout(seconds):
                return await self._engine.wait(container.id)
        except TimeoutError:
            await self._engine.kill(container.id)
            self._tell(run, f"killed after its timeout of {seconds:.0f} s", say)
            return None
        finally:
            await asyncio.wait([follower], timeout=LAST_LINES)
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _adopted(self, run: JobRun, container: Container) -> JobRun:
        self._tell(run, "(the daemon was started again; what was written meanwhile is missing here)", None)
        code = await self._watch(run, container, 24 * 3600.0, None)
        await self._replicas.remove(container.id)
        return await self._close(run, "done" if code == 0 else "failed", code)

    async def _relay(self, run: JobRun, container: Container, say: Say | None) -> None:
        async for line in self._engine.follow(container.id, TAIL):
            self._tell(run, line.text, say)

    def _tell(self, run: JobRun, text: str, say: Say | None) -> None:
        line = self._redactor.hide(text)
        self._transcripts.write(run.id, f"{self._clock.now().isoformat(timespec='milliseconds')} {line}")
        if say is not None:
            say(f"       {line}")

    async def _close(self, run: JobRun, outcome: str, code: int | None) -> JobRun:
        now = self._clock.now()
        ended = replace(run, ended_at=now, outcome=outcome, exit_code=code)
        await self._journal.put_run(ended)
        self._transcripts.close(run.id)
        if outcome != "done":
            log.warning("job %s of %s (%s) %s", run.job, run.project, run.environment, outcome)
        await self._journal.tell(
            f"job.{outcome}",
            f"{run.job} ({run.trigger}) {outcome}" + ("" if code in {0, None} else f" with exit code {code}"),
            now,
            project=run.project,
            environment=run.environment,
            data={"run": run.id, "job": run.job},
        )
        return ended


def parted(line: str) -> tuple[str, str]:
    """Return time (ISO 8601) and text of a line in the transcript of a run."""
    at, _, text = line.partition(" ")
    return at, text


def _key(place: Place, job: str) -> str:
    return f"{place.project}/{place.environment}/{job}/"


def _mark(run: JobRun) -> str:
    return f"job-{run.id}"
