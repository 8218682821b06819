"""What a push would change, told without changing anything (`git push -o dry-run`)."""

from hostess.domain.plan import plan
from hostess.domain.ports import Clock, Journal
from hostess.domain.release import Deployment, Kind, State
from hostess.domain.stack import Stack
from hostess.services.preparation import Preparation
from hostess.services.replicas import Replicas
from hostess.services.retirement import leaving


class Preview:
    """Makes the same draft and the same plan as a deployment would, and stops there."""

    def __init__(self, journal: Journal, preparation: Preparation, replicas: Replicas, clock: Clock) -> None:
        self._journal = journal
        self._preparation = preparation
        self._replicas = replicas
        self._clock = clock

    async def lines(self, project: str, environment: str, commit: str, stack: Stack, text: str) -> list[str]:
        """Return the plan, a line per change. A service whose image is not built yet counts as started anew."""
        deployment = Deployment(
            id="dry-run",
            project=project,
            environment=environment,
            kind=Kind.PUSH,
            state=State.QUEUED,
            commit=commit,
            ref="",
            previous="",
            actor="",
            created_at=self._clock.now(),
        )
        draft = await self._preparation.draft(deployment, stack, text)
        wanted, unbuilt = await self._preparation.unbuilt(deployment, draft)
        live = await self._journal.live(project, environment)
        containers = await self._replicas.of_place(project, environment)
        todo = plan(live, wanted, containers, await leaving(self._journal))
        lines = [f"build    {name}" for name in unbuilt]
        lines += [f"migrate  {w.name}" for w in wanted.workloads.values() if w.migrate and w.name not in todo.carried]
        lines += [f"start    {start.service} x {start.count}" for start in todo.starts]
        lines += [f"replace  {hand_over.service} (pauses)" for hand_over in todo.hand_overs]
        lines += [f"remove   {name} (its volumes stay)" for name in todo.removed]
        lines += [f"keep     {name}" for name in todo.carried]
        return lines
