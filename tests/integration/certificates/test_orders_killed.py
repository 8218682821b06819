"""A daemon that is killed in an order for a certificate, at whatever moment: the next one brings it to a good end."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from hostess.domain.ports import Journal
from tests.integration.certificates.ordering import MINUTE, Bench, a_bench

SHOP = "shop.example.org"
WORDS = ("begin", "order", "ready", "settled", "finish")


class KilledError(BaseException):
    """The daemon is no more: nothing of it catches this."""


class Mortal:
    """Counts moments, and dies at one of them: from then on nothing that it does has any effect."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.moments: list[str] = []
        self.dead = False

    def moment(self, what: str) -> None:
        """Live through a moment, or die at it."""
        if self.dead:
            raise KilledError
        self.moments.append(what)
        if len(self.moments) == self.at:
            self.dead = True
            raise KilledError

    def watched(self, thing: object, names: tuple[str, ...]) -> Any:
        """Return a thing whose methods *names* are moments, before they are called and after."""
        mortal = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                method = getattr(thing, name)
                if name not in names:
                    return method

                async def call(*args: Any, **fields: Any) -> Any:
                    mortal.moment(f"before {name}")
                    result = await method(*args, **fields)
                    mortal.moment(f"after {name}")
                    return result

                return call

        return Watched()


class MortalJournal:
    """The real journal, whose writes about orders are moments."""

    def __init__(self, journal: Journal, mortal: Mortal) -> None:
        self._journal = journal
        self.issuances = mortal.watched(journal.issuances, ("put", "drop"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


async def lived(bench: Bench, at: int) -> Mortal:
    """Let a daemon look after a new domain until it dies at a moment, or is done."""
    await bench.route(SHOP)
    mortal = Mortal(at)
    authority, store = bench.authority, bench.store
    bench.authorities = [mortal.watched(authority, WORDS)]
    bench.store = mortal.watched(store, ("save",))
    bench.watched = lambda journal: cast("Journal", MortalJournal(journal, mortal))
    bench.wire()
    await bench.publish()
    await bench.service.look()
    tasks = list(bench.service._tending.values())
    await asyncio.gather(*tasks, return_exceptions=True)
    bench.authorities, bench.store, bench.watched = [authority], store, lambda journal: journal
    return mortal


async def reborn(bench: Bench) -> None:
    """Let the next daemon live for a while; the answers to challenges of the one before are in no table of its."""
    bench.wire()
    await bench.challenge(type(bench.challenges)())
    await bench.look()
    await bench.after(5 * MINUTE, MINUTE)


async def count(folder: Path) -> int:
    """Return how many moments an order has."""
    async with a_bench(folder) as bench:
        return len((await lived(bench, 0)).moments)


async def test_killed_at_every_moment(tmp_path: Path) -> None:
    """Whenever it is killed, there is one certificate in the end, made by one or two orders, and no key of an order is left."""
    moments = await count(tmp_path / "counted")
    assert moments > 12
    for at in range(1, moments + 1):
        async with a_bench(tmp_path / str(at)) as bench:
            mortal = await lived(bench, at)
            where = mortal.moments[-1]
            await reborn(bench)

            assert await bench.shown(SHOP) is not None, where
            assert len(await bench.acme()) == len(bench.authority.issued) == 1, where
            assert len(bench.authority.orders) <= 2, where
            assert not list((bench.folder / "certs" / "orders").glob("*")), where
            assert not await bench.events("certificate.failed"), where


@pytest.mark.parametrize("at", ["after begin", "after ready", "before finish"])
async def test_an_order_that_ran_out_meanwhile(tmp_path: Path, at: str) -> None:
    """An order that the authority gave up while the daemon was away is made anew."""
    async with a_bench(tmp_path / "counted") as bench:
        place = (await lived(bench, 0)).moments.index(at) + 1
    async with a_bench(tmp_path / "killed") as bench:
        await lived(bench, place)
        bench.authority.orders[0].expired = True
        await reborn(bench)

        assert await bench.shown(SHOP) is not None
        assert len(bench.authority.orders) == 2
