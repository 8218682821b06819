"""What is wrong is seen without being looked for: a real database whose place for backups goes away and comes back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.system.host import Host, a_host, a_repository, until
from tests.system.sources import pushed

STACK = """version: "1.0"
services:
  database:
    type: postgres
    resources: small
    special: {{version: 16}}
    backups: {{schedule: "0 3 1 1 *", heartbeat: "{url}ping"}}
"""


@dataclass
class Heard:
    """What a web server was told: notices as (kind, stage), and paths that were fetched."""

    url: str = ""
    notices: list[tuple[str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Heard]:
    """Give a web server that takes notices and heartbeats."""
    heard = Heard()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notices = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["notices"]
            heard.notices.extend((each["kind"], each["stage"]) for each in notices)
            self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            heard.fetched.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    heard.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def alerts(host: Host) -> list[str]:
    """Return the kinds of the project's alerts, as the status has them."""
    done = host.hostess("status", "-o", "json")
    assert done.returncode == 0, done.stderr
    return [each["kind"] for each in json.loads(done.stdout)["alerts"] if each["project"] == "shop"]


def test_a_place_for_backups_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """The failed backup is an alert in the status, told by a notice; a killed daemon forgets neither, and the next good one ends both.

    The heartbeat is sent for the good one alone.
    """
    target = tmp_path / "backups"
    with receiver() as heard:
        settings = {"HOSTESS_BACKUPS__DIR": str(target), "HOSTESS_NOTIFY__WEBHOOK__URL": heard.url}
        with a_host(tmp_path / "host", settings) as host:
            pushed(a_repository(host, "shop", {"hostess.yml": STACK.format(url=heard.url)}))
            assert host.hostess("backups", "create", "database", "-p", "shop").returncode == 1
            until(lambda: heard.notices, 60, "the notice")
            host.kill()
            host.start()

            assert alerts(host) == ["backup.failed"]
            first = host.hostess("status").stdout
            assert "error: shop: the last backup of database (production) failed" in first.partition("Hostess:")[0]
            assert "the folder of backups is not there" in first
            found = json.loads(host.hostess("doctor", "-o", "json").stdout)
            assert [each["state"] for each in found if "the last backup of database" in each["what"]] == ["fail"]
            assert heard.fetched == []

            target.mkdir()
            done = host.hostess("backups", "create", "database", "-p", "shop")
            assert done.returncode == 0, done.stderr
            until(lambda: ("backup.completed", "over") in heard.notices, 60, "the end of it")
            until(lambda: heard.fetched, 30, "the heartbeat")
            assert alerts(host) == []
    assert heard.fetched == ["/ping"]
    assert heard.notices[0] == ("backup.failed", "begun")
    assert {kind for kind, stage in heard.notices if stage == "over"} == {"backup.completed"}
