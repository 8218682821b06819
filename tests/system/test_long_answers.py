"""A switch while answers are under way: they end properly, and the old release stops only after them."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hostess_proxy.client import ProxyClient
from tests.system.acting import Doing, pushed, version
from tests.system.host import Host, a_repository, echo_files, until
from tests.system.watching import Event, deployments, engine_events, steps


def timestamp(text: str) -> float:
    """Return a time of the journal in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class Busy:
    """A switch during a 20 s answer and an open WebSocket. Times in seconds since the epoch."""

    text: str
    text_ended: float
    messages: int
    close_code: int
    published: float
    old: str
    events: list[Event]
    version_after: str


def talk(host: Host, name: str) -> tuple[int, int]:
    """Talk over one WebSocket until the other side closes it; return how many messages came back, and the close code."""
    address = host.proxy
    count = 0
    with connect(f"ws://{name}.localhost/ws", address=address, proxy=None) as socket:
        while True:
            try:
                socket.send(f"message {count}")
                assert socket.recv(60) == f"message {count}"
            except ConnectionClosed as closed:
                return count, closed.rcvd.code if closed.rcvd else 0
            count += 1
            threading.Event().wait(0.1)


def read_slowly(host: Host, name: str) -> tuple[str, float]:
    """Read an answer that takes 20 s; return it, and when it ended."""
    text = host.get(f"{name}.localhost", "/stream?n=21&ms=1000")[1]
    return text, time.time()


def in_flight(host: Host) -> int:
    """Return how many requests the proxy holds."""
    stats = asyncio.run(ProxyClient(host.data / "run" / "proxy.sock").stats())
    return sum(stats["in_flight"].values())


def switch_while_busy(host: Host) -> Busy:
    """Deploy the tiny app, hold a long answer and a WebSocket, switch, and wait until the old release is gone."""
    repository = a_repository(host, "long", echo_files())
    assert repository.push().returncode == 0
    [old] = host.containers("project=long", "service=web")
    with engine_events(host, project="long") as events:
        reading, talking = Doing(lambda: read_slowly(host, "long-web")), Doing(lambda: talk(host, "long-web"))
        until(lambda: in_flight(host) >= 2, 10, "both requests")
        pushed(repository, echo_files("2"))
        published = timestamp(steps(host, deployments(host, "long")[-1]["id"])["publish"][1])
        after = version(host, "long-web")
        text, text_ended = reading.result(180)
        messages, code = talking.result(180)
        until(lambda: old not in host.containers("project=long"), 30, "the end of the old container")
    return Busy(text, text_ended, messages, code, published, old, events, after)


@pytest.fixture(scope="module", autouse=True)
def switching(host: Host) -> Iterator[Doing]:
    """Give the busy switch; it takes half a minute, during which the other tests of this module run."""
    doing = Doing(lambda: switch_while_busy(host))
    yield doing
    with suppress(BaseException):
        doing.result(400)


def test_a_long_answer_and_a_websocket_end_properly(switching: Doing) -> None:
    """A 20 s answer that began before the switch arrives whole; a WebSocket goes on and is closed with 1001 at last (17, 18)."""
    busy = switching.result(400)

    assert busy.version_after == "2"
    assert [line.strip() for line in busy.text.splitlines()] == [f"chunk {n} of 21" for n in range(1, 22)]
    assert busy.text_ended > busy.published
    assert busy.messages > 100
    assert busy.close_code == 1001


def test_an_old_release_gets_sigterm_only_after_it_answered_everything(switching: Doing) -> None:
    """SIGTERM reaches the old container after every worker has the new table and the last answer ended; then it goes (scenario 19)."""
    busy = switching.result(400)

    killed = [event for event in busy.events if event.container == busy.old and event.action == "kill"]
    assert killed[0].signal == "15"
    assert killed[0].at > max(busy.published, busy.text_ended)
    assert len(killed) == 1
