"""Static sites through real sockets: files, encodings, ranges, large files and slow readers, symlinks, swaps."""

import asyncio
import gzip
import os
from pathlib import Path

import pytest

from tests.integration.proxy.stage import Response, Stage

PAGE = "<h1>hello</h1>" * 100
LARGE = os.urandom(1024) * 4096


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Make a folder of files."""
    root = tmp_path / "site"
    files = {
        "index.html": PAGE,
        "404.html": "<h1>nothing</h1>",
        "docs/index.html": "docs",
        "assets/app.3f2a9c1b.js": "let x = 1;" * 200,
        "small.css": "a{}",
        "pre.js": "plain" * 200,
        ".env": "SECRET",
        "_redirects": "/old /docs/ 302\n/blog/* /docs/ 200\n",
        "_headers": "/*\n  X-Site: yes\n/docs/*\n  Cache-Control: max-age=60\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "pre.js.br").write_bytes(b"brotli")
    (root / "large.bin").write_bytes(LARGE)
    (tmp_path / "outside.txt").write_text("SECRET")
    (root / "out.txt").symlink_to("../outside.txt")
    (root / "out").symlink_to("..")
    (root / "in.css").symlink_to("small.css")
    return root


def serve(stage: Stage, site: Path, *, spa: bool = False) -> None:
    """Route everything to a folder."""
    one = {"host": "*", "service": "web", "release": "v1", "static": {"root": str(site), "spa": spa}}
    stage.publish({"routes": [one]})


def open_files() -> int:
    """Return how many descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def field(response: Response, name: str) -> str:
    """Return the only value of a field, "" for none."""
    return ", ".join(response.values(name))


async def test_files_and_their_fields(stage: Stage, site: Path) -> None:
    """Files come with type, length, ETag and date; pages are asked about again, hashed assets are kept; no type is guessed."""
    serve(stage, site)
    page, asset = await stage.get("/"), await stage.get("/assets/app.3f2a9c1b.js?x=1")

    assert (page.status, page.body.decode()) == (200, PAGE)
    assert field(page, "content-type") == "text/html; charset=utf-8"
    assert (field(page, "cache-control"), field(page, "x-content-type-options")) == ("no-cache", "nosniff")
    assert field(page, "etag")
    assert field(page, "last-modified").endswith("GMT")
    assert field(page, "x-site") == "yes"
    assert "immutable" in field(asset, "cache-control")
    assert field(await stage.get("/docs/"), "cache-control") == "max-age=60"


async def test_the_order_of_serving(stage: Stage, site: Path) -> None:
    """Files, then rules, then the page 404.html; the files with the rules and dot files are never served."""
    serve(stage, site)
    old, folder = await stage.get("/old"), await stage.get("/docs")

    assert (old.status, field(old, "location")) == (302, "/docs/")
    assert (folder.status, field(folder, "location")) == (308, "/docs/")
    assert (await stage.get("/blog/a")).body == b"docs"
    for path in ("/none", "/_redirects", "/_headers", "/.env", "/out.txt", "/out/outside.txt"):
        answer = await stage.get(path)
        assert (answer.status, answer.body) == (404, b"<h1>nothing</h1>"), path
    assert (await stage.get("/in.css")).body == b"a{}"


async def test_traversal(stage: Stage, site: Path) -> None:
    """No spelling of a way out of the folder is served."""
    serve(stage, site, spa=True)
    for path in ("/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/docs/%2E%2E/%2e%2e/outside.txt",
                 "/..%5coutside.txt", "/%00", "/a%2f..%2f..%2foutside.txt"):  # fmt: skip
        answer = await stage.get(path)
        assert answer.status == 400, path
        assert b"SECRET" not in answer.body


async def test_spa_and_a_plain_404(stage: Stage, site: Path) -> None:
    """With spa every other path is index.html with 200; without it and without 404.html a short text says 404."""
    serve(stage, site, spa=True)
    assert (await stage.get("/any/page")).body.decode() == PAGE
    (site / "404.html").unlink()
    serve(stage, site)
    plain = await stage.get("/any/page")
    assert (plain.status, plain.body, field(plain, "x-hostess-error")) == (404, b"404 Not Found\n", "")


async def test_methods(stage: Stage, site: Path) -> None:
    """HEAD has the fields of GET and no body; other methods are not allowed, and the connection goes on."""
    serve(stage, site)
    reader, writer = await stage.connect()
    writer.write(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    large = await reader.readuntil(b"\r\n\r\n")

    assert f"Content-Length: {len(PAGE)}".encode() in head
    assert f"Content-Length: {len(LARGE)}".encode() in large
    answer = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert (answer.status, field(answer, "allow")) == (405, "GET, HEAD")


async def test_compression(stage: Stage, site: Path) -> None:
    """Text is compressed for who takes it, and files that hold a compressed form beside are preferred; Vary says so."""
    serve(stage, site)
    zipped = await stage.get("/", "Accept-Encoding: gzip, br")
    ready = await stage.get("/pre.js", "Accept-Encoding: gzip, br")

    assert field(zipped, "content-encoding") == "gzip"
    assert gzip.decompress(zipped.body).decode() == PAGE
    assert field(zipped, "vary") == "Accept-Encoding"
    assert field(zipped, "etag") != field(await stage.get("/"), "etag")
    assert (field(ready, "content-encoding"), ready.body) == ("br", b"brotli")
    assert field(await stage.get("/large.bin", "Accept-Encoding: gzip"), "content-encoding") == ""


async def test_conditions(stage: Stage, site: Path) -> None:
    """Who has the file already, in the form that it would get, is told 304; a changed file is sent anew."""
    serve(stage, site)
    first = await stage.get("/", "Accept-Encoding: gzip")
    tag = f"If-None-Match: {field(first, 'etag')}"
    again = await stage.get("/", "Accept-Encoding: gzip", tag)

    assert (again.status, again.body) == (304, b"")
    assert field(again, "etag") == field(first, "etag")
    assert (await stage.get("/", f"If-Modified-Since: {field(first, 'last-modified')}")).status == 304
    (site / "index.html").write_text("changed")
    assert (await stage.get("/", "Accept-Encoding: gzip", tag)).body == b"changed"


async def test_ranges(stage: Stage, site: Path) -> None:
    """A range gets 206 and just its bytes, of small files and large ones; one outside gets 416; If-Range guards the version."""
    serve(stage, site)
    part = await stage.get("/large.bin", "Range: bytes=1000000-1500000")
    assert (part.status, part.body) == (206, LARGE[1000000:1500001])
    assert field(part, "content-range") == f"bytes 1000000-1500000/{len(LARGE)}"
    assert (await stage.get("/", "Range: bytes=-4", "Accept-Encoding: gzip")).body.decode() == PAGE[-4:]
    outside = await stage.get("/", "Range: bytes=999999-")
    assert (outside.status, field(outside, "content-range")) == (416, f"bytes */{len(PAGE)}")
    assert (await stage.get("/", "Range: bytes=0-1", 'If-Range: "other"')).status == 200


async def test_large_files_and_slow_readers(stage: Stage, site: Path) -> None:
    """A large file arrives whole, at the reader's pace; meanwhile others are served, and who leaves leaves nothing open."""
    serve(stage, site)
    before = open_files()
    reader, writer = await stage.connect()
    _, gone = await stage.connect()
    request = b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request)
    gone.write(request)
    await stage.until(lambda: open_files() >= before + 4)
    assert (await stage.get("/small.css")).body == b"a{}"
    gone.transport.abort()

    await reader.readuntil(b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readexactly(len(LARGE)), 25) == LARGE
    writer.write(request)
    await reader.readuntil(b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readexactly(len(LARGE)), 25) == LARGE


async def test_a_swap_in_the_middle(stage: Stage, site: Path, tmp_path: Path) -> None:
    """A file that is being sent comes to its end from the folder it began in, though the table names another one by now."""
    serve(stage, site)
    reader, writer = await stage.connect()
    writer.write(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "index.html").write_text("two")

    serve(stage, tmp_path / "two")

    assert (await stage.get("/")).body == b"two"
    assert await asyncio.wait_for(reader.readexactly(len(LARGE)), 25) == LARGE


async def test_pages_of_the_release_before(stage: Stage, site: Path, tmp_path: Path) -> None:
    """Assets that only the release before has are found by their digest, with spa too; its other files are gone."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "index.html").write_text("two")
    static = {"root": str(tmp_path / "two"), "spa": True, "earlier": str(site)}
    stage.publish({"routes": [{"host": "*", "service": "web", "release": "v2", "static": static}]})

    old = await stage.get("/assets/app.3f2a9c1b.js", "Accept-Encoding: gzip")

    assert (old.status, gzip.decompress(old.body)) == (200, b"let x = 1;" * 200)
    assert (await stage.get("/small.css")).body == b"two"
    assert (await stage.get("/assets/app.3f2a9c1c.js")).body == b"two"
    assert (await stage.get("/")).body == b"two"


async def test_a_file_that_shrinks(stage: Stage, site: Path) -> None:
    """A file that becomes shorter while it is sent ends the connection: nobody takes the part for the whole."""
    serve(stage, site)
    reader, writer = await stage.connect()
    writer.write(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    os.truncate(site / "large.bin", 10)

    with pytest.raises(asyncio.IncompleteReadError):
        await asyncio.wait_for(reader.readexactly(len(LARGE)), 25)


async def test_a_folder_that_is_gone(stage: Stage, tmp_path: Path) -> None:
    """A route to a folder that is not there answers 503 with a code, and serves as soon as it is."""
    serve(stage, tmp_path / "later")
    missing = await stage.get("/")
    assert (missing.status, field(missing, "x-hostess-error")) == (503, "site-missing")

    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "index.html").write_text("here")

    assert (await stage.get("/")).body == b"here"


async def test_the_log(stage: Stage, site: Path) -> None:
    """The access log has a line per file, with the bytes of its body."""
    serve(stage, site)
    await stage.get("/")
    await stage.get("/large.bin")

    lines = await stage.logged(2)

    assert [(line["status"], line["out"], line["end"]) for line in lines] == [
        (200, len(PAGE), "ok"),
        (200, len(LARGE), "ok"),
    ]
