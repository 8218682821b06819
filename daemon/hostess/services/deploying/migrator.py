"""Lifecycle hooks that run beside a release: once, in a container of their own, to their end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hostess.domain.exit_codes import ABSENT, advice
from hostess.domain.hostess_yml.stack import Hook
from hostess.domain.oom import killed_for
from hostess.domain.ports import Container, Engine
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.push import Say, in_one_line
from hostess.domain.releases.release import Release, Workload
from hostess.services.deploying.gate import TAIL
from hostess.services.jobs.jobs import Ask, Jobs
from hostess.services.keeping.replicas import Replicas
from hostess.services.whole_output import WholeOutput

OWNER_TIMEOUT = timedelta(minutes=10)


class Migrator:
    """Runs `lifecycle.init`, `migrate`, `post_deploy`, and chown. A container's name is the same for one deployment: none runs twice."""

    def __init__(self, engine: Engine, replicas: Replicas, jobs: Jobs, hide: Callable[[str], str]) -> None:
        self._engine = engine
        self._replicas = replicas
        self._jobs = jobs
        self._hide = hide

    async def run(
        self, place: Place, release: Release, workload: Workload, kind: str, deployment: str, say: Say
    ) -> None:
        """Run the hook named *kind* of *workload* with its output to *say*.

        Problem "migrate-failed" (or "post_deploy-failed") with exit code and last lines; "…-timeout" after the container was killed.
        """
        hook = hook_of(workload, kind)
        say(f"-----> {kind} {workload.name}: {in_one_line(hook.command)}")
        container = await self._replicas.start_task(place, release, workload, hook, deployment, kind)
        try:
            code = await self._watch(container, hook, say)
            if code != 0:
                raise await self._failure(container, kind, workload, code, hook)
        finally:
            await asyncio.shield(self._replicas.remove(container.id))

    async def make_ready(
        self,
        place: Place,
        release: Release,
        workload: Workload,
        number: int,
        deployment: str,
        say: Say,
        *,
        init: bool = True,
    ) -> None:
        """Do what comes before the start of replica *number*: persistent folders get their owners, then `lifecycle.init` runs.

        A rollback runs no *init*. Problem "owner-not-set", or one of `init`.
        """
        for index, (path, owner) in enumerate(workload.owners.items(), 1):
            name = f"owner-{number}-{index}"
            chown = replace(workload, entrypoint=("chown",), sealed_files="")
            hook = Hook(command=("-Rh", owner, path), timeout=OWNER_TIMEOUT)
            container = await self._replicas.start_task(
                place, release, chown, hook, deployment, name, volumes=workload.volumes, user="0:0"
            )
            try:
                code = await self._watch(container, hook, _silent)
                if code not in {0, ABSENT}:  # the engine has given the folder itself, also where the image has no chown
                    raise not_owned(workload.name, path, owner, code, await self._tail(container))
            finally:
                await asyncio.shield(self._replicas.remove(container.id))
        if init and workload.init is not None:
            await self.init(place, release, workload, number, deployment, say)

    async def init(
        self, place: Place, release: Release, workload: Workload, number: int, deployment: str, say: Say
    ) -> None:
        """Run `lifecycle.init` for replica *number*, with the service's volumes, before it is started.

        By the service's own container, or by that of the job it names. Problem "init-failed", "init-timeout".
        """
        hook = hook_of(workload, "init")
        if hook.job is not None:
            await self._init_by_job(place, release, workload, number, deployment, say)
            return
        say(f"       init of {workload.name}.{number}: {in_one_line(hook.command)}")
        name = f"init-{number}"
        container = await self._replicas.start_task(
            place, release, workload, hook, deployment, name, volumes=workload.volumes
        )
        try:
            code = await self._watch(container, hook, say)
            if code != 0:
                raise await self._failure(container, "init", workload, code, hook)
        finally:
            await asyncio.shield(self._replicas.remove(container.id))

    async def _init_by_job(
        self, place: Place, release: Release, workload: Workload, number: int, deployment: str, say: Say
    ) -> None:
        job = release.jobs[hook_of(workload, "init").job or ""]
        say(f"       init of {workload.name}.{number}: job {job.name}: {in_one_line(job.workload.command or ())}")
        try:
            ask = Ask(place, release, job, "init", deployment=deployment, volumes=workload.volumes)
            await self._jobs.within_deployment(ask, say)
        except Problem as problem:
            raise Problem(
                "init-failed",
                f"init of {workload.name} failed: {problem.what}",
                remedy=problem.remedy,
                tail=problem.tail,
            ) from problem

    async def settle(self, container: Container, within: float) -> int | None:
        """Wait for a task that was left running by a daemon that died, then remove it.

        None when it had to be killed because it took more than *within* seconds.
        """
        code: int | None = None
        try:
            async with asyncio.timeout(within):
                code = await self._engine.wait(container.id)
        except TimeoutError:
            await self._engine.kill(container.id)
        await self._replicas.remove(container.id)
        return code

    async def _watch(self, container: Container, hook: Hook, say: Say) -> int | None:
        output = WholeOutput(self._engine, container.id, lambda text: say(f"       {self._hide(text)}"))
        code: int | None = None
        try:
            try:
                async with asyncio.timeout(hook.timeout.total_seconds()):
                    code = await self._engine.wait(container.id)
            except TimeoutError:
                await self._engine.kill(container.id)
            await output.finish()
            return code
        finally:
            await output.close()

    async def _failure(
        self, container: Container, kind: str, workload: Workload, code: int | None, hook: Hook
    ) -> Problem:
        now = await self._engine.container(container.id)
        short = killed_for(code, workload.memory, told=now is not None and now.oom_killed)
        return failed(kind, workload.name, code, hook, await self._tail(container), short)

    async def _tail(self, container: Container) -> tuple[str, ...]:
        return tuple(self._hide(line.text) for line in await self._engine.logs(container.id, TAIL))


def hook_of(workload: Workload, kind: str) -> Hook:
    """Return the hook "init", "migrate" or "post_deploy" of a workload that has it."""
    hook = {"init": workload.init, "migrate": workload.migrate}.get(kind, workload.post_deploy)
    assert hook is not None  # noqa: S101 -- callers ask only for hooks that are there
    return hook


def _silent(_: str) -> None:
    """Say nothing."""


def not_owned(service: str, path: str, owner: str, code: int | None, tail: tuple[str, ...]) -> Problem:
    """Return the Problem for a folder that could not be given to its owner (*code* None: not within the time)."""
    if code is None:
        what, remedy = f"it took more than {OWNER_TIMEOUT}", "look at what is in the volume"
    else:
        what, remedy = f"chown failed: exit {code}", "look at what is in the volume, and correct persistence.owner"
    return Problem(
        "owner-not-set", f"{path} of {service} could not be given to {owner}: {what}", remedy=remedy, tail=tail
    )


def failed(kind: str, service: str, code: int | None, hook: Hook, tail: tuple[str, ...], short: str = "") -> Problem:
    """Return the Problem for a hook that ended with *code* (None: killed at its timeout; *short*: in words, for want of memory)."""
    if code is None:
        return Problem(
            f"{kind}-timeout",
            f"{kind} of {service} was killed after its timeout of {hook.timeout.total_seconds():.0f} s",
            remedy=f"make it faster, or raise lifecycle.{kind}.timeout in hostess.yml; look at what it had already changed",
            tail=tail,
        )
    if short:
        return Problem(
            f"{kind}-failed",
            f"{kind} of {service} failed: {short}",
            remedy=f"raise resources.memory of {service} in hostess.yml, or make it need less; look at what it had already changed",
            tail=tail,
        )
    return Problem(
        f"{kind}-failed",
        f"{kind} of {service} failed: exit {code}",
        remedy=advice(code)
        or ("read its last lines above, mend it" if tail else "it wrote nothing that would tell why: mend it")
        + ", commit and push again",
        tail=tail,
    )
