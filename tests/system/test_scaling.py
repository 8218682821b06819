"""Scaling by load, as it happens."""

import json
from collections import Counter
from pathlib import Path

from tests.system.host import Host, a_repository, echo_files, until
from tests.system.load import Seen, load


def scaling(host: Host) -> tuple[int, int]:
    """Return how many replicas are wanted, and how many containers there are."""
    listed = host.hostess("services", "list", "-p", "hot", "-o", "json")
    (web,) = json.loads(listed.stdout)
    return web["wanted"], len(web["containers"])


def test_up_and_down(own_host: Host, tmp_path: Path) -> None:
    """Under a load of the CPU one replica becomes several, and one again afterwards; no request fails, and events tell why."""
    host = own_host
    host.stop()
    host.start(module="tests.system.eager")
    files = echo_files()
    files["hostess.yml"] = files["hostess.yml"].replace("cpu: 0.5", "cpu: 0.1")
    files["hostess.yml"] = files["hostess.yml"].replace(
        "    health:", "    replicas: {min: 1, max: 3, target_cpu: 50}\n    health:"
    )
    repository = a_repository(host, "hot", files)
    pushed = repository.push()
    assert pushed.returncode == 0, pushed.stderr

    with load(host.proxy, "hot-web.localhost", tmp_path / "light", rate=10) as light:
        with load(host.proxy, "hot-web.localhost", tmp_path / "heavy", rate=40, path="/cpu?ms=50") as heavy:
            until(lambda: scaling(host) == (3, 3), 90, "three replicas")
            seen = heavy.end()
        until(lambda: scaling(host) == (1, 1), 90, "one replica again")
        seen += light.end()

    assert failed(seen) == Counter()
    changes = [
        str(message)
        for (message,) in host.query("SELECT message FROM events WHERE kind = 'service.scaled' ORDER BY id")
    ]
    assert changes[0].startswith("web has "), changes
    assert "CPU on average, and 50 % is the target" in changes[-1]
    listed = host.hostess("services", "list", "-p", "hot", "--detailed").stdout
    assert "1/1 (1 to 3)" in listed
    assert "scaled by its load between 1 and 3 replicas: " in listed


def failed(seen: list[Seen]) -> Counter[int]:
    """Return what was not answered with 200, by status."""
    return Counter(one.status for one in seen if one.status != 200)
