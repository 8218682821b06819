"""Services that sleep: who asks first waits and is answered, however many they are, whatever is killed, and from wherever they ask."""

import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.host import Host, Repository, a_repository, docker, echo_files, until

HOST = "nap-web.localhost"
FALLS_ASLEEP = 40.0


def napping(more: str = "") -> dict[str, str]:
    """Return an app that sleeps after two seconds, and takes a moment to start."""
    files = echo_files()
    files["hostess.yml"] = files["hostess.yml"].replace(
        "    health:", f"    replicas: {{min: 0, max: 2, sleep_after: 2s}}\n{more}    health:"
    )
    return files


@pytest.fixture
def nap(own_host: Host) -> Repository:
    """Give an app that has fallen asleep."""
    own_host.stop()
    own_host.start(module="tests.system.eager")
    repository = a_repository(own_host, "nap", napping('    env: {READY_DELAY_MS: "300"}\n'))
    pushed = repository.push()
    assert pushed.returncode == 0, pushed.stderr
    until_asleep(own_host)
    return repository


def until_asleep(host: Host) -> None:
    """Wait until nothing runs, and who keeps it is told that it sleeps."""
    until(lambda: not host.containers("service=web"), FALLS_ASLEEP, "the sleep")
    (web,) = json.loads(host.hostess("services", "list", "-p", "nap", "-o", "json").stdout)
    assert (web["state"], web["wanted"], web["running"]) == ("asleep", 0, 0)


def asked(host: Host, times: int) -> Counter[int]:
    """Ask so many times at once; return how often which status came."""
    with ThreadPoolExecutor(times) as pool:
        return Counter(answer[0] for answer in pool.map(lambda _: host.get(HOST), range(times)))


def told(host: Host) -> list[str]:
    """Return what has happened to services, in order."""
    return [
        str(kind).removeprefix("service.")
        for (kind,) in host.query("SELECT kind FROM events WHERE kind LIKE 'service.%' ORDER BY id")
    ]


def until_told(host: Host, what: Sequence[str]) -> None:
    """Wait until this has happened, and nothing else before it."""
    until(lambda: told(host)[: len(what)] == what, FALLS_ASLEEP, f"{what}")


def test_first_requests(nap: Repository) -> None:
    """Fifty first requests at once are all answered, and wake it once; then it sleeps and wakes again. Deployments start it."""
    host = nap.host
    assert asked(host, 50) == Counter({200: 50})
    until_told(host, ["asleep", "woken", "asleep"])
    until_asleep(host)

    assert asked(host, 1) == Counter({200: 1})
    until_told(host, ["asleep", "woken", "asleep", "woken"])

    until_asleep(host)
    nap.commit("again")
    deployed = nap.push()
    assert (deployed.returncode, "web.1 is healthy" in deployed.stderr) == (0, True), deployed.stderr
    assert host.get(HOST)[0] == 200
    until_asleep(host)
    restarted = host.hostess("services", "restart", "-p", "nap")
    assert restarted.returncode == 0, restarted.stderr
    assert host.get(HOST)[0] == 200


def test_killed(nap: Repository) -> None:
    """Sleep outlives the daemon and the proxy; who waits while the daemon is killed asleep, or in the middle of waking, is answered."""
    host = nap.host
    host.kill()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(host.get, HOST)
        host.start(module="tests.system.eager")
        assert first.result(150)[0] == 200
    until_asleep(host)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(host.get, HOST)
        until(lambda: host.containers("service=web"), 20, "the waking")
        host.kill()
        host.start(module="tests.system.eager")
        assert first.result(150)[0] == 200
    until(lambda: len(host.containers("service=web")) == 1, 20, "one replica")
    until_asleep(host)

    host.kill()
    os.kill(int(json.loads((host.data / "run" / "proxy.json").read_text())["pid"]), signal.SIGKILL)
    host.start(module="tests.system.eager")
    assert not host.containers("service=web")
    assert host.get(HOST)[0] == 200


STACK = """version: "1.0"
services:
  api:
    type: custom
    build: {source: .}
    ports: [8000]
    visibility: private
    replicas: {min: 0, max: 1, sleep_after: 2s}
    health: {http: /health, interval: 1s, retries: 10}
    resources: {cpu: 0.5, memory: 128Mi}
  caller: {type: custom, image: "busybox:1", command: [sleep, "9999"], env: {API: "${api.url}"}, resources: small}
"""


def test_called_inside(own_host: Host) -> None:
    """A private service is woken by a neighbour that asks at its `url`."""
    host = own_host
    host.stop()
    host.start(module="tests.system.eager")
    repository = a_repository(host, "nap", {**echo_files(), "hostess.yml": STACK})
    pushed = repository.push()
    assert pushed.returncode == 0, pushed.stderr
    until(lambda: not host.containers("service=api"), FALLS_ASLEEP, "the sleep")

    (caller,) = host.containers("service=caller")
    said = docker("exec", caller, "sh", "-c", 'wget -T 40 -qO- "$API/version" && echo woken')

    assert said.endswith("woken\n")
    until_told(host, ["asleep", "woken"])
