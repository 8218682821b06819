"""The sign of life after a good backup, at a real web server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web

from hostess.adapters.backups.heartbeat import HttpHeart
from hostess.domain.backups.backup import OK, RECOVERED, SAFETY, SCHEDULED, Backup
from hostess.domain.problem import Problem
from hostess.services.backups.heartbeats import Heartbeats
from tests.fakes.clock import FakeClock
from tests.integration.api.stage import FILE, Stage

PATH = "/ping/secret-5f0c"


@dataclass
class Waiting:
    """Answers with each of *answers*, the last one for ever, and counts."""

    answers: list[int]
    url: str = ""
    heard: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Remember a request."""
        self.heard.append(f"{request.method} {request.path}")
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, headers={"Location": f"{self.url}/elsewhere"})


@asynccontextmanager
async def waiting(*answers: int) -> AsyncIterator[Waiting]:
    """Open a web server."""
    there = Waiting(list(answers))
    app = web.Application()
    app.router.add_get("/{rest:.*}", there.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    try:
        yield there
    finally:
        await runner.cleanup()


async def sent(stage: Stage, url: str, trigger: str = SCHEDULED) -> list[str]:
    """Let a backup of a service that names *url* go well; return what the events say of its heartbeat."""
    await stage.project()
    store = f'\n  database: {{type: postgres, special: {{version: "16"}}, backups: {{schedule: daily, heartbeat: "{url}"}}}}\n'
    verdict = await stage.push(FILE.replace("${secret:GREETING}", "hello") + store)
    assert verdict.accepted, verdict
    beats = Heartbeats(stage.journal, HttpHeart(), FakeClock())
    await beats.after(Backup("1", "shop", "production", "database", trigger, datetime.now(UTC), OK))
    await beats.settled()
    events = await stage.journal.events(limit=1000)
    return [each.message for each in events if each.kind == "backup.heartbeat-failed"]


async def test_a_good_backup_is_heard_of(stage: Stage) -> None:
    """The URL is fetched once, as it is written."""
    async with waiting(200) as there:
        assert await sent(stage, there.url) == []
        assert there.heard == [f"GET {PATH}"]


async def test_one_that_is_not_taken_is_sent_again(stage: Stage) -> None:
    """What fails twice and then works is no news."""
    async with waiting(503, 503, 204) as there:
        assert await sent(stage, there.url) == []
        assert there.heard == [f"GET {PATH}"] * 3


async def test_redirects_are_not_followed_and_what_fails_is_told(stage: Stage) -> None:
    """After three tries it is told, without the URL's path, which is often a secret."""
    async with waiting(302) as there:
        [told] = await sent(stage, there.url)
        assert there.heard == [f"GET {PATH}"] * 3
    assert "its heartbeat was not taken: 127.0.0.1 answered 302" in told
    assert "secret" not in told


@pytest.mark.parametrize("trigger", [SAFETY, RECOVERED])
async def test_backups_for_a_restore_say_nothing(stage: Stage, trigger: str) -> None:
    """They would hide that scheduled ones do not come any more."""
    async with waiting(200) as there:
        assert await sent(stage, there.url, trigger) == []
        assert there.heard == []


async def test_nobody_there() -> None:
    """Who does not answer is named, and nothing else of the URL."""
    async with waiting(200) as there:
        url = there.url
    with pytest.raises(Problem, match="could not be reached") as told:
        await HttpHeart().beat(url)
    assert "secret" not in str(told.value)
