"""A backend of HTTP/2 that does exactly what a test wants, with another implementation's rules switched off."""

import asyncio
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.integration.proxy.stage import Reader, Stage, Writer

Talk = Callable[["Http2Conversation", int, dict[str, str], bytes], None]


class Http2Conversation:
    """One connection of a backend. *told* says when a request is talked about: at its head, or at its end."""

    def __init__(self, writer: Writer, talk: Talk, *, at_head: bool, reads: bool) -> None:
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.writer = writer
        self.resets: list[int] = []
        self._talk = talk
        self._at_head = at_head
        self._reads = reads
        self._requests: dict[int, tuple[dict[str, str], list[bytes]]] = {}

    def answer(self, number: int, *fields: tuple[str, str], body: bytes = b"", status: str = "200") -> None:
        """Answer a request, and end it."""
        self.h2.send_headers(number, [(":status", status), *fields], end_stream=not body)
        if body:
            self.h2.send_data(number, body, end_stream=True)

    def take(self, data: bytes) -> None:
        """Take bytes, and talk about the requests that they hold."""
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self._requests[event.stream_id] = (dict(event.headers), [])  # type: ignore[arg-type]
                if self._at_head:
                    self._say(event.stream_id)
            elif isinstance(event, h2.events.DataReceived):
                self._requests[event.stream_id][1].append(event.data)
                if self._reads:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets.append(event.stream_id)
            elif isinstance(event, h2.events.StreamEnded) and not self._at_head:
                self._say(event.stream_id)
        self.flush()

    def flush(self) -> None:
        """Send what was said."""
        self.writer.write(self.h2.data_to_send())

    def body(self, number: int) -> bytes:
        """Return what came of a request's body."""
        return b"".join(self._requests[number][1])

    def _say(self, number: int) -> None:
        self._talk(self, number, self._requests[number][0], self.body(number))


class Http2Backend:
    """A backend. *conversations* are its connections, one after another."""

    def __init__(self, talk: Talk, *, at_head: bool, reads: bool, streams: int) -> None:
        self.conversations: list[Http2Conversation] = []
        self.address = ""
        self._talk = talk
        self._at_head = at_head
        self._reads = reads
        self._streams = streams

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection."""
        conversation = Http2Conversation(writer, self._talk, at_head=self._at_head, reads=self._reads)
        self.conversations.append(conversation)
        conversation.h2.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._streams}
        )
        conversation.h2.initiate_connection()
        conversation.flush()
        try:
            while data := await reader.read(1 << 16):
                conversation.take(data)
        except ConnectionError:
            pass
        finally:
            writer.close()


async def http2_backend(
    stage: Stage, talk: Talk, *, at_head: bool = False, reads: bool = True, streams: int = 100
) -> Http2Backend:
    """Start a backend, and make one route to it for every host."""
    backend = Http2Backend(talk, at_head=at_head, reads=reads, streams=streams)
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    stage._servers.append(server)
    backend.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stage.route(backend.address, protocol="h2c")
    return backend
