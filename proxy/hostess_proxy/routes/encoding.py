"""Compresses responses on their way from the backend to the client: one `Encoded` for each that is sent in pieces.

Each piece that the backend sends is compressed and flushed at once, so that nothing waits here for more to come. A piece is what was
read in one go (at most 256 KB), which bounds how long the others have to wait for it; the codings' windows and the number of
responses at a time bound the memory.
"""

import zlib
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from hostess_proxy.http1.heads import CHUNKED, Response
from hostess_proxy.routes.compression import LEAST, coded, coding_for, varying

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

AT_ONCE: Final = 256  # for each worker; 0.2 to 0.4 MB each
_GZIP_LEVEL = 4
_GZIP = 31  # zlib's number for a window of 32 KB in gzip's format
_ZSTD_LEVEL = 3
_ZSTD_LOGS = {"window_log": 17, "hash_log": 15, "chain_log": 15}  # a window of 128 KB, so that each has a small memory


class Coder(Protocol):
    """One body being compressed."""

    def feed(self, data: bytes) -> bytes:
        """Return the coding of some bytes, from which a client can have all of them at once."""

    def finish(self) -> bytes:
        """Return the end."""


class Gzip:
    """A body as gzip."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def feed(self, data: bytes) -> bytes:
        """Return the coding of some bytes."""
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Return the end."""
        return self._compressor.flush()


class Zstd:
    """A body as zstd."""

    def __init__(self, library: Any, compressor: Any) -> None:  # noqa: ANN401 -- a module that is loaded by name
        self._compressor = compressor.compressobj()
        self._block, self._end = library.COMPRESSOBJ_FLUSH_BLOCK, library.COMPRESSOBJ_FLUSH_FINISH

    def feed(self, data: bytes) -> bytes:
        """Return the coding of some bytes."""
        return bytes(self._compressor.compress(data) + self._compressor.flush(self._block))

    def finish(self) -> bytes:
        """Return the end."""
        return bytes(self._compressor.flush(self._end))


@cache
def coders() -> dict[str, Callable[[], Coder]]:
    """Return the codings that can be made here, best first. zstandard is loaded now, and only where a route compresses."""
    try:
        library = import_module("zstandard")
    except ImportError:
        return {"gzip": Gzip}
    logs = library.ZstdCompressionParameters.from_level(_ZSTD_LEVEL, **_ZSTD_LOGS)
    return {"zstd": partial(Zstd, library, library.ZstdCompressor(compression_params=logs)), "gzip": Gzip}


def compressed(exchange: "Exchange", response: Response, data: bytes, *, ended: bool) -> tuple[Response, bytes]:
    """Return a response compressed, if it may be and its client likes it; what follows is compressed, too."""
    plain = None if exchange.is_head else varying(response)
    if plain is None:
        return response, data
    coding = coding_for(exchange.request.fields.forward, tuple(coders()))
    if not coding or (ended and len(data) < LEAST) or exchange.traffic.encoding >= AT_ONCE:
        return plain, data
    coder = coders()[coding]()
    if ended:
        body = coder.feed(data) + coder.finish()
        return coded(plain, coding, len(body)), body
    Encoded(exchange, coder)
    return coded(plain, coding, CHUNKED), coder.feed(data) if data else b""


class Encoded:
    """Stands between an exchange and its client, and compresses what passes."""

    __slots__ = ("_coder", "_exchange")

    def __init__(self, exchange: "Exchange", coder: Coder) -> None:
        self._exchange: Exchange | None = exchange
        self._coder = coder
        exchange.sink = self
        exchange.ends_with += (self,)
        exchange.traffic.encoding += 1

    def send_body(self, data: bytes) -> None:
        """Send more of the response's body."""
        self._pass(self._coder.feed(data), len(data))

    def end_body(self, trailers: bytes = b"") -> None:
        """Complete the response's body."""
        self._pass(self._coder.finish(), 0)
        if self._exchange is not None:
            self._exchange.client.end_body(trailers)

    def close(self) -> None:
        """Let go of the exchange, which has ended."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.sink = exchange.client
            exchange.traffic.encoding -= 1

    def _pass(self, code: bytes, plain: int) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.sent += len(code) - plain
            if code:
                exchange.client.send_body(code)
