"""The corpus against the proxy on real sockets: one reading or a refusal, on both sides, and nothing left for anybody else."""

import asyncio
from typing import cast

import pytest

from tests.integration.proxy.corpus import RequestCase, ResponseCase, request_cases, response_cases
from tests.integration.proxy.lenient import READINGS, Seen
from tests.integration.proxy.stage import SOON, Backend, Conversation, Reader, Response, Stage, Writer, read_response

REQUESTS = request_cases()
RESPONSES = response_cases()
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"


class Recorder(asyncio.Protocol):
    """A backend's connection that keeps every byte, and answers each request that a careless reading finds in them."""

    transport: asyncio.Transport

    def __init__(self, all_of_them: "list[Recorder]") -> None:
        self.raw = bytearray()
        self._answered = 0
        all_of_them.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep, and answer."""
        self.raw += data
        count = len(READINGS["coding first"].requests(bytes(self.raw)))
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * (count - self._answered))
        self._answered = count


async def answers_to(stage: Stage, case: RequestCase, pieces: list[bytes]) -> tuple[list[int], list[bytes]]:
    """Send a case in pieces; return the status of each answer, and what each connection to the backend carried."""
    recorders: list[Recorder] = []
    server = await asyncio.get_running_loop().create_server(lambda: Recorder(recorders), "127.0.0.1", 0)
    stage.route(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    reader, writer = await stage.connect()
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0)
    answers = [(await read_response(reader)).status for _ in case.answers]
    if answers[-1] >= 400:
        async with asyncio.timeout(SOON):
            assert await reader.read() == b""
    for transport in (writer.transport, *(recorder.transport for recorder in recorders)):
        transport.abort()
    server.close()
    return answers, [bytes(recorder.raw) for recorder in recorders]


def seen_by(raw: list[bytes], name: str) -> list[Seen]:
    """Return what a backend with one of the readings takes for requests."""
    return [request for connection in raw for request in READINGS[name].requests(connection)]


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests(stage: Stage, name: str) -> None:
    """A request is answered as it deserves, and no backend, however careless, sees another one than the proxy did."""
    case = REQUESTS[name]

    answers, raw = await answers_to(stage, case, [case.sent])

    assert answers == case.answers
    assert {reading: seen_by(raw, reading) for reading in READINGS} == dict.fromkeys(READINGS, case.seen)
    if not case.seen:
        assert not any(raw)


@pytest.mark.parametrize("name", [name for name, case in REQUESTS.items() if len(case.sent) < 300])
async def test_requests_in_pieces(stage: Stage, name: str) -> None:
    """A request that comes byte by byte meets the same fate."""
    case = REQUESTS[name]

    answers, raw = await answers_to(stage, case, [case.sent[i : i + 1] for i in range(len(case.sent))])

    assert answers == case.answers
    assert {reading: seen_by(raw, reading) for reading in READINGS} == dict.fromkeys(READINGS, case.seen)


@pytest.mark.parametrize("name", RESPONSES)
async def test_responses(stage: Stage, name: str) -> None:
    """A response reaches its client as it was meant, or as a 502; nothing of it ever reaches another one."""
    case = RESPONSES[name]
    backend = await stage.backend(first_saying(case))
    stage.route(backend)
    reader, writer = await stage.connect()

    writer.write(case.asked)
    answers, body = await read_answers(reader, case)
    another = await stage.get()

    assert [answer.status for answer in answers] == case.answers
    assert body == case.body
    for answer in answers:
        if answer.status < 200 or answer.status == 204:
            assert answer.values("content-length") == []
    assert (another.status, another.body) == (200, b"next")
    assert (backend.connections == 1) == case.kept
    assert reader.at_eof() or not reader._buffer  # type: ignore[attr-defined]


def first_saying(case: ResponseCase) -> Conversation:
    """Make a backend that answers the first request as the case says, and all others properly."""

    async def talk(backend: Backend, _head: bytes, _reader: Reader, writer: Writer) -> None:
        if len(backend.heads) > 1:
            writer.write(NEXT)
            return
        writer.write(case.said)
        if case.closes:
            writer.close()

    return talk


async def read_answers(reader: Reader, case: ResponseCase) -> tuple[list[Response], bytes | None]:
    """Read what the case lets expect; a body of None stands for a page of the proxy, or one that is broken off."""
    answers = [await read_response(reader, bodyless=True) for _ in case.answers[:-1]]
    last = case.answers[-1]
    if last == 502:
        answers.append(await read_response(reader))
        assert answers[-1].values("x-hostess-error") == [
            "backend-closed" if case.closes else "backend-invalid-response"
        ]
        return answers, None
    if case.body is None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert not (await reader.read()).endswith(b"0\r\n\r\n")
        return [*answers, Response(int(head[9:12]), head, b"")], None
    answers.append(await read_response(reader, bodyless=case.asked.startswith(b"HEAD")))
    return answers, answers[-1].body
