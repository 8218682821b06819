"""A push becomes a running app, on real parts."""

import re

from tests.system.host import Host, a_repository, echo_files
from tests.system.watching import settled


def test_first_push_makes_a_running_app(host: Host) -> None:
    """A push to main of a new project creates it, deploys it and prints its URL (scenario 1)."""
    repository = a_repository(host, "first", echo_files())

    pushed = repository.push()

    assert pushed.returncode == 0, pushed.stderr
    assert re.search(r"remote: .*release v1 of first \(production\) is live", pushed.stderr), pushed.stderr
    url = re.search(r"web  (http://first-web\.localhost:\d+)", pushed.stderr)
    assert url, pushed.stderr
    status, _, headers = host.get("first-web.localhost")
    assert (status, headers["x-version"]) == (200, "1")


def test_second_push_replaces_the_first(host: Host) -> None:
    """A push of a new commit replaces what ran; the old container goes."""
    repository = a_repository(host, "second", echo_files())
    assert repository.push().returncode == 0
    [before] = host.containers("project=second", "service=web")
    repository.write(echo_files("2"))
    repository.commit()

    pushed = repository.push()

    assert pushed.returncode == 0, pushed.stderr
    assert host.get("second-web.localhost")[2]["x-version"] == "2"
    settled(host, "second")
    [now] = host.containers("project=second", "service=web")
    assert now != before


def test_a_push_that_changes_nothing_restarts_nothing(host: Host) -> None:
    """An empty commit is live at once, with the same containers."""
    repository = a_repository(host, "same", echo_files())
    assert repository.push().returncode == 0
    before = host.containers("project=same")
    repository.commit("nothing")

    pushed = repository.push()

    assert pushed.returncode == 0, pushed.stderr
    assert host.containers("project=same") == before
    assert "web: unchanged, carried over" in pushed.stderr
