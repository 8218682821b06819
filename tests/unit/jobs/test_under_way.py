"""Work that goes on by itself."""

import asyncio
import logging

import pytest

from hostess.services.under_way import UnderWay, lasting


async def done(word: str, held: asyncio.Event, seen: list[str]) -> str:
    """Return the word once that is let."""
    await held.wait()
    seen.append(word)
    return word


async def test_one_under_each_key() -> None:
    """What is begun under a key that is taken is not done; under another one it is, and a key is free again afterwards."""
    held, seen, under_way = asyncio.Event(), list[str](), UnderWay[str]("a word")
    for key, word in (("a", "first"), ("a", "second"), ("b", "other")):
        under_way.begin(key, done(word, held, seen))
    task = under_way.get("a")
    held.set()
    await under_way.settled()

    assert (sorted(seen), task is not None and task.result()) == (["first", "other"], "first")
    assert ("a" in under_way, under_way.get("a")) == (False, None)
    under_way.begin("a", done("again", held, seen))
    await under_way.settled()
    assert seen[-1] == "again"


async def test_what_it_raises_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Work that nobody waits for and that fails is told, with its cause."""

    async def fails() -> None:
        raise OSError("no room")

    under_way = UnderWay[None]("a backup")
    under_way.begin("shop", fails())
    await under_way.settled()

    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.ERROR, "a backup (shop) ended in a bug")
    ]
    assert "no room" in caplog.text


async def test_all_of_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is under way is cancelled and waited for, which is nobody's failure."""
    held, seen, under_way = asyncio.Event(), list[str](), UnderWay[str]("a word")
    under_way.begin("a", done("never", held, seen))
    await asyncio.sleep(0)
    task = under_way.get("a")
    await under_way.stop()

    assert (task is not None and task.cancelled(), seen, "a" in under_way, caplog.records) == (True, [], False, [])


async def test_a_loop_that_ends_in_a_bug_is_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on from its beginning, as often as it takes, each bug is in the log, and it can be cancelled as any other."""
    runs, forever = list[int](), asyncio.Event()

    async def loop() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise KeyError("a bug")
        forever.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(lasting(loop, 0))
    await asyncio.wait_for(forever.wait(), 10)
    task.cancel()
    await asyncio.wait({task})

    assert (runs, task.cancelled()) == ([0, 1, 2], True)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


async def test_a_loop_that_returns_is_over() -> None:
    """What has nothing to do on this host ends."""

    async def loop() -> None:
        return

    await asyncio.wait_for(lasting(loop), 10)
