"""What is live, by name: an environment."""

from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place


async def place_of(journal: Journal, project: str, environment: str) -> Place:
    """Return an environment; Problem "environment-not-found"."""
    for place in await journal.places(project):
        if place.environment == environment:
            return place
    raise Problem("environment-not-found", f"{project} has no environment {environment}")
