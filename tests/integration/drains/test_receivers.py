"""Lines on real sockets: taken as they were sent, and errors told without what is secret."""

import asyncio
import contextlib
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from hostess.adapters.drains.http import HttpDrain
from hostess.adapters.drains.syslog import SyslogDatagrams, SyslogStream
from hostess.domain.drains import target
from hostess.domain.problem import Problem
from tests.integration.drains.receivers import datagrams, syslog, taker
from tests.unit.drains.test_lines import LINE

LINES = [replace(LINE, text=text) for text in ("one", "two\nlines", "ü" * 5000)]


def secured(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a receiver's context for localhost, and the file of who vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return context, folder / "ca.pem"


async def test_syslog_over_tcp() -> None:
    """Messages come whole over one connection, line ends and all; after a cut they come over another one."""
    async with syslog() as receiver:
        drain = SyslogStream(target(f"syslog://127.0.0.1:{receiver.port}"), "host")
        await drain.send(LINES)
        first = await receiver.got(3)
        await drain.send(LINES[:1])
        await receiver.got(4)
        receiver.hang_up()
        async with asyncio.timeout(30):
            while receiver.connections < 2:
                with contextlib.suppress(Problem):  # the first one may notice that it was cut off
                    await drain.send(LINES[1:2])
        await receiver.got(5)
        await drain.close()

    assert first == ["one", "two\nlines", "ü" * 5000]
    assert receiver.messages[0].startswith("<14>1 2026-01-02T03:04:05.000678Z host shop web.1 - [hostess@32473 ")
    assert receiver.texts()[4] == "two\nlines"


async def test_syslog_over_tls(tmp_path: Path) -> None:
    """A receiver is believed whose certificate the settings' authority has signed, for its name; nobody else is told a word."""
    context, authorities = secured(tmp_path)
    async with syslog(context) as receiver:
        drain = SyslogStream(target(f"syslog+tls://localhost:{receiver.port}"), "host", authorities)
        await drain.send(LINES)
        texts = await receiver.got(3)
        await drain.close()
        stranger = SyslogStream(target(f"syslog+tls://localhost:{receiver.port}"), "host")
        with pytest.raises(Problem, match="certificate that is not believed") as unknown:
            await stranger.send(LINES)
        misnamed = SyslogStream(target(f"syslog+tls://127.0.0.1:{receiver.port}"), "host", authorities)
        with pytest.raises(Problem, match="certificate that is not believed"):
            await misnamed.send(LINES)

    assert texts == [line.text for line in LINES]
    assert len(receiver.messages) == 3
    assert unknown.value.code == "drain-away"


async def test_syslog_over_udp() -> None:
    """Each line is a datagram, cut to what fits."""
    async with datagrams() as receiver:
        drain = SyslogDatagrams(target(f"syslog+udp://127.0.0.1:{receiver.port}"), "host")
        await drain.send(LINES)
        texts = await receiver.got(3)
        await drain.close()

    assert texts[:2] == ["one", "two\nlines"]
    assert len(receiver.messages[2].encode()) in {2047, 2048}


async def test_a_receiver_that_reads_nothing_is_given_up() -> None:
    """Where nothing is taken for some time, that is told, and it holds nobody up for longer."""
    async with syslog() as receiver:
        receiver.deaf = True
        drain = SyslogStream(target(f"syslog://127.0.0.1:{receiver.port}"), "host", within=0.5)
        with pytest.raises(Problem, match=r"took nothing within 0\.5 s"):
            await drain.send([replace(LINE, text="x" * 16_000)] * 2000)
        await drain.close()


async def test_nobody_there() -> None:
    """Where nothing listens, the error says where that is."""
    with pytest.raises(Problem, match=r"syslog://127\.0\.0\.1:9 cannot be reached") as away:
        await SyslogStream(target("syslog://127.0.0.1:9"), "host").send(LINES)

    assert away.value.code == "drain-away"


async def test_json_by_http() -> None:
    """A batch is a POST of JSON lines, with the URL's user and query; what it holds is told in no error."""
    async with taker() as server:
        url = server.url.replace("://", "://me:open%20sesame@") + "?key=sesame"
        drain = HttpDrain(target(url), "host")
        await drain.send(LINES)
        server.status = 503
        with pytest.raises(Problem) as busy:
            await drain.send(LINES)
        server.status = 413
        with pytest.raises(Problem) as refused:
            await drain.send(LINES)
        await drain.close()
    with pytest.raises(Problem) as gone:
        await drain.send(LINES)
    await drain.close()

    [first, *_] = server.batches
    assert [line["message"] for line in server.lines] == [line.text for line in LINES]
    assert (first["Content-Type"], first["query"]) == ("application/x-ndjson", "key=sesame")
    assert first["Authorization"] == "Basic bWU6b3BlbiBzZXNhbWU="
    assert [each.value.code for each in (busy, refused, gone)] == ["drain-away", "drain-refused", "drain-away"]
    assert not [each for each in (busy, refused, gone) if "sesame" in str(each.value)]
