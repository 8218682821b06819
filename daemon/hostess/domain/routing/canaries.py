"""A canary: a release that is tried out by a share of the requests, beside the one that is live. Pure.

It has replicas of its own for those services that are reached from outside and are other ones in it; everything else (databases, what
keeps data, workers, files, what did not change) is that of the live release.
"""

from collections.abc import Collection, Mapping, Sequence

from hostess.domain import labels
from hostess.domain.ports import CanaryTargets, Container
from hostess.domain.problem import Problem
from hostess.domain.records import Canary, Share
from hostess.domain.releases.plan import Plan, matching, plan
from hostess.domain.releases.release import Release, Workload
from hostess.domain.routing.canary_steps import STEPS

WHOLE = "deploy it without a canary"
MOST = 100


def share_of(text: str) -> Share:
    """Return the share of "10" or "10%", without a header; Problem "bad-share" for what is no percentage.

    "auto", and "10,auto", go on by themselves.
    """
    if text == "auto":
        return Share(STEPS[0], auto=True)
    text, comma, _ = text.partition(",auto")
    digits = text.removesuffix("%")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= MOST):  # noqa: PLR2004 -- "100"
        raise Problem(
            "bad-share",
            f"{text[:20]!r} is no percentage from 0 to 100",
            remedy="write it like canary=10, or canary=auto",
        )
    return Share(int(digits), auto=bool(comma))


def tried_services(live: Release | None, wanted: Release) -> tuple[str, ...]:
    """Return the services that a canary of *wanted* has replicas of. Problem "canary-impossible" when it cannot stand beside *live*."""
    if live is None:
        raise _impossible("nothing is live that a canary could stand beside")
    before = live.workloads
    for name, workload in wanted.workloads.items():
        if name not in before:
            raise _impossible(f"{name} is new, and a canary has only services that the live release has, too")
        if workload.is_database and (before[name].spec, before[name].inside) != (workload.spec, workload.inside):
            raise _impossible(f"{name} is another one in this release, and a database is never doubled")
    found = tuple(n for n, w in wanted.workloads.items() if _is_tried(w, before[n]) and w.spec != before[n].spec)
    if not found:
        raise _impossible("no service that is reached from outside is another one in this release")
    return found


def _is_tried(workload: Workload, before: Workload) -> bool:
    made_of_files = workload.static is not None or before.static is not None
    return bool(workload.hosts) and not made_of_files and not workload.singleton


def shared_services(live: Release, wanted: Release, tried: Collection[str]) -> tuple[str, ...]:
    """Return the services that are other ones in *wanted*, and stay those of *live* until it is promoted."""
    return tuple(n for n, w in wanted.workloads.items() if n not in tried and w.spec != live.workloads[n].spec)


def canary_plan(
    live: Release, wanted: Release, containers: Sequence[Container], leaving: Collection[str], tried: Collection[str]
) -> Plan:
    """Return what starts the replicas of a canary, and changes nothing else."""
    whole = plan(live, wanted, containers, leaving)
    waves = tuple(tuple(start for start in wave if start.service in tried) for wave in whole.waves)
    return Plan((), (), tuple(filter(None, waves)), (), (), whole.kept, (), ())


def belongs(canary: Canary | None, container: Container) -> bool:
    """Whether a container is a replica of the canary."""
    return canary is not None and container.labels.get(labels.DEPLOYMENT) == canary.deployment


def targets_of(
    canary: Canary, containers: Sequence[Container], unwell: Collection[str]
) -> Mapping[tuple[str, int], CanaryTargets]:
    """Return (service, port) -> where the canary's share goes; nothing for a service of which no replica is well.

    What is not there or not well has no share: the live release gets it.
    """
    found: dict[tuple[str, int], CanaryTargets] = {}
    share = canary.share
    for workload in canary.tried.workloads.values():
        wanted = matching(workload, containers)[: workload.replicas]
        well = [c for c in wanted if c.address and c.state == "running" and c.id not in unwell]
        for port in workload.hosts if well else ():
            targets = tuple(f"{each.address}:{port}" for each in well)
            title = canary.release.title
            found[workload.name, port] = CanaryTargets(title, targets, share.percent, share.header, share.values)
    return found


def _impossible(why: str) -> Problem:
    return Problem("canary-impossible", why, remedy=WHOLE)
