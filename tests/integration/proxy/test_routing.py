"""Which backend a request reaches, by its host and path, through real sockets."""

import asyncio
from typing import Any

import pytest

from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, after


def route(host: str, backend: Backend, path: str = "/", **options: Any) -> dict[str, Any]:
    """Make a route."""
    return {
        "host": host,
        "path": path,
        "service": backend.name,
        "release": "1",
        "targets": [backend.address],
        **options,
    }


async def ask(stage: Stage, host: str, path: str = "/") -> tuple[int, str]:
    """GET a path of a host; return the status, and the backend's name or the error's code."""
    response = await stage.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    code = response.values("x-hostess-error")
    return response.status, code[0] if code else response.body.decode()


async def test_hosts(stage: Stage) -> None:
    """Each host reaches its own backend, and a host that nobody has is 404."""
    first, second = await stage.backend(name="a"), await stage.backend(name="b")
    stage.publish({"routes": [route("a.x", first), route("b.x", second)]})

    assert await ask(stage, "a.x") == (200, "a")
    assert await ask(stage, "b.x") == (200, "b")
    assert await ask(stage, "c.x") == (404, "unknown-host")
    assert await ask(stage, "x") == (404, "unknown-host")


async def test_wildcard_and_default(stage: Stage) -> None:
    """An exact host comes before `*.x`, which stands for one label, and that before the default."""
    exact, wild, rest = [await stage.backend(name=name) for name in ("exact", "wild", "rest")]
    stage.publish({"routes": [route("*", rest), route("*.x", wild), route("a.x", exact)]})

    for host, name in (("a.x", "exact"), ("b.x", "wild"), ("y.a.x", "rest"), ("x", "rest"), ("[::1]:80", "rest")):
        assert await ask(stage, host) == (200, name)


@pytest.mark.parametrize("host", ["a.x", "A.X", "a.x:8080", "a.x.", "A.X.:8080"])
async def test_spellings(stage: Stage, host: str) -> None:
    """Case, port and trailing dot make no difference; the backend sees the host as it was sent."""
    backend = await stage.backend()
    stage.publish({"routes": [route("a.x", backend)]})

    assert await ask(stage, host) == (200, "A")
    assert f"Host: {host}\r\n".encode() in backend.heads[0]


async def test_paths(stage: Stage) -> None:
    """A prefix ends where a segment does, the longest wins, and nothing is cut off it."""
    app, rest = await stage.backend(name="app"), await stage.backend(name="rest")
    stage.publish({"routes": [route("*", rest), route("a.x", rest), route("a.x", app, "/app")]})

    for path, name in (
        ("/app", "app"),
        ("/app/", "app"),
        ("/app/z", "app"),
        ("/app?q", "app"),
        ("/appointment", "rest"),
    ):
        assert await ask(stage, "a.x", path) == (200, name)
    assert [head.split()[1] for head in app.heads] == [b"/app", b"/app/", b"/app/z", b"/app?q"]


async def test_host_moves(stage: Stage) -> None:
    """From the moment of the swap the old host is 404 and the new one served, on kept connections, too."""
    backend = await stage.backend()
    stage.publish({"routes": [route("a.x", backend)]})
    assert await ask(stage, "a.x") == (200, "A")

    stage.publish({"routes": [route("b.x", backend)]})

    assert await ask(stage, "a.x") == (404, "unknown-host")
    assert await ask(stage, "b.x") == (200, "A")


async def test_removed_route(stage: Stage) -> None:
    """A route that is gone is 404 for whoever comes, while what was on its way is answered."""
    finish = asyncio.Event()

    backend = await stage.backend(after(finish))
    stage.publish({"routes": [route("a.x", backend)]})
    pending = asyncio.create_task(ask(stage, "a.x"))
    await stage.until(lambda: len(backend.heads) == 1)

    stage.publish({"routes": []})

    assert await ask(stage, "a.x") == (404, "unknown-host")
    finish.set()
    assert await pending == (200, "A")
    await stage.until(lambda: backend.open == 0)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/app", b"/"),
        ("/app/", b"/"),
        ("/app/z", b"/z"),
        ("/app?a=1;b&%zz", b"/?a=1;b&%zz"),
        ("/app/z?a=1;b&%zz", b"/z?a=1;b&%zz"),
        ("/app/%41%2f..x/...?/../", b"/%41%2f..x/...?/../"),
        ("/app//z/./", b"//z/./"),
    ],
)
async def test_stripped_prefix(stage: Stage, path: str, seen: bytes) -> None:
    """The backend sees the path without the prefix, byte for byte, and is told the prefix; the log has the client's path."""
    backend = await stage.backend()
    stage.publish({"routes": [route("a.x", backend, "/app", strip_prefix=True)]})

    assert await ask(stage, "a.x", path) == (200, "A")

    [head] = backend.heads
    assert head.startswith(b"GET %b HTTP/1.1\r\n" % seen)
    assert b"\r\nX-Forwarded-Prefix: /app\r\n" in head
    [line] = await stage.logged(1)
    assert line["path"] == path


@pytest.mark.parametrize(
    "rest",
    ["/../admin", "/..", "/%2e%2e/admin", "/.%2E", "/..;a=b/admin", "/..%2fadmin", "/x%5c..%5cadmin",
     "/%2E%2e%2Fadmin?q", "/..%3bx", "/..%00"],
)  # fmt: skip
async def test_climbing_paths(stage: Stage, rest: str) -> None:
    """Where a prefix is cut off, a path that climbs is 400 in every spelling; where none is, the path is the backend's matter."""
    backend = await stage.backend()
    stage.publish({"routes": [route("a.x", backend, "/app", strip_prefix=True), route("b.x", backend, "/app")]})

    assert await ask(stage, "a.x", f"/app{rest}") == (400, "climbing-path")
    assert backend.heads == []
    assert await ask(stage, "b.x", f"/app{rest}") == (200, "A")
    assert backend.heads[0].split()[1] == f"/app{rest}".encode()


async def test_told_prefix(stage: Stage) -> None:
    """A client that nobody vouches for cannot tell a prefix."""
    backend = await stage.backend()
    stage.publish({"routes": [route("a.x", backend)]})

    assert (await stage.get("/", "X-Forwarded-Prefix: /evil")).status == 200
    assert b"Prefix" not in backend.heads[0]


async def test_failed_connection_with_stripped_prefix(stage: Stage) -> None:
    """A request that has to go to another target is still routed by the path that was asked for."""

    async def close(_backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        writer.close()

    gone = await stage.backend(close)
    refusing = "127.0.0.1:1"
    backend = await stage.backend()
    both = {**route("a.x", backend, "/app", strip_prefix=True), "targets": [refusing, backend.address]}
    stage.publish({"routes": [both, route("a.x", gone)]})

    for _ in range(4):
        assert await ask(stage, "a.x", "/app/z") == (200, "A")
    assert {head.split()[1] for head in backend.heads} == {b"/z"}


@pytest.mark.parametrize(
    ("host", "options", "location"),
    [
        ("x", {}, "http://www.x/p?q"),
        ("X.:8080", {}, "http://www.x:8080/p?q"),
        ("x:8080", {"redirect_https": True}, "https://www.x/p?q"),
    ],
)
async def test_canonical_host(stage: Stage, host: str, options: dict[str, Any], location: str) -> None:
    """Another spelling of a site leads to its canonical host in one hop, path and query kept, by TLS where that is asked for."""
    backend = await stage.backend()
    stage.publish({"routes": [route("x", backend, redirect={"host": "www.x"}, **options)]})

    response = await stage.ask(f"GET /p?q HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert (response.status, response.values("location")) == (308, [location])
    assert backend.heads == []
    [line] = await stage.logged(1)
    assert line["end"] == "redirect"


async def test_status_of_redirect(stage: Stage) -> None:
    """The status is the one that was asked for, and a path that looks like a host stays a path."""
    for status in (301, 302, 307, 308):
        stage.route(redirect={"host": "www.x", "status": status})
        response = await stage.ask(b"POST //evil.x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
        assert (response.status, response.values("location")) == (status, ["http://www.x//evil.x/"])


async def test_canonical_host_itself(stage: Stage) -> None:
    """A route for all hosts that leads to one of them serves that one."""
    backend = await stage.backend()
    stage.route(backend, redirect={"host": "www.x"})

    assert await ask(stage, "WWW.x:80") == (200, "A")
    assert (await ask(stage, "x"))[0] == 308
