"""The daemon as a whole, in this process: what it tells once it is there, and how it ends when it cannot come up."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.prober_sockets import SocketProber
from hostess.composition import Outside
from hostess.domain.problem import Problem
from hostess.domain.settings import ApiSettings, Settings
from hostess.main import make_folders, serve
from tests.fakes.engine import FakeEngine
from tests.fakes.firewall import FakeFirewall
from tests.fakes.records import FakeChallengeProbe, FakeNameServers
from tests.fakes.router import FakeRouter
from tests.integration.release.test_switch import FULL, before
from tests.world import FixedMeter

WITHIN = 25


def settings(folder: Path) -> Settings:
    """Return settings of a daemon without a proxy of its own, on a free port."""
    given = {
        "data_dir": folder,
        "api": {"listen": "127.0.0.1:0"},
        "proxy": {"managed": False},
        "acme": {"directory": ""},
    }
    return Settings.model_validate(given)


def outside() -> Outside:
    """Return an outside of fakes."""
    router = FakeRouter()
    return Outside(
        FakeEngine(),
        router,
        SocketProber(),
        FakeNameServers(),
        FakeChallengeProbe(),
        FixedMeter(),
        FakeFirewall(),
        SystemClock(),
        router.public_port,
    )


async def on_a_journal(folder: Path, work: Callable[[SqliteJournal], Awaitable[None]]) -> None:
    """Do *work* with the journal of a data folder and close it."""
    make_folders(folder)
    journal = await SqliteJournal.open(folder / "hostess.db")
    try:
        await work(journal)
    finally:
        await journal.close()


async def test_the_daemon_tells_its_instance(tmp_path: Path) -> None:
    """`run/daemon.json` names the instance that everything of this installation is labelled with."""
    stop, facts = asyncio.Event(), tmp_path / "run" / "daemon.json"
    serving = asyncio.create_task(serve(settings(tmp_path), outside(), stop))
    async with asyncio.timeout(WITHIN):
        while not facts.exists() and not serving.done():
            await asyncio.sleep(0.01)
    told = json.loads(facts.read_text())["instance"]
    stop.set()
    await serving

    async def check(journal: SqliteJournal) -> None:
        assert told == await journal.instance()

    await on_a_journal(tmp_path, check)


async def test_a_daemon_that_cannot_look_at_what_was_left_ends(tmp_path: Path) -> None:
    """When the journal fails before the environments are locked at boot, the daemon ends with that error: it does not wait for ever."""

    async def daemon(journal: SqliteJournal) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise FULL

        before(journal, "deployments", fail)
        with pytest.raises(type(FULL), match="disk is full"):
            async with asyncio.timeout(WITHIN):
                await serve(settings(tmp_path), outside(), asyncio.Event(), journal)

    await on_a_journal(tmp_path, daemon)


async def test_a_port_that_somebody_else_has(tmp_path: Path) -> None:
    """A daemon whose API's port is taken ends with a sentence that names the port and the setting, and not with a bug."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        given = settings(tmp_path).model_copy(update={"api": ApiSettings.model_validate({"listen": address})})
        with pytest.raises(Problem) as caught:
            await serve(given, outside(), asyncio.Event())

    assert str(caught.value) == f"the API cannot listen at {address} (api.listen): Address already in use"
    assert not (tmp_path / "run" / "daemon.json").exists()
