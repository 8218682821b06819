"""The proxy of a whole installation ends in every way it can, and so does the daemon: what serves goes on serving (scenario 35)."""

import asyncio
import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hostess_proxy.client import ProxyClient, TableRefusedError
from tests.side_by_side import free_ports
from tests.system.acting import Doing, pushed, version
from tests.system.host import Host, Repository, a_host, a_repository, alive, echo_files, until
from tests.system.load import Seen, load


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation whose proxy has one port for good, so that clients come back to it."""
    [port] = free_ports()
    with a_host(tmp_path_factory.mktemp("host"), {"HOSTESS_PROXY__HTTP": f"127.0.0.1:{port}"}) as running:
        yield running


@pytest.fixture(scope="module")
def app(host: Host) -> Repository:
    """Give an app that is live with two replicas."""
    files = echo_files("0")
    files["hostess.yml"] = files["hostess.yml"].replace("    health:", "    replicas: 2\n    health:")
    repository = a_repository(host, "lasting", files)
    first = repository.push()
    assert first.returncode == 0, first.stderr
    return repository


def facts(host: Host) -> dict[str, Any]:
    """Return what proxy.json says now; empty while there is none."""
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((host.data / "run" / "proxy.json").read_text())
        return found
    return {}


def first_answers(address: tuple[str, int], within: float) -> list[int]:
    """Ask again and again until connections are accepted, then ten times more; return the status of each answer."""
    deadline = time.monotonic() + within
    statuses: list[int] = []
    while len(statuses) < 10:
        assert time.monotonic() < deadline, "nobody accepts connections"
        connection = http.client.HTTPConnection(*address, timeout=30)
        try:
            connection.request("GET", "/", headers={"Host": "lasting-web.localhost"})
            statuses.append(connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            if statuses:
                raise
        finally:
            connection.close()
    return statuses


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return alive(pid)


def failed(seen: list[Seen]) -> list[Seen]:
    """Return what was not answered with 200."""
    return [one for one in seen if one.status != 200]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_ended_proxy_comes_back_with_its_routes(host: Host, app: Repository, number: signal.Signals) -> None:
    """After SIGTERM or kill -9 of the supervisor the daemon starts another; the first connection it accepts is routed (35)."""
    before = facts(host)
    address = host.proxy
    assert version(host, "lasting-web")

    os.kill(before["pid"], number)
    until(lambda: not any(map(runs, [before["pid"], *before["workers"]])), 20, "the end of the proxy")

    assert first_answers(address, 90) == [200] * 10
    until(lambda: facts(host).get("pid") not in {None, before["pid"]}, 10, "another proxy")
    number_of_version = str(int(version(host, "lasting-web")) + 1)
    pushed(app, {"Dockerfile": echo_files(number_of_version)["Dockerfile"]})
    assert version(host, "lasting-web") == number_of_version


def test_a_proxy_ends_with_its_requests_answered(host: Host, app: Repository) -> None:
    """SIGTERM lets a request in flight end before the proxy does (scenario 35)."""
    assert app.project == "lasting"
    before = facts(host)
    slow = Doing(lambda: host.get("lasting-web.localhost", "/slow?ms=1500"))
    stats = ProxyClient(host.data / "run" / "proxy.sock").stats
    until(lambda: sum(asyncio.run(stats())["in_flight"].values()), 10, "the request")

    os.kill(before["pid"], signal.SIGTERM)

    assert slow.result(60)[:2] == (200, "done\n")
    until(lambda: facts(host).get("pid") not in {None, before["pid"]}, 30, "another proxy")


def test_a_killed_worker_loses_no_more_than_its_connections(host: Host, app: Repository, tmp_path: Path) -> None:
    """Kill -9 of one worker of two fails at most the requests on its connections; a replacement serves the same table (35)."""
    assert app.project == "lasting"
    until(lambda: len(facts(host).get("workers", ())) == 2, 20, "both workers (the proxy may just have come back)")
    [victim, other] = facts(host)["workers"]
    with load(host.proxy, "lasting-web.localhost", tmp_path / "seen", rate=300) as running:
        until(lambda: running.answered() > 100, 20, "the load")

        os.kill(victim, signal.SIGKILL)
        until(lambda: len(set(facts(host).get("workers", ())) - {victim}) == 2, 20, "another worker")
        count = running.answered()
        until(lambda: running.answered() > count + 200, 20, "more load")
        seen = running.end()

    assert other in facts(host)["workers"]
    assert len(failed(seen)) <= 10, failed(seen)
    assert len({one.version for one in seen if one.status == 200}) == 1


def test_the_proxys_program_is_replaced_during_a_deployment(host: Host, app: Repository, tmp_path: Path) -> None:
    """The proxy is upgraded twice while a push deploys under load: no request fails, and the daemon follows the new process (35)."""
    assert app.project == "lasting"
    before = facts(host)
    next_version = str(int(version(host, "lasting-web")) + 1)
    upgrade = ProxyClient(host.data / "run" / "proxy.sock").upgrade
    with load(host.proxy, "lasting-web.localhost", tmp_path / "seen", rate=300) as running:
        until(lambda: running.answered() > 100, 20, "the load")
        deploying = Doing(lambda: pushed(app, {"Dockerfile": echo_files(next_version)["Dockerfile"]}))
        pids = [asyncio.run(upgrade()) for _ in range(2)]
        deploying.result(180)
        count = running.answered()
        until(lambda: running.answered() > count + 200, 20, "load after the deployment")
        seen = running.end()

    assert not failed(seen)
    until(lambda: not any(map(runs, [before["pid"], pids[0]])), 40, "the end of the older programs")
    assert facts(host)["pid"] == pids[-1]
    assert version(host, "lasting-web") == next_version


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_daemon_may_go_and_come_back(host: Host, app: Repository, tmp_path: Path, how: str) -> None:
    """While the daemon is stopped or killed and started again under load no request fails, and the same proxy serves (35)."""
    assert app.project == "lasting"
    before = facts(host)["pid"]
    with load(host.proxy, "lasting-web.localhost", tmp_path / "seen", rate=300) as running:
        until(lambda: running.answered() > 100, 20, "the load")
        host.stop() if how == "stopped" else host.kill()
        count = running.answered()
        until(lambda: running.answered() > count + 200, 20, "load without a daemon")
        host.start()
        count = running.answered()
        until(lambda: running.answered() > count + 200, 20, "load with a daemon again")
        seen = running.end()

    assert not failed(seen)
    assert facts(host)["pid"] == before


def test_an_invalid_table_changes_nothing_for_anybody(host: Host, app: Repository) -> None:
    """A table with one bad route among good ones is refused with its place; every app goes on as before (scenario 34)."""
    assert app.project == "lasting"
    saved = json.loads((host.data / "proxy" / "table.json").read_text())["routes"]
    serving = version(host, "lasting-web")
    good = {"host": "other.localhost", "path": "/", "service": "x", "release": "1", "targets": ["127.0.0.1:9"]}
    bad = {**good, "host": "bad host", "targets": ["nowhere"]}

    with pytest.raises(TableRefusedError) as refused:
        asyncio.run(ProxyClient(host.data / "run" / "proxy.sock").publish({"routes": [good, bad]}))

    assert "routes[1]" in refused.value.place or "1" in refused.value.place
    assert version(host, "lasting-web") == serving
    assert host.get("other.localhost")[0] == 404
    assert saved
    assert json.loads((host.data / "proxy" / "table.json").read_text())["routes"] == saved
