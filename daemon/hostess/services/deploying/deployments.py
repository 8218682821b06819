"""Deployments of every kind, from the first record to the final state: queued, carried out, cancelled, reported."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from hostess.domain.databases.versions import with_data_of
from hostess.domain.ports import Clock, Journal, Redactor, Transcripts
from hostess.domain.problem import Problem
from hostess.domain.records import Place, Share
from hostess.domain.releases.ahead import ahead, later
from hostess.domain.releases.counts import check_count, scaled_by_hand, with_counts_of
from hostess.domain.releases.lock import kept_out
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Kind, Release, State
from hostess.domain.releases.rollback import previous_good
from hostess.services.deploying.deployer import Deployer
from hostess.services.deploying.persistence import until_written
from hostess.services.deploying.preparation import Preparation
from hostess.services.deploying.report import Report, as_record
from hostess.services.deploying.steps import Order, Phases
from hostess.services.deploying.teller import Teller
from hostess.services.deploying.turns import Turns
from hostess.services.routing.canary_launch import CanaryLaunch

log = logging.getLogger(__name__)

Enter = Callable[[str], Awaitable[None]]
Prepare = Callable[[Deployment, Release | None, Say, Enter], Awaitable[Release]]
"""Return the wanted release, given the live one, what says a line, and what to await when another phase than "prepare" begins."""
Check = Callable[[], Awaitable[None]]
Settle = Callable[[Deployment], Awaitable[None]]

CANCEL_WITHIN = 150.0
RECENT = 200
"""How many deployments are looked at for migrations; releases to go back to are kept far fewer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for. *check* looks again when the turn comes and right before the switch.

    *settle* runs once it is live, *discard* when it has ended otherwise. With *share* it becomes a canary, and not live.
    """

    project: str
    environment: str
    kind: Kind
    actor: str
    prepare: Prepare
    commit: str = ""
    ref: str = ""
    previous: str = ""
    migrate: bool = False
    check: Check | None = None
    settle: Settle | None = None
    discard: Settle | None = None
    share: Share | None = None


class Deployments:
    """Owns every deployment's task. A caller that goes away changes nothing."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        deployer: Deployer,
        canaries: CanaryLaunch,
        preparation: Preparation,
        turns: Turns,
        report: Report,
        transcripts: Transcripts,
        redactor: Redactor,
        clock: Clock,
        subnets: Callable[[], Sequence[str]],
    ) -> None:
        self._journal = journal
        self._deployer = deployer
        self._canaries = canaries
        self._preparation = preparation
        self._turns = turns
        self._report = report
        self._transcripts = transcripts
        self._redactor = redactor
        self._clock = clock
        self._subnets = subnets
        self._tasks: dict[str, asyncio.Task[Deployment]] = {}
        # Looked at and changed without an await in between: whether a task may be cancelled is never out of date.
        self._cancellable: set[str] = set()

    # ---- what people ask for -----------------------------------------------------------------------------------------

    async def begin(self, request: Request, say: Say | None = None) -> str:
        """Write a deployment down, start it, and return its id; `ended` waits for it."""
        await self.place(request.project, request.environment)
        deployment = Deployment(
            id=self._clock.token(48),
            project=request.project,
            environment=request.environment,
            kind=request.kind,
            state=State.QUEUED,
            commit=request.commit,
            ref=request.ref,
            previous=request.previous,
            actor=request.actor,
            created_at=self._clock.now(),
        )
        await self._journal.add_deployment(deployment)
        tell = Teller(deployment.id, self._transcripts, self._redactor, say)
        task = asyncio.create_task(self._run(deployment, request, tell))
        self._tasks[deployment.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(deployment.id, None))
        return deployment.id

    async def ended(self, deployment: str) -> Deployment:
        """Wait until a deployment is final and return it."""
        task = self._tasks.get(deployment)
        if task is not None:
            return await asyncio.shield(task)
        found = await self._journal.deployment(deployment)
        if found is None:
            raise Problem(
                "deployment-not-found", f"there is no deployment {deployment}", remedy="see `hostess deployments list`"
            )
        return found

    async def rollback(self, project: str, environment: str, number: int | None, actor: str) -> str:
        """Begin a rollback to release *number* (none: the one that was live before); return the deployment's id."""
        live = await self._journal.live(project, environment)
        target = await self._target(project, environment, live, number)

        async def prepare(deployment: Deployment, now: Release | None, say: Say, _enter: Enter) -> Release:
            say(f"-----> rolling back from {now.title if now else 'nothing'} to {target.title} ({target.commit[:7]})")
            has_data = any(w.is_database for each in (now, target) if each for w in each.workloads.values())
            stays = ": the database stays as the newer release left it" if has_data else ""
            say(f"       no build and no migration{stays}")
            if told := await self._ahead(target):
                say(f"       {told}")
            return await self._preparation.brought_back(deployment, with_data_of(target, now), now, say)

        return await self.begin(Request(project, environment, Kind.ROLLBACK, actor, prepare, commit=target.commit))

    async def restart(self, project: str, environment: str, services: tuple[str, ...], actor: str) -> str:
        """Begin a restart with today's secrets, new containers beside the old; return the deployment's id."""
        live = await self._need_live(project, environment)

        async def prepare(deployment: Deployment, now: Release | None, say: Say, _enter: Enter) -> Release:
            say(f"-----> restarting {', '.join(services) or 'all but databases'} with today's secrets")
            return await self._preparation.restarted(deployment, now or live, services)

        return await self.begin(Request(project, environment, Kind.RESTART, actor, prepare, commit=live.commit))

    async def scale(self, project: str, environment: str, counts: Mapping[str, int], actor: str) -> str:
        """Begin a change of replica counts; return the deployment's id."""
        live = await self._need_live(project, environment)
        for name, count in counts.items():
            check_count(live, name, count)

        async def prepare(_: Deployment, now: Release | None, say: Say, _enter: Enter) -> Release:
            base = now or live
            say(f"-----> scaling {', '.join(f'{name} to {count}' for name, count in counts.items())}")
            return await self._preparation.renumbered(scaled_by_hand(base, counts))

        return await self.begin(Request(project, environment, Kind.SCALE, actor, prepare, commit=live.commit))

    async def cancel(self, deployment: str) -> Deployment:
        """Stop a deployment for good; return it once build and containers are really gone. Problem "not-cancellable" if too late."""
        found = await self._journal.deployment(deployment)
        if found is None:
            raise Problem(
                "deployment-not-found", f"there is no deployment {deployment}", remedy="see `hostess deployments list`"
            )
        task = self._tasks.get(found.id)
        if task is None or not self._end(found.id):
            raise Problem(
                "not-cancellable",
                f"deployment {found.id} is {found.state} and cannot be cancelled any more",
                remedy="`hostess rollback` takes a live release back",
            )
        done, _ = await asyncio.wait({task}, timeout=CANCEL_WITHIN)
        if not done:
            raise Problem(
                "cancel-slow",
                f"deployment {found.id} is cancelled, and after {CANCEL_WITHIN:.0f} s still being taken back",
                remedy=f"see `hostess deployments inspect {found.id}`",
            )
        return task.result()

    async def place(self, project: str, environment: str) -> Place:
        """Return the environment, made if need be."""
        return await self._journal.open_place(project, environment, self._subnets(), self._clock.now())

    async def stop(self) -> None:
        """End what runs: cancel what has not switched, let the others settle."""
        for deployment in list(self._tasks):
            self._end(deployment)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=60)

    def _end(self, deployment: str) -> bool:
        """Cancel a deployment's task, once; False when it is too late, or somebody else did."""
        if deployment not in self._cancellable:
            return False
        self._cancellable.discard(deployment)
        return self._tasks[deployment].cancel()

    # ---- one deployment ----------------------------------------------------------------------------------------------

    async def _run(self, deployment: Deployment, request: Request, say: Teller) -> Deployment:
        phase = Phases()
        self._cancellable.add(deployment.id)
        commit = request.commit if request.kind is Kind.PUSH else ""
        if self._turns.busy(request.project, request.environment):
            say(f"       another deployment holds {request.environment}: this one waits for its turn")
        try:
            await self._look_for_lock(request)
            async with self._turns.turn(request.project, request.environment, commit):
                return await self._hold(deployment, request, say, phase)
        except (
            asyncio.CancelledError,
            Problem,
        ) as error:  # it still waited: what goes wrong later is closed in its turn
            return await self._close(deployment, request, error, say, phase)
        finally:
            self._cancellable.discard(deployment.id)
            say.end()

    async def _hold(self, deployment: Deployment, request: Request, say: Say, phase: Phases) -> Deployment:
        """Carry a deployment out, to a final state that is written down before the next one's turn."""
        try:
            wanted, state, seconds = await self._carry_out(deployment, request, say, phase)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the record tells it
            return await self._close(deployment, request, error, say, phase)
        if request.settle is not None:
            await self._moved(deployment, request.settle, say, "the release is live, but its branch could not be moved")
        rounded = {name: round(took, 3) for name, took in seconds.items()}
        deployment = await until_written(
            self._clock,
            lambda: self._journal.move(deployment.id, state, self._clock.now(), phase="", seconds=rounded),
            say,
        )
        try:
            await self._report.success(wanted, state, seconds, say)
            await self._tell(deployment, f"{wanted.title} is {state}")
        except Exception:  # the release is live, whatever becomes of the words
            log.exception("what deployment %s did could not be told", deployment.id)
        return deployment

    async def _carry_out(
        self, deployment: Deployment, request: Request, say: Say, phase: Phases
    ) -> tuple[Release, State, Mapping[str, float]]:
        deployment = await self._journal.move(deployment.id, State.RUNNING, self._clock.now(), phase="prepare")
        await self._look_for_lock(request)
        if request.check is not None:
            await request.check()
        live = await self._journal.live(request.project, request.environment)
        await self._beside_a_canary(request, say)

        async def enter(name: str) -> None:
            now = self._clock.now()
            phase.enter(name, now)
            await self._journal.move(deployment.id, State.RUNNING, now, phase=name)

        phase.enter("prepare", self._clock.now())
        wanted = with_counts_of(await request.prepare(deployment, live, say, enter), live)
        now = self._clock.now()
        phase.enter("start", now)
        deployment = await self._journal.move(deployment.id, State.RUNNING, now, phase="start", release=wanted.number)
        place = await self.place(request.project, request.environment)
        order = Order(
            deployment,
            place,
            wanted,
            live,
            say,
            committed=lambda: self._cancellable.discard(deployment.id),
            entered=phase.at,
            migrate=request.migrate,
            may_switch=request.check,
        )
        if request.share is not None:
            state, seconds = await self._canaries.begin(order, request.share)
        else:
            state, seconds = await self._deployer.deploy(order)
        return wanted, state, {**phase.seconds, **seconds}

    async def _look_for_lock(self, request: Request) -> None:
        """Problem "locked" where somebody keeps deployments out; looked for before one waits for its turn, and when that comes."""
        lock = await self._journal.lock(request.project, request.environment)
        if problem := kept_out(lock, request.kind):
            raise problem

    async def _beside_a_canary(self, request: Request, say: Say) -> None:
        """Say that the canary that there is will end; Problem "canary-running" where it would be in the way of another one."""
        canary = await self._journal.canary(request.project, request.environment)
        if canary is None or request.kind is Kind.PROMOTE:
            return
        if request.share is not None:
            raise Problem(
                "canary-running",
                f"{canary.release.title} is tried out already, with {canary.share.percent} %",
                remedy="first `hostess canary promote` or `hostess canary stop`",
            )
        say(f"       note: the canary {canary.release.title} ends when this is live")

    async def _moved(self, deployment: Deployment, move: Settle, say: Say, untold: str) -> None:
        """Let a ref follow what became of the deployment; that it does not changes nothing else, and *untold* says so."""
        try:
            await move(deployment)
        except Exception as error:
            log.exception("deployment %s: %s", deployment.id, untold)
            say(f" !     {untold}: {error}")

    async def _close(
        self, deployment: Deployment, request: Request, error: BaseException, say: Say, phase: Phases
    ) -> Deployment:
        """Write down how a deployment ended that did not go live, and tell it."""
        self._cancellable.discard(deployment.id)
        if request.discard is not None:
            await self._moved(deployment, request.discard, say, "its commit is kept, and was to be dropped")
        state = State.FAILED
        if isinstance(error, asyncio.CancelledError):
            problem, state = Problem("cancelled", "cancelled"), State.CANCELLED
            say(" !     cancelled: what served before still serves")
        else:
            problem = error if isinstance(error, Problem) else _bug(deployment, error)
            state = State.SUPERSEDED if problem.code == "superseded" else State.FAILED
            live = await until_written(
                self._clock, lambda: self._journal.live(deployment.project, deployment.environment)
            )
            self._report.failure(problem, phase.name, live, say)
        record = {name: self._hidden(value) for name, value in as_record(problem, phase.name).items()}
        now = self._clock.now()
        closed = await until_written(
            self._clock, lambda: self._journal.move(deployment.id, state, now, phase=phase.name, problem=record), say
        )
        try:
            await self._tell(closed, f"deployment {deployment.id} {state}: {problem}")
        except Problem as untold:
            log.warning("deployment %s is %s, and no event tells it: %s", deployment.id, state, untold)
        return closed

    def _hidden(self, value: object) -> object:
        """Return a text, or texts, with known secrets hidden."""
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        return self._redactor.hide(value) if isinstance(value, str) else value

    async def _tell(self, deployment: Deployment, message: str) -> None:
        await self._journal.tell(
            f"deployment.{deployment.state}",
            self._redactor.hide(message),
            self._clock.now(),
            project=deployment.project,
            environment=deployment.environment,
            data={"deployment": deployment.id, "release": deployment.release, "kind": deployment.kind},
        )

    async def _need_live(self, project: str, environment: str) -> Release:
        live = await self._journal.live(project, environment)
        if live is None:
            raise Problem(
                "nothing-live",
                f"nothing is live in {environment} of {project}",
                remedy="deploy first: `git push hostess main`",
            )
        return live

    async def _target(self, project: str, environment: str, live: Release | None, number: int | None) -> Release:
        if number is not None:
            target = await self._journal.release(project, environment, number)
        else:
            releases = await self._journal.releases(project, environment, RECENT)
            newest = await self._journal.deployments(project, environment, limit=RECENT)
            # Where all was taken down, what was live last is what one goes back to.
            target = previous_good(live, releases, newest) if live else next(iter(releases), None)
        if target is None:
            live = live or await self._need_live(project, environment)
            raise Problem(
                "release-not-found",
                f"{project} ({environment}) has no {'earlier good release' if number is None else f'release v{number}'} to go back to",
                remedy="`hostess deployments list` shows which there are: `hostess rollback vN` goes to that one",
            )
        return target

    async def _ahead(self, target: Release) -> str:
        newest = await self._journal.deployments(target.project, target.environment, limit=RECENT)
        return ahead(target, [(each, await self._journal.steps(each.id)) for each in later(target, newest)])


def _bug(deployment: Deployment, error: BaseException) -> Problem:
    log.error("deployment %s ended in a bug", deployment.id, exc_info=error)
    return Problem(
        "internal-error",
        "something in Hostess itself went wrong; the daemon's log has the details",
        remedy=f"look for {deployment.id} in the log (`journalctl -u hostess`)",
    )
