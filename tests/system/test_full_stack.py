"""The full-stack example as it is in examples/: API, Celery workers and beat, frontend, PostgreSQL, Redis, pushed for real."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.system.host import Host, Repository, a_repository, docker, until
from tests.system.load import load
from tests.system.sources import built, carried, example, ids, inspected, only, pushed, revised
from tests.system.watching import engine_events, settled

PROJECT = "my-platform"
API, FRONTEND = f"{PROJECT}-api.localhost", f"{PROJECT}-frontend.localhost"
SERVICES = ("api", "worker", "beat", "frontend", "database", "cache")
DEPLOYMENTS = int(os.environ.get("HOSTESS_TEST_BEAT_DEPLOYMENTS", "10"))


@dataclass(frozen=True)
class Platform:
    """The example, live: how its first push was refused, which commands that push printed, and the push that worked."""

    host: Host
    repository: Repository
    refused: subprocess.CompletedProcess[str]
    printed: list[str]
    output: str


@pytest.fixture(scope="module")
def platform(host: Host) -> Platform:
    """Push the example without its secrets, run exactly the lines that the refusal prints, and push the same commit again."""
    repository = a_repository(host, PROJECT, example("full-stack"))
    refused = repository.push()
    printed = re.findall(r"^remote:  !       (hostess secrets add .*?) *$", refused.stderr, re.MULTILINE)
    for number, line in enumerate(printed):
        done = host.hostess(*shlex.split(line)[1:], stdin=f"value-of-secret-{number}")
        assert done.returncode == 0, done.stderr
    return Platform(host, repository, refused, printed, pushed(repository))


def page(host: Host, path: str) -> object:
    """Return what the API answers through the proxy."""
    status, body, _ = host.get(API, path)
    assert status == 200, body
    return json.loads(body)


def test_first_push_says_which_secrets_to_add(platform: Platform) -> None:
    """Without its secrets the push is refused before anything is built, with the very commands after which it works (1, 13)."""
    assert platform.refused.returncode != 0
    assert "! [remote rejected] main -> main" in platform.refused.stderr
    assert platform.printed == [
        f"hostess secrets add JWT_SECRET --project {PROJECT}",
        f"hostess secrets add STRIPE_KEY --project {PROJECT}",
    ]
    assert not built(platform.refused.stderr)
    assert "release v1 of my-platform (production) is live" in platform.output
    assert "value-of-secret" not in platform.output


def test_every_replica_of_the_page_runs(platform: Platform) -> None:
    """Two APIs, three workers, one beat, one frontend and both databases run; what is built from one folder is built once."""
    found = {name: len(running) for name, running in ids(platform.host, PROJECT, *SERVICES).items()}
    assert found == {"api": 2, "worker": 3, "beat": 1, "frontend": 1, "database": 1, "cache": 1}
    assert built(platform.output) == ["api", "frontend"]
    for name in ("worker", "beat"):
        assert f"{name}: same source as another service, built once" in platform.output
    for line in ("api.myplatform.com  pending DNS: ", "www.myplatform.com  pending DNS: "):
        assert line in platform.output


def test_the_frontend_reaches_the_api(platform: Platform) -> None:
    """The frontend's page, asked for through the proxy, has what the API told it at ${api.url}."""
    status, body, _ = platform.host.get(FRONTEND)

    assert status == 200
    apis = [inspected(container, "{{.Config.Hostname}}") for container in ids(platform.host, PROJECT, "api")["api"]]
    found = re.search(r"answered by (\w+),", body)
    assert found, body
    assert found[1] in apis
    environment = inspected(only(platform.host, PROJECT, "frontend"), "{{json .Config.Env}}")
    assert "API_URL=http://api:8000" in json.loads(environment)


def test_the_api_knows_the_frontend(platform: Platform) -> None:
    """${frontend.external_url} is the frontend's own domain, with the port that the proxy listens on."""
    [container, _] = ids(platform.host, PROJECT, "api")["api"]
    environment = json.loads(inspected(container, "{{json .Config.Env}}"))
    [url] = [value.partition("=")[2] for value in environment if value.startswith("FRONTEND_URL=")]

    assert url == f"http://myplatform.com:{platform.host.proxy[1]}"


def test_a_task_goes_through_redis_to_a_worker_and_back(platform: Platform) -> None:
    """The API hands work to a Celery worker and gets its answer; each of the three workers passes the page's own health command."""
    workers = ids(platform.host, PROJECT, "worker")["worker"]

    answer = page(platform.host, "/sum?a=2&b=40")

    assert isinstance(answer, dict)
    assert answer["sum"] == 42
    assert answer["worker"] in [inspected(worker, "{{.Config.Hostname}}") for worker in workers]
    until(lambda: answers_pings(workers[0]), 30, "the worker's answer, for which the command waits for a second only")
    assert len(re.findall(r"worker\.\d is healthy after", platform.output)) == 3


def answers_pings(worker: str) -> bool:
    """Whether the page's own health command goes well."""
    words = ["docker", "exec", worker, "celery", "-A", "app.celery", "inspect", "ping"]
    return "pong" in subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout


def test_what_beat_sends_is_in_the_database(platform: Platform) -> None:
    """Beat sends a tick a second, a worker writes it to PostgreSQL, the API reads it there."""
    seen = len(all_ticks(platform.host))
    beat = inspected(only(platform.host, PROJECT, "beat"), "{{.Config.Hostname}}")

    def come() -> bool:
        """Whether two more are there; one that the beat before has sent may be late."""
        ticks = all_ticks(platform.host)
        return len(ticks) >= seen + 2 and {str(tick["beat"]) for tick in ticks[-2:]} == {beat}

    until(come, 15, "two more ticks")


def all_ticks(host: Host) -> list[dict[str, object]]:
    """Return every tick there is, in the order of sending."""
    found = page(host, "/ticks?limit=100000")
    assert isinstance(found, list)
    return found


def test_a_change_of_one_service_leaves_the_others_alone(platform: Platform) -> None:
    """One file of one service of six changes: one image is built, and every container of the other five keeps its id."""
    others = [name for name in SERVICES if name != "frontend"]
    before = ids(platform.host, PROJECT, *others)
    frontend = only(platform.host, PROJECT, "frontend")
    source = (platform.repository.folder / "frontend/server.js").read_text()

    output = revised(platform.repository, {"frontend/server.js": source.replace("<h1>My", "<h1>Our")})

    assert built(output) == ["frontend"]
    assert carried(output) == set(others)
    assert "migrate api" not in output
    assert ids(platform.host, PROJECT, *others) == before
    settled(platform.host, PROJECT)
    assert only(platform.host, PROJECT, "frontend") != frontend
    assert "<h1>Our platform</h1>" in platform.host.get(FRONTEND)[1]


REVISION = """import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("ticks", sa.Column("note", sa.String(100), nullable=True))
"""


def test_the_next_version_of_the_backend(platform: Platform, tmp_path: Path) -> None:
    """A new revision runs once, then new APIs, workers and beat replace the old ones; no request fails, no data is lost (11, 21)."""
    host, kept = platform.host, ids(platform.host, PROJECT, "frontend", "database", "cache")
    before, seen = ids(host, PROJECT, "api", "worker", "beat"), all_ticks(host)
    files = {"backend/alembic/versions/0002_note.py": REVISION, "backend/app/version.py": 'VERSION = "2"\n'}

    with load(host.proxy, API, tmp_path / "seen", rate=50) as running:
        until(lambda: running.answered() > 20, 20, "the load")
        output = revised(platform.repository, files)
        settled(host, PROJECT)
        answers = running.end()

    assert [one for one in answers if one.status != 200] == []
    assert built(output) == ["api"]
    assert carried(output) == set(kept)
    assert output.count("-----> migrate") == output.count("-----> handing over beat") == 1
    assert ids(host, PROJECT, *kept) == kept
    after = ids(host, PROJECT, *before)
    assert {name: len(found) for name, found in after.items()} == {"api": 2, "worker": 3, "beat": 1}
    assert not any(set(after[name]) & set(before[name]) for name in before)
    assert "Version 2, answered by" in host.get(FRONTEND)[1]
    assert {tick["id"] for tick in seen} <= {tick["id"] for tick in all_ticks(host)}


CLOCK = """version: "1.0"
services:
  worker:
    type: custom
    build: {source: ./backend}
    command: ["celery", "-A", "app.celery", "worker", "--loglevel=info", "--pool=solo", "--without-mingle"]
    env: {DATABASE_URL: "${database.url}", REDIS_URL: "${cache.url}"}
    depends_on: [database, cache]
    replicas: {min: 1, max: 2}
    health: {command: ["true"]}
    resources: {cpu: 2, memory: 512Mi}
    lifecycle: {migrate: {command: ["alembic", "upgrade", "head"]}}
  beat:
    type: custom
    build: {source: ./backend}
    command: ["celery", "-A", "app.celery", "beat", "--loglevel=info"]
    env: {DATABASE_URL: "${database.url}", REDIS_URL: "${cache.url}"}
    depends_on: [database, cache]
    replicas: 1
    health: {command: ["sh", "-c", "ls /tmp/celerybeat-schedule*"], interval: 1s, retries: 30}
    resources: {cpu: 2, memory: 512Mi}
  database: {type: postgres, resources: small}
  cache: {type: redis, resources: small}
"""
"""The part of the example that ticks, with checks that take no five seconds."""


def test_two_beats_never_tick_at_once(host: Host) -> None:
    """Over ten pushes that change the backend one beat follows the other, as the ticks and the engine's events tell; data survives."""
    backend = {name: text for name, text in example("full-stack").items() if name.startswith("backend/")}
    repository = a_repository(host, "clock", {**backend, "hostess.yml": CLOCK})
    pushed(repository)
    until(lambda: ticks(host), 30, "the first tick")
    first, kept = ticks(host)[0], ids(host, "clock", "database", "cache")

    with engine_events(host, project="clock", service="beat") as events:
        for number in range(DEPLOYMENTS):
            output = revised(repository, {"backend/app/version.py": f'VERSION = "clock {number}"\n'})
            assert built(output) == ["worker"]
            assert carried(output) == {"database", "cache"}
            beat = inspected(only(host, "clock", "beat"), "{{.Config.Hostname}}")
            until(lambda one=beat: ticks(host)[-1] == one, 30, "a tick of this beat")  # type: ignore[misc]

    seen = ticks(host)
    assert seen[0] == first
    assert ids(host, "clock", "database", "cache") == kept
    turns = 1 + sum(one != other for one, other in pairwise(seen))
    assert turns == len(set(seen)) == 1 + DEPLOYMENTS, "a beat ticked again after another one had begun"
    assert [event.action for event in events if event.action in {"start", "die"}] == ["die", "start"] * DEPLOYMENTS


def ticks(host: Host) -> list[str]:
    """Return which beat sent each tick, in the order of sending."""
    sql = "SELECT beat FROM ticks ORDER BY sent_at"
    psql = ("psql", "-U", "postgres", "-d", "database", "-tAc", sql)
    return docker("exec", only(host, "clock", "database"), *psql).split()
