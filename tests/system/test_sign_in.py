"""Services for the team, by a real push: not one byte of the app without a token, and none again once that is revoked."""

import http.client
import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing

from tests.system.acting import done, pushed
from tests.system.host import Host, a_repository, echo_files

NOTES = "  notes:\n    type: static\n    source: notes.html\n    visibility: team\n"


def team(version: str = "1") -> dict[str, str]:
    """Return the tiny app and a page, both for the team."""
    files = echo_files(version, services=NOTES)
    return {
        **files,
        "hostess.yml": files["hostess.yml"].replace("visibility: public", "visibility: team"),
        "notes.html": "the notes",
    }


def ask(host: Host, name: str, path: str = "/", **fields: str) -> tuple[int, str, Mapping[str, str]]:
    """GET a page with these fields; return status, body and the answer's fields."""
    with closing(http.client.HTTPConnection(*host.proxy, timeout=30)) as connection:
        connection.request("GET", path, headers={"Host": f"{name}.localhost", **fields})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {key.lower(): value for key, value in answer.getheaders()}


def refused(host: Host, name: str, path: str = "/", **fields: str) -> bool:
    """Whether the proxy asks for sign-in, and nothing of the app is in its answer."""
    status, body, answered = ask(host, name, path, **fields)
    assert "x-version" not in answered
    assert "the notes" not in body
    return (status, answered.get("x-hostess-error"), answered.get("www-authenticate")) == (
        401,
        "sign-in-needed",
        'Basic realm="Hostess"',
    )


def basic(token: str) -> str:
    """Return the value of Authorization."""
    return "Basic " + b64encode(f"me:{token}".encode()).decode()


def made(host: Host, *arguments: str) -> tuple[str, str]:
    """Make a token; return its id and itself."""
    found = json.loads(done(host, "tokens", "create", "guest", "--role", "viewer", *arguments, "-o", "json"))
    return found["id"], found["token"]


def test_a_service_for_the_team(host: Host) -> None:
    """The push says that sign-in is asked for; every host asks, tokens of the project pass, and what is revoked is out at once."""
    repository = a_repository(host, "board", team())
    said = pushed(repository, {})
    commit = repository.git("rev-parse", "HEAD").stdout[:7]
    names = ["board-web", f"board-web-{commit}", "board-notes", f"board-notes-{commit}"]
    token, text = made(host, "--project", "board")
    _, elsewhere = made(host, "--project", "other")

    for name in names[::2]:
        assert f"  http://{name}.localhost:{host.proxy[1]}  (asks for sign-in)" in said
    for name in names:
        assert refused(host, name)
        assert refused(host, name, "/health")
        assert refused(host, name, Authorization=basic(elsewhere))
        for mine in (text, host.token):
            assert ask(host, name, Authorization=basic(mine))[0] == 200
            assert ask(host, name, Authorization=f"Bearer {mine}")[0] == 200

    status, _, answered = ask(host, "board-web", "/echo", Authorization=basic(text), Accept="text/html")
    assert (status, answered["location"]) == (303, "/echo")
    cookie = answered["set-cookie"].partition(";")[0]
    status, echoed, _ = ask(host, "board-web", "/echo", Cookie=f"{cookie}; own=1", Authorization="Basic b3du")
    assert status == 200
    assert "own=1" in echoed
    assert "Basic b3du" in echoed
    assert "hostess_session" not in echoed
    assert refused(host, "board-notes", Cookie=cookie)

    with closing(http.client.HTTPConnection(*host.proxy, timeout=30)) as kept:
        fields = {"Host": "board-web.localhost", "Authorization": basic(text)}
        kept.request("GET", "/", headers=fields)
        assert kept.getresponse().read()
        done(host, "tokens", "revoke", token, "--force")
        kept.request("GET", "/", headers=fields)
        assert kept.getresponse().status == 401
    for name in names:
        assert refused(host, name, Authorization=basic(text))
        assert refused(host, name, Authorization=f"Bearer {text}")
    assert refused(host, "board-web", Cookie=cookie)
    secret = cookie.partition("=")[2]
    for path in [*host.data.glob("logs/**/*"), host.folder / "daemon.log"]:
        found = path.read_text(errors="replace") if path.is_file() else ""
        assert text not in found
        assert secret not in found


def test_it_asks_whatever_happens(own_host: Host) -> None:
    """It asks while the daemon is dead, when it is back, in the next release, and after a rollback; opened, it is not restarted."""
    repository = a_repository(own_host, "board", team())
    pushed(repository, {})
    own_host.kill()

    assert refused(own_host, "board-web")
    assert ask(own_host, "board-web", Authorization=basic(own_host.token))[0] == 200
    own_host.start()
    assert refused(own_host, "board-web")
    pushed(repository, team("2"))
    assert refused(own_host, "board-web")
    status, _, answered = ask(own_host, "board-web", Authorization=basic(own_host.token))
    assert (status, answered["x-version"]) == (200, "2")
    before = set(own_host.containers("service=web", running=True))
    pushed(repository, {"hostess.yml": echo_files("2", services=NOTES)["hostess.yml"]})

    assert ask(own_host, "board-web")[0] == 200
    assert set(own_host.containers("service=web", running=True)) <= before
    assert refused(own_host, "board-notes")
    done(own_host, "rollback", "--project", "board")
    assert refused(own_host, "board-web")
