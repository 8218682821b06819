"""What becomes of a canary: another share, promoted to the live release, or stopped; one that is not well is stopped by itself."""

import logging
from dataclasses import replace
from datetime import timedelta

from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Advance, Canary, Share
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Kind, Release
from hostess.domain.routing.canary_steps import Judgement, Move, answered, judged
from hostess.services.deploying.deployments import Deployments, Enter, Request, Settle
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.live import place_of
from hostess.services.routing.publishing import Routing

log = logging.getLogger(__name__)


class Canaries:
    """Changes and ends canaries. Any other deployment that goes live in their environment ends them, too: the journal sees to it."""

    def __init__(  # noqa: PLR0913 -- the composition root names what it needs, once
        self,
        journal: Journal,
        deployments: Deployments,
        undoing: Undoing,
        routing: Routing,
        turns: Turns,
        clock: Clock,
        unsettle: Settle,
        *,
        step: timedelta,
    ) -> None:
        """*unsettle* moves the branch of a deployment back to where it was; *step* is how long a share lasts that grows by itself."""
        self._journal = journal
        self._deployments = deployments
        self._undoing = undoing
        self._routing = routing
        self._turns = turns
        self._clock = clock
        self._unsettle = unsettle
        self._step = step
        self._judged: dict[str, Judgement] = {}

    async def of(self, project: str, environment: str) -> Canary:
        """Return the canary of an environment; Problem "canary-not-found"."""
        found = await self._journal.canary(project, environment)
        if found is None:
            raise Problem(
                "canary-not-found",
                f"there is no canary in {environment} of {project}",
                remedy="begin one: `hostess canary start 10`, or `git push -o canary=10`",
            )
        return found

    async def set(self, project: str, environment: str, share: Share) -> Canary:
        """Give a canary another share; it holds when this returns. One that goes on by itself does not any more, unless that is said."""
        canary = await self.of(project, environment)
        advance = (await self._counted(canary))[0] if share.auto else None
        if not await self._journal.share_canary(canary, share, advance):
            raise Problem("canary-not-found", "the canary has just ended", remedy="see `hostess deployments list`")
        await self._routing.publish()
        changed = await self.of(project, environment)
        await self._tell(changed, "set", f"{changed.release.title} gets {share.percent} %")
        return changed

    async def promote(self, project: str, environment: str, actor: str) -> str:
        """Begin to make the canary's release the live one, by the way of every deployment; return the deployment's id.

        Its replicas serve on; what it shared with the live release is changed now. Until the switch it stays a canary.
        """
        asked = await self.of(project, environment)

        async def prepare(_: Deployment, _live: Release | None, say: Say, _enter: Enter) -> Release:
            canary = await self.of(project, environment)
            if canary.deployment != asked.deployment:
                raise Problem("canary-not-found", f"{asked.release.title} is no canary any more")
            say(
                f"-----> promoting {canary.release.title} ({canary.release.commit[:7]}), which had {canary.share.percent} %"
            )
            return canary.release

        commit = asked.release.commit
        return await self._deployments.begin(
            Request(project, environment, Kind.PROMOTE, actor, prepare, commit=commit, migrate=True)
        )

    async def stop(self, project: str, environment: str, why: str = "it was stopped") -> Canary:
        """Take a canary out of the table, drain and remove its replicas; return it. Nothing that it was asked is lost."""
        async with self._turns.turn(project, environment):
            canary = await self.of(project, environment)
            live = await self._journal.live(project, environment)
            await self._journal.drop_canary(project, environment)
            await self._routing.publish()
            await self._tell(canary, "stopped", f"{canary.release.title} is no canary any more: {why}")
            place = await place_of(self._journal, project, environment)
            if live is not None:
                await self._undoing.retire_stale(place, live, [])
            deployment = await self._journal.deployment(canary.deployment)
            if deployment is not None and deployment.ref:
                await self._unsettle(deployment)
        return canary

    async def look(self) -> None:
        """Stop each canary that has a service of which no replica is well: the live release has its share already."""
        canaries = await self._journal.canaries()
        there = {canary.deployment for canary in canaries}
        self._judged = {key: each for key, each in self._judged.items() if key in there}
        for canary in canaries:
            release = canary.release
            if self._turns.busy(release.project, release.environment):
                continue
            try:
                missing = sorted(set(canary.services) - await self._routing.served_by(canary))
                if missing:
                    why = f"no replica of {', '.join(missing)} is well"
                    await self.stop(release.project, release.environment, why)
                elif canary.advance is not None:
                    await self._go_on(canary)
            except Problem as problem:  # the engine or the proxy is away, or somebody else was faster
                log.info("the canary of %s could not be looked at: %s", release.project, problem)

    def judgement(self, canary: Canary) -> str:
        """Return how a canary that goes on by itself was last judged, in words; "" when it was not."""
        judgement = self._judged.get(canary.deployment)
        return judgement.why if judgement is not None and canary.advance is not None else ""

    async def _go_on(self, canary: Canary) -> None:
        """Give a canary more, make it live, or take it back, by what both releases have answered."""
        project, environment = canary.release.project, canary.release.environment
        advance, bounds = await self._counted(canary)
        if (
            canary.advance is not None and not canary.advance.live.within
        ):  # it has just begun: what came before is not compared
            await self._journal.share_canary(canary, canary.share, advance)
            return
        judgement = judged(canary, advance.live, advance.own, bounds, advance.since, self._step)
        self._judged[canary.deployment] = judgement
        title = canary.release.title
        match judgement.move:
            case Move.ABORT:
                await self.stop(project, environment, judgement.why)
                await self._tell(canary, "aborted", f"{title} was taken back: {judgement.why}")
            case Move.NEXT:
                share = replace(canary.share, percent=judgement.percent)
                if await self._journal.share_canary(canary, share, advance):
                    await self._routing.publish()
                    await self._tell(canary, "advanced", f"{title} gets {share.percent} %: {judgement.why}")
            case Move.PROMOTE:
                await self.promote(project, environment, canary.actor)
                # Once: a promotion that fails leaves the canary at its share, for people to decide.
                await self._journal.share_canary(canary, canary.share)
                await self._tell(canary, "advanced", f"{title} is made live: {judgement.why}")

    async def _counted(self, canary: Canary) -> tuple[Advance, tuple[float, ...]]:
        """Return what both releases have answered until now, and the bounds of the proxy."""
        release = canary.release
        bounds, found = await self._routing.answers()
        live = await self._journal.live(release.project, release.environment)
        stable, own = (
            answered(found, release, title, canary.services) for title in (live.title if live else "", release.title)
        )
        return Advance(self._clock.now(), stable, own), bounds

    async def _tell(self, canary: Canary, what: str, message: str) -> None:
        release = canary.release
        await self._journal.tell(
            f"canary.{what}",
            message,
            self._clock.now(),
            project=release.project,
            environment=release.environment,
            data={"release": release.number, "percent": canary.share.percent},
        )
