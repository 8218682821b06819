"""How much git one caller gets, what is said beyond it, and that a push of any size is one."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from hostess.domain.releases.push import Push, Say, Verdict
from hostess.domain.settings import ApiSettings
from hostess.doors.git_limits import GitBusy, GitLimits
from tests.integration.git.conftest import OTHER, TOKEN, Clone, World, serving

MIB = 1024 * 1024
OFFER = "/git/shop.git/info/refs?service=git-upload-pack"


@contextlib.asynccontextmanager
async def deploying(world: World, clone: Clone) -> AsyncIterator[None]:
    """Push, and let the deployment last as long as the block runs; then the push must have gone well."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def decide(push: Push, _say: Say) -> Sequence[Verdict]:
        begun.set()
        await end.wait()
        return [await world.move(push, update) for update in push.updates]

    world.decide = decide
    pushing = asyncio.create_task(clone.good("push", "hostess", "main"))
    try:
        async with asyncio.timeout(30):
            await begun.wait()
        yield
    finally:
        end.set()
        async with asyncio.timeout(30):
            await pushing


async def offered(world: World, token: str) -> tuple[int, str, str]:
    """Ask as git does at first; return status, Retry-After and text."""
    auth = aiohttp.encode_basic_auth("git", token) if token else ""
    headers = {"Authorization": auth} if auth else {}
    async with aiohttp.ClientSession() as session, session.get(world.url + OFFER, headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After", ""), (await answer.read()).decode(errors="replace")


async def test_a_caller_with_too_much_under_way_is_told_in_words(tmp_path: Path) -> None:
    """What one token has at once is bounded: git shows a sentence and fails; the push that runs, and other tokens, do not notice."""
    async with serving(tmp_path, GitLimits(ApiSettings(at_once=1))) as world:
        clone = await world.clone()
        async with deploying(world, clone):
            refused = await clone.git("ls-remote", "hostess")
            status, later, _ = await offered(world, TOKEN)
            others = await clone.good("ls-remote", world.remote(token=OTHER))
        after = await clone.good("ls-remote", "hostess")

    assert refused.code != 0
    assert "remote: 1 requests are under way already" in refused.said
    assert "remote: next: ask again after" in refused.said
    assert (status, later) == (429, "1")
    assert others == ""
    assert "refs/heads/main" in after


async def test_all_together_have_a_bound_too(tmp_path: Path) -> None:
    """Where as much is under way as the host takes, whoever comes next is told to come again; what was begun goes on."""
    async with serving(tmp_path, GitLimits(ApiSettings(), together=1)) as world:
        clone = await world.clone()
        async with deploying(world, clone):
            refused = await clone.git("push", world.remote(token=OTHER), "main:other")
            status, later, _ = await offered(world, OTHER)
        after = await clone.good("ls-remote", world.remote(token=OTHER))

    assert refused.code != 0
    assert "remote: 1 pushes and fetches are under way, which is all that this host takes at once" in refused.said
    assert (status, later) == (503, "5")
    assert "refs/heads/main" in after


async def test_a_large_push_is_one_conversation(tmp_path: Path) -> None:
    """However many pieces a push comes in, it is not slowed down by the bounds that one caller has."""
    async with serving(
        tmp_path, GitLimits(ApiSettings(rate=0.3, at_once=1))
    ) as world:  # three at once, then hardly any
        clone = await world.clone()
        await clone.commit("big", secrets.token_bytes(24 * MIB))
        await clone.good("push", "hostess", "main")

    assert [push.project for push in world.pushes] == ["shop"]


async def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    """Beyond the rate a token gets 429 and when to ask again; a wrong one is counted by address; asking without costs nobody a try."""
    async with serving(tmp_path, GitLimits(ApiSettings(rate=0.2))) as world:
        nobody = [(await offered(world, ""))[0] for _ in range(5)]
        wrong = [(await offered(world, "guessed"))[0] for _ in range(4)]
        known = [await offered(world, TOKEN) for _ in range(3)]
        other, _, _ = await offered(world, OTHER)

    assert nobody == [401] * 5
    assert wrong == [401, 401, 429, 429]
    assert [status for status, _, _ in known] == [200, 200, 429]
    assert 1 <= int(known[-1][1]) <= 5
    assert "more than 0.2 requests per second" in known[-1][2]
    assert other == 200


def test_a_bound_that_is_reached_counts_nobody() -> None:
    """Who was refused leaves nothing behind that would count against the next."""
    limits = GitLimits(ApiSettings(rate=0), together=1)
    with limits.conversation("a"), pytest.raises(GitBusy), limits.conversation("b"):
        pass
    with limits.conversation("b"):
        pass
