"""Webhooks of forges: set by people, and called by GitHub, GitLab, Gitea or Forgejo when somebody pushes there."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from aiohttp import web
from pydantic import Field, SecretStr

from hostess.domain.forges import Webhook
from hostess.domain.problem import Problem
from hostess.doors.api.limits import UNSIGNED
from hostess.doors.api.operation import JSON, Call, Given, Nothing, View, op

LARGEST = 4 * 1024 * 1024
"""What a forge tells of one push at most, in bytes."""
QUIET = 10.0
"""Seconds in which a forge must have sent it."""


class WebhookView(View):
    """A project's webhook: the repository that is fetched from, and where its forge sends events (without the daemon's address)."""

    url: str
    user: str
    path: str
    address: str
    added_at: datetime


class MadeWebhook(WebhookView):
    """A webhook that was just set: the only time that *secret* is seen."""

    secret: str


class NewWebhook(Given):
    """Which repository is fetched from; *user* and *password* (an access token) where not everybody may read it."""

    url: str = Field(max_length=2000)
    user: str = Field(default="", max_length=400)
    password: SecretStr = Field(default=SecretStr(""), max_length=3600)


class Heard(View):
    """What came of an event: *branch* is fetched and deployed as a push would be, "" for an event that asks for nothing."""

    branch: str


BASE = "/v1/projects/{project}/webhook"


@op(f"GET {BASE}", "read", returns=WebhookView)
async def show_webhook(call: Call, _: Nothing) -> WebhookView:
    """Show the webhook of a project."""
    return WebhookView(**_members(call, await call.services.webhooks.find(call.project)))


@op(f"PUT {BASE}", "admin", given=NewWebhook, returns=MadeWebhook)
async def set_webhook(call: Call, given: NewWebhook) -> MadeWebhook:
    """Deploy what is pushed to a repository elsewhere; the answer has the secret for its forge, which is a new one each time."""
    password = given.password.get_secret_value()
    row, secret = await call.services.webhooks.put(call.project, given.url, given.user, password)
    await call.audit("webhook.set", f"deploys from {row.url}", {"url": row.url, "user": row.user})
    return MadeWebhook(**_members(call, row), secret=secret)


@op(f"DELETE {BASE}", "admin", status=204)
async def remove_webhook(call: Call, _: Nothing) -> None:
    """Listen to the project's forge no longer; what was fetched stays."""
    await call.services.webhooks.remove(call.project)
    await call.audit("webhook.removed", "no longer listens to a forge", {})


@op(f"POST {BASE}", None, returns=Heard, status=202, takes=(JSON,))
async def hear_forge(call: Call, _: Nothing) -> Heard:
    """Take an event of a forge, signed with the webhook's secret (`X-Hub-Signature-256`, `X-Gitea-Signature`; `X-Gitlab-Token`).

    What was pushed is fetched from the repository that the webhook names, and deployed; `hostess events` tells what came of it.
    """
    with call.request.app[UNSIGNED].held() as counted:
        body = await _body(call.request, counted)
        push = await call.services.webhooks.take(call.path["project"], call.request.headers, body)
    return Heard(branch=push.branch if push else "")


async def _body(request: web.Request, counted: Callable[[int], None]) -> bytes:
    """Return the body; nobody is known yet, so it has bounds of its own, and *counted* together with all others."""
    body = bytearray()
    try:
        async with asyncio.timeout(QUIET):
            async for piece in request.content.iter_any():
                counted(len(piece))
                body += piece
                if len(body) > LARGEST:
                    raise Problem("body-too-large", f"the event is larger than {LARGEST // 1024**2} MiB")
    except TimeoutError:
        raise Problem("bad-request", f"the event did not come within {QUIET:.0f} s") from None
    return bytes(body)


def _members(call: Call, row: Webhook) -> dict[str, object]:
    path, host = BASE.format(project=row.project), call.services.settings.api.host
    address = f"https://{host}{path}" if host else ""
    return {"url": row.url, "user": row.user, "path": path, "address": address, "added_at": row.added_at}


OPERATIONS = (show_webhook, set_webhook, remove_webhook, hear_forge)
