"""Which release a rollback goes to when nobody names one, and what it cannot go back to. Pure."""

from collections.abc import Collection, Sequence

from hostess.domain.problem import Problem
from hostess.domain.releases.release import Deployment, Kind, Release, State

LIVE_ONCE = frozenset({State.LIVE, State.DEGRADED})


def previous_good(live: Release, releases: Sequence[Release], deployments: Sequence[Deployment]) -> Release | None:
    """Return the newest release before *live* that nobody has rolled back from, and that is not what is live already.

    So a second rollback goes one step further back, and never to the release that the first one left.
    """
    numbers = sorted(d.release for d in deployments if d.release is not None and d.state in LIVE_ONCE)
    left = {
        max((number for number in numbers if number < deployment.release), default=0)
        for deployment in deployments
        if deployment.kind is Kind.ROLLBACK and deployment.release is not None and deployment.state in LIVE_ONCE
    }
    older = [r for r in releases if r.number < live.number and r.number not in left and not _same(r, live)]
    return max(older, key=lambda release: release.number, default=None)


def _same(one: Release, other: Release) -> bool:
    """Whether two releases run the same: a rollback makes a copy under a new number."""
    return _run_by(one) == _run_by(other)


def _run_by(release: Release) -> dict[str, tuple[object, ...]]:
    """Return what makes the containers of a release, what is set inside them while they run, and what is asked of the proxy."""
    return {name: (w.spec, w.inside, w.sign_in, w.proxy) for name, w in release.workloads.items()}


def check_data(target: Release, live: Release | None, volumes: Collection[str]) -> None:
    """Raise Problem "data-gone" when a database of *target* would come back to none of the *volumes* there are.

    It would be empty, nothing would migrate it, and only this release would know its password.
    """
    for workload in target.workloads.values():
        comes_back = live is None or workload.name not in live.workloads
        if workload.is_database and comes_back and not set(workload.volumes) <= set(volumes):
            raise Problem(
                "data-gone",
                f"the data of {workload.name} in {target.title} was destroyed",
                remedy=f"push commit {target.commit[:7]} again: it starts with an empty {workload.name}",
            )
