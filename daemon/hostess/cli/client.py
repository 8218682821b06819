"""The admin API's client: standard library only, over TCP, TLS or the unix socket."""

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from hostess.cli.failure import FAILED, TIMED_OUT, UNREACHABLE, Failure
from hostess.cli.server import Server
from hostess.cli.trust import trusted, untrusted

TIMEOUT = 60.0
UPLOAD = 300.0
"""Seconds in which a piece of an upload must be taken, or the answer come."""
QUIET = 60.0
"""Seconds without a sign of life after which a stream is taken for dead (the daemon sends one every 15)."""
TRIES = 10
PIECE = 1024 * 1024
PAUSE = 1.0

Json = Any


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    data: str
    id: str
    event: str


class Client:
    """Asks one daemon. Failure carries the problem and the exit code."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def get(self, path: str, **query: object) -> Json:
        """Return the JSON answer of a GET; parameters that are None, False or empty are left out."""
        return self.send("GET", path + _query(query))

    def send(self, method: str, path: str, body: Json = None, *, timeout: float = TIMEOUT) -> Json:
        """Return the JSON answer (None when there is none)."""
        with self._answer(method, path, body, {}, timeout) as response:
            raw = _read(response)
        return json.loads(raw) if raw else None

    def text(self, path: str) -> str:
        """Return an answer that is text."""
        with self._answer("GET", path, None, {}, TIMEOUT) as response:
            return _read(response).decode(errors="replace")

    def events(self, path: str, **query: object) -> Iterator[Event]:
        """Yield server-sent events to the end; a broken connection is taken up again where it ended.

        The last one, "end", is yielded too. Failure when the daemon does not come back.
        """
        last, tries = "", 0
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            try:
                with self._answer("GET", path + _query(query), None, headers, QUIET) as response:
                    for event in _parsed(response):
                        tries, last = 0, event.id or last
                        yield event
                        if event.event == "end":
                            return
            except (OSError, http.client.HTTPException):
                pass
            except Failure as failure:
                if failure.exit_code not in {UNREACHABLE, TIMED_OUT} or not last:
                    raise
            tries += 1
            if tries > TRIES:
                raise Failure(
                    f"the connection to {self.server} was lost",
                    exit_code=UNREACHABLE,
                    remedy="what was begun goes on in the daemon: look again with `hostess deployments list`",
                )
            time.sleep(PAUSE)

    def told(self, path: str, body: Json) -> Iterator[Event]:
        """Yield the server-sent events of a POST. What was begun ends with the connection, so a broken one is a Failure."""
        try:
            with self._answer("POST", path, body, {"Accept": "text/event-stream"}, QUIET) as response:
                yield from _parsed(response)
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"the connection to {self.server} was lost: {error}", exit_code=UNREACHABLE) from error

    def upload(self, path: str, archive: io.RawIOBase, size: int, **query: object) -> Json:
        """Return the JSON answer to a POST of an archive (tar, gzip) of *size* bytes, which is read as it is sent."""
        headers = {"Content-Type": "application/gzip", "Content-Length": str(size)}
        with self._exchange("POST", path + _query(query), archive, headers, UPLOAD) as response:
            return json.loads(_read(response))

    def save(self, path: str, target: Path) -> str:
        """Write the answer of a GET to a file, in pieces; return its SHA-256."""
        digest = sha256()
        with self._answer("GET", path, None, {}, TIMEOUT) as response, target.open("wb") as file:
            while piece := response.read(PIECE):
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def _answer(
        self, method: str, path: str, body: Json, headers: Mapping[str, str], timeout: float
    ) -> http.client.HTTPResponse:
        sent = dict(headers)
        if method in {"POST", "PUT", "PATCH"}:
            sent["Content-Type"] = "application/json"
        return self._exchange(method, path, None if body is None else json.dumps(body), sent, timeout)

    def _exchange(
        self, method: str, path: str, body: str | io.RawIOBase | None, headers: Mapping[str, str], timeout: float
    ) -> http.client.HTTPResponse:
        connection = _connection(self.server, timeout)
        sent = {"Connection": "close", **headers}  # each connection carries one request, and ends with its answer
        if self.server.token:
            sent["Authorization"] = f"Bearer {self.server.token}"
        base = urlsplit(self.server.url).path.rstrip("/")
        try:
            with suppress(*([BrokenPipeError, ConnectionResetError] if isinstance(body, io.RawIOBase) else [])):
                # Who refuses an upload answers before all of it was sent.
                connection.request(method, base + path, body, sent)
            response = connection.getresponse()
        except TimeoutError:
            connection.close()
            raise Failure(f"{self.server} did not answer within {timeout:.0f} s", exit_code=TIMED_OUT) from None
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise untrusted(self.server, error) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Failure(
                f"the daemon does not answer at {self.server}: {error}",
                exit_code=UNREACHABLE,
                remedy="is it running? `systemctl status hostess`, `journalctl -u hostess`",
            ) from error
        if response.status >= 400:  # noqa: PLR2004 -- the first status that is an error
            with response:
                raise Failure.of_problem(response.status, _problem(_read(response)))
        return response


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in place of host and port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def path_of(*parts: str) -> str:
    """Return an API path of parts, each of them quoted; of "projects" and "shop" it is /v1/projects/shop."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _connection(server: Server, timeout: float) -> http.client.HTTPConnection:
    if server.socket is not None:
        return _UnixConnection(str(server.socket), timeout)
    parts = urlsplit(server.url)
    if parts.scheme != "https":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=trusted())


def _query(query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None and value is not False and value != ()}
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else "true" if value is True else str(value)
        for name, value in given.items()
        if value != ""
    }
    return f"?{urlencode(texts)}" if texts else ""


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"the answer broke off: {error}", exit_code=UNREACHABLE) from error


def _problem(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(response: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the events of a stream (WHATWG HTML, "Server-sent events")."""
    data: list[str] = []
    fields = {"id": "", "event": ""}
    while raw := response.readline():
        line = raw.decode(errors="replace").rstrip("\n")
        if not line:
            if data or fields["event"]:
                yield _checked(Event("\n".join(data), fields["id"], fields["event"]))
            data, fields = [], {"id": "", "event": ""}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in fields:
            fields[name] = value


def _checked(event: Event) -> Event:
    if event.event == "problem":
        raise Failure(str(json.loads(event.data).get("detail")), exit_code=FAILED)
    return event
