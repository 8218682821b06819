"""Programs of different age that meet: what runs was started before, what is installed came after."""

import asyncio
import socket
import sys
from pathlib import Path

from hostess_proxy.control import wire
from hostess_proxy.control.serving import ControlSocket
from tests.integration.proxy.processes import GET, START_SECONDS, a_backend, start, table
from tests.integration.proxy.stage import read_response


async def test_a_worker_of_an_older_supervisor(tmp_path: Path) -> None:
    """A worker that takes the place of one that died after a newer program was installed serves what it is told, little as it is."""
    ours, theirs = socket.socketpair()
    async with a_backend() as backend:
        with theirs, socket.create_server(("127.0.0.1", 0)) as listener:
            address, port = listener.getsockname()
            descriptors = (theirs.fileno(), listener.fileno())
            command = (sys.executable, "-P", "-m", "hostess_proxy.process.worker", str(theirs.fileno()))
            process = await asyncio.create_subprocess_exec(*command, pass_fds=descriptors)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            caller = wire.Caller(reader, writer)
            try:
                await caller.ask(
                    "start",
                    START_SECONDS,
                    table=table(backend),
                    listeners=[{"descriptor": listener.fileno(), "kind": "http"}],
                    trusted=[],
                    access_log="file",
                    log_path=str(tmp_path / "access.log"),
                    grace=1.0,
                )
                client_reader, client_writer = await asyncio.open_connection(address, port)
                client_writer.write(GET)
                assert (await read_response(client_reader)).body == b"A"
                client_writer.close()
                await caller.ask("stop", START_SECONDS, grace=1.0)
            finally:
                await caller.close()
                await asyncio.wait_for(process.wait(), START_SECONDS)
    assert len((tmp_path / "access.log").read_text().splitlines()) == 1


async def test_an_upgrade_of_a_proxy_that_knows_none(tmp_path: Path) -> None:
    """`--upgrade` of a proxy that is too old to be upgraded says so in one sentence, and what to do instead; that one goes on."""

    async def answer(op: str, _: wire.Message) -> wire.Message:
        raise wire.RemoteError("unknown-op", f"there is no {op!r}")

    (tmp_path / "run").mkdir()
    older = ControlSocket(tmp_path / "run" / "proxy.sock", answer)
    await older.open()
    try:
        command = await start(tmp_path, "--upgrade")
        _, error = await asyncio.wait_for(command.communicate(), START_SECONDS)
    finally:
        await older.close()

    assert command.returncode == 1
    assert error.decode() == (
        "hostess proxy: the proxy that runs is too old to hand over, and goes on; "
        "`systemctl restart hostess-proxy` starts the one that is installed\n"
    )
