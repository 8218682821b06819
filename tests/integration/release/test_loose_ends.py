"""The small parts around a deployment: its transcript, the way to the proxy, the child that the proxy is, the redactor."""

import asyncio
import json
import ssl
from asyncio.subprocess import PIPE
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hostess.adapters.proxy.proxy_process import ProxyProcess
from hostess.adapters.proxy.router_socket import SocketRouter
from hostess.adapters.transcripts_files import FileTranscripts
from hostess.domain.ports import Image, Upstreams
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Say
from tests.build import NOON
from tests.world import Bench, a_bench, web


async def test_a_late_line_opens_no_transcript(bench: Bench) -> None:
    """A line that a build's thread says after the end of its deployment is dropped, and followers end."""
    tells: list[Say] = []
    real = bench.engine.pull

    async def pull(reference: str, say: Say, *login: Any) -> Image:
        tells.append(say)
        return await real(reference, say, *login)

    setattr(bench.engine, "pull", pull)  # noqa: B010 -- the engine is a fake
    assert (await bench.push("shop", web("registry.test/echo:1"))).accepted, bench.text()
    [deployment] = await bench.journal.deployments("shop")
    tells[0]("too late")

    async with asyncio.timeout(25):
        lines = [line async for _, line in bench.world.transcripts.follow(deployment.id)]
    assert "too late" not in lines


async def test_a_transcript_takes_and_gives_any_text(tmp_path: Path) -> None:
    """Half a surrogate in a line, half a character at a crash and odd line separators neither stop a deployment nor shift numbers."""
    transcripts = FileTranscripts(tmp_path)
    for line in ("half \ud83d", "one\u2028line", "last"):
        transcripts.write("d1", line)
    transcripts.close("d1")
    with (tmp_path / "d1.log").open("ab") as file:
        file.write("ü".encode()[:1])

    assert transcripts.read("d1") == ["half ?", "one\u2028line", "last"]
    assert [number async for number, _ in transcripts.follow("d1")] == [1, 2, 3]


@pytest.mark.parametrize("facts", [None, "", "[]", "{}", '{"http": ""}'])
async def test_a_proxy_that_says_not_where_it_listens_is_a_problem(tmp_path: Path, facts: str | None) -> None:
    """While proxy.json is absent, empty or says nothing of HTTPS, who asks for the listener gets a Problem."""
    if facts is not None:
        (tmp_path / "proxy.json").write_text(facts)
    router = SocketRouter(tmp_path)

    with pytest.raises(Problem, match="the proxy did not answer"):
        router.public_port("https")
    with pytest.raises(Problem, match="the proxy did not answer"):
        await router.prove("a.localhost", "/")


async def test_the_proof_goes_through_what_listens(tmp_path: Path) -> None:
    """Where there is no HTTP listener the proof goes through the HTTPS one, whatever its certificate; where there is none, it is None."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    router, facts = SocketRouter(tmp_path), tmp_path / "proxy.json"
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self_signed(tmp_path)) as server:
        port = server.sockets[0].getsockname()[1]
        facts.write_text(json.dumps({"http": "", "https": f"127.0.0.1:{port}"}))
        assert await router.prove("a.localhost", "/") == (204, "")
        assert (router.public_port("http"), router.public_port("https")) == (0, port)
    facts.write_text('{"http": "", "https": ""}')

    assert await router.prove("a.localhost", "/") is None
    assert router.public_port("https") == 0


async def test_the_proof_follows_to_https(tmp_path: Path) -> None:
    """A host at which plain HTTP leads to HTTPS is proved there."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 308 Permanent Redirect\r\nX-Hostess-Error: https-only\r\n\r\n")
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(lead, "127.0.0.1", 0) as plain,
        await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self_signed(tmp_path)) as secure,
    ):
        facts = {
            name: f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for name, server in (("http", plain), ("https", secure))
        }
        (tmp_path / "proxy.json").write_text(json.dumps(facts))

        assert await SocketRouter(tmp_path).prove("a.localhost", "/") == (204, "")


async def test_nothing_to_prove_through_is_told(bench: Bench) -> None:
    """Where the proxy listens nowhere a push goes live unproved, and says so."""
    bench.router.listening = False

    assert (await bench.push("shop", web())).accepted, bench.text()
    assert "nothing was proved" in bench.text()


async def test_an_older_proxy_takes_the_table(tmp_path: Path) -> None:
    """While nobody is led inside a stack the table says nothing of it: a proxy of before knows no such key, and refuses it."""
    tables = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        tables.append(question["table"])
        writer.write(json.dumps({"id": question["id"], "ok": True, "generation": 1}).encode() + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(take, tmp_path / "proxy.sock"):
        await SocketRouter(tmp_path).publish([Upstreams("a.localhost", "a", "web", "v1", ("127.0.0.1:1",))])

    assert [set(table) for table in tables] == [{"routes"}]


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return the server's side of TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOON).not_valid_after(NOON + timedelta(days=9999))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(pem + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


async def test_an_endless_head_is_a_problem(tmp_path: Path) -> None:
    """An answer to the proof whose head has no end is a Problem, not an error nobody knows."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(endless, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (tmp_path / "proxy.json").write_text(json.dumps({"http": f"127.0.0.1:{port}"}))
        with pytest.raises(Problem, match="the proxy did not answer"):
            await SocketRouter(tmp_path).prove("a.localhost", "/")


async def test_the_watch_outlives_a_disk_that_takes_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the proxy cannot even be tried to start, the watch looks again later."""
    (tmp_path / "logs").write_text("no folder")
    monkeypatch.setattr("hostess.adapters.proxy.proxy_process.LOOK_EVERY", 0.01)
    proxy = ProxyProcess(tmp_path / "run", [], {}, tmp_path / "logs")

    async def restarted() -> None:
        raise AssertionError("it cannot have started")

    watching = asyncio.create_task(proxy.watch(restarted))
    done, _ = await asyncio.wait({watching}, timeout=0.3)
    watching.cancel()

    assert not done


async def test_nobody_else_is_stopped(tmp_path: Path) -> None:
    """A proxy that is gone has left its number, which another process has now; that one goes on."""
    (tmp_path / "run").mkdir()
    echo = "trap 'echo told to end' TERM; echo ready; while read -r line; do echo \"$line\"; done"
    other = await asyncio.create_subprocess_exec("bash", "-c", echo, stdin=PIPE, stdout=PIPE)
    assert other.stdin
    assert other.stdout
    assert await other.stdout.readline() == b"ready\n"
    (tmp_path / "run" / "proxy.json").write_text(json.dumps({"pid": other.pid}))

    ProxyProcess(tmp_path / "run", [], {}, tmp_path / "logs").stop()

    other.stdin.write(b"still here\n")
    assert await other.stdout.readline() == b"still here\n"
    other.stdin.close()
    await other.wait()


async def test_a_proxy_that_cannot_write_where_it_is_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that was started on a full disk is left to serve; where it is is known once the disk takes that."""
    (tmp_path / "run" / "proxy.json.new").mkdir(parents=True)
    monkeypatch.setattr("hostess.adapters.proxy.proxy_process.START_WITHIN", 5.0)
    environment = {"HOSTESS_PROXY__HTTP": "127.0.0.1:0", "HOSTESS_PROXY__HTTPS": "", "HOSTESS_PROXY__WORKERS": "1"}
    proxy = ProxyProcess(tmp_path / "run", ["--data-dir", str(tmp_path)], environment, tmp_path / "logs")
    try:
        assert await proxy.ensure()
        assert not await proxy.ensure()
        assert not (tmp_path / "run" / "proxy.json").exists()

        (tmp_path / "run" / "proxy.json.new").rmdir()

        async with asyncio.timeout(25):
            while not (tmp_path / "run" / "proxy.json").exists():
                await asyncio.sleep(0.05)
        assert SocketRouter(tmp_path / "run").public_port("http")
    finally:
        assert proxy._child is not None
        proxy.stop()
        await proxy._child.wait()


async def test_secrets_are_known_after_a_restart(tmp_path: Path) -> None:
    """A daemon that was started again hides the secrets of its environments before anything has resolved them."""
    async with a_bench(tmp_path) as bench:
        await bench.commit("shop", {})
        await bench.push("shop", web())
        await bench.world.secrets.add("shop", "production", "TOKEN", "tr0ub4dor-and-3")
    async with a_bench(tmp_path) as again:
        assert again.world.redactor.hide("it was tr0ub4dor-and-3") == "it was [hidden]"
