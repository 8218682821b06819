"""Jobs: commands that end, each run in a container of its own, tried again when they fail, with their output kept per run."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.exit_codes import advice
from hostess.domain.hostess_yml.stack import Concurrency, Hook
from hostess.domain.oom import killed_for
from hostess.domain.ports import Clock, Container, Engine, Journal, Redactor, Transcripts
from hostess.domain.problem import Problem
from hostess.domain.records import JobRun, Place
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Release, ReleaseJob
from hostess.services.deploying.gate import TAIL
from hostess.services.deploying.persistence import until_written
from hostess.services.keeping.replicas import Replicas
from hostess.services.whole_output import WholeOutput

EVERY_RUN = 500
LONGEST = timedelta(hours=24)
DEPLOY, SHUTDOWN = "deploy", "shutdown"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One run that is wanted.

    *env* replaces values for this run only; *volumes* (name -> path) are what it sees of a service's store; *deployment* names
    the deployment it is part of.
    """

    place: Place
    release: Release
    job: ReleaseJob
    trigger: str
    deployment: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)


class Jobs:
    """Runs jobs. A run belongs to this object, not to whoever asked for it.

    How a run ended is written down before its container is removed: whoever finds a run open and no container of it knows that
    it has not run.
    """

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
        self._inside: set[str] = set()
        self._unwanted: set[str] = set()

    def running(self, place: Place, job: str) -> bool:
        """Whether a run of the job is under way here, within a deployment or not."""
        return any(key.startswith(_key(place, job)) for key in (*self._running, *self._inside))

    async def begin(self, ask: Ask) -> JobRun:
        """Write a run down and start it; `ended` waits for it.

        While another one runs: Problem "job-runs-already", or with `concurrency: replace` the other one is ended first.
        """
        place, name = ask.place, ask.job.name
        while ask.job.concurrency is not Concurrency.ALLOW and self.running(place, name):
            others = self._of(place, name)
            if ask.job.concurrency is Concurrency.FORBID or not others:
                raise Problem(
                    "job-runs-already",
                    f"a run of {name} is under way, and {_why(ask.job)}",
                    remedy=f"wait for it: hostess jobs logs {name} --project {place.project} --follow",
                )
            await self._end(others)
        run = self._new(ask)
        self._own(_key_of(run), self._attempts(ask, run, None))
        # In the queue of the journal before the task's own words: whoever asks for the run from now on finds it.
        await self._journal.put_run(run)
        return run

    async def ended(self, run: JobRun) -> JobRun:
        """Wait until a run has ended and return it."""
        task = next((task for key, task in self._running.items() if key.endswith(run.id)), None)
        if task is not None:
            return await asyncio.shield(task)
        return await self._known(run.project, run.environment, run.job, run.id) or run

    async def within_deployment(self, ask: Ask, say: Say) -> None:
        """Run a job to its end as a step of a deployment, cancelled with it; Problem "job-failed" with its last lines.

        A run by hand or by schedule that is under way is waited for, or ended, unless the job may overlap itself.
        """
        run = self._new(ask)
        key = _key_of(run)
        if ask.trigger == DEPLOY:
            await self._room(ask, say)
            self._inside.add(key)
        try:
            ended = await self._attempts(ask, run, say)
        finally:
            self._inside.discard(key)
        if ended.outcome != "done":
            raise failed(ended, tuple(parted(line)[1] for line in self._transcripts.read(run.id)[-TAIL:]))

    async def under_id(self, ask: Ask, run_id: str) -> JobRun:
        """Run a job to its end under an id that was chosen beforehand, and return how it ended.

        It never runs twice under one id: what was begun before a restart is gone on with, what had ended is only told.
        """
        known = await self._known(ask.place.project, ask.place.environment, ask.job.name, run_id)
        if known is not None and known.outcome:
            return known
        container = None if known is None else await self._container(known)
        if known is None or container is None:
            return await self._attempts(ask, known or replace(self._new(ask), id=run_id), None)
        return await self._adopted(known, container, ask.job.timeout)

    async def settle(self, project: str, environment: str, job: str, run_id: str) -> None:
        """Wait for the end of a run that was begun before a restart, if it was; it is not begun here."""
        known = await self._known(project, environment, job, run_id)
        if known is None or known.outcome:
            return
        container = await self._container(known)
        if container is None:
            await self._close(known, "interrupted", None)
        else:
            await self._adopted(known, container, LONGEST)

    async def recover(self) -> None:
        """After a restart: wait for runs whose containers still run, and close the records of the others.

        Those of a replica's end are left to its retirement.
        """
        for run in await self._journal.open_runs():
            if run.trigger == SHUTDOWN and not run.deployment:
                continue
            container = None if run.deployment else await self._container(run)
            if container is not None:
                live = await self._journal.live(run.project, run.environment)
                job = live.jobs.get(run.job) if live else None
                adopted = self._adopted(run, container, job.timeout if job else LONGEST)
                self._own(_key_of(run), adopted)
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
        task.add_done_callback(lambda _: self._forget(key))

    def _forget(self, key: str) -> None:
        self._running.pop(key, None)
        self._unwanted.discard(key)

    def _of(self, place: Place, job: str) -> list[str]:
        """Return the keys of the runs of a job that are under way outside of deployments."""
        return [key for key in self._running if key.startswith(_key(place, job))]

    async def _end(self, keys: list[str]) -> None:
        """Kill runs because newer ones take their place; return when they are gone."""
        await asyncio.sleep(0)  # one that was made just now has to begin, or its end is written down nowhere
        unwanted = {key: self._running[key] for key in keys if key in self._running}
        for key in unwanted.keys() - self._unwanted:  # a second cancellation would meet the first one's work
            self._unwanted.add(key)
            unwanted[key].cancel()
        await asyncio.gather(*unwanted.values(), return_exceptions=True)

    async def _room(self, ask: Ask, say: Say) -> None:
        """Wait until no run outside of deployments is in the way of one within a deployment."""
        while ask.job.concurrency is not Concurrency.ALLOW and (others := self._of(ask.place, ask.job.name)):
            if ask.job.concurrency is Concurrency.REPLACE:
                await self._end(others)
            else:
                say(f"       {ask.job.name}: waiting for the run that is under way")
                await asyncio.wait([self._running[key] for key in others])

    def _new(self, ask: Ask) -> JobRun:
        return JobRun(
            id=self._clock.token(48),
            project=ask.place.project,
            environment=ask.place.environment,
            job=ask.job.name,
            trigger=ask.trigger,
            spec=ask.job.workload.spec,
            started_at=self._clock.now(),
            deployment=ask.deployment,
        )

    async def _known(self, project: str, environment: str, job: str, run_id: str) -> JobRun | None:
        found = await self._journal.runs(project, environment, job, EVERY_RUN)
        return next((run for run in found if run.id == run_id), None)

    # ---- one run -----------------------------------------------------------------------------------------------------

    async def _attempts(self, ask: Ask, run: JobRun, say: Say | None) -> JobRun:
        try:
            await self._journal.put_run(run)
            while True:
                code = await self._once(ask, run, say)
                if code == 0 or run.attempt > ask.job.retries:
                    break
                run = replace(run, attempt=run.attempt + 1)
                await self._journal.put_run(run)
                await self._drop(run)
                self._tell(run, f"attempt {run.attempt} of {ask.job.retries + 1}", say)
            ended = await self._close(run, _outcome(code), code)
        except Problem as problem:
            self._tell(run, str(problem), say)
            ended = await self._close(run, "failed", None)
        except asyncio.CancelledError:
            if ask.deployment:
                await asyncio.shield(self._cancelled(run))
                raise
            return await self._let_go(run)
        await self._drop(run)
        return ended

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
            volumes=ask.volumes,
        )
        output = WholeOutput(self._engine, container.id, lambda text: self._tell(run, text, say))
        code = await self._watch(run, container, ask.job.timeout.total_seconds(), output, say)
        now = await self._engine.container(container.id) if code else None
        if short := killed_for(code, ask.job.workload.memory, told=now is not None and now.oom_killed):
            self._tell(run, f"{short} (resources.memory of the job)", say)
        return code

    async def _watch(
        self, run: JobRun, container: Container, seconds: float, output: WholeOutput, say: Say | None
    ) -> int | None:
        try:
            try:
                async with asyncio.timeout(seconds):
                    code: int | None = await self._engine.wait(container.id)
            except TimeoutError:
                await self._engine.kill(container.id)
                self._tell(run, f"killed after its timeout of {seconds:.0f} s", say)
                code = None
            await output.finish()
            return code
        finally:
            await output.close()

    async def _adopted(self, run: JobRun, container: Container, timeout: timedelta) -> JobRun:
        """Go on with a run that a daemon before this one began, for what is left of its time; it is not tried again."""
        self._tell(run, "(the daemon was started again; what was written meanwhile is missing here)", None)
        left = timeout - (self._clock.now() - (container.started_at or run.started_at))
        try:
            output = WholeOutput(self._engine, container.id, lambda text: self._tell(run, text, None), TAIL)
            code = await self._watch(run, container, max(left.total_seconds(), 0.0), output, None)
            ended = await self._close(run, _outcome(code), code)
        except asyncio.CancelledError:
            return await self._let_go(run)
        await self._drop(run)
        return ended

    async def _let_go(self, run: JobRun) -> JobRun:
        """Answer a cancellation: a run that is unwanted is ended for good, any other goes on without this daemon."""
        if _key_of(run) not in self._unwanted:
            raise asyncio.CancelledError
        self._tell(run, "ended because another run takes its place", None)
        return await self._cancelled(run)

    async def _cancelled(self, run: JobRun) -> JobRun:
        ended = await self._close(run, "cancelled", None)
        await self._drop(run)
        return ended

    async def _container(self, run: JobRun) -> Container | None:
        """Return the container of a run's present attempt, if it was started; one that only was created is removed."""
        for container in await self._containers(run):
            if container.labels.get(labels.REPLICA) != f"{_mark(run)}-{run.attempt}":
                continue
            if container.state != "created":
                return container
            await self._replicas.remove(container.id)
        return None

    async def _containers(self, run: JobRun) -> list[Container]:
        found = await self._replicas.of_place(run.project, run.environment)
        return [each for each in found if each.labels.get(labels.REPLICA, "").startswith(_mark(run))]

    async def _drop(self, run: JobRun) -> None:
        for container in await self._containers(run):
            await self._replicas.remove(container.id)

    def _tell(self, run: JobRun, text: str, say: Say | None) -> None:
        line = self._redactor.hide(text)
        self._transcripts.write(run.id, f"{self._clock.now().isoformat(timespec='milliseconds')} {line}")
        if say is not None:
            say(f"       {line}")

    async def _close(self, run: JobRun, outcome: str, code: int | None) -> JobRun:
        now = self._clock.now()
        ended = replace(run, ended_at=now, outcome=outcome, exit_code=code)
        await until_written(self._clock, lambda: self._journal.put_run(ended))
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


def failed(run: JobRun, tail: tuple[str, ...] = ()) -> Problem:
    """Return the Problem for a run that did not end well."""
    how = "was killed after its timeout" if run.outcome == "timeout" else f"failed: exit {run.exit_code}"
    return Problem(
        "job-failed",
        f"the job {run.job} {how}",
        remedy=advice(run.exit_code) or "read its last lines above, mend it, commit and push again",
        tail=tail,
    )


def parted(line: str) -> tuple[str, str]:
    """Return time (ISO 8601) and text of a line in the transcript of a run."""
    at, _, text = line.partition(" ")
    return at, text


def _why(job: ReleaseJob) -> str:
    """Return why no other run of a job may begin beside one that is under way."""
    if job.concurrency is Concurrency.REPLACE:
        return "it is part of a deployment, which is not cut short"
    return "it never overlaps itself (concurrency: forbid)"


def _outcome(code: int | None) -> str:
    return "done" if code == 0 else "timeout" if code is None else "failed"


def _key(place: Place, job: str) -> str:
    return f"{place.project}/{place.environment}/{job}/"


def _key_of(run: JobRun) -> str:
    return f"{run.project}/{run.environment}/{run.job}/{run.id}"


def _mark(run: JobRun) -> str:
    return f"job-{run.id}"
