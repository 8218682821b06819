"""How many replicas a service can be given by hand, and how many it keeps in a deployment. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release


def check_count(live: Release, name: str, count: int) -> None:
    """Problem "service-not-found", "static-service", "bad-count" or "singleton" where a service cannot have so many."""
    workload = live.workloads.get(name)
    if workload is None:
        raise Problem("service-not-found", f"{live.title} has no service {name}", remedy="see `hostess ps`")
    if workload.static is not None:
        raise Problem("static-service", f"{name} is made of files, and has no replicas", remedy="scale another service")
    if not 1 <= count <= 100:  # noqa: PLR2004 -- more on one host is a mistake of typing
        raise Problem("bad-count", f"{count} is not a number of replicas from 1 to 100")
    if workload.singleton and count > 1:
        raise Problem(
            "singleton", f"two of {name} must never run at once, so it stays at 1", remedy="scale another service"
        )


def scaled_by_hand(release: Release, counts: Mapping[str, int]) -> Release:
    """Return *release* with these counts, which its next deployment renews: until then no load changes them."""
    named = {name: replace(release.workloads[name], replicas=count, scaling=None) for name, count in counts.items()}
    return replace(release, workloads={**release.workloads, **named})


def as_scaled(release: Release, live: Release) -> Release:
    """Return *release* with the counts of *live*, which has the same services, and scaled by what scales those."""
    now = live.workloads
    same = {n: replace(w, replicas=now[n].replicas, scaling=now[n].scaling) for n, w in release.workloads.items()}
    return replace(release, workloads=same)


def with_counts_of(release: Release, live: Release | None) -> Release:
    """Return *release* with as many replicas of what is scaled by its load as are live, within its bounds: the load is the same.

    What sleeps is awake in it: a release goes live when it is known to run.
    """
    workloads = dict(release.workloads)
    for name, workload in workloads.items():
        if workload.scaling is not None:
            before = (live.workloads.get(name) if live else None) or workload
            count = max(1, workload.scaling.low, min(before.replicas, workload.scaling.high))
            workloads[name] = replace(workload, replicas=count)
    return replace(release, workloads=workloads)
