"""How far a database is ahead of a release: which later deployments ran migrations that a rollback does not take back. Pure."""

from collections.abc import Sequence

from hostess.domain.records import Step
from hostess.domain.releases.release import Deployment, Kind, Release, State

STEP = "migrate:"


def later(target: Release, deployments: Sequence[Deployment]) -> list[Deployment]:
    """Return the deployments, oldest first, that may have migrated the database since *target*'s code was brought in.

    A rollback makes a copy with a later number, so what counts is the push. Those that failed are among them: their migration
    may have been through when something else went wrong.
    """
    pushed = [d.release or 0 for d in deployments if d.kind is Kind.PUSH and d.commit == target.commit]
    since = max((number for number in pushed if 0 < number <= target.number), default=target.number)
    return sorted((d for d in deployments if (d.release or 0) > since), key=lambda d: d.release or 0)


def ahead(target: Release, ran: Sequence[tuple[Deployment, Sequence[Step]]]) -> str:
    """Return the sentence that names the migrations in the steps of these `later` deployments; "" when there was none."""
    found = [_told(deployment, steps) for deployment, steps in ran]
    told = "; ".join(filter(None, found))
    return f"the database is ahead of {target.title}: {told}" if told else ""


def _told(deployment: Deployment, steps: Sequence[Step]) -> str:
    names = [step.name.removeprefix(STEP) for step in steps if step.name.startswith(STEP)]
    if not names:
        return ""
    ending = "" if deployment.state in {State.LIVE, State.DEGRADED} else f", {deployment.state}"
    return f"migrate of {', '.join(names)} ran in v{deployment.release} ({deployment.commit[:7]}{ending})"
