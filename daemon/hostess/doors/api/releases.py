"""Releases: what an environment can go back to."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from hostess.domain.releases.release import Release
from hostess.doors.api.deployments import MOST
from hostess.doors.api.operation import Call, Given, View, op
from hostess.doors.api.problems import InvalidRequest

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
    """Releases, newest first per environment.

    *next*: of one project and environment, what to give as `after` for those that follow; None at the end.
    """

    items: tuple[ReleaseView, ...]
    next: int | None


class ReleaseFilter(Given):
    """Which releases to list, so many of each environment; *after*, a number, goes with one project and environment."""

    project: str | None = None
    env: str | None = None
    limit: int = Field(default=20, ge=1, le=100)
    after: int | None = Field(default=None, ge=1, le=MOST)


@op("GET /v1/releases", "read", given=ReleaseFilter, returns=ReleaseList)
async def list_releases(call: Call, given: ReleaseFilter) -> ReleaseList:
    """List releases, newest first."""
    journal = call.services.journal
    one = given.project is not None and given.env is not None
    if given.after is not None and not one:
        raise InvalidRequest(("after: releases are in pages for one project and env only",))
    if given.project is not None:
        await call.require_project(given.project, "read")
    found: list[ReleaseView] = []
    more = False
    for place in await journal.places(given.project):
        if call.sees(place.project) and given.env in {None, place.environment}:
            releases = await journal.releases(place.project, place.environment, given.limit + 1, given.after)
            found += [_view(release, live=release.number == place.live) for release in releases[: given.limit]]
            more = more or len(releases) > given.limit
    return ReleaseList(items=tuple(found), next=found[-1].number if one and more else None)


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
