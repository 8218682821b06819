"""Clients of every kind, by HTTP/1.1 and 2, TLS, events and WebSockets, while everything is done to a service that a user can do."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostess_proxy.client import Running, running
from tests.integration.proxy.mixed_load import Place, mixed_load
from tests.integration.proxy.papers import Papers
from tests.system.acting import done, pushed
from tests.system.host import Host, Repository, a_host, a_repository, echo_files

NAME = "steady.example"


def steady(version: str) -> dict[str, str]:
    """Return the tiny app with a domain, at which plain HTTP is served for good."""
    files = echo_files(version)
    asked = f"    domains: [{NAME}]\n    proxy: {{redirect_https: false}}\n    health:"
    files["hostess.yml"] = files["hostess.yml"].replace("    health:", asked)
    return files


def tried(repository: Repository, version: str) -> None:
    """Push this version as a canary for half of the clients."""
    repository.write(steady(version))
    repository.commit(version)
    ended = repository.push("-o", "canary=50")
    assert ended.returncode == 0, ended.stderr


def steps(host: Host, repository: Repository, paper: dict[str, Any]) -> list[Callable[[], object]]:
    """Return what is done, one after the other."""

    def run(*arguments: str) -> Callable[[], str]:
        return lambda: done(host, *arguments, "-p", "steady")

    def in_a_pause() -> None:
        run("pause", "web", "--seconds", "60")()
        upgrade(host)
        run("resume", "web")()

    return [
        lambda: pushed(repository, steady("2")),
        run("services", "scale", "web=2"),
        lambda: upgrade(host),
        lambda: done(host, "tls", "import", "--cert", paper["chain"], "--key", paper["key"]),
        run("services", "restart"),
        run("rollback"),
        lambda: tried(repository, "3"),
        run("canary", "set", "80"),
        run("canary", "stop"),
        lambda: tried(repository, "4"),
        run("canary", "promote"),
        run("maintenance", "on", "--allow", "127.0.0.0/8"),
        lambda: upgrade(host),
        run("maintenance", "off"),
        in_a_pause,
        host.kill,
        host.start,
        lambda: done(host, "tls", "remove", NAME, "--force"),
        lambda: pushed(repository, steady("5")),
    ]


def upgrade(host: Host) -> None:
    """Put the installed program in the place of the proxy that runs."""
    ended = host.hostess("proxy", "--upgrade", "--data-dir", str(host.data))
    assert ended.returncode == 0, ended.stderr


async def test_nothing_that_a_user_does_loses_an_answer(tmp_path: Path) -> None:
    """Push, scale, rollback, canary, maintenance, pause, other certificates, upgrades of the proxy, a killed daemon: nobody notices."""
    papers = Papers(tmp_path)
    paper = papers.issue(tmp_path / "paper", NAME)
    with a_host(tmp_path / "host", {"HOSTESS_PROXY__HTTPS": "127.0.0.1:0"}) as host:
        repository = a_repository(host, "steady", steady("1"))
        pushed(repository, {})

        def proxy() -> Running:
            found = running(host.data)
            assert found is not None
            return found

        authorities = done(host, "tls", "root").encode() + papers.authority()
        async with mixed_load(Place(proxy, NAME), authorities) as load:
            for step in steps(host, repository, paper):
                await asyncio.to_thread(step)
                await load.more(2)

        assert load.failed == []
        assert load.moved["HTTP/2"] > 0
        assert load.moved["WebSocket"] > 0
