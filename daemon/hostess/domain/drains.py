"""Drains: where every line that apps write is sent on to, how a line looks there, and what waits while nobody takes it. Pure."""

import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote, urlsplit

PORTS = {"syslog": 514, "syslog+tcp": 514, "syslog+tls": 6514, "syslog+udp": 514, "http": 80, "https": 443}
"""What a drain's URL can begin with, and the port where none is given; syslog alone is over TCP."""
LONGEST = 16 * 1024
"""Bytes of a line that are sent; the rest is cut off."""
LONGEST_DATAGRAM = 2048
"""Bytes of a whole message over UDP (RFC 5426, section 3.2)."""
_INFO, _ERROR = 14, 11
"""Facility user with severity informational, or error: as Docker's own driver has it."""
_HEADER = re.compile(r"[^\x21-\x7e]")
_CUT = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})


@dataclass(frozen=True, slots=True)
class Target:
    """A drain's URL, taken apart: it may hold a secret, and is shown without."""

    scheme: str
    host: str
    port: int
    url: str = field(repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return what people are told of it."""
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Drained:
    """A line that a replica wrote, and who that is."""

    at: datetime
    container: str
    project: str
    environment: str
    service: str
    release: str
    replica: str
    stream: str
    text: str


def target(url: str) -> Target:
    """Return what a drain's URL says; ValueError with a sentence for people, which does not repeat the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(
            "a drain is a URL such as syslog+tls://logs.example.com:6514 or https://logs.example.com/in"
        ) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"a drain is a URL that begins with {', '.join(f'{scheme}://' for scheme in PORTS)}")
    if parts.scheme.startswith("syslog") and (parts.path.strip("/") or parts.query or parts.username):
        raise ValueError("a drain to syslog is scheme, host and port, and nothing more")
    return Target(
        parts.scheme,
        parts.hostname,
        port or PORTS[parts.scheme],
        url,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def rfc5424(line: Drained, host: str, longest: int = LONGEST) -> bytes:
    """Return a line as a message of syslog: the project is the APP-NAME, service and replica the PROCID."""
    severity = _ERROR if line.stream == "stderr" else _INFO
    words = {
        "environment": line.environment,
        "service": line.service,
        "release": line.release,
        "replica": line.replica,
        "stream": line.stream,
    }
    said = " ".join(f'{name}="{value.translate(_CUT)}"' for name, value in words.items())
    head = (
        f"<{severity}>1 {line.at.isoformat(timespec='microseconds').replace('+00:00', 'Z')} {_word(host, 255)} {_word(line.project, 48)} "
        f"{_word(f'{line.service}.{line.replica}', 128)} - [hostess@32473 {said}] "
    ).encode()
    return head + _cut(line.text, max(longest - len(head), 0))


def as_json(line: Drained, host: str) -> bytes:
    """Return a line as one of JSON, for who takes them by HTTP."""
    members = {
        "time": line.at.isoformat(),
        "host": host,
        "project": line.project,
        "environment": line.environment,
        "service": line.service,
        "release": line.release,
        "replica": line.replica,
        "stream": line.stream,
        "message": _cut(line.text, LONGEST).decode(),
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Backlog:
    """Lines that wait to be sent, at most so many bytes: when there is no room the oldest go, and are counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._lines: deque[Drained] = deque()
        self.lost = 0

    def add(self, line: Drained) -> None:
        """Let a line wait."""
        self._lines.append(line)
        self._size += _size(line)
        while self._size > self._most and self._lines:
            self._size -= _size(self._lines.popleft())
            self.lost += 1

    def take(self, count: int, size: int) -> list[Drained]:
        """Return the oldest lines, at most so many and (but for one line) so large; they wait no longer."""
        taken: list[Drained] = []
        while self._lines and len(taken) < count and (not taken or size >= _size(self._lines[0])):
            line = self._lines.popleft()
            self._size -= _size(line)
            size -= _size(line)
            taken.append(line)
        return taken

    def __len__(self) -> int:
        """Return how many lines wait."""
        return len(self._lines)


def counted(octets: Iterable[bytes]) -> bytes:
    """Return messages as a stream has them: each behind its length in bytes (RFC 6587, section 3.4.1)."""
    return b"".join(b"%d %b" % (len(message), message) for message in octets)


def _word(text: str, longest: int) -> str:
    return _HEADER.sub("?", text)[:longest] or "-"


def _cut(text: str, longest: int) -> bytes:
    """Return the bytes of a text, no character cut in two."""
    return text.encode(errors="replace")[:longest].decode(errors="ignore").encode()


def _size(line: Drained) -> int:
    return len(line.text) + 200  # what else a line takes in memory, about
