"""People are told by a running daemon, and what one that was killed had no time to tell is told by the next."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.system.host import Host, a_host, until

Json = Any


@contextmanager
def receiver() -> Iterator[tuple[str, list[Json]]]:
    """Give the URL of a web server, and the notices that were posted there, as they come."""
    told: list[Json] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["notices"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wrote(host: Host, kind: str, subject: str) -> None:
    """Leave an event in the journal of a daemon that is gone, as it would have."""
    row = (datetime.now(UTC).isoformat(), "", "", kind, "it happened", json.dumps({"subject": subject}))
    with closing(sqlite3.connect(host.data / "hostess.db")) as journal, journal:
        journal.execute("INSERT INTO events (at, project, environment, kind, message, data) VALUES (?,?,?,?,?,?)", row)


def noted(host: Host) -> str:
    """Return what the daemon has written down of what it told; killed before that, it tells the same once more."""
    [[value]] = host.query("SELECT value FROM facts WHERE name = 'note notices by webhook'")
    return str(value)


def test_told_by_the_next_daemon(tmp_path: Path) -> None:
    """What was written down by a daemon that was killed is posted once by the next one, and not again by the one after it."""
    with receiver() as (url, told), a_host(tmp_path, {"HOSTESS_NOTIFY__WEBHOOK__URL": url}) as host:
        host.kill()
        wrote(host, "certificate.failed", "shop.example.com")
        host.start()
        until(lambda: told, 30, "the first notice")
        until(lambda: "shop.example.com" in noted(host), 30, "the note that it was told")
        host.kill()
        wrote(host, "certificate.failed", "shop.example.com")
        wrote(host, "certificate.issued", "shop.example.com")
        host.start()
        until(lambda: len(told) > 1, 30, "the second notice")

    assert [(each["kind"], each["stage"]) for each in told] == [
        ("certificate.failed", "begun"),
        ("certificate.issued", "over"),
    ]
