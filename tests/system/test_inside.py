"""Callers inside a stack: they ask `http://api:8000` without a pause, and no change of the release costs them an answer."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.acting import done, pushed
from tests.system.host import Host, Repository, a_host, a_repository, echo_files, until

CALLER = """
import collections, http.client, http.server, json, socket, threading

seen = collections.defaultdict(collections.Counter)

def ask(name, method, body, kept):
    connection = None
    while True:
        try:
            connection = connection or http.client.HTTPConnection("api", 8000, timeout=10)
            connection.request(method, "/version", body)
            answer = connection.getresponse()
            answer.read()
            seen[name][answer.status if answer.status != 200 else "v" + answer.headers["X-Version"]] += 1
        except Exception as error:
            seen[name][repr(error)] += 1
            connection = None
        if not kept:
            connection = connection and connection.close()

class Report(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        where = {name: sorted({entry[4][0] for entry in found(name)}) for name in ("api", "store", "other")}
        said = json.dumps({"seen": seen, "where": where}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        pass

def found(name):
    try:
        return socket.getaddrinfo(name, 80, socket.AF_INET)
    except OSError:
        return []

for asked in (("fresh", "GET", None, False), ("kept", "GET", None, True), ("posted", "POST", b"x" * 100, True)):
    threading.Thread(target=ask, args=asked, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8000), Report).serve_forever()
"""
STACK = """version: "1.0"
services:
  api:
    type: custom
    build: {source: .}
    ports: [8000]
    visibility: private
    replicas: 2
    env: {READY_DELAY_MS: "700"}
    health: {http: /health, interval: 1s, retries: 10}
    resources: {cpu: 0.5, memory: 128Mi}
  store: {type: redis, resources: small}
  caller:
    type: custom
    image: python:3.12-slim
    command: [python, -u, /caller.py]
    files: [{name: caller, mount: /caller.py, source: caller.py}]
    ports: [8000]
    visibility: public
    depends_on: [api]
    health: {http: /, interval: 1s, retries: 10}
    resources: {cpu: 0.5, memory: 128Mi}
"""


def files(version: str) -> dict[str, str]:
    """Return the stack with its api in this version."""
    return {"hostess.yml": STACK, "caller.py": CALLER, "Dockerfile": echo_files(version)["Dockerfile"]}


def report(host: Host, name: str = "calling") -> dict[str, Any]:
    """Return what the caller has seen so far."""
    status, body, _ = host.get(f"{name}-caller.localhost")
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def total(host: Host, key: str) -> int:
    """Return how many answers with that version (or failures of that kind) each way of asking has seen, the fewest."""
    return min(int(each.get(key, 0)) for each in report(host)["seen"].values())


def answers(host: Host) -> int:
    """Return how many answers each way of asking has seen, the fewest."""
    return min(sum(int(n) for key, n in each.items() if key.startswith("v")) for each in report(host)["seen"].values())


def failures(host: Host) -> dict[str, int]:
    """Return what each way of asking got instead of an answer, and how often."""
    seen = report(host)["seen"]
    return {f"{way}: {key}": n for way, each in seen.items() for key, n in each.items() if not key.startswith("v")}


@pytest.fixture(scope="module")
def calling(host: Host) -> Repository:
    """Give the stack, live, with a caller that has been answered for a while."""
    repository = a_repository(host, "calling", files("0"))
    first = repository.push()
    assert first.returncode == 0, first.stderr
    until(lambda: len(report(host)["seen"]) == 3 and answers(host) > 50, 30, "the calls")
    return repository


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation of its own: it is killed in between."""
    with a_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def test_callers_inside_lose_nothing(host: Host, calling: Repository) -> None:
    """Fresh and kept connections get and post all the time; deployments, a rollback, scaling, restarts and kills fail none of it."""
    lost = failures(host)
    for version in ("1", "2", "3"):
        pushed(calling, files(version))
        until(lambda v=version: total(host, f"v{v}") > 20, 30, f"answers of version {version}")  # type: ignore[misc]
    done(host, "rollback", "--project", "calling")
    until(lambda: total(host, "v2") > 50, 30, "answers after the rollback")
    done(host, "services", "scale", "api=3", "--project", "calling")
    done(host, "services", "scale", "api=1", "--project", "calling")
    done(host, "services", "restart", "api", "--project", "calling")
    host.kill()
    host.start()
    before = total(host, "v2")
    until(lambda: total(host, "v2") > before + 50, 30, "answers after the daemon's death")

    assert failures(host) == lost
    assert report(host)["where"]["api"] != report(host)["where"]["store"]


@pytest.mark.usefixtures("calling")
def test_another_project_is_out_of_reach(host: Host) -> None:
    """A service of another project reaches neither the name nor the virtual address, nor the listener that it leads to (51)."""
    address = report(host)["where"]["api"][0]
    listener = json.loads((host.data / "run" / "proxy.json").read_text())["inside"]
    stranger = a_repository(host, "stranger", echo_files("1"))
    assert stranger.push().returncode == 0

    for where in ("api:8000", f"{address}:8000", listener):
        status, body, _ = host.get("stranger-web.localhost", f"/fetch?url=http://{where}/version")
        assert (status, "version" in body) == (502, False), body


@pytest.mark.usefixtures("calling")
def test_a_killed_worker_costs_its_connections_only(host: Host) -> None:
    """After a worker of the proxy was killed callers inside are served by the others, and the name still leads to the service."""
    worker = json.loads((host.data / "run" / "proxy.json").read_text())["workers"][0]
    os.kill(worker, signal.SIGKILL)
    before = answers(host)

    until(lambda: answers(host) > before + 50, 30, "answers after the worker's death")


def test_static_files_are_called_by_name(host: Host) -> None:
    """A static service answers callers of its stack at its name and port."""
    stack = echo_files("1")
    stack["hostess.yml"] += "  site: {type: static, source: ./site}\n"
    stack["site/index.html"] = "<p>by name</p>"
    repository = a_repository(host, "paper", stack)
    assert repository.push().returncode == 0

    status, body, _ = host.get("paper-web.localhost", "/fetch?url=http://site:8080/")

    assert (status, "by name" in body) == (200, True), body
