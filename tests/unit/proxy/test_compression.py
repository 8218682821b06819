"""Which responses are compressed, how, and what they then say."""

import pytest

from hostess_proxy.http1.heads import CHUNKED, Response, parse_response
from hostess_proxy.routes.compression import coded, coding_for, varying

OURS = ("zstd", "gzip")
HTML = b"Content-Type: text/html; charset=utf-8\r\n"
LONG = b"Content-Length: 5000\r\n"


def head(lines: bytes, status: int = 200) -> Response:
    """Return the head of a response."""
    return parse_response(b"HTTP/1.1 %d X\r\n%b" % (status, lines))


@pytest.mark.parametrize(
    "kind",
    [
        b"text/html",
        b"Text/HTML ;charset=utf-8",
        b"text/css",
        b"application/json",
        b"application/problem+json",
        b"application/javascript",
        b"application/wasm",
        b"image/svg+xml",
        b"application/atom+xml; x=y",
        b"application/xml",
    ],
)
def test_texts(kind: bytes) -> None:
    """Texts of all kinds are compressed where they are long enough, or of unknown length, and vary from then on."""
    for length in (LONG, b"Transfer-Encoding: chunked\r\n", b""):
        response = varying(head(b"content-type: %b\r\n%b" % (kind, length)))
        assert response is not None
        assert response.forward.endswith(b"Vary: Accept-Encoding\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        LONG,
        b"Content-Type: image/png\r\n" + LONG,
        b"Content-Type: application/octet-stream\r\n",
        b"Content-Type: application/grpc\r\n",
        b"Content-Type: text/event-stream\r\n",
        b"Content-Type: text/event-stream; charset=utf-8\r\n",
        HTML + b"Content-Length: 1023\r\n",
        HTML + b"Content-Length: 0\r\n",
        HTML + LONG + b"Content-Encoding: br\r\n",
        HTML + LONG + b"Content-Range: bytes 0-4999/9999\r\n",
        HTML + LONG + b"Cache-Control: public, No-Transform\r\n",
        HTML + LONG + b"Repr-Digest: sha-256=:x:\r\n",
        HTML + LONG + b"Content-MD5: x\r\n",
    ],
)
def test_what_is_left_alone(lines: bytes) -> None:
    """What is no text, short, sent by events, encoded, a part, or must not change is left alone."""
    assert varying(head(lines)) is None


@pytest.mark.parametrize("status", [204, 205, 206, 304, 301, 404, 500])
def test_other_statuses(status: int) -> None:
    """Only whole good responses are compressed."""
    assert varying(head(HTML, status)) is None


@pytest.mark.parametrize("vary", [b"Vary: *\r\n", b"vary: Origin, accept-encoding\r\n"])
def test_vary_is_said_once(vary: bytes) -> None:
    """A response that says already that it varies says it no second time."""
    response = varying(head(HTML + vary))

    assert response is not None
    assert response.forward.lower().count(b"vary") == 1


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP;Q=0.5", "gzip"),
        ("gzip;q=1.0, zstd;q=0.1", "gzip"),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("*;q=0", ""),
        ("br", ""),
        ("", ""),
        ("gzip;q=0", ""),
        ("gzip;q=x", ""),
        ("gzip;q=nan", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
    ],
)
def test_what_a_client_wants(value: str, coding: str) -> None:
    """The coding with the greatest weight is taken, ours first where equal, and none where plain is wanted more."""
    assert coding_for(f"Accept: */*\r\nAccept-Encoding: {value}\r\n".encode(), OURS) == coding


def test_what_a_client_does_not_say() -> None:
    """A client that does not name codings gets none; one that names them in several lines gets one of them."""
    assert coding_for(b"Accept: gzip\r\nX-Accept-Encoding: gzip\r\n", OURS) == ""
    assert coding_for(b"accept-encoding: br\r\nAccept-Encoding: gzip\r\n", OURS) == "gzip"


def test_fields_of_the_coded_form() -> None:
    """Length and ranges of the plain form go, its strong tag becomes a weak one, and all else stays."""
    plain = head(b'ETag: "a"\r\n' + HTML + LONG + b"Accept-Ranges: bytes\r\nX-A: 1\r\n")

    in_pieces, whole = coded(plain, "gzip", CHUNKED), coded(plain, "zstd", 700)

    assert in_pieces.forward == b'ETag: W/"a"\r\n' + HTML + b"X-A: 1\r\nContent-Encoding: gzip\r\n"
    assert in_pieces.length == CHUNKED
    assert whole.forward.endswith(b"Content-Encoding: zstd\r\nContent-Length: 700\r\n")
    assert whole.length == 700
    assert coded(head(b'etag: W/"a"\r\n'), "gzip", CHUNKED).forward.startswith(b'etag: W/"a"\r\n')
