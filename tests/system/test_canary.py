"""A canary by real pushes: its share, who asks for it by header, its way to being live and its end; no request fails meanwhile."""

import http.client
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.system.acting import done, pushed, version
from tests.system.host import Host, Repository, a_repository, echo_files, until
from tests.system.load import Seen, load
from tests.system.test_zero_lost import failed

NAME = "shy-web"
ASKED = 200


def tried(repository: Repository, number: str, percent: int) -> str:
    """Push this version as a canary; return what the pusher read."""
    repository.write(echo_files(number))
    repository.commit(number)
    ended = repository.push("-o", f"canary={percent}")
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def ask(host: Host, name: str, cookie: str = "", **fields: str) -> tuple[str, str]:
    """Ask with this cookie; return which version answered, and the cookie to ask with from now on."""
    with closing(http.client.HTTPConnection(*host.proxy, timeout=30)) as connection:
        sent = {"Host": f"{name}.localhost", **({"Cookie": cookie} if cookie else {}), **fields}
        connection.request("GET", "/", headers=sent)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        return answer.headers["X-Version"], (answer.headers["Set-Cookie"] or cookie).partition(";")[0]


def answering(host: Host, count: int = ASKED, **fields: str) -> Counter[str]:
    """Return how often each version answered so many clients, each asked for the second time: at first nothing is known of it."""
    found: Counter[str] = Counter()
    for _ in range(count):
        _, cookie = ask(host, NAME)
        found[ask(host, NAME, cookie, **fields)[0]] += 1
    return found


def versions(seen: list[Seen]) -> set[str]:
    """Return which versions answered."""
    return {one.version for one in seen}


def test_a_canary_from_its_share_to_being_live(host: Host, tmp_path: Path) -> None:
    """Clients are divided as the percentage says, the header reaches it at 0 %, and neither promotion nor an end loses a request."""
    repository = a_repository(host, "shy", echo_files("1"))
    pushed(repository, {})

    with load(host.proxy, f"{NAME}.localhost", tmp_path / "seen", rate=100) as running:
        until(lambda: running.answered() > 50, 20, "the load")
        assert "release v2 of shy (production) is tried out as a canary" in tried(repository, "2", 30)
        share = answering(host)
        done(host, "canary", "set", "0", "--header", "X-Try=yes", "-p", "shy")
        without, chosen = answering(host, 30), answering(host, 10, **{"X-Try": "yes"})
        before = set(host.containers("project=shy", "service=web", running=True))
        assert done(host, "canary", "promote", "-p", "shy") == "v2 is live in production of shy\n"
        promoted = answering(host, 30)
        tried(repository, "3", 100)
        whole = answering(host, 30)
        assert done(host, "canary", "stop", "-p", "shy") == "v3 is no canary any more\n"
        stopped = answering(host, 30)
        seen = running.end()

    assert not failed(seen)
    assert set(share) == {"1", "2"}
    assert 0.15 < share["2"] / ASKED < 0.45
    assert (set(without), set(chosen)) == ({"1"}, {"2"})
    assert (set(promoted), set(whole), set(stopped)) == ({"2"}, {"3"}, {"2"})
    assert versions(seen) == {"1", "2"}  # who keeps no cookie stays with what is live
    until(lambda: len(host.containers("project=shy", "service=web")) == 1, 60, "the end of what was replaced")
    assert set(host.containers("project=shy", "service=web", running=True)) <= before
    assert repository.push().returncode == 0
    assert version(host, NAME) == "3"


def test_a_client_stays_with_what_it_got(host: Host) -> None:
    """Who was answered by the canary is answered by it again, as long as the share does not shrink."""
    repository = a_repository(host, "shy-too", echo_files("1"))
    pushed(repository, {})
    tried(repository, "2", 50)

    cookies = [ask(host, "shy-too-web")[1] for _ in range(20)]
    got = {cookie: ask(host, "shy-too-web", cookie)[0] for cookie in cookies}
    for cookie in cookies:
        assert {ask(host, "shy-too-web", cookie)[0] for _ in range(3)} == {got[cookie]}
    done(host, "canary", "set", "80", "-p", "shy-too")
    assert {ask(host, "shy-too-web", cookie)[0] for cookie in cookies if got[cookie] == "2"} == {"2"}
