"""What one caller may have of the API, and that others go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from hostess.domain.settings import ApiSettings
from hostess.doors.api.limits import BURST_SECONDS
from tests.integration.api.stage import Stage, served


@asynccontextmanager
async def limited(stage: Stage, folder: Path, rate: float = 0.0, at_once: int = 0) -> AsyncIterator[str]:
    """Serve the same daemon with limits; yield its URL."""
    settings = stage.services.settings.model_copy(update={"api": ApiSettings(rate=rate, at_once=at_once)})
    async with served(replace(stage.services, settings=settings), folder) as url:
        yield url


async def ask(stage: Stage, url: str, token: str) -> aiohttp.ClientResponse:
    """Ask who one is."""
    async with stage.session.get(f"{url}/v1/whoami", headers={"Authorization": f"Bearer {token}"}) as response:
        await response.read()
        return response


async def test_too_many_requests_are_told_to_wait(stage: Stage, tmp_path: Path) -> None:
    """Beyond its rate a caller gets 429 with the seconds to wait; others, and the probe of the daemon's health, are answered."""
    other = await stage.a_token("viewer")

    async with limited(stage, tmp_path, rate=0.1) as url:
        said = [await ask(stage, url, stage.token) for _ in range(3)]
        theirs = await ask(stage, url, other)
        async with stage.session.get(f"{url}/healthz") as health:
            pass
        problem = said[-1]

    assert BURST_SECONDS * 0.1 == 1
    assert [each.status for each in said] == [200, 429, 429]
    assert 1 <= int(problem.headers["Retry-After"]) <= 10
    assert problem.content_type == "application/problem+json"
    assert (theirs.status, health.status) == (200, 200)


async def test_strangers_who_guess_are_told_to_wait(stage: Stage, tmp_path: Path) -> None:
    """Requests without a known token are counted by address; whoever has a token is answered all the same."""
    async with limited(stage, tmp_path, rate=0.1) as url:
        said = [(await ask(stage, url, f"hst_{number:043d}")).status for number in range(3)]
        known = await ask(stage, url, stage.token)

    assert (said, known.status) == ([401, 429, 429], 200)


async def test_too_much_at_once_is_refused(stage: Stage, tmp_path: Path) -> None:
    """A stream counts as long as it is open, and no longer."""
    headers = {"Authorization": f"Bearer {stage.token}", "Accept": "text/event-stream"}

    async with limited(stage, tmp_path, at_once=1) as url:
        async with stage.session.get(f"{url}/v1/events?after=0", headers=headers) as stream:
            refused = await ask(stage, url, stage.token)
        async with asyncio.timeout(25):
            while (await ask(stage, url, stage.token)).status != 200:
                await asyncio.sleep(0.05)

    assert (stream.status, refused.status) == (200, 429)
