"""Domains by real commands and pushes, under load: moved without a lost request, and kept whatever happens to the daemon."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.system.acting import done, pushed
from tests.system.host import Host, a_repository, echo_files, until
from tests.system.load import load
from tests.system.test_zero_lost import failed

DOMAIN = "moving.example"
SECOND = """  second:
    type: custom
    build: {source: .}
    ports: [8000]
    visibility: public
    env: {VERSION: "2"}
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
"""
MORE_ANSWERS = 20


def who(host: Host) -> str:
    """Return the version of the service that the domain leads to; "" where it leads nowhere."""
    status, _, headers = host.get(DOMAIN)
    return headers["x-version"] if status == 200 else ""


def moved(host: Host, file: Path, act: Callable[[], object], old: str, new: str) -> None:
    """Move the domain under load: none is lost, before it the old service answers, after it the new one, between them one of both."""
    with load(host.proxy, DOMAIN, file, rate=200) as asked:
        until(lambda: asked.answered() > MORE_ANSWERS, 60, "answers of the old service")
        began = time.time()
        act()
        ended, count = time.time(), asked.answered()
        until(lambda: asked.answered() > count + MORE_ANSWERS, 60, "answers of the new service")
        # Those written since then may have begun before: one that is asked for now did not.
        until(lambda: asked.answered() > count + 10 * MORE_ANSWERS, 60, "more answers of the new service")
        seen = asked.end()
    assert failed(seen) == {}
    assert {one.version for one in seen if one.ended < began} == {old}
    assert {one.version for one in seen if one.began > ended} == {new}
    assert {one.version for one in seen} == {old, new}


def test_a_domain_moves_and_stays(own_host: Host, tmp_path: Path) -> None:
    """Command, push and rollback move it and lose no request; deployments and kill -9 of the daemon leave it; no container is started."""
    host, files = own_host, echo_files("1", services=SECOND)
    repository = a_repository(host, "shop", files)
    pushed(repository, {})
    before = set(host.containers("project=shop", running=True))

    assert who(host) == ""
    done(host, "domains", "add", DOMAIN, "web", "-p", "shop")
    assert who(host) == "1"
    moved(host, tmp_path / "1", lambda: done(host, "domains", "add", DOMAIN, "second", "-p", "shop"), "1", "2")
    assert set(host.containers("project=shop", running=True)) == before

    in_file = files["hostess.yml"].replace("    ports: [8000]\n", f"    ports: [8000]\n    domains: [{DOMAIN}]\n", 1)
    said: list[str] = []
    moved(host, tmp_path / "2", lambda: said.append(pushed(repository, {"hostess.yml": in_file})), "2", "1")
    assert f"{DOMAIN} waits: hostess.yml leads it to web" in said[0]
    moved(host, tmp_path / "3", lambda: done(host, "rollback", "v1", "--project", "shop"), "1", "2")
    assert set(host.containers("project=shop", running=True)) == before

    host.kill()
    assert who(host) == "2"
    host.start()
    pushed(repository, {"Dockerfile": files["Dockerfile"] + "ENV A=b\n", "hostess.yml": files["hostess.yml"]})
    assert who(host) == "2"
    done(host, "domains", "remove", DOMAIN, "-p", "shop")
    assert who(host) == ""
