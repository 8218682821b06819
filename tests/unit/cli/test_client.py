"""The client against a server of the test's own making: what breaks is told, and streams go on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hostess.cli import client as module
from hostess.cli.client import Client, path_of
from hostess.cli.failure import CONFLICT, FAILED, NOT_ALLOWED, NOT_FOUND, TIMED_OUT, UNREACHABLE, USAGE, Failure
from hostess.cli.server import Server

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve *answer* to every request on a port of its own; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def body(status: int, text: str) -> Answer:
    """Answer with that."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(text.encode())

    return answer


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        (400, USAGE),
        (401, NOT_ALLOWED),
        (403, NOT_ALLOWED),
        (404, NOT_FOUND),
        (409, CONFLICT),
        (422, USAGE),
        (500, FAILED),
        (503, FAILED),
        (504, TIMED_OUT),
    ],
)
def test_statuses_become_exit_codes(status: int, exit_code: int) -> None:
    """Each kind of problem has its exit code, and keeps its words."""
    problem = '{"detail": "it broke", "serving": "v1", "remedy": "mend it", "tail": ["a line"]}'
    with answering(body(status, problem)) as url, pytest.raises(Failure) as raised:
        Client(Server(url, "t")).get("/v1/x")

    failure = raised.value
    assert (failure.exit_code, failure.message, failure.serving) == (exit_code, "it broke", "v1")
    assert (failure.remedy, failure.tail) == ("mend it", ("a line",))


def test_an_error_that_is_no_problem_is_told_as_its_status() -> None:
    """What another server (a proxy on the way) answers does not end in a traceback."""
    with answering(body(502, "<html>")) as url, pytest.raises(Failure, match="answered 502"):
        Client(Server(url, "t")).get("/v1/x")


def test_nobody_answers() -> None:
    """A daemon that is not there has an exit code of its own."""
    with pytest.raises(Failure) as raised:
        Client(Server("http://127.0.0.1:1", "t")).get("/v1/x")

    assert raised.value.exit_code == UNREACHABLE


def test_a_broken_stream_is_taken_up_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection breaks, the client asks again with the last id, and yields each event once."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        last = request.headers.get("Last-Event-ID", "")
        asked.append(last)
        request.send_response(200)
        request.end_headers()
        rest = {"": "id: 1\ndata: one\n\n: still here\n\nid: 2\ndata: two\n\nid: 3\ndata: cut", "2": ""}
        request.wfile.write(rest.get(last, "").encode())
        if len(asked) == 3:
            request.wfile.write(b"id: 3\ndata: three\ndata: lines\n\nevent: end\ndata: {}\n\n")

    with answering(answer) as url:
        events = list(Client(Server(url, "t")).events("/v1/log"))

    assert [(event.id, event.event, event.data) for event in events] == [
        ("1", "", "one"),
        ("2", "", "two"),
        ("3", "", "three\nlines"),
        ("", "end", "{}"),
    ]
    assert asked == ["", "2", "2"]


def test_a_stream_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that goes on breaking is given up at last."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with answering(body(200, "")) as url, pytest.raises(Failure) as raised:
        list(Client(Server(url, "t")).events("/v1/log"))

    assert raised.value.exit_code == UNREACHABLE


def test_a_problem_in_a_stream_is_a_failure() -> None:
    """A problem that comes up after the stream began is told like any other."""
    text = 'event: problem\ndata: {"code": "engine-unreachable", "detail": "the engine is gone"}\n\n'
    with answering(body(200, text)) as url, pytest.raises(Failure, match="the engine is gone"):
        list(Client(Server(url, "t")).events("/v1/log"))


def test_names_in_paths_are_quoted() -> None:
    """What a person types cannot lead to another operation."""
    assert path_of("projects", "../tokens?x") == "/v1/projects/..%2Ftokens%3Fx"
