"""A canary that goes on by itself, by real answers through the real proxy: live at the end, or taken back for its errors."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.system.acting import done, pushed, version
from tests.system.host import Host, Repository, a_host, a_repository, echo_files, until

NAME = "bold-web"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Give the app at version 1, on a host whose canaries have short steps."""
    with a_host(tmp_path_factory.mktemp("host"), {"HOSTESS_RELEASES__CANARY_STEP": "1s"}) as host:
        made = a_repository(host, "bold", echo_files("1"))
        pushed(made, {})
        yield made


def try_out(repository: Repository, number: str, option: str) -> None:
    """Push a new version as a canary."""
    repository.write(echo_files(number))
    repository.commit(number)
    tried = repository.push("-o", option)
    assert tried.returncode == 0, tried.stderr
    assert "is tried out as a canary" in tried.stderr


def ask(host: Host, path: str = "/", cookie: str = "") -> tuple[str, str]:
    """Ask for a page; return which version answered, and the cookie to ask with from now on."""
    with closing(http.client.HTTPConnection(*host.proxy, timeout=30)) as connection:
        connection.request("GET", path, headers={"Host": f"{NAME}.localhost", **({"Cookie": cookie} if cookie else {})})
        answer = connection.getresponse()
        answer.read()
        return answer.headers["X-Version"], (answer.headers["Set-Cookie"] or cookie).partition(";")[0]


def client_of(host: Host, wanted: str) -> str:
    """Return the cookie of a client that this version answers."""
    for _ in range(1000):  # one in twenty is
        _, cookie = ask(host)
        if ask(host, "/", cookie)[0] == wanted:
            return cookie
    raise AssertionError(f"no client is answered by {wanted}: {done(host, 'events', '-n', '20')}")


def test_it_is_taken_back_for_its_errors(repository: Repository) -> None:
    """One whose answers are errors is gone in seconds, says why, and its commit can be pushed again."""
    host = repository.host
    before = version(host, NAME)
    try_out(repository, "2", "canary=50,auto")
    bad = client_of(host, "2")
    until(
        lambda: (ask(host), ask(host, "/status?code=500", bad), "canary.aborted" in done(host, "events", "-n", "100"))[
            2
        ],
        60,
        "its end",
    )

    assert "of its answers are errors" in done(host, "events", "-k", "canary.aborted")
    assert version(host, NAME) == before
    assert ask(host, "/", bad)[0] == before
    assert json.loads(done(host, "canary", "status", "-p", "bold", "-o", "json")) is None


def test_it_is_live_in_the_end(repository: Repository) -> None:
    """One that answers well gets 25 and 50 %, and is live without anybody's word."""
    host = repository.host
    assert any(
        is_made_live(repository, number) for number in ("3", "4", "5")
    )  # a host that does much else slows one down

    told = done(host, "events", "-k", "canary.advanced", "-p", "bold")
    assert ("gets 25 %" in told, "gets 50 %" in told, "is made live" in told) == (True, True, True)


def is_made_live(repository: Repository, number: str) -> bool:
    """Try a version out, and ask for it; return whether it is live for everybody in the end, or was taken back for being slow."""
    host = repository.host
    before = taken_back(host)
    try_out(repository, number, "canary=auto")
    good = client_of(host, number)  # who keeps no cookie is answered by what is live
    until(
        lambda: (ask(host, "/", good), version(host, NAME))[1] == number or taken_back(host) > before,
        120,
        "the new version for everybody",
    )
    assert all("takes longer than" in why for why in reasons(host)[before:]), reasons(host)
    return version(host, NAME) == number


def reasons(host: Host) -> list[str]:
    """Return why canaries were taken back, oldest first."""
    rows = host.query("SELECT message FROM events WHERE kind = 'canary.aborted' ORDER BY id")
    return [str(message) for (message,) in rows]


def taken_back(host: Host) -> int:
    """Return how many canaries were taken back."""
    return len(reasons(host))
