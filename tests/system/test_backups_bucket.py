"""Backups that go to a bucket as well: a real S3 look-alike that is there, or gone; objects that changed; a folder that was lost."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from tests.bucket import Server
from tests.system.host import Host, a_host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  cache: {type: redis, resources: small, special: {version: 7}}
"""
SECRET = "a-key-that-nobody-sees"


@dataclass(frozen=True)
class Shop:
    """An installation whose backups go there, too."""

    host: Host
    server: Server

    @property
    def bucket(self) -> S3Store:
        """The bucket, as somebody else sees it."""
        return S3Store(
            "safe",
            endpoint=self.server.url,
            region="us-east-1",
            access_key_id="other",
            secret_access_key="other",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def objects(self) -> dict[str, bytes]:
        """Return all objects of the bucket."""
        found = [each["path"] for page in obstore.list(self.bucket) for each in page]
        return {path.rpartition("/")[2]: bytes(obstore.get(self.bucket, path).bytes()) for path in found}

    @property
    def folder(self) -> Path:
        """The local folder."""
        return self.host.data / "backups" / "shop"

    def files(self) -> dict[str, bytes]:
        """Return all local files."""
        return {path.name: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def states(self) -> set[str]:
        """Return the states of all backups."""
        found = json.loads(self.host.hostess("backups", "list", "--project", "shop", "-o", "json").stdout)
        return {each["state"] for each in found["items"]}

    def made(self, code: int = 0) -> Mapping[str, Any]:
        """Ask for a backup and return what was said of it."""
        done = self.host.hostess("backups", "create", "cache", "--project", "shop", "-o", "json")
        assert done.returncode == code, done.stderr + self.host.log()
        found: Mapping[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Push the stack to an installation that has the bucket in its settings."""
    server = Server()
    server.make_bucket()
    try:
        with a_host(tmp_path_factory.mktemp("host"), server.settings(secret=SECRET)) as host:
            pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
            docker("exec", only(host, "shop", "cache"), "redis-cli", "SET", "word", "kept")
            yield Shop(host, server)
    finally:
        server.line.close()
        server.stop()


def test_a_backup_is_in_both_places(shop: Shop) -> None:
    """Artefact and manifest are the same in folder and bucket; deleted, they are gone from both."""
    made = shop.made()

    assert made["file"] in shop.objects()
    assert shop.objects() == shop.files()
    assert shop.host.hostess("backups", "delete", f"cache/{made['id']}", "-p", "shop", "--force").returncode == 0
    assert shop.objects() == shop.files()
    assert made["file"] not in shop.files()


def test_a_bucket_that_goes_away_in_the_middle(shop: Shop) -> None:
    """What the bucket took only a part of is whole in the folder, said to be partial, proven, restored, and copied when it is back."""
    cache = only(shop.host, "shop", "cache")
    docker("exec", cache, "sh", "-c", "head -c 3000000 /dev/urandom | base64 -w0 | redis-cli -x SET noise")
    shop.server.line.left = 1_000_000
    try:
        partial = shop.made(code=1)
        assert partial["file"] not in shop.objects()
        assert shop.host.hostess("backups", "verify", f"cache/{partial['id']}", "-p", "shop").returncode == 0
        docker("exec", cache, "redis-cli", "SET", "word", "lost")
        done = shop.host.hostess("backups", "restore", "cache", partial["id"], "-p", "shop", "--force")
        assert done.returncode == 0, done.stderr
        assert docker("exec", only(shop.host, "shop", "cache"), "redis-cli", "GET", "word") == "kept\n"
    finally:
        shop.server.line.mend()

    assert (partial["state"], partial["missing"]) == ("partial", "bucket")
    assert "is whole in the folder" in partial["problem"]
    assert "backup.partial" in shop.host.hostess("events", "-p", "shop").stdout
    assert SECRET not in (shop.host.folder / "daemon.log").read_text() + partial["problem"]
    assert shop.made()["state"] == "ok"
    until(lambda: shop.states() <= {"ok"}, 60, "all backups are complete")
    assert shop.objects()[partial["file"]] == shop.files()[partial["file"]]


def test_a_folder_that_cannot_be_written_to(shop: Shop) -> None:
    """A backup that has no room in the folder is whole in the bucket, and is copied back when there is room."""
    aside = shop.folder.with_name("aside")
    shop.made()
    shop.folder.rename(aside)
    shop.folder.write_text("in the way")
    try:
        partial = shop.made(code=1)
        assert shop.host.hostess("backups", "verify", f"cache/{partial['id']}", "-p", "shop").returncode == 0
    finally:
        shop.folder.unlink()
        aside.rename(shop.folder)

    assert (partial["state"], partial["missing"]) == ("partial", "folder")
    assert partial["file"] in shop.objects()
    assert shop.made()["state"] == "ok"
    until(lambda: shop.states() <= {"ok"}, 60, "all backups are complete")
    assert shop.objects()[partial["file"]] == shop.files()[partial["file"]]


def test_an_object_that_changed_is_found(shop: Shop) -> None:
    """`verify` reads both places back, and says which of them is damaged."""
    made = shop.made()
    path = f"one/host/shop/production/cache/{made['file']}"
    content = bytearray(obstore.get(shop.bucket, path).bytes())
    content[-1] ^= 1
    obstore.put(shop.bucket, path, bytes(content))

    found = shop.host.hostess("backups", "verify", f"cache/{made['id']}", "-p", "shop")

    assert found.returncode == 1
    assert "in the bucket is damaged" in found.stderr
    assert shop.host.hostess("backups", "delete", f"cache/{made['id']}", "-p", "shop", "--force").returncode == 0


def test_a_folder_that_was_lost(shop: Shop) -> None:
    """What is gone from the folder is read back, and restored, from the bucket."""
    made = shop.made()
    docker("exec", only(shop.host, "shop", "cache"), "redis-cli", "SET", "word", "lost")
    shutil.rmtree(shop.folder)

    assert shop.host.hostess("backups", "verify", f"cache/{made['id']}", "-p", "shop").returncode == 0
    done = shop.host.hostess("backups", "restore", "cache", made["id"], "-p", "shop", "--force")

    assert done.returncode == 0, done.stderr
    assert docker("exec", only(shop.host, "shop", "cache"), "redis-cli", "GET", "word") == "kept\n"
    for name in shop.objects().keys() - shop.files().keys():  # what only the bucket has is nobody's concern any more
        obstore.delete(shop.bucket, f"one/host/shop/production/cache/{name}")


def test_another_host_takes_them_over(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A new host that has the bucket alone lists and restores what the old one has kept there; what is damaged it does not take."""
    docker("exec", only(shop.host, "shop", "cache"), "redis-cli", "SET", "word", "of the old host")
    damaged, good = shop.made(), shop.made()
    docker("exec", only(shop.host, "shop", "cache"), "redis-cli", "SET", "word", "kept")
    path = f"one/host/shop/production/cache/{damaged['file']}"
    content = bytearray(obstore.get(shop.bucket, path).bytes())
    content[-1] ^= 1
    obstore.put(shop.bucket, path, bytes(content))
    words = ("-p", "shop", "-o", "json")

    with a_host(tmp_path_factory.mktemp("new"), shop.server.settings(secret=SECRET)) as new:
        pushed(a_repository(new, "shop", {"hostess.yml": STACK}))
        taken = new.hostess("backups", "adopt", "cache", *words)
        found = json.loads(taken.stdout)
        states = {each["id"]: each["state"] for each in found["items"]}
        again = new.hostess("backups", "adopt", "cache", "-p", "shop")
        restored = new.hostess("backups", "restore", "cache", good["id"], "-p", "shop", "--force")

        assert (states[good["id"]], list(found["refused"])) == ("partial", [damaged["file"]])
        assert "was written with" in found["refused"][damaged["file"]]
        assert damaged["id"] not in states
        assert "there are none that are not known" in again.stderr + again.stdout
        assert restored.returncode == 0, restored.stderr
        assert docker("exec", only(new, "shop", "cache"), "redis-cli", "GET", "word") == "of the old host\n"
        safety = next(
            each
            for each in json.loads(new.hostess("backups", "list", *words).stdout)["items"]
            if each["id"] not in states
        )
        assert new.hostess("backups", "delete", f"cache/{safety['id']}", "-p", "shop", "--force").returncode == 0
    assert shop.host.hostess("backups", "delete", f"cache/{damaged['id']}", "-p", "shop", "--force").returncode == 0
