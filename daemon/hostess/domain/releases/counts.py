"""How many replicas a service can be given by hand. Pure."""

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
