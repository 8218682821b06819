"""A server that opens new connections to its databases for each request. It runs in a container, with the standard library alone.

GET / asks each URL of its environment whose name begins with TO_ and answers with who it was there; 500 says what went wrong.
"""

import base64
import hashlib
import hmac
import os
import secrets
import signal
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

PATIENCE = 60.0
PORT = 8000


def postgres(url: str, sql: str = "SELECT current_user") -> str:
    """Log in by SCRAM-SHA-256 (RFC 5802) and return what a query answers."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        stream = connection.makefile("rb")
        words = ("user", unquote(parts.username or ""), "database", unquote(parts.path[1:]), "")
        body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words)
        connection.sendall(struct.pack("!i", len(body) + 4) + body)
        answered(stream, b"R")
        first = f"n=,r={secrets.token_hex(12)}"
        send(connection, b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first) + 3) + f"n,,{first}".encode())
        told = answered(stream, b"R")[4:].decode()
        fields = dict(each.split("=", 1) for each in told.split(","))
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac("sha256", unquote(parts.password or "").encode(), salt, rounds)
        last = f"c=biws,r={fields['r']}"
        key = hmac.digest(salted, b"Client Key", "sha256")
        signed = hmac.digest(hashlib.sha256(key).digest(), f"{first},{told},{last}".encode(), "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signed, strict=True))
        send(connection, b"p", f"{last},p={base64.b64encode(proof).decode()}".encode())
        answered(stream, b"Z")
        send(connection, b"Q", sql.encode() + b"\0")
        row = answered(stream, b"D")
        answered(stream, b"Z")
        send(connection, b"X", b"")
        return row[6:].decode()


def send(connection: socket.socket, kind: bytes, body: bytes) -> None:
    """Send one message."""
    connection.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def answered(stream: BinaryIO, kind: bytes) -> bytes:
    """Read up to the next message of a kind and return it."""
    while True:
        head = stream.read(5)
        if len(head) < 5:
            raise ConnectionError("closed")
        body = bytes(stream.read(struct.unpack("!i", head[1:])[0] - 4))
        if head[:1] == b"E":
            raise ConnectionError(body.decode(errors="replace").replace("\0", " "))
        if head[:1] == kind:
            return body


def redis(url: str) -> str:
    """Log in and return who one is."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        stream = connection.makefile("rb")
        said = []
        for words in (
            ("AUTH", parts.username or "default", parts.password or ""),
            ("SELECT", parts.path[1:]),
            ("PING",),
        ):
            asked = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            connection.sendall(f"*{len(words)}\r\n{asked}".encode())
            said.append(stream.readline().decode().strip())
        if said != ["+OK", "+OK", "+PONG"]:
            raise ConnectionError(f"{said}")
        return parts.username or "default"


class Asking(BaseHTTPRequestHandler):
    """Answers."""

    def do_GET(self) -> None:
        """Ask each database anew."""
        status, said = 200, []
        for name, url in sorted(os.environ.items()) if self.path != "/health" else ():
            if name.startswith("TO_"):
                try:
                    said.append(f"{name}={(redis if url.startswith('redis') else postgres)(url)}")
                except (OSError, ValueError) as error:
                    status = 500
                    said.append(f"{name}: {error}")
        body = "\n".join(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if status != 200:
            sys.stderr.write(f"{body.decode()}\n")

    def log_message(self, *_: object) -> None:
        """Say nothing of what went well."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", PORT), Asking)
    server.daemon_threads = False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
