"""How a service ends: by a job that has to run to its end, with data that stays, and with data that is destroyed."""

from collections.abc import Iterator

import pytest

from tests.system.acting import done, pushed, version
from tests.system.host import Host, a_host, a_repository, docker, echo_files, until
from tests.system.watching import engine_events, settled

STORE = (
    "  store:\n    type: custom\n    build: {source: .}\n    entrypoint: [/echo]\n    ports: [8000]\n    visibility: public\n"
    "    health: {http: /health, interval: 1s, retries: 3}\n    persistence: {mount: /data}\n"
    "    resources: {cpu: 0.5, memory: 128Mi}\n"
)
SHELL = {"Dockerfile": "FROM hostess-test/echo:1-sh\nENV VERSION=1\n"}


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation of the test's own."""
    with a_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def test_data_outlives_its_service_until_it_is_destroyed(host: Host) -> None:
    """What a removed service stored is there when it comes back; after `services destroy --data` it starts afresh (scenario 23)."""
    repository = a_repository(host, "kept", {**echo_files(services=STORE), **SHELL})
    assert repository.push().returncode == 0

    def inside(script: str) -> str:
        [container] = host.containers("project=kept", "service=store", running=True)
        return docker("exec", container, "sh", "-c", script).strip()

    inside("echo precious > /data/thing")
    volumes = ("volume", "ls", "--quiet", "--filter", f"label=sh.hostess.instance={host.instance}")
    [volume] = docker(*volumes).split()
    live = host.hostess("services", "destroy", "store", "--data", "--yes", "--project", "kept")
    assert (live.returncode, "push first" in live.stderr) == (7, True), live.stderr
    pushed(repository, echo_files())
    settled(host, "kept")

    spared = host.hostess("services", "destroy", "store", "--project", "kept")
    pushed(repository, {**echo_files(services=STORE), **SHELL})
    assert volume in spared.stderr
    assert inside("read kept < /data/thing; echo $kept") == "precious"
    pushed(repository, echo_files())
    settled(host, "kept")
    printed = done(host, "services", "destroy", "store", "--data", "--yes", "--project", "kept")

    assert printed == f"volume {volume} is gone with its data\n"
    assert docker(*volumes).split() == []
    pushed(repository, {**echo_files(services=STORE), **SHELL})
    assert inside("echo /data/*") == "/data/*"
    assert "audit.service.destroyed" in done(host, "events", "--project", "kept", "-o", "json")


def test_a_job_as_shutdown_survives_kill_9(host: Host) -> None:
    """The job that ends a replica runs once, to its end and before SIGTERM, though the daemon is killed in the middle of it."""
    hook = "    lifecycle: {init: {job: warm}, shutdown: {job: flush, timeout: 20s}}\n"
    jobs = (
        "jobs:\n  warm: {image: 'hostess-test/echo:1', command: [print, warm], run: lifecycle}\n"
        "  flush: {image: 'hostess-test/echo:1', command: [sleep, '6'], run: lifecycle}\n"
    )
    repository = a_repository(host, "ending", echo_files(services=hook + jobs))
    first = repository.push()
    assert first.returncode == 0, first.stderr
    assert "init of web.1: job warm" in first.stderr
    with engine_events(host, project="ending") as events:
        pushed(repository, echo_files("2", services=hook + jobs))
        until(lambda: host.containers("project=ending", "service=flush", running=True), 30, "the job")
        [job] = host.containers("project=ending", "service=flush")
        old, new = reversed(host.containers("project=ending", "service=web"))

        host.kill()
        host.start()
        settled(host, "ending")

    happened = [(event.action, event.container) for event in events]
    assert happened.count(("start", job)) == 1
    assert happened.index(("die", job)) < happened.index(("kill", old)) < happened.index(("die", old))
    assert version(host, "ending-web") == "2"
    assert host.containers("project=ending") == [new]
    runs = done(host, "jobs", "runs", "flush", "--project", "ending", "-o", "json")
    assert (runs.count('"trigger": "shutdown"'), runs.count('"outcome": "done"')) == (1, 1)
