"""Keep asking one host through the proxy until SIGTERM; then print, as JSON, which versions answered and what failed.

Standard library only. An answer is good when its status is 200 and its JSON names a version; anything else, a broken
connection included, is a failure. Nothing is ever asked twice. With --https every other client asks by TLS, and trusts one root alone.
"""

import argparse
import http.client
import json
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from pathlib import Path

CLIENTS = 4
PAUSE = 0.01
TIMEOUT = 30


class Tally:
    """What the clients saw, counted under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._last = ""

    def answered(self, version: str) -> None:
        """Count a good answer."""
        with self._lock:
            self._versions[version] += 1
            self._last = version

    def failed(self, reason: str) -> None:
        """Count a request that had no good answer."""
        with self._lock:
            self._failures[reason] += 1

    def report(self, seconds: float) -> dict[str, object]:
        """Return everything counted."""
        with self._lock:
            return {
                "seconds": round(seconds, 1),
                "versions": dict(self._versions),
                "last": self._last,
                "failed": self._failures.total(),
                "failures": dict(self._failures),
            }


class Verified(http.client.HTTPSConnection):
    """A connection by TLS to an *address* that proves to be *host*: there is no name server that leads there."""

    def __init__(self, address: str, host: str, trusting: ssl.SSLContext) -> None:
        super().__init__(address, timeout=TIMEOUT)
        self._proven = host
        self._trusting = trusting

    def connect(self) -> None:
        """Connect, and verify the certificate."""
        plain = socket.create_connection((self.host, self.port), TIMEOUT)
        self.sock = self._trusting.wrap_socket(plain, server_hostname=self._proven)


def ask_on(connection: http.client.HTTPConnection, host: str, tally: Tally, ended: threading.Event) -> None:
    """Ask for / over one connection that is kept open, until *ended*; after a failure, over a new one."""
    while not ended.wait(PAUSE):
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == http.HTTPStatus.OK:
                tally.answered(str(json.loads(body)["version"]))
            else:
                tally.failed(f"status {answer.status}")
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            tally.failed(f"{type(error).__name__}: {error}")
            connection.close()
    connection.close()


def load(address: str, host: str, https: str = "", root: Path | None = None) -> dict[str, object]:
    """Ask with several clients at once until SIGTERM or SIGINT; return the report. *https* is where the proxy listens for TLS."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    tally = Tally()
    connections: list[http.client.HTTPConnection] = [
        http.client.HTTPConnection(address, timeout=TIMEOUT) for _ in range(CLIENTS)
    ]
    if https:
        trusting = ssl.create_default_context(cafile=root)
        connections[::2] = [Verified(https, host, trusting) for _ in connections[::2]]
    clients = [threading.Thread(target=ask_on, args=(each, host, tally, ended)) for each in connections]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return tally.report(time.monotonic() - began)


def show(file: Path, expected: list[str]) -> int:
    """Print a report for people; return 1 when a request failed, or the versions are not those expected, in that order."""
    report = json.loads(file.read_text())
    for version, count in sorted(report["versions"].items()):
        print(f"{count:6} requests answered by version {version}")
    print(f"{report['failed']:6} failed, in {report['seconds']} s")
    for reason, count in report["failures"].items():
        print(f"{count:6} x {reason}")
    as_expected = sorted(report["versions"]) == sorted(expected) and report["last"] == expected[-1]
    if not as_expected:
        print(f"expected answers of the versions {', '.join(expected)}, and of {expected[-1]} at last")
    return 0 if as_expected and report["failed"] == 0 else 1


def main() -> int:
    """Run the load, or show the report of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", help="where the proxy listens, host:port")
    parser.add_argument("host", nargs="?", help="which host to ask it for")
    parser.add_argument(
        "--https", default="", help="where it listens for TLS, host:port: every other client asks there"
    )
    parser.add_argument("--root", type=Path, help="with --https: the certificate to trust, and no other")
    parser.add_argument("--show", type=Path, help="print this report for people instead")
    parser.add_argument(
        "--expect", default="", help="with --show: the versions that must have answered, comma-separated"
    )
    given = parser.parse_args()
    if given.show:
        return show(given.show, given.expect.split(","))
    json.dump(load(given.address, given.host, given.https, given.root), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
