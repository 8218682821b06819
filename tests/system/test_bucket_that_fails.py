"""A bucket that fails under a real daemon: a wrong key, a line that is cut while it is read back, other bytes, a bucket that is gone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bucket import Server
from tests.system.host import Host, a_host, a_repository, docker, until
from tests.system.sources import only, pushed
from tests.system.test_notices import receiver

STACK = """version: "1.0"
services:
  cache:
    type: redis
    resources: small
    special: {version: 7}
    backups: {schedule: "0 3 1 1 *", retention: 9}
"""
WRONG = "not-the-secret-of-that-key"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Shop:
    """An installation whose backups go to a bucket, too; *told* are its notices as they come."""

    host: Host
    server: Server
    told: list[Any]
    right: Mapping[str, str]
    """The settings with the right key."""

    def made(self, code: int) -> Json:
        """Ask for a backup, which must end with that exit code; return what was said of it."""
        done = self.host.hostess("backups", "create", "cache", "-p", "shop", "-o", "json")
        assert done.returncode == code, done.stderr + self.host.log()
        found: Json = json.loads(done.stdout)
        return found

    def state(self, backup: Json) -> str:
        """Return the state that a backup has now."""
        return self.states()[backup["id"]]

    def states(self) -> Mapping[str, str]:
        """Return the state of each backup."""
        listed = self.host.hostess("backups", "list", "-p", "shop", "-o", "json")
        assert listed.returncode == 0, listed.stderr
        return {each["id"]: each["state"] for each in json.loads(listed.stdout)["items"]}

    def notices(self) -> list[tuple[str, str]]:
        """Return kind and stage of all notices about the project."""
        return [(each["kind"], each["stage"]) for each in self.told]

    def alerts(self) -> Mapping[str, str]:
        """Return the project's alerts, as the status has them: kind -> what it says."""
        done = self.host.hostess("status", "-o", "json")
        assert done.returncode == 0, done.stderr
        return {each["kind"]: each["what"] for each in json.loads(done.stdout)["alerts"] if each["project"] == "shop"}

    def is_told(self, partial: Json) -> None:
        """Wait until a partial backup is in the status and was told by a notice, and was tried again meanwhile."""
        before = self.server.line.calls
        until(lambda: "backup.partial" in self.alerts(), 60, "the alert")
        until(lambda: ("backup.partial", "begun") in self.notices(), 60, "the notice")
        until(lambda: self.server.line.calls > before, 60, "another try")
        assert self.state(partial) == "partial"
        assert "the bucket" in self.alerts()["backup.partial"]

    def recovers(self, partial: Json) -> None:
        """Wait until a backup is in both places, that was told, and nothing is wrong any more."""
        until(lambda: self.state(partial) == "ok", 90, "the copy")
        until(lambda: ("backup.copied", "over") in self.notices(), 60, "the notice of its end")
        assert self.alerts() == {}
        done = self.host.hostess("backups", "verify", f"cache/{partial['id']}", "-p", "shop")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give an installation that has the right key for a store that looks who asks, and something worth keeping."""
    server = Server()
    server.make_bucket()
    right = server.settings(*server.user())
    server.strict("0")
    try:
        with receiver() as (url, told):
            notify = {"HOSTESS_NOTIFY__WEBHOOK__URL": url}
            with a_host(tmp_path / "host", right | notify) as host:
                host.stop()
                host.start(module="tests.system.hasty")
                pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
                noise = "head -c 3000000 /dev/urandom | base64 -w0 | redis-cli -x SET noise"
                docker("exec", only(host, "shop", "cache"), "sh", "-c", noise)
                yield Shop(host, server, told, right | notify)
    finally:
        server.strict("inf")
        server.line.close()
        server.stop()


def test_a_wrong_key(shop: Shop) -> None:
    """With a wrong key no backup is ok: that is told, and tried again; with the right one it is copied by itself, and that is told, too."""
    host = shop.host
    host.stop()
    host.settings = {**shop.right, "HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY": WRONG}
    host.start(module="tests.system.hasty")

    failed = host.hostess("backups", "create", "cache", "-p", "shop")
    assert failed.returncode == 1
    refused = (
        "could not be written to the bucket safe: it refuses these keys, or what they are for (SignatureDoesNotMatch: "
    )
    assert refused in failed.stderr
    [partial] = [{"id": each} for each in shop.states()]
    shop.is_told(partial)
    assert refused in shop.alerts()["backup.partial"]
    assert WRONG not in (host.folder / "daemon.log").read_text() + failed.stderr + failed.stdout

    host.stop()
    host.settings = shop.right
    host.start(module="tests.system.hasty")
    shop.recovers(partial)


def test_a_line_that_is_cut_while_the_copy_is_read_back(shop: Shop) -> None:
    """What the bucket has taken and did not give back whole is not ok, and no copy; when the line is there again, it is read again."""
    shop.server.line.back = 1_000_000
    partial = shop.made(1)

    assert (partial["state"], partial["missing"]) == ("partial", "bucket")
    assert "could not be read from the bucket safe" in partial["problem"]
    shop.is_told(partial)
    shop.server.line.mend()
    shop.recovers(partial)


def test_other_bytes_than_were_sent(shop: Shop) -> None:
    """What comes back from the bucket with a byte changed is not ok; once what comes back is what was sent, it is."""
    shop.server.line.flips = True
    partial = shop.made(1)

    assert (partial["state"], partial["missing"]) == ("partial", "bucket")
    assert "in the bucket is damaged" in partial["problem"]
    shop.is_told(partial)
    shop.server.line.mend()
    shop.recovers(partial)


def test_a_bucket_that_is_gone(shop: Shop) -> None:
    """Without the bucket a backup is not ok, and which bucket is missing is told; when there is one again, it is copied."""
    before = shop.made(0)
    shop.server.strict("inf")
    shop.server.forget()
    partial = shop.made(1)

    assert partial["state"] == "partial"
    assert "could not be written to the bucket safe: there is no such bucket" in partial["problem"]
    gone = shop.host.hostess("backups", "verify", f"cache/{before['id']}", "-p", "shop")
    assert gone.returncode == 1
    assert "is not in the bucket safe any more" in gone.stderr
    shop.is_told(partial)
    shop.server.make_bucket()
    shop.recovers(partial)
