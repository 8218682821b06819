"""What a build may ask of us while it runs: its secrets, over a session with the engine's BuildKit.

`POST /session` turns a connection round: the engine speaks HTTP/2 on it as a client, and calls by gRPC what the request said that it
may. The values of secrets go over this connection and nowhere else. It lives as long as the block that opened it.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError, StreamClosedError

from hostess.adapters.engine.calls import ENDING, PATIENCE, Api, checked, url_of

GET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
HEALTH = "/grpc.health.v1.Health/Check"
PIECE = 64 * 1024
MOST_ASKED = 64 * 1024
"""Bytes that a question may have; those of an engine have some dozens."""

INVALID, NOT_FOUND, UNIMPLEMENTED = 3, 5, 12
"""Codes of gRPC."""
VARINT, BYTES = 0, 2
"""Wire types of protobuf."""
SERVING = b"\x08\x01"


@contextmanager
def session(api: Api, secrets: Mapping[str, str]) -> Iterator[str]:
    """Answer the engine's questions for these secrets (id -> value) while the block runs; yield the session's id for its build."""
    identity = uuid4().hex
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "h2c",
        "X-Docker-Expose-Session-Uuid": identity,
        "X-Docker-Expose-Session-Name": "hostess",
        "X-Docker-Expose-Session-Sharedkey": "",
        "X-Docker-Expose-Session-Grpc-Method": GET,
    }
    response = checked(api.post(url_of(api, "/session"), headers=headers, stream=True, timeout=(PATIENCE, PATIENCE)))
    raw: Any = response.raw
    reader = raw._fp.fp  # noqa: SLF001 -- the library has no other way to a connection that has changed its protocol
    connection: socket.socket = reader.raw._sock  # noqa: SLF001 -- the same
    connection.settimeout(None)
    thread = threading.Thread(
        target=_serve, args=(reader, connection, secrets), name="engine: a build's session", daemon=True
    )
    thread.start()
    try:
        yield identity
    finally:
        with suppress(OSError):
            # The plain socket's own: that of TLS would take from the thread what it reads with.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        thread.join(ENDING)
        response.close()


def _serve(reader: Any, connection: socket.socket, secrets: Mapping[str, str]) -> None:  # noqa: ANN401 -- the library has no types
    """Answer until the connection ends; a peer that breaks the protocol ends it."""
    answers = Answers(secrets)
    with suppress(OSError, ValueError, ProtocolError):
        connection.sendall(answers.begin())
        while heard := reader.read1(PIECE):
            connection.sendall(answers.hear(heard))
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Answers:
    """The server's side of a session: bytes heard -> bytes to send. No input or output of its own."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._http = H2Connection(H2Configuration(client_side=False))
        self._paths: dict[int, str] = {}
        self._asked: dict[int, bytearray] = {}
        self._unsent: dict[int, bytes] = {}

    def begin(self) -> bytes:
        """Return what is said first."""
        self._http.initiate_connection()
        return self._http.data_to_send()

    def hear(self, data: bytes) -> bytes:
        """Return what is said to this; h2's ProtocolError for what is no HTTP/2."""
        for event in self._http.receive_data(data):
            match event:
                case RequestReceived(stream_id=int(stream), headers=headers):
                    self._paths[stream] = dict(headers or ()).get(b":path", b"").decode(errors="replace")
                    self._asked[stream] = bytearray()
                case DataReceived(stream_id=int(stream), data=bytes(part)):
                    self._http.acknowledge_received_data(event.flow_controlled_length, stream)
                    self._take(stream, part)
                case StreamEnded(stream_id=int(stream)) if stream in self._paths:
                    with suppress(StreamClosedError):  # what was taken back in the same breath needs no answer
                        self._answer(stream)
                case StreamReset(stream_id=int(stream)):
                    self._forget(stream)
        for stream in list(self._unsent):
            self._send(stream)
        return self._http.data_to_send()

    def _take(self, stream: int, part: bytes) -> None:
        asked = self._asked.get(stream)
        if asked is None:
            return
        asked += part
        if len(asked) > MOST_ASKED:
            self._forget(stream)
            self._refuse(stream, INVALID)

    def _answer(self, stream: int) -> None:
        path, asked = self._paths.pop(stream), bytes(self._asked.pop(stream))
        methods: dict[str, Callable[[bytes], bytes | int]] = {GET: self._secret, HEALTH: lambda _: SERVING}
        method = methods.get(path)
        found = UNIMPLEMENTED if method is None else method(asked[5:])
        if isinstance(found, int):
            self._refuse(stream, found)
            return
        self._http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self._unsent[stream] = struct.pack(">BI", 0, len(found)) + found

    def _secret(self, message: bytes) -> bytes | int:
        """Return GetSecretResponse {bytes data = 1} to GetSecretRequest {string ID = 1}."""
        try:
            value = self._secrets.get(fields(message).get(1, b"").decode())
        except ValueError:
            return INVALID
        if value is None:
            return NOT_FOUND
        data = value.encode()
        return b"\x0a" + varint(len(data)) + data

    def _send(self, stream: int) -> None:
        """Send of an answer what the engine has room for; the rest goes when it has more."""
        while left := self._unsent[stream]:
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            if room <= 0:
                return
            self._http.send_data(stream, left[:room])
            self._unsent[stream] = left[room:]
        del self._unsent[stream]
        self._http.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def _refuse(self, stream: int, code: int) -> None:
        told = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", str(code))]
        self._http.send_headers(stream, told, end_stream=True)

    def _forget(self, stream: int) -> None:
        self._paths.pop(stream, None)
        self._asked.pop(stream, None)
        self._unsent.pop(stream, None)


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 -- seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def fields(message: bytes) -> dict[int, bytes]:
    """Return number -> content of a protobuf message's texts and messages, the last of each; ValueError for anything else."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        size, at = _number(message, at)
        if key & 7 == BYTES:
            if at + size > len(message):
                raise ValueError("a field ends after its message")
            found[key >> 3] = message[at : at + size]
            at += size
        elif key & 7 != VARINT:
            raise ValueError(f"wire type {key & 7} was not expected")
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Return the varint that begins there, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("a number has no end")
