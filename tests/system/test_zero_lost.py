"""Zero lost requests is a number, for every way a release changes."""

import json
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.system.host import Host, Repository, a_repository, echo_files, until
from tests.system.load import Seen, load

DEPLOYMENTS = 20
ROLLBACKS = 5


def two_replicas(version: str) -> dict[str, str]:
    """Return the tiny app with two replicas."""
    files = echo_files(version)
    files["hostess.yml"] = files["hostess.yml"].replace("    health:", "    replicas: 2\n    health:")
    return files


def failed(seen: list[Seen]) -> Counter[int]:
    """Return what was not answered with 200, by status."""
    return Counter(one.status for one in seen if one.status != 200)


def switched(host: Host, project: str) -> list[tuple[float, str]]:
    """Return when each release's table was acknowledged by all workers (seconds since the epoch), and its commit, in order."""
    rows = host.query(
        "SELECT s.ended_at, json_extract(d.record, '$.commit') FROM steps s JOIN deployments d ON d.id = s.deployment"
        " WHERE s.name = 'publish' AND d.project = ? ORDER BY s.ended_at",
        project,
    )
    return [(datetime.fromisoformat(str(at)).timestamp(), str(commit)) for at, commit in rows]


def push_version(repository: Repository, version: str) -> str:
    """Push the tiny app in this version; return its commit."""
    repository.write(two_replicas(version))
    commit = repository.commit(version)
    pushed = repository.push()
    assert pushed.returncode == 0, pushed.stderr
    return commit


def test_deployments_and_rollbacks_lose_nothing(host: Host, tmp_path: Path) -> None:
    """Under 500 requests/s, 20 deployments and 5 rollbacks of 2 replicas fail no request; no old release answers after a switch (11)."""
    repository = a_repository(host, "busy", two_replicas("0"))
    versions = {repository.git("rev-parse", "HEAD").stdout.strip(): "0"}
    assert repository.push().returncode == 0

    with load(host.proxy, "busy-web.localhost", tmp_path / "seen") as running:
        until(lambda: running.answered() > 100, 20, "the load")
        for number in range(1, DEPLOYMENTS + 1):
            versions[push_version(repository, str(number))] = str(number)
        for _ in range(ROLLBACKS):
            rolled = host.hostess("rollback", "--project", "busy")
            assert rolled.returncode == 0, rolled.stderr
        seen = running.end()

    assert not failed(seen)
    assert len(seen) > 5000
    changes = [(at, versions[commit]) for at, commit in switched(host, "busy")]
    assert len(changes) == 1 + DEPLOYMENTS + ROLLBACKS
    stale = [
        (one, version)
        for (at, version), (until_at, _) in pairwise([*changes, (float("inf"), "")])
        for one in seen
        if at < one.began and one.ended < until_at and one.version != version
    ]
    # An answer that ended before the next acknowledgement can be the next release's already; older than its own it cannot be.
    order = [version for _, version in changes]
    too_old = [one for one, version in stale if one.version not in order[order.index(version) :]]
    assert not too_old, json.dumps([[s.began, s.version] for s in too_old[:5]])
