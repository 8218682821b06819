"""A drain on a real engine: every line of an app arrives, over a kill of the daemon, too."""

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.host import Host, a_host, a_repository, until

CLOCK = """version: "1.0"
services:
  clock:
    type: custom
    image: "busybox:1"
    command: [sh, -c, "i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.1; done"]
    health: {command: ["true"], interval: 1s, retries: 3}
    resources: {cpu: 0.5, memory: 128Mi}
"""
TICK = re.compile(rb"<14>1 \S+ \S+ drained clock\.1 - \[hostess@32473 [^\]]*\] tick (\d+)")


@dataclass
class Receiver:
    """Takes whatever comes by TCP, of each connection apart."""

    port: int
    heard: list[bytearray] = field(default_factory=list)

    def ticks(self) -> list[int]:
        """Return the numbers of all whole messages, in the order of each connection."""
        return [
            int(found[1]) for part in self.heard for each in messages(bytes(part)) if (found := TICK.fullmatch(each))
        ]


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the whole messages of a stream (RFC 6587, octet counting)."""
    while (space := data.find(b" ")) > 0 and len(data) > space + int(data[:space]):
        end = space + 1 + int(data[:space])
        yield data[space + 1 : end]
        data = data[end:]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = Receiver(listener.getsockname()[1])

        def read(connection: socket.socket) -> None:
            part = bytearray()
            here.heard.append(part)
            with connection:
                while piece := connection.recv(65536):
                    part.extend(piece)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=read, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield here
        listener.shutdown(socket.SHUT_RDWR)


def test_lines_arrive_over_a_kill_of_the_daemon(tmp_path: Path, receiver: Receiver) -> None:
    """No number is missing, of what was written while no daemon was there neither, and not all of them come again."""
    settings = {"HOSTESS_LOG__DRAINS": f"syslog://127.0.0.1:{receiver.port}"}
    with a_host(tmp_path / "host", settings) as host:
        pushed = a_repository(host, "drained", {"hostess.yml": CLOCK}).push()
        assert pushed.returncode == 0, pushed.stderr
        notes: set[object] = set()
        until(lambda: moved(host, notes), 90, "that it is written down how far it is")
        host.kill()
        before = max(receiver.ticks())
        host.start()
        until(lambda: max(receiver.ticks()) > before + 50, 60, "what was written since")
        ticks = receiver.ticks()

    assert set(ticks) == set(range(1, max(ticks) + 1))
    assert ticks.count(1) == 1


def moved(host: Host, notes: set[object]) -> bool:
    """Return whether the daemon has written down more than once how far the app's lines are sent; *notes* are those seen."""
    rows = host.query("SELECT value FROM facts WHERE name = 'note how far drains have come'")
    notes.update(value for (value,) in rows if '"done": {"' in str(value))
    return len(notes) > 2
