"""The lines of the access log as JSON.

A line is made for every request, while the client of the next one waits, so it is put together from text that is there already:
no clock and no float is formatted twice, and nothing is escaped that was checked when it was read.
"""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

_NO_ROUTE = '"project":"","service":"","release":""'
_VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2.0")
_THOUSANDTHS = tuple(f"{i:03d}" for i in range(1000))


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
            f'{live.log if live is not None else _NO_ROUTE},"target":"{target.address if target is not None else ""}",'
            f'"retries":{exchange.retries},"end":"{end}","error":"{exchange.error}","ua":{fields.log_agent}}}\n'
        )

    def refusal(self, at: float, address: str, status: int, code: str, sent: int, minor: int = 1) -> str:
        """Return the line of a request that could not be read."""
        return (
            f'{{"ts":"{self._at(at)}","id":"","client":"{address}","method":"","host":"","path":"","proto":"{_VERSIONS[minor]}",'
            f'"status":{status},"in":0,"out":{sent},"ms":0.000,"upstream_ms":0.000,{_NO_ROUTE},"target":"","retries":0,'
            f'"end":"refused","error":"{code}","ua":""}}\n'
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


def _milliseconds(seconds: float) -> str:
    """Return a duration in milliseconds with three digits behind the point."""
    microseconds = int(seconds * 1e6 + 0.5)
    return f"{microseconds // 1000}.{_THOUSANDTHS[microseconds % 1000]}"
