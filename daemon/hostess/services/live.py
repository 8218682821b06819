"""What is live, by name: an environment, and a service of its release."""

from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.release import Release, Workload


async def place_of(journal: Journal, project: str, environment: str) -> Place:
    """Return an environment; Problem "environment-not-found"."""
    for place in await journal.places(project):
        if place.environment == environment:
            return place
    raise Problem("environment-not-found", f"{project} has no environment {environment}")


async def live_workload(journal: Journal, project: str, environment: str, service: str) -> tuple[Release, Workload]:
    """Return the live release and one of its services; Problem "nothing-live", "service-not-found"."""
    live = await journal.live(project, environment)
    if live is None or service not in live.workloads:
        raise Problem(
            "service-not-found" if live else "nothing-live",
            f"{live.title if live else environment} of {project} has no service {service}",
            remedy=f"its services are {', '.join(live.workloads)}" if live else "deploy first",
        )
    return live, live.workloads[service]
