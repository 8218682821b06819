"""Releases: what an environment can go back to."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from hostess.domain.releases.release import Release
from hostess.doors.api.operation import Call, Given, View, op

SHORT = 12


class ReleaseView(View):
    """A release that was live once. *images* maps service to (short) image id."""

    project: str
    environment: str
    number: int
    commit: str
    created_at: datetime
    live: bool
    images: Mapping[str, str]


class ReleaseList(View):
    """Releases, newest first per environment."""

    items: tuple[ReleaseView, ...]


class ReleaseFilter(Given):
    """Which releases to list."""

    project: str | None = None
    env: str | None = None
    limit: int = Field(default=20, ge=1, le=100)


@op("GET /v1/releases", "read", given=ReleaseFilter, returns=ReleaseList)
async def list_releases(call: Call, given: ReleaseFilter) -> ReleaseList:
    """List releases, newest first."""
    journal = call.services.journal
    if given.project is not None:
        await call.require_project(given.project, "read")
    found: list[ReleaseView] = []
    for place in await journal.places(given.project):
        if call.sees(place.project) and given.env in {None, place.environment}:
            releases = await journal.releases(place.project, place.environment, given.limit)
            found += [_view(release, live=release.number == place.live) for release in releases]
    return ReleaseList(items=tuple(found))


def _view(release: Release, *, live: bool) -> ReleaseView:
    return ReleaseView(
        project=release.project,
        environment=release.environment,
        number=release.number,
        commit=release.commit,
        created_at=release.created_at,
        live=live,
        images={name: w.image.removeprefix("sha256:")[:SHORT] for name, w in release.workloads.items()},
    )


OPERATIONS = (list_releases,)
