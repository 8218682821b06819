"""Jobs of the live release: looked at, run by hand, their output read and followed."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from hostess.domain.hostess_yml.stack import Run
from hostess.domain.jobs.cron import next_fire
from hostess.domain.ports import Transcripts
from hostess.domain.problem import Problem
from hostess.domain.records import JobRun
from hostess.domain.releases.release import Release, ReleaseJob
from hostess.doors.api.deployments import LOOK_AGAIN, PLACE
from hostess.doors.api.operation import EVENTS, TEXT, Call, Given, Nothing, View, Word, op
from hostess.doors.api.pending import secret_variables
from hostess.doors.api.streams import Sent, last_number, send_events, wants_events
from hostess.services.jobs.jobs import Ask, parted
from hostess.services.live import place_of

SHORT = 12
EVERY_RUN = 500
NEWEST = 5
RUNNING = "running"

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]


class RunView(View):
    """A run of a job.

    *outcome*: running, done, failed, timeout, cancelled, interrupted. *trigger*: deploy, schedule, manual, init, shutdown.
    """

    id: str
    job: str
    environment: str
    trigger: str
    deployment: str
    attempt: int
    outcome: str
    exit_code: int | None
    started_at: datetime
    ended_at: datetime | None


class RunList(View):
    """Runs, newest first."""

    items: tuple[RunView, ...]


class JobView(View):
    """A job of the live release. *run* is its policy: on_deploy, once, manual, cron, lifecycle."""

    name: str
    run: str
    schedule: str | None
    last_outcome: str | None
    last_run: datetime | None
    next_fire: datetime | None


class JobDetail(JobView):
    """A job with what it runs. *variables* are names only; *done_once*: it has run for good, with the present spec."""

    release: int
    image: str
    command: tuple[str, ...]
    timeout: float
    retries: int
    concurrency: str
    depends_on: Mapping[str, str]
    variables: tuple[str, ...]
    done_once: bool
    last: RunView | None


class JobList(View):
    """Jobs in the order of the file; none when nothing is live."""

    items: tuple[JobView, ...]


class RunsWanted(Given):
    """How many runs."""

    limit: int = Field(default=20, ge=1, le=EVERY_RUN)


class NewRun(Given):
    """A run by hand. *env* replaces values for this run only; *force* is needed for a job that is not `run: manual`."""

    force: bool = False
    env: Mapping[Variable, Word] = Field(default_factory=dict)
    allow_secret_override: bool = False


class OutputWanted(Given):
    """Which output: of a run (by default the newest), its last *tail* lines."""

    run: str = ""
    tail: int = Field(default=500, ge=0, le=100_000)
    follow: bool = False
    timestamps: bool = False


@op(f"GET {PLACE}/jobs", "read", returns=JobList)
async def list_jobs(call: Call, _: Nothing) -> JobList:
    """List the jobs of the live release."""
    live = await call.services.journal.live(call.project, call.environment)
    jobs = live.jobs.values() if live else ()
    return JobList(items=tuple([_view(job, await _newest(call, job.name), call.services.clock.now()) for job in jobs]))


@op(f"GET {PLACE}/jobs/{{job}}", "read", returns=JobDetail)
async def show_job(call: Call, _: Nothing) -> JobDetail:
    """Show one job and its newest run."""
    services = call.services
    live, job = await _job(call)
    last = await _newest(call, job.name)
    spec = job.workload.spec
    return JobDetail(
        **_view(job, last, services.clock.now()).model_dump(),
        release=live.number,
        image=job.workload.image.removeprefix("sha256:")[:SHORT],
        command=tuple(map(services.redactor.hide, job.workload.command or ())),
        timeout=job.timeout.total_seconds(),
        retries=job.retries,
        concurrency=str(job.concurrency),
        depends_on={name: str(condition) for name, condition in job.depends_on.items()},
        variables=tuple(sorted(await services.replicas.env(live, job.workload))),
        done_once=await services.journal.done_once(call.project, call.environment, job.name, spec),
        last=None if last is None else _run(last),
    )


@op(f"GET {PLACE}/jobs/{{job}}/runs", "read", given=RunsWanted, returns=RunList)
async def list_runs(call: Call, given: RunsWanted) -> RunList:
    """List runs of a job, also of one that is no longer in hostess.yml."""
    name = call.path["job"]
    found = await call.services.journal.runs(call.project, call.environment, name, given.limit)
    if not found:
        await _job(call)
    return RunList(items=tuple(map(_run, found)))


@op(f"POST {PLACE}/jobs/{{job}}/runs", "deploy", given=NewRun, returns=RunView, status=202)
async def run_job(call: Call, given: NewRun) -> RunView:
    """Begin a run of a job; follow it by its log."""
    live, job = await _job(call)
    if job.run is not Run.MANUAL and not given.force:
        raise Problem(
            "job-not-manual",
            f"{job.name} is run: {job.run}, so it runs by itself",
            remedy="add --force to run it now as well",
        )
    secret = sorted(set(given.env) & await secret_variables(live, job.name))
    if secret and not given.allow_secret_override:
        raise Problem(
            "secret-override",
            f"{', '.join(secret)} of {job.name} {'is' if len(secret) == 1 else 'are'} kept as a secret",
            remedy="add --allow-secret-override to use another value for this run",
        )
    call.services.redactor.learn(given.env[name] for name in secret)
    ask = Ask(await place_of(call.services.journal, call.project, call.environment), live, job, "manual", env=given.env)
    run = await call.services.jobs.begin(ask)
    await call.audit(
        "job.run", f"began a run of {job.name}", {"job": job.name, "run": run.id, "set": sorted(given.env)}
    )
    return _run(run)


@op(f"POST {PLACE}/jobs/{{job}}/reset", "deploy", status=204)
async def reset_job(call: Call, _: Nothing) -> None:
    """Let a `once` job run again at the next deployment."""
    job = (await _job(call))[1]
    if job.run is not Run.ONCE:
        raise Problem(
            "job-not-once", f"{job.name} is run: {job.run}; only a job that runs once can be asked to run once more"
        )
    await call.services.journal.forget_once(call.project, call.environment, job.name)
    await call.audit("job.reset", f"{job.name} runs again at the next deployment", {"job": job.name})


@op(f"GET {PLACE}/jobs/{{job}}/log", "logs", given=OutputWanted, media=(TEXT, EVENTS))
async def job_log(call: Call, given: OutputWanted) -> web.StreamResponse:
    """Return what a run wrote, as text or (Accept: text/event-stream) as events with the line as JSON.

    With `follow` events go on until the run has ended. The last one is `event: end` with the run; `Last-Event-ID` goes on after it.
    """
    services = call.services
    run = await _wanted(call, given.run)
    if wants_events(call.request):
        return await send_events(call.request, _events(call, run, given))
    lines = services.job_transcripts.read(run.id)
    shown = lines[max(0, len(lines) - given.tail) :]
    text = "".join(f"{line if given.timestamps else parted(line)[1]}\n" for line in shown)
    hidden = await asyncio.to_thread(services.redactor.hide, text)  # a long one takes a second
    return web.Response(text=hidden, content_type="text/plain")


async def _events(call: Call, run: JobRun, given: OutputWanted) -> AsyncGenerator[Sent]:
    services, transcripts = call.services, call.services.job_transcripts
    last, so_far = last_number(call.request), transcripts.count(run.id)
    told = max(0, so_far - given.tail) if last is None else min(last, so_far)
    while True:
        run = await _again(call, run)
        # A run that has not yet written anything ends its followers at once: look again until it has ended.
        over = not given.follow or run.outcome != ""
        async for number, line in _lines(transcripts, run, told, live=given.follow):
            told = number
            at, text = parted(line)
            yield Sent(json.dumps({"at": at, "text": services.redactor.hide(text)}), id=str(number))
        if over:
            break
        await services.clock.sleep(LOOK_AGAIN)
    if given.follow:
        await services.jobs.ended(run)  # its container is gone, too, and the next run can begin
    yield Sent(_run(run).model_dump_json(), event="end")


async def _lines(transcripts: Transcripts, run: JobRun, after: int, *, live: bool) -> AsyncGenerator[tuple[int, str]]:
    until = transcripts.count(run.id)
    if not live and until <= after:
        return
    async for number, line in transcripts.follow(run.id, after):
        yield number, line
        if not live and number >= until:
            return


async def _job(call: Call) -> tuple[Release, ReleaseJob]:
    """Return the live release and its job; Problem "nothing-live" or "job-not-found"."""
    name = call.path["job"]
    live = await call.services.journal.live(call.project, call.environment)
    if live is None or name not in live.jobs:
        known = ", ".join(live.jobs) if live else ""
        raise Problem(
            "job-not-found",
            f"{call.project} ({call.environment}) has no job {name}",
            remedy=f"its jobs are {known}" if known else "jobs come from hostess.yml: add one and push",
        )
    return live, live.jobs[name]


async def _newest(call: Call, job: str) -> JobRun | None:
    found = await call.services.journal.runs(call.project, call.environment, job, 1)
    return found[0] if found else None


async def _wanted(call: Call, run: str) -> JobRun:
    """Return the run with that id or its beginning, else the newest; Problem "run-not-found"."""
    name = call.path["job"]
    found = await call.services.journal.runs(call.project, call.environment, name, EVERY_RUN if run else 1)
    chosen = [each for each in found if each.id.startswith(run)]
    if not found and not run:
        await _job(call)
    if not chosen:
        raise Problem(
            "run-not-found",
            f"{name} of {call.project} ({call.environment}) has no run {run}" if run else f"{name} has not run yet",
            remedy=f"`hostess jobs runs {name}` shows those there are",
        )
    return chosen[0]


async def _again(call: Call, run: JobRun) -> JobRun:
    # What still runs is nearly always among the newest.
    for limit in (NEWEST, EVERY_RUN):
        found = await call.services.journal.runs(run.project, run.environment, run.job, limit)
        if again := next((each for each in found if each.id == run.id), None):
            return again
    return run


def _view(job: ReleaseJob, last: JobRun | None, now: datetime) -> JobView:
    return JobView(
        name=job.name,
        run=str(job.run),
        schedule=job.schedule,
        last_outcome=None if last is None else last.outcome or RUNNING,
        last_run=None if last is None else last.started_at,
        next_fire=next_fire(job.schedule, now) if job.run is Run.CRON and job.schedule else None,
    )


def _run(run: JobRun) -> RunView:
    return RunView(
        id=run.id,
        job=run.job,
        environment=run.environment,
        trigger=run.trigger,
        deployment=run.deployment,
        attempt=run.attempt,
        outcome=run.outcome or RUNNING,
        exit_code=run.exit_code,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


OPERATIONS = (list_jobs, show_job, list_runs, run_job, reset_job, job_log)
