"""HTTPS of the whole proxy: its listener, table files, tickets that workers share, and what it says of what is wrong."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

import psutil
import pytest

from hostess_proxy import main, settings
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import START_SECONDS, Proxy, a_backend, a_proxy, start, table, until
from tests.integration.proxy.tls_client import TlsClient, careless

CLOSE = b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n"


def port_of(proxy: Proxy) -> int:
    """Return where HTTPS is served."""
    return int(proxy.state.https.rpartition(":")[2])


_SHORT_DAY = """
import sys
from hostess_proxy.main import main
from hostess_proxy.process import supervisor
supervisor._TICKET_KEY_SECONDS = 0.5
sys.exit(main())
"""
HASTY = (sys.executable, "-c", _SHORT_DAY)
"""The same program, where a day is half a second long."""


async def ask(proxy: Proxy, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> TlsClient:
    """Ask once by TLS."""
    client = await TlsClient.connect(port_of(proxy), "a.x", context, session)
    await client.send(CLOSE)
    assert (await client.read()).endswith(b"\r\n\r\nA")
    return client


async def test_table_file(tmp_path: Path, papers: Papers) -> None:
    """Paths of certificates are relative to the table file; SIGHUP brings renewed ones."""
    folder = tmp_path / "tables"
    folder.mkdir()
    papers.issue(folder / "a", "a.x")
    async with a_backend() as backend:
        raw = {**table(backend), "certificates": [{"names": ["a.x"], "chain": "a.pem", "key": "a.key"}]}
        (folder / "table.json").write_text(json.dumps(raw))
        async with a_proxy(tmp_path, "--table", str(folder / "table.json"), HTTPS="127.0.0.1:0") as proxy:
            before = (await ask(proxy)).tls.getpeercert(binary_form=True)

            papers.issue(folder / "a", "a.x")
            proxy.process.send_signal(signal.SIGHUP)

            async def renewed() -> bool:
                return (await ask(proxy)).tls.getpeercert(binary_form=True) != before

            await until(renewed)
            counts = (await proxy.client.stats())["tls"]
            assert (counts["handshakes"] >= 2, counts["failed"]) == (True, 0)


async def test_no_certificate(tmp_path: Path) -> None:
    """Without a certificate the port is there, and refuses every handshake by an alert."""
    async with a_backend() as backend, a_proxy(tmp_path, HTTPS="127.0.0.1:0") as proxy:
        await proxy.client.publish(table(backend))

        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await ask(proxy)
        assert (await proxy.get()).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_session_outlives_its_worker(tmp_path: Path, papers: Papers, version: ssl.TLSVersion) -> None:
    """A session resumes at a worker that has never seen it: here at the one that took the place of a killed one."""
    context = careless()
    context.minimum_version = context.maximum_version = version
    async with a_backend() as backend, a_proxy(tmp_path, HTTPS="127.0.0.1:0", WORKERS="1") as proxy:
        await proxy.client.publish({**table(backend), "certificates": [papers.certificate("*")]})
        first = await ask(proxy, context)
        (worker,) = proxy.state.workers
        psutil.Process(worker).kill()
        await until(lambda: proxy.state.workers not in ((worker,), ()))

        second = await ask(proxy, context, first.tls.session)

        assert (first.tls.session_reused, second.tls.session_reused) == (False, True)


async def test_ticket_keys_change(tmp_path: Path, papers: Papers) -> None:
    """Session tickets are sealed with other keys after a day (here: at once), and a session from before is not resumed."""
    async with a_backend() as backend, a_proxy(tmp_path, by=HASTY, HTTPS="127.0.0.1:0", WORKERS="1") as proxy:
        await proxy.client.publish({**table(backend), "certificates": [papers.certificate("*")]})
        context = careless()
        first = await ask(proxy, context)
        assert first.tls.session is not None

        async with asyncio.timeout(START_SECONDS):
            while (await ask(proxy, context, first.tls.session)).tls.session_reused:
                pass


async def test_broken_certificate_is_told(tmp_path: Path, papers: Papers) -> None:
    """A certificate that cannot be used does not make a table invalid: it is told by `stats`, and others are served."""
    broken = {**papers.certificate("b.x"), "key": "nowhere.key"}
    async with a_backend() as backend, a_proxy(tmp_path, HTTPS="127.0.0.1:0") as proxy:
        await proxy.client.publish({**table(backend), "certificates": [broken, papers.certificate("a.x")]})

        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await TlsClient.connect(port_of(proxy), "b.x")
        await ask(proxy)

        told = (await proxy.client.stats())["broken_certificates"]
        assert list(told) == ["b.x"]
        assert "nowhere.key" in told["b.x"]


async def test_address_that_cannot_be_had(tmp_path: Path) -> None:
    """An address for HTTPS that cannot be had ends the start, and the complaint names the setting."""
    process = await start(tmp_path, HTTPS="203.0.113.1:443")
    async with asyncio.timeout(START_SECONDS):
        _, told = await process.communicate()
    assert process.returncode == 1
    assert b"proxy.https: cannot listen on 203.0.113.1:443" in told


def test_default_address_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the default address for HTTPS cannot be had HTTP is served alone, and the proxy says so; without HTTP it does not start."""
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setattr(settings, "DEFAULT_HTTPS", settings.Address("", taken.getsockname()[1]))
        monkeypatch.setattr("hostess_proxy.process.listeners._PATIENCE_SECONDS", 0.0)

        (one,) = main._listen(settings.read({"HOSTESS_PROXY__HTTP": "127.0.0.1:0"}, None, tmp_path))

        assert one.kind == "http"
        one.sockets[0].close()
        assert "proxy.https: cannot listen on " in capfd.readouterr().err
        with pytest.raises(OSError, match=r"proxy\.https"):
            main._listen(settings.read({"HOSTESS_PROXY__HTTP": ""}, None, tmp_path))


async def test_socket_from_systemd(tmp_path: Path, papers: Papers) -> None:
    """A socket that was passed by the name https is served with TLS, and proxy.json tells where it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        launch = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);"
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='https');"
            "os.execv(sys.executable, [sys.executable, '-m', 'hostess_proxy', '--data-dir', sys.argv[2]])"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", launch, str(listener.fileno()), str(tmp_path), pass_fds=(listener.fileno(),),
            env={**os.environ, "HOSTESS_PROXY__WORKERS": "1"}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert b"https on" in await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
            proxy = Proxy(process, tmp_path)
            assert proxy.state.https == f"127.0.0.1:{listener.getsockname()[1]}"
            async with a_backend() as backend:
                await proxy.client.publish({**table(backend), "certificates": [papers.certificate("a.x")]})
                await ask(proxy)
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), START_SECONDS) == 0
