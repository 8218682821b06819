"""Going back to a release while its own containers are still on their way out."""

import json
from pathlib import Path

from tests.system.host import Host, a_repository, echo_files, until
from tests.system.load import load
from tests.system.sources import ids, pushed, revised
from tests.system.watching import settled

WORKER = """    lifecycle: {shutdown: {command: ["/echo", "print", "bye"], timeout: 4s}}
  worker:
    type: custom
    build: {source: .}
    command: ["sleep", "1000"]
    replicas: {min: 2, max: 3}
    health: {command: ["/echo", "print", "well"]}
    lifecycle: {shutdown: {command: ["/echo", "sleep", "4"], timeout: 8s}}
"""
STUBBORN = ("ENV IGNORE_TERM=1",)


def test_containers_on_their_way_out_are_not_called_back(host: Host, tmp_path: Path) -> None:
    """A rollback right after a push starts anew what is just being stopped: no request fails, and nothing is missing after (11, 24)."""
    repository = a_repository(host, "return", echo_files("1", WORKER, STUBBORN))
    pushed(repository)
    old = ids(host, "return", "web", "worker")

    with load(host.proxy, "return-web.localhost", tmp_path / "seen", rate=200) as running:
        until(lambda: running.answered() > 20, 20, "the load")
        revised(repository, echo_files("2", WORKER, STUBBORN))
        leaving = ids(host, "return", "web", "worker")
        back = host.hostess("rollback", "--project", "return")
        listed = json.loads(host.hostess("ps", "--project", "return", "--format", "json").stdout)
        settled(host, "return")
        seen = running.end()

    assert back.returncode == 0, back.stderr
    assert all(set(old[name]) < set(leaving[name]) for name in old), "they were gone already: this proves nothing"
    assert {each["name"]: each["running"] for each in listed} == {"web": 1, "worker": 2}, "what leaves is not counted"
    assert [one for one in seen if one.status != 200] == []
    assert host.get("return-web.localhost")[2]["x-version"] == "1"
    now = ids(host, "return", "web", "worker")
    assert {name: len(found) for name, found in now.items()} == {"web": 1, "worker": 2}
    assert not any(set(old[name]) & set(now[name]) for name in old)
