"""Databases from outside: what bounds there are, what is told, and what outlives what."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.proxy.outside import (
    PIECE,
    SOON,
    STARTUP,
    an_echo,
    answer,
    databases,
    entry,
    rest,
    secured,
    table,
)
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import a_backend, a_proxy, until
from tests.integration.proxy.processes import table as routes_to


async def test_bounds(tmp_path: Path, papers: Papers) -> None:
    """No more connections than a database may have; who comes later is told, and comes in when another one has left."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address, connections=2)) as proxy:
        held = [await secured(proxy, papers) for _ in range(2)]
        for reader, writer in held:
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"

        reader, writer = await secured(proxy, papers)
        writer.write(STARTUP)
        assert b"C53300" in await rest(reader)
        writer.close()

        held[0][1].close()

        async def comes_in() -> bool:
            reader, writer = await secured(proxy, papers)
            writer.write(STARTUP)
            came = await answer(reader, 1) == STARTUP[:1]
            writer.close()
            return came

        await until(comes_in)


async def test_who_was_there(tmp_path: Path, papers: Papers) -> None:
    """The access log has a line for each connection that has ended: whose it was, where it led, how much was said."""
    log = tmp_path / "logs" / "access.log"
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address, connections=1)) as proxy:
        reader, writer = await secured(proxy, papers)
        writer.write(b"hello")
        assert await answer(reader, 5) == b"hello"
        refused, other = await secured(proxy, papers)
        other.write(STARTUP)
        await rest(refused)
        other.close()
        writer.close()
        await until(lambda: log.exists() and log.read_text().count("\n") == 2)

    first, second = sorted(map(json.loads, log.read_text().splitlines()), key=lambda line: line["status"])
    told = ("client", "proto", "host", "service", "target", "status", "in", "end", "error")
    assert [first[name] for name in told] == [
        *("127.0.0.1", "postgres", "a.db.x", "db", echo.address, 200, 5, "ok", ""),
    ]
    refusal = ("target", "status", "end", "error")
    assert [second[name] for name in refusal] == ["", 503, "refused", "too-many-connections"]


async def test_share_of_one_client(tmp_path: Path, papers: Papers) -> None:
    """All connections of a worker are counted together, relays too: where there is no place, none is made."""
    async with an_echo() as echo:
        there = entry("a.db.x", echo.address)
        async with databases(tmp_path, papers, there, CONNECTIONS="1") as proxy:
            reader, writer = await secured(proxy, papers)
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await secured(proxy, papers)
            assert (await proxy.client.stats())["connections_refused"] == 1


async def test_no_database_there(tmp_path: Path, papers: Papers) -> None:
    """Where nothing runs, or nobody answers, the client is told; the next table leads it to where the database is."""
    async with an_echo() as echo:
        for targets in ((), ("127.0.0.1:1",)):
            async with databases(tmp_path, papers, entry("a.db.x", *targets)) as proxy:
                reader, writer = await secured(proxy, papers)
                writer.write(STARTUP)
                assert b"C57P03" in await rest(reader)

                await proxy.client.publish(table(papers, entry("a.db.x", echo.address)))
                reader, writer = await secured(proxy, papers)
                writer.write(b"hi")
                assert await answer(reader, 2) == b"hi"


async def test_closed_to_the_outside(tmp_path: Path, papers: Papers) -> None:
    """A table without the database ends its connections; one that says the same does not."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        reader, writer = await secured(proxy, papers)
        writer.write(b"one")
        assert await answer(reader, 3) == b"one"
        await proxy.client.publish(table(papers, entry("a.db.x", echo.address, release="v2")))
        writer.write(b"two")
        assert await answer(reader, 3) == b"two"

        await proxy.client.publish(table(papers))
        assert await rest(reader) == b""


async def test_slow_sides_are_waited_for(tmp_path: Path, papers: Papers) -> None:
    """A database that takes nothing stops its client; nothing of 16 MB is lost or kept in the proxy."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        echo.hears.clear()
        reader, writer = await secured(proxy, papers)
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(256):
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)

        sending = asyncio.create_task(send())
        before = -1
        while sent != before:  # until it goes no further
            before = sent
            await asyncio.wait([sending], timeout=0.5)
        assert not sending.done()

        echo.hears.set()
        got = 0
        async with asyncio.timeout(60):
            while got < 256 * len(PIECE):
                got += len(await reader.read(65536))
            await sending


async def test_upgrade_takes_the_listener_along(tmp_path: Path, papers: Papers) -> None:
    """The program that takes over accepts connections at the same address."""
    async with an_echo() as echo, databases(tmp_path, papers, entry("a.db.x", echo.address)) as proxy:
        before = proxy.state.postgres
        pid = await proxy.client.upgrade()
        try:
            await until(lambda: proxy.state.pid == pid)
            assert proxy.state.postgres == before
            reader, writer = await secured(proxy, papers)
            writer.write(b"hi")
            assert await answer(reader, 2) == b"hi"
            writer.close()
        finally:
            os.kill(pid, signal.SIGTERM)


async def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    """It is told, and no reason not to serve all else."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        async with a_backend() as backend, a_proxy(tmp_path, POSTGRES=taken, REDIS="127.0.0.1:0") as proxy:
            await proxy.client.publish(routes_to(backend))
            assert (await proxy.get()).status == 200
            assert (proxy.state.postgres, proxy.state.redis == "") == ("", False)
            assert proxy.process.stderr is not None
            async with asyncio.timeout(SOON):
                said = b""
                while b"proxy.postgres: cannot listen on " + taken.encode() not in said:
                    said += await proxy.process.stderr.read(4096)


async def test_off_by_default(tmp_path: Path) -> None:
    """Without the settings nothing listens."""
    async with a_proxy(tmp_path) as proxy:
        assert (proxy.state.postgres, proxy.state.redis) == ("", "")
