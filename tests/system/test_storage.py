"""Storage of a managed database, watched against the size it declares: real PostgreSQL, a daemon that looks each second."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.system.host import Host, a_host, a_repository, until
from tests.system.sources import checkout, only, pushed, revised

STACK = """version: "1.0"
services:
  database: {{type: postgres, resources: {{cpu: 0.5, memory: 256Mi, storage: {storage}}}, special: {{version: 16}}}}
"""
SOON = 60.0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give a host that looks each second, with a database that declares the least there is."""
    with a_host(Path(tmp_path_factory.mktemp("host"))) as running:
        running.stop()
        running.start(module="tests.system.hasty")
        pushed(a_repository(running, "shop", {"hostess.yml": STACK.format(storage="1Gi")}))
        yield running


def shown(host: Host) -> Mapping[str, Any]:
    """Return what the list of services says of the database's storage."""
    done = host.hostess("services", "list", "-p", "shop", "-o", "json")
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)[0]["storage"]
    return found


def told(host: Host) -> list[str]:
    """Return the kinds of the events about the storage of the database, in order."""
    rows = host.query("SELECT kind FROM events WHERE kind LIKE 'storage.%' AND project = 'shop' ORDER BY id")
    return [str(kind) for [kind] in rows]


def used_inside(host: Host) -> int:
    """Return the bytes of the data folder, as seen from inside."""
    words = ["docker", "exec", only(host, "shop", "database"), "du", "-sk", "/var/lib/hostess/postgres"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout.split()[0]) * 1024


def filled(host: Host, size: str) -> None:
    """Let a file of that size lie in the database's volume."""
    words = [
        "docker",
        "exec",
        only(host, "shop", "database"),
        "fallocate",
        "-l",
        size,
        "/var/lib/hostess/postgres/large",
    ]
    subprocess.run(words, check=True, timeout=60)


def test_a_database_that_outgrows_what_it_declares_is_told_until_it_declares_more(host: Host) -> None:
    """It is told at 80 and 95 %, and what to do; a push with a larger size ends it, and restarts nothing."""
    filled(host, "850MiB")
    until(lambda: told(host) == ["storage.warning"], SOON, "the warning")
    filled(host, "1000MiB")
    until(lambda: told(host) == ["storage.warning", "storage.critical"], SOON, "the alert")
    now = shown(host)
    assert (now["state"], now["size"]) == ("critical", 2**30)
    assert now["used"] == pytest.approx(used_inside(host), rel=0.2)
    assert "storage critical" in host.hostess("services", "list", "-p", "shop").stdout
    assert "of its storage is used" in host.hostess("status").stderr
    assert "raise services.database.resources.storage" in host.hostess("events", "-p", "shop").stdout

    before = only(host, "shop", "database")
    revised(checkout(host, "shop"), {"hostess.yml": STACK.format(storage="10Gi")})
    until(lambda: told(host)[2:] == ["storage.recovered"], SOON, "the end of it")

    assert shown(host)["state"] == "fine"
    assert only(host, "shop", "database") == before


def test_the_disks_of_the_host_are_shown(host: Host) -> None:
    """The status names each disk once, with what is used of it."""
    disks = json.loads(host.hostess("status", "-o", "json").stdout)["host"]["disks"]

    assert disks[0]["folder"] == str(host.data)
    assert len({(each["size"], each["used"]) for each in disks}) == len(disks)
    assert all(0 < each["used"] < each["size"] for each in disks)
