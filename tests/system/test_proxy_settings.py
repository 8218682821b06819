"""`proxy` of a service, maintenance and pauses by real pushes and commands: what they say is what clients see."""

import http.client
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tests.system.acting import Doing, done, pushed, version
from tests.system.host import Host, a_repository, echo_files, until
from tests.system.load import load
from tests.system.test_zero_lost import failed

DOMAIN = "asking.example.com"
API = f"""  api:
    type: custom
    build: {{source: .}}
    ports: [8000]
    domains: [{DOMAIN}]
    health: {{http: /health, interval: 1s}}
    resources: {{cpu: 0.5, memory: 128Mi}}
    proxy:
      path: /api
      strip_prefix: true
      max_body: 1Mi
      basic_auth: {{ann: "${{secret:ANN_PASSWORD}}"}}
"""
WEB = f"""    domains: [{DOMAIN}, www.{DOMAIN}]
    proxy: {{canonical_host: {DOMAIN}, error_pages: errors, rate_limit: {{requests: 1000, per: 1s}}}}
"""


def ask(
    host: Host, name: str, path: str = "/", method: str = "GET", body: bytes = b"", **fields: str
) -> tuple[int, str, Mapping[str, str]]:
    """Ask the proxy; return status, body and the answer's fields."""
    with closing(http.client.HTTPConnection(*host.proxy, timeout=60)) as connection:
        connection.request(method, path, body or None, headers={"Host": name, **fields})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {key.lower(): value for key, value in answer.getheaders()}


def basic(password: str) -> str:
    """Return the value of Authorization."""
    return "Basic " + b64encode(f"ann:{password}".encode()).decode()


def test_what_a_service_asks_of_the_proxy(host: Host) -> None:
    """Two services share a host by their paths; one asks for a password that is a secret, the other has a page of its own for errors."""
    done(host, "projects", "create", "asking")
    done(host, "secrets", "add", "ANN_PASSWORD", "--value", "sesame-cafe", "-p", "asking")
    files = echo_files("1", services=WEB + API)
    repository = a_repository(host, "asking", {**files, "errors/413.html": "<h1>too much for us</h1>"})

    said = pushed(repository, {})

    assert f"api  http://{DOMAIN}:{host.proxy[1]}/api" in said
    assert said.count(f" {DOMAIN}  pending DNS: ") == 1
    assert ask(host, DOMAIN)[0] == 200
    status, _, answered = ask(host, f"www.{DOMAIN}", "/a?b=c")
    assert (status, answered["location"].partition("//")[2].partition("/")[2]) == (308, "a?b=c")
    assert answered["location"].startswith(f"http://{DOMAIN}")
    assert ask(host, DOMAIN, "/api/echo")[0] == 401
    assert ask(host, DOMAIN, "/api/echo", Authorization=basic("wrong"))[0] == 401
    status, echoed, _ = ask(host, DOMAIN, "/api/echo", Authorization=basic("sesame-cafe"))
    assert status == 200
    assert '"target":"/echo"' in echoed
    assert ask(host, DOMAIN, "/apiary")[0] != 401
    status, _, _ = ask(host, DOMAIN, "/api/", "POST", bytes(2**20 + 1), Authorization=basic("sesame-cafe"))
    assert status == 413
    for path in [*host.data.glob("logs/**/*"), *host.data.glob("proxy/*"), host.folder / "daemon.log"]:
        assert "sesame-cafe" not in (path.read_text(errors="replace") if path.is_file() else "")

    before = set(host.containers("project=asking", running=True))
    opened = files["hostess.yml"].replace('      basic_auth: {ann: "${secret:ANN_PASSWORD}"}\n', "")
    pushed(repository, {"hostess.yml": opened})
    assert ask(host, DOMAIN, "/api/echo")[0] == 200
    assert set(host.containers("project=asking", running=True)) == before
    done(host, "rollback", "--project", "asking")
    assert ask(host, DOMAIN, "/api/echo")[0] == 401


def test_maintenance(own_host: Host) -> None:
    """It hides the app through a push, a dead daemon and a new one; the health check stays green, and afterwards the new release serves."""
    host, name = own_host, "works-web.localhost"
    repository = a_repository(host, "works", echo_files("1"))
    pushed(repository, {})

    done(host, "maintenance", "on", "-p", "works", "--message", "back at nine", "--retry-after", "120")
    status, page, answered = ask(host, name)
    assert (status, answered["retry-after"], answered["x-hostess-error"]) == (503, "120", "maintenance")
    assert "back at nine" in page
    assert "x-version" not in answered
    assert ask(host, name, "/health")[0] == 200
    pushed(repository, echo_files("2"))
    assert ask(host, name)[0] == 503
    host.kill()
    assert ask(host, name)[0] == 503
    host.start()
    assert ask(host, name)[0] == 503
    done(host, "maintenance", "on", "-p", "works", "--allow", "127.0.0.0/8")
    assert version(host, "works-web") == "2"
    done(host, "maintenance", "off", "-p", "works")
    assert version(host, "works-web") == "2"


def test_a_pause(host: Host, tmp_path: Path) -> None:
    """Requests wait until they are let go, or until the pause is over; not one of them fails."""
    repository = a_repository(host, "still", echo_files("1"))
    pushed(repository, {})

    with load(host.proxy, "still-web.localhost", tmp_path / "seen", rate=100) as running:
        until(lambda: running.answered() > 50, 20, "the load")
        done(host, "pause", "web", "-p", "still", "--seconds", "600")
        waiting = Doing(lambda: ask(host, "still-web.localhost")[0])
        pushed(repository, echo_files("2"))
        assert waiting.is_alive()
        done(host, "resume", "-p", "still")
        assert waiting.result(60) == 200
        done(host, "pause", "-p", "still", "--seconds", "1")
        began = time.monotonic()
        assert ask(host, "still-web.localhost")[0] == 200
        assert time.monotonic() - began < 20
        seen = running.end()

    assert not failed(seen)
    assert seen[-1].version == "2"
