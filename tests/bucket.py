"""An S3 look-alike that tests can stop and start, and the way to it: cut in either direction, or with a byte changed on the way back."""

import contextlib
import json
import math
import socket
import threading
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import boto3  # type: ignore[import-untyped]  # what the look-alike is made of
from moto.server import ThreadedMotoServer

EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
_READ = 65536


class Line:
    """The way to the server. *left* bytes go there and *back* come from there before it is cut, for good until that is put right.

    With *flips* one byte of an answer that is longer than everything but an object is another one.
    """

    def __init__(self, server: "Server") -> None:
        self.left: float = math.inf
        self.back: float = math.inf
        self.flips = False
        self.calls = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it begins."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def cut(self) -> bool:
        """Whether nothing comes through."""
        return self.left <= 0 or self.back <= 0

    def mend(self) -> None:
        """Let everything through, as it is."""
        self.left = self.back = math.inf
        self.flips = False

    def close(self) -> None:
        """Take nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.calls += 1
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if not self.cut:
                with socket.create_connection(("127.0.0.1", self._server.port)) as server:
                    back = threading.Thread(target=_carry, args=(server, client, self._returned), daemon=True)
                    back.start()
                    _carry(client, server, self._sent)
                    back.join()

    def _sent(self, data: bytes) -> bytes:
        self.left -= len(data)
        return b"" if self.cut else data

    def _returned(self, data: bytes) -> bytes:
        self.back -= len(data)
        if self.cut:
            return b""
        return data[:-1] + bytes([data[-1] ^ 1]) if self.flips and len(data) == _READ else data


def _carry(source: socket.socket, target: socket.socket, passes: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while (data := source.recv(_READ)) and (passed := passes(data)):
            target.sendall(passed)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class Server:
    """An S3 look-alike that can go away and come back; it keeps its objects."""

    def __init__(self) -> None:
        self.port = 0
        self.start()
        self.forget()  # all servers of a process have the same objects
        self.line = Line(self)

    def start(self) -> None:
        """Listen."""
        self._running = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._running.start()
        _, self.port = self._running.get_host_and_port()

    def stop(self) -> None:
        """Listen no more."""
        self._running.stop()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> None:
        """Make the bucket "safe"."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/safe", method="PUT")).close()

    def forget(self) -> None:
        """Lose every bucket, with all that is in it."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()

    def user(self, rights: object = EVERYTHING) -> tuple[str, str]:
        """Return the keys of a new user who may do that."""
        given = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "x",
            "aws_secret_access_key": "x",
        }
        iam: Any = boto3.client("iam", **given)
        name = f"user-{uuid.uuid4().hex}"  # all servers of a process have the same users
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def strict(self, after: str) -> None:
        """Look who asks (signature and rights) from so many requests on; "inf": never."""
        plain = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.url}/moto-api/reset-auth", after.encode(), plain, method="POST")
        urllib.request.urlopen(request).close()

    def settings(self, key: str = "key", secret: str = "a-key-that-nobody-sees") -> dict[str, str]:
        """Return the settings of a host whose backups go there, too."""
        return {
            "HOSTESS_BACKUPS__S3__ENDPOINT": self.line.url,
            "HOSTESS_BACKUPS__S3__BUCKET": "safe",
            "HOSTESS_BACKUPS__S3__PREFIX": "one/host",
            "HOSTESS_BACKUPS__S3__ACCESS_KEY_ID": key,
            "HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY": secret,
        }
