"""Uploads: `hostess deploy`."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from pydantic import Field

from hostess.domain.ports import TreeLimits
from hostess.domain.problem import Problem
from hostess.domain.records import Share
from hostess.doors.api.deployments import PLACE, DeploymentView, begun_view
from hostess.doors.api.operation import Call, Given, op
from hostess.services.deploying.uploads import Upload

MEDIA = ("application/gzip", "application/x-tar")
MOST = TreeLimits().archive
QUIET = 60.0
"""Seconds in which a piece of the archive must come."""
WITHIN = 3600.0
"""Seconds in which all of it must."""


class About(Given):
    """What the commit of the archive says, and whether everything is built anew. *canary*: the percentage with which it is tried out.

    With *canary_auto* that grows by itself until it is live, or it is taken back.
    """

    message: str = Field(default="", max_length=1000)
    no_cache: bool = False
    canary: int | None = Field(default=None, ge=0, le=100)
    canary_auto: bool = False


@op(f"POST {PLACE}/upload", "deploy", given=About, returns=DeploymentView, status=202, takes=MEDIA, makes_place=True)
async def upload(call: Call, given: About) -> DeploymentView:
    """Deploy the tree that the body, a tar archive (gzip or not), holds; follow it by its log."""
    if (call.request.content_length or 0) > MOST:
        raise Problem("archive-too-large", f"the archive is larger than {MOST} bytes")
    share = None if given.canary is None else Share(given.canary, auto=given.canary_auto)
    asked = Upload(call.project, call.environment, call.caller.name, given.message, given.no_cache, share)
    async with asyncio.timeout(WITHIN):
        deployment = await call.services.uploads.begin(asked, _pieces(call.request))
    return await begun_view(call, deployment, "upload")


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes; Problem "upload-broken" when the client goes away."""
    while True:
        try:
            async with asyncio.timeout(QUIET):
                piece = await request.content.readany()
        except (OSError, web.HTTPException) as error:
            raise Problem("upload-broken", f"the upload broke off: {error}") from error
        if not piece:
            return
        yield piece


OPERATIONS = (upload,)
