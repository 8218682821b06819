"""Rotation of passwords with real servers, and a consumer that logs in anew for each request: none is lost, and what was is over."""

import json
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.system.host import Host, Repository, a_host, a_repository, docker, until
from tests.system.load import Seen, load
from tests.system.sources import ids, pushed

APP = (Path(__file__).parent / "new_connections.py").read_text()
STACK = """version: "1.0"
services:
  web:
    type: custom
    build: {source: .}
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
    env:
%s
  database: {type: postgres, resources: small, special: {pooler: true}}
  scoped: {type: postgres, resources: small, databases: per_service, special: {pooler: true}}
  cache: {type: redis, resources: small}
  queue: {type: redis, resources: small, databases: {first: [web]}}
"""
ENV = """      TO_DATABASE: "${database.url}"
      TO_POOLED: "${database.pooled_url}"
      TO_SCOPED: "${scoped.url}"
      TO_SCOPED_POOLED: "${scoped.pooled_url}"
      TO_CACHE: "${cache.url}"
      TO_QUEUE: "${queue.url}"
      USER_OF_SCOPED: "${scoped.user}"
"""
FILES = {
    "hostess.yml": STACK % ENV.rstrip(),
    "Dockerfile": 'FROM python:3.12-slim\nCOPY new_connections.py /\nCMD ["python", "/new_connections.py"]\n',
    "new_connections.py": APP,
}
ASKED = "shop-web.localhost"
DATABASES = ("database", "scoped", "cache", "queue")
RATE = 12


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation of the test's own: it may be killed."""
    with a_host(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def repository(host: Host) -> Repository:
    """Give the stack, freshly pushed."""
    repository = a_repository(host, "shop", FILES)
    pushed(repository)
    return repository


def web(host: Host) -> str:
    """Return the newest consumer; one of before may still be draining beside it."""
    return host.containers("project=shop", "service=web", "role=replica", running=True)[0]


def env(host: Host) -> dict[str, str]:
    """Return what the newest consumer was started with."""
    values = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", web(host)))
    return dict(value.split("=", 1) for value in values)


def logs_in(host: Host, url: str) -> bool:
    """Whether a URL lets one in, from inside the stack's network."""
    kind = "redis" if url.startswith("redis") else "postgres"
    program = f"import sys; sys.path.insert(0, '/'); import new_connections; new_connections.{kind}(sys.argv[1])"
    words = ["docker", "exec", web(host), "python", "-c", program, url]
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0


def is_refused(host: Host, url: str) -> bool:
    """Whether a URL does not let one in."""
    return not logs_in(host, url)


def rotate(host: Host, service: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return host.hostess("services", "rotate", service, *words, "-p", "shop")


def is_over(host: Host) -> bool:
    """Whether nothing of a rotation is left to be done, and one consumer is there."""
    return len(host.containers("service=web")) == 1 and len(host.containers("service=database.pooler")) == 1


def lost(seen: list[Seen]) -> list[Seen]:
    """Return the requests that were not answered well."""
    return [each for each in seen if each.status != 200]


@pytest.mark.timeout(600)
def test_new_passwords_reach_consumers_without_a_lost_request(
    host: Host, repository: Repository, tmp_path: Path
) -> None:
    """Each of four databases takes new passwords, twice, and is not restarted; the old ones are refused once nobody runs with them."""
    assert repository.project == "shop"
    first, servers = env(host), ids(host, "shop", *DATABASES)
    urls = [name for name in first if name.startswith("TO_")]
    before = first
    with load(host.proxy, ASKED, tmp_path / "seen", rate=RATE) as asking:
        for _ in range(2):
            for service in DATABASES:
                done = rotate(host, service)
                assert done.returncode == 0, done.stderr + host.log()
            now = env(host)
            for name in urls:
                assert now[name] != before[name]
                assert logs_in(host, now[name]), name
                until(partial(is_refused, host, before[name]), 60, f"the end of {name}")
            before = now
        poolers = ids(host, "shop", "scoped.pooler")
        for _ in range(2):  # the pooler stays, and meets both roles again with other passwords
            assert rotate(host, "scoped", "--group", "web").returncode == 0
            now = env(host)
            assert now["TO_DATABASE"] == before["TO_DATABASE"]
            until(partial(is_refused, host, before["TO_SCOPED_POOLED"]), 60, "the end of the password of the group")
            before = now
        assert ids(host, "shop", "scoped.pooler") == poolers
        seen = asking.end()

    assert lost(seen) == [], docker("logs", web(host))
    assert len(seen) > 100
    assert ids(host, "shop", *DATABASES) == servers
    # Two roles take turns, so that after two rotations one is who one was.
    assert (before["TO_DATABASE"].split(":")[1], before["USER_OF_SCOPED"]) == ("//postgres", "scoped__web")

    assert rotate(host, "scoped", "--group", "web").returncode == 0
    assert env(host)["USER_OF_SCOPED"] == "scoped__web_b"
    back = host.hostess("rollback", "v1", "-p", "shop")
    assert back.returncode == 0, back.stderr
    assert "passwords of databases of today" in back.stderr
    assert env(host)["USER_OF_SCOPED"] == "scoped__web_b"
    assert host.get(ASKED)[0] == 200
    assert ids(host, "shop", *DATABASES) == servers


MOMENTS = (
    ("after open", "database", False),
    ("after open", "cache", False),
    ("before give", "database", False),
    ("after give", "database", False),
    ("after give", "cache", False),
    ("before switch", "database", False),
    ("after switch", "database", True),
    ("after switch", "cache", True),
    ("before close", "database", True),
    ("after close", "cache", True),
)
"""When the daemon dies, what is rotated, and whether the new password is the one in the end."""


@pytest.mark.timeout(600)
def test_a_killed_daemon_leaves_nobody_without_a_password(host: Host, repository: Repository, tmp_path: Path) -> None:
    """After kill -9 at any step the consumer goes on logging in, and in the end one password is taken: the one that it has."""
    assert repository.project == "shop"
    with load(host.proxy, ASKED, tmp_path / "seen", rate=RATE) as asking:
        for moment, service, moves in MOMENTS:
            name, before = f"TO_{service.upper()}", env(host)
            host.stop()
            host.start(module="tests.system.mortal_rotation", extra={"MORTAL_AT": moment})
            with host.begin("services", "rotate", service, "-p", "shop") as rotating:
                assert host.process is not None
                assert host.process.wait(180) == -signal.SIGKILL, moment
                rotating.kill()
            host.start()

            until(partial(settled, host), 120, f"the end of what was killed {moment}")
            until(partial(is_over, host), 60, f"one consumer after it was killed {moment}")
            now = env(host)
            assert (now[name] != before[name]) is moves, moment
            assert logs_in(host, now[name]), moment
            assert not moves or is_refused(host, before[name]), moment
        seen = asking.end()
    assert lost(seen) == [], docker("logs", web(host))


def test_an_upgrade_and_a_restore_go_without_the_passwords_of_before(host: Host) -> None:
    """A server of a later major is made with the first password, and takes those of today alone; so it is after a restore."""
    stack = STACK % '      TO_DATABASE: "${database.url}"\n      TO_SCOPED: "${scoped.url}"'
    small = stack.partition("  database:")[0]
    small += "  database: {type: postgres, resources: small, special: {version: 16}}\n"
    small += "  scoped: {type: postgres, resources: small, databases: per_service, special: {version: 16}}\n"
    pushed(a_repository(host, "shop", {**FILES, "hostess.yml": small}))
    first = env(host)
    for service, name in (("database", "TO_DATABASE"), ("scoped", "TO_SCOPED")):
        assert rotate(host, service).returncode == 0, host.log()
        now = env(host)[name]
        until(partial(is_refused, host, first[name]), 60, f"the end of {name}")

        upgraded = host.hostess("services", "upgrade", service, "--version", "17", "--force", "-p", "shop")

        assert upgraded.returncode == 0, upgraded.stderr + host.log()
        assert logs_in(host, now)
        assert is_refused(host, first[name])

    taken = host.hostess("backups", "create", "scoped", "-p", "shop")
    assert taken.returncode == 0, taken.stderr
    now = env(host)["TO_SCOPED"]
    assert rotate(host, "scoped").returncode == 0
    until(partial(is_refused, host, now), 60, "the end of the password that was there at the backup")
    restored = host.hostess("backups", "restore", "scoped", "-p", "shop", "--force")
    assert restored.returncode == 0, restored.stderr
    assert logs_in(host, env(host)["TO_SCOPED"])
    assert is_refused(host, now)


def settled(host: Host) -> bool:
    """Whether every deployment has ended, and each rotation that was begun is over."""
    open_ones = host.query("SELECT count(*) FROM deployments WHERE state IN ('queued', 'running', 'switched')")
    told = host.query("SELECT count(*) FROM events WHERE kind = 'database.rotated'")
    begun = host.query("SELECT count(*) FROM deployments WHERE json_extract(record, '$.kind') = 'rotation'")
    return bool(open_ones == [(0,)] and told == begun)
