"""The lines of the access log, as JSON or in the combined format of Apache and nginx.

A line is made for every request, while the client of the next one waits, so it is put together from text that is there already:
no clock and no float is formatted twice, and nothing is escaped that was checked when it was read.
"""

import json
import re
import time
from typing import TYPE_CHECKING, Final, Protocol

from hostess_proxy.telemetry.relayed import Relayed

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

_EMPTY = '""'
_DASH = '"-"'
_REFERER = re.compile(rb"^Referer:(.*)\r$", re.IGNORECASE | re.MULTILINE)
_NO_ROUTE = '"project":"","service":"","release":""'
_VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2.0")
_THOUSANDTHS = tuple(f"{i:03d}" for i in range(1000))


class Lines(Protocol):
    """Makes lines, each with its line feed."""

    def relayed(self, relayed: Relayed) -> str:
        """Return the line of a connection to a database."""

    def exchange(self, exchange: "Exchange", end: str, now: float) -> str:
        """Return the line of an exchange that ended by *end*, *now* by the monotonic clock."""

    def refusal(self, at: float, address: str, status: int, code: str, sent: int, minor: int = 1) -> str:
        """Return the line of a request that could not be read."""


class JsonLines:
    """Makes lines, each with its line feed; remembers how the current millisecond is written."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""
        self._millisecond = 0
        self._stamp = ""

    def exchange(self, exchange: "Exchange", end: str, now: float) -> str:
        """Return the line of an exchange that ended by *end*, *now* by the monotonic clock."""
        request = exchange.asked
        fields = request.fields
        started = exchange.started
        live = exchange.live
        target = exchange.target
        path = request.path.decode()
        if '"' in path:  # it holds nothing else that JSON would mind
            path = path.replace('"', '\\"')
        return (
            f'{{"ts":"{self._at(exchange.at)}","id":"{exchange.id.decode()}","client":"{exchange.client.address}",'
            f'"method":"{request.method.decode()}","host":"{fields.log_host}","path":"{path}",'
            f'"proto":"{_VERSIONS[request.minor]}","status":{exchange.status},"in":{exchange.received},"out":{exchange.sent},'
            f'"ms":{_milliseconds(now - started)},'
            f'"upstream_ms":{_milliseconds(exchange.first_byte - started) if exchange.first_byte else "0.000"},'
            f'"connect_ms":{_milliseconds(exchange.connect) if exchange.connect else "0.000"},'
            f'"tls":{"true" if exchange.client.secure else "false"},'
            f'{live.log if live is not None else _NO_ROUTE},"target":"{target.address if target is not None else ""}",'
            f'"retries":{exchange.retries},"end":"{end}","error":"{exchange.error}","ua":{fields.log_agent}}}\n'
        )

    def refusal(self, at: float, address: str, status: int, code: str, sent: int, minor: int = 1) -> str:
        """Return the line of a request that could not be read."""
        return (
            f'{{"ts":"{self._at(at)}","id":"","client":"{address}","method":"","host":"","path":"","proto":"{_VERSIONS[minor]}",'
            f'"status":{status},"in":0,"out":{sent},"ms":0.000,"upstream_ms":0.000,"connect_ms":0.000,"tls":false,{_NO_ROUTE},"target":"","retries":0,'
            f'"end":"refused","error":"{code}","ua":""}}\n'
        )

    def relayed(self, relayed: Relayed) -> str:
        """Return the line of a connection to a database: that of a request without method, path and agent."""
        return (
            f'{{"ts":"{self._at(relayed.at)}","id":"","client":"{relayed.address}","method":"","host":"{relayed.host}","path":"",'
            f'"proto":"{relayed.protocol}","status":{relayed.status},"in":{relayed.received},"out":{relayed.sent},'
            f'"ms":{_milliseconds(relayed.seconds)},"upstream_ms":0.000,"connect_ms":0.000,"tls":true,'
            f'{relayed.names or _NO_ROUTE},"target":"{relayed.target}","retries":0,'
            f'"end":"{"refused" if relayed.error else "ok"}","error":"{relayed.error}","ua":""}}\n'
        )

    def _at(self, at: float) -> str:
        """Return a wall clock time as RFC 3339 with milliseconds."""
        millisecond = int(at * 1000)
        if millisecond != self._millisecond:
            second = millisecond // 1000
            if second != self._second:
                self._second = second
                self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._millisecond = millisecond
            self._stamp = f"{self._date}.{_THOUSANDTHS[millisecond % 1000]}Z"
        return self._stamp


class CombinedLines:
    """Makes lines as `%h - - %t "%r" %s %b "Referer" "User-Agent"` and the seconds that the request took."""

    def __init__(self) -> None:
        self._second = 0
        self._stamp = ""

    def exchange(self, exchange: "Exchange", end: str, now: float) -> str:
        """Return the line of an exchange that ended, *now* by the monotonic clock; how it ended has no place here."""
        del end
        request = exchange.request
        path = request.path.decode().replace('"', '\\"')
        told = _REFERER.search(request.fields.forward)
        referer = quoted(told[1].strip(b" \t")) if told is not None else '"-"'
        agent = request.fields.log_agent
        return (
            f"{exchange.client.address} - - [{self._at(exchange.at)}] "
            f'"{request.method.decode()} {path} {_VERSIONS[request.minor]}" {exchange.status} {exchange.sent} '
            f"{referer} {agent if agent != _EMPTY else _DASH} {now - exchange.started:.3f}\n"
        )

    def refusal(self, at: float, address: str, status: int, code: str, sent: int, minor: int = 1) -> str:
        """Return the line of a request that could not be read."""
        del code, minor
        return f'{address} - - [{self._at(at)}] "-" {status} {sent} "-" "-" 0.000\n'

    def relayed(self, relayed: Relayed) -> str:
        """Return the line of a connection to a database."""
        return (
            f'{relayed.address} - - [{self._at(relayed.at)}] "CONNECT {relayed.host} {relayed.protocol}" '
            f'{relayed.status} {relayed.sent} "-" "-" {relayed.seconds:.3f}\n'
        )

    def _at(self, at: float) -> str:
        second = int(at)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
        return self._stamp


FORMATS: Final[dict[str, type[JsonLines] | type[CombinedLines]]] = {"json": JsonLines, "combined": CombinedLines}
"""What the setting `access_log_format` may say."""


def quoted(value: bytes) -> str:
    """Return bytes that somebody sent as a JSON string, quotes included."""
    text = value.decode("latin-1")
    if text.isascii() and '"' not in text and "\\" not in text and text.isprintable():
        return f'"{text}"'
    return json.dumps(text)


def _milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds with three digits behind the point."""
    microseconds = int(seconds * 1e6 + 0.5)
    return f"{microseconds // 1000}.{_THOUSANDTHS[microseconds % 1000]}"
