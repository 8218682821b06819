"""What a release goes through: gates, hooks, services that come and go, rollback, scale."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.acting import done, hooked, pushed, version
from tests.system.host import Host, a_host, a_repository, docker, echo_files, until
from tests.system.load import load
from tests.system.watching import began, deployments, engine_events, settled, steps, transcript


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation that keeps four releases."""
    with a_host(tmp_path_factory.mktemp("host"), {"HOSTESS_RELEASES__KEEP": "4"}) as running:
        yield running


# ---- what gates ----------------------------------------------------------------------------------------------------------


def test_a_worker_is_gated_by_its_command_and_never_routed(host: Host) -> None:
    """A service without ports waits for its health command, one without a check for 5 s of life; neither is routed (scenario 16)."""
    worker = (
        "  worker:\n    type: custom\n    build: {source: ., dockerfile: Worker}\n    command: [sleep, '1000']\n"
        "    resources: {cpu: 0.5, memory: 128Mi}\n"
    )
    files = {**echo_files(services=worker), "Worker": "FROM hostess-test/echo:1\n"}
    repository = a_repository(host, "worked", files)

    first = repository.push()

    assert first.returncode == 0, first.stderr
    healthy = re.search(r"worker\.1 is healthy after (\d+\.\d) s", first.stderr)
    assert healthy, first.stderr
    assert float(healthy[1]) >= 5
    assert not re.search(r"worker  http", first.stderr)
    assert host.get("worked-worker.localhost")[0] == 404
    well = worker + "    health: {command: [/echo, exit, '0'], interval: 1s, retries: 3}\n"

    def seconds(number: int) -> float:
        output = pushed(
            repository, {**echo_files(services=well), "Worker": f"FROM hostess-test/echo:1\nENV N={number}\n"}
        )
        healthy = re.search(r"worker\.1 is healthy after (\d+\.\d) s", output)
        assert healthy, output
        return float(healthy[1])

    assert any(seconds(number) < 5 for number in range(5))  # on a host that does much else one may take as long


# ---- hooks ---------------------------------------------------------------------------------------------------------------


def test_two_pushes_with_migrations_never_overlap(host: Host) -> None:
    """Of two pushes at once the second's migration begins after the first's post_deploy ended: one lock, held to the end (21)."""
    hooks = "      migrate: {command: [sleep, '1']}\n      post_deploy: {command: [sleep, '1']}\n"
    repository = a_repository(host, "hooks", hooked("1", hooks))
    with engine_events(host, project="hooks", role="task") as events:
        first = repository.begin_push()
        began(host, "hooks", 1)
        pushed(repository, hooked("2", hooks))
        assert first.communicate(timeout=180) is not None
    assert first.returncode == 0
    ran = [event.action for event in events if event.action in {"start", "die"}]
    assert ran == ["start", "die"] * 4
    one, two = (steps(host, record["id"]) for record in settled(host, "hooks"))
    assert two["migrate:web"][0] > one["post_deploy:web"][1]


def test_a_failing_migration_can_be_mended_and_runs_again(host: Host) -> None:
    """After a failed migration nothing of it is left, the old release serves, and the mended push runs it anew (scenario 20)."""
    repository = a_repository(host, "migrated", hooked("1", "      migrate: {command: [/echo, print, first]}\n"))
    assert repository.push().returncode == 0
    repository.write(hooked("2", "      migrate: {command: [sh, -c, 'echo column exists; exit 9']}\n"))
    repository.commit()
    failed = repository.push()
    assert "migrate of web failed: exit 9" in failed.stderr
    assert version(host, "migrated-web") == "1"
    assert not host.containers("project=migrated", "role=task")

    output = pushed(repository, hooked("2", "      migrate: {command: [/echo, print, mended]}\n"))

    assert "mended" in output
    assert version(host, "migrated-web") == "2"


def test_a_failing_post_deploy_is_never_silent(host: Host) -> None:
    """A failed post_deploy marks the live release degraded and says so; with `on_failure: rollback` the old release is back (22)."""
    hook = "      post_deploy: {{command: [sh, -c, 'echo no mail; exit 5']{more}}}\n"
    repository = a_repository(host, "after", hooked("1", hook.format(more="")))

    first = repository.push()

    assert first.returncode == 0, first.stderr
    assert "post_deploy of web failed: exit 5" in first.stderr
    assert "no mail" in first.stderr
    assert "is live, but degraded" in first.stderr
    assert deployments(host, "after")[-1]["state"] == "degraded"
    repository.write(hooked("2", hook.format(more=", on_failure: rollback")))
    repository.commit()
    second = repository.push()
    assert second.returncode != 0
    assert "post_deploy of web failed: exit 5" in second.stderr
    assert re.search(r"v1 \([0-9a-f]{7}\) still serves", second.stderr), second.stderr
    assert version(host, "after-web") == "1"
    assert [record["state"] for record in settled(host, "after")] == ["degraded", "failed"]
    assert len(host.containers("project=after")) == 1


# ---- services that go, and come back -------------------------------------------------------------------------------------


def test_a_removed_service_goes_and_its_volume_stays(host: Host) -> None:
    """A service that left the file loses containers and routes, the pusher is told, and its volume stays with its data (scenario 23)."""
    store = (
        "  store:\n    type: custom\n    build: {source: .}\n    ports: [8000]\n    visibility: public\n"
        "    health: {http: /health, interval: 1s, retries: 3}\n    persistence: {mount: /data}\n"
        "    resources: {cpu: 0.5, memory: 128Mi}\n"
    )
    repository = a_repository(host, "shrinking", echo_files(services=store))
    assert repository.push().returncode == 0
    assert version(host, "shrinking-store") == "1"
    kept = ("volume", "ls", "--quiet", "--filter", f"label=sh.hostess.instance={host.instance}")
    [volume] = [name for name in docker(*kept).split() if ".shrinking." in name]

    output = pushed(repository, echo_files())

    assert "store" in output
    assert re.search(r"store.*(remove|no longer|left|gone)", output), output
    assert host.get("shrinking-store.localhost")[0] == 404
    settled(host, "shrinking")
    assert not host.containers("project=shrinking", "service=store")
    assert volume in docker(*kept).split()
    pushed(repository, echo_files(services=store))
    [store_again] = host.containers("project=shrinking", "service=store")
    assert volume in docker("inspect", "--format", "{{json .Mounts}}", store_again)


# ---- rollback, scale, restart --------------------------------------------------------------------------------------------


def test_rollback_after_garbage_collection(host: Host) -> None:
    """After `hostess gc` one can go back to N-1 and N-3 with image, environment and secret; older images are gone (scenario 24)."""
    text = echo_files()["hostess.yml"]
    done(host, "projects", "create", "back")
    for number in range(1, 7):
        given = ("secrets", "add" if number == 1 else "edit", "KEY", "--project", "back")
        assert host.hostess(*given, stdin=f"secret-of-{number}").returncode == 0
        env = f"    env: {{GREETING: 'hello {number}', KEY: '${{secret:KEY}}'}}\n    ports:"
        files = {**echo_files(str(number)), "hostess.yml": text.replace("    ports:", env)}
        if number == 1:
            repository = a_repository(host, "back", files)
            assert repository.push().returncode == 0
        else:
            pushed(repository, files)
    settled(host, "back")
    own = f"label=sh.hostess.instance={host.instance}"
    images = ("image", "ls", "--quiet", "--filter", own, "hostess/back/web")
    assert len(set(docker(*images).split())) == 6

    done(host, "gc")

    assert len(set(docker(*images).split())) == 4
    for release, number in ((None, 5), ("v3", 3)):
        output = done(host, "rollback", *([release] if release else []), "--project", "back")
        assert output is not None
        told = [
            host.get("back-web.localhost", path)[1].strip()
            for path in ("/version", "/env?name=GREETING", "/env?name=KEY")
        ]
        assert told == [str(number), f"hello {number}", f"secret-of-{number}"]
    settled(host, "back")
    assert len(host.containers("project=back")) == 1


def test_scaling_and_restarting_under_load(host: Host, tmp_path: Path) -> None:
    """Scaling 1 to 3 to 1 and a restart with a changed secret fail no request, build nothing and leave no orphan (scenarios 25, 26)."""
    done(host, "projects", "create", "scaled")
    assert host.hostess("secrets", "add", "KEY", "--project", "scaled", stdin="before-it").returncode == 0
    text = echo_files()["hostess.yml"].replace("    ports:", "    env: {KEY: '${secret:KEY}'}\n    ports:")
    repository = a_repository(host, "scaled", {**echo_files(), "hostess.yml": text})
    assert repository.push().returncode == 0
    with load(host.proxy, "scaled-web.localhost", tmp_path / "seen", rate=400) as running:
        until(lambda: running.answered() > 50, 20, "the load")
        done(host, "services", "scale", "web=3", "--project", "scaled")
        assert len(host.containers("project=scaled", running=True)) == 3
        served = {host.get("scaled-web.localhost")[2]["x-hostname"] for _ in range(60)}
        done(host, "services", "scale", "web=1", "--project", "scaled")
        settled(host, "scaled")
        assert len(host.containers("project=scaled")) == 1
        assert host.hostess("secrets", "edit", "KEY", "--project", "scaled", stdin="after-it").returncode == 0
        assert host.get("scaled-web.localhost", "/env?name=KEY")[1].strip() == "before-it"
        done(host, "services", "restart", "--project", "scaled")
        assert host.get("scaled-web.localhost", "/env?name=KEY")[1].strip() == "after-it"
        settled(host, "scaled")
        seen = running.end()
    assert len(seen) > 500
    assert not [one for one in seen if one.status != 200]
    assert len(served) == 3
    assert len(host.containers("project=scaled")) == 1
    assert not [r for r in deployments(host, "scaled")[1:] if "building" in transcript(host, r["id"])]
