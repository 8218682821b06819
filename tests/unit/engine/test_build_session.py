"""What a build's session answers, asked by an HTTP/2 client as the engine's is one."""

import struct

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, TrailersReceived
from h2.exceptions import ProtocolError

from hostess.adapters.engine.build_session import GET, HEALTH, Answers, fields, varint


class Asking:
    """A client and the answers it gets."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.answers = Answers(secrets)
        self.http = H2Connection(H2Configuration())
        self.http.initiate_connection()
        self.events: list[Event] = []
        self.hear(self.answers.begin())

    def hear(self, data: bytes) -> None:
        """Carry bytes both ways until both are silent; room is given back for what came."""
        while True:
            for event in self.http.receive_data(data):
                self.events.append(event)
                if isinstance(event, DataReceived):
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
            said = self.http.data_to_send()
            if not said:
                return
            data = self.answers.hear(said)

    def ask(self, path: str, message: bytes) -> tuple[bytes, str]:
        """Return the answer to a call, and gRPC's code for it."""
        stream = self.http.get_next_available_stream_id()
        self.events.clear()
        begun = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
        self.http.send_headers(stream, [*begun, ("content-type", "application/grpc"), ("te", "trailers")])
        self.http.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
        self.hear(b"")
        body = b"".join(event.data or b"" for event in self.events if isinstance(event, DataReceived))
        told = [event.headers for event in self.events if isinstance(event, ResponseReceived | TrailersReceived)]
        codes = [value for headers in told for name, value in headers or () if name == b"grpc-status"]
        assert len(codes) == 1
        return body[5:], codes[0].decode()


def asked_for(name: str) -> bytes:
    """Return a question for a secret, with an annotation as engines may send."""
    data = name.encode()
    return b"\x0a" + varint(len(data)) + data + b"\x12\x04\x0a\x02ab"


@pytest.mark.parametrize("value", ["hello", "", "Grüße\nund Zeilen\n", "x" * 65536, "y" * 500_000])
def test_a_secret_is_told(value: str) -> None:
    """A value arrives whole, also one that is larger than the room that the other side gives at a time."""
    message, code = Asking({"TOKEN": value, "OTHER": "z"}).ask(GET, asked_for("TOKEN"))

    assert code == "0"
    assert fields(message) == {1: value.encode()}


def test_what_is_not_there_is_not_found() -> None:
    """An id that was not handed over has gRPC's NOT_FOUND, and the session goes on."""
    asking = Asking({"TOKEN": "hello"})

    assert asking.ask(GET, asked_for("PATH")) == (b"", "5")
    assert asking.ask(GET, b"") == (b"", "5")
    assert asking.ask(GET, asked_for("TOKEN")) == (b"\x0a\x05hello", "0")


def test_health_and_unknown_methods() -> None:
    """The engine asks whether we are well, and may try what is not offered."""
    asking = Asking({})

    assert asking.ask(HEALTH, b"") == (b"\x08\x01", "0")
    assert asking.ask("/moby.filesync.v1.Auth/Credentials", b"\x0a\x01r") == (b"", "12")


@pytest.mark.parametrize("message", [b"\x0a\x7f", b"\x0a", b"\xff" * 20, b"\x0d\x00", b"\x0a\x02\xff\xfe"])
def test_broken_questions(message: bytes) -> None:
    """What is no message of the kind is refused as such."""
    assert Asking({"TOKEN": "hello"}).ask(GET, message) == (b"", "3")


def test_a_large_question_is_refused() -> None:
    """Who sends without end is not listened to without end."""
    asking = Asking({"TOKEN": "hello"})
    stream = asking.http.get_next_available_stream_id()
    begun = [(":method", "POST"), (":scheme", "http"), (":path", GET), (":authority", "localhost")]
    asking.http.send_headers(stream, begun)
    for _ in range(5):
        asking.http.send_data(stream, bytes(16 * 1024))
        asking.hear(b"")

    told = [event.headers for event in asking.events if isinstance(event, ResponseReceived)]
    assert [value for headers in told for name, value in headers or () if name == b"grpc-status"] == [b"3"]
    assert asking.ask(HEALTH, b"") == (b"\x08\x01", "0")


def test_a_call_that_is_taken_back_ends_nothing() -> None:
    """A question and its withdrawal may come in one piece."""
    asking = Asking({"TOKEN": "hello"})
    stream = asking.http.get_next_available_stream_id()
    begun = [(":method", "POST"), (":scheme", "http"), (":path", HEALTH), (":authority", "localhost")]
    asking.http.send_headers(stream, begun, end_stream=True)
    asking.http.reset_stream(stream)
    asking.hear(b"")

    assert asking.ask(GET, asked_for("TOKEN")) == (b"\x0a\x05hello", "0")


def test_what_is_no_http_2() -> None:
    """Another protocol is an error, on which the connection is closed."""
    with pytest.raises(ProtocolError):
        Answers({}).hear(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize(("number", "written"), [(0, "00"), (127, "7f"), (128, "8001"), (65536, "808004")])
def test_numbers(number: int, written: str) -> None:
    """Numbers are written as protobuf does."""
    assert varint(number).hex() == written
