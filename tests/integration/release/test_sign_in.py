"""Services for the team: the table lists whose tokens may pass, and nobody else's; what asks for sign-in is never proved open."""

from datetime import timedelta
from hashlib import sha256

import pytest

from hostess.domain.ports import Upstreams
from tests.world import Bench, web

HOST = "shop-web.localhost"


def team(more: str = "") -> dict[str, str]:
    """Return a stack of one service that asks for sign-in."""
    return {"hostess.yml": web(more=more)["hostess.yml"].replace("visibility: public", "visibility: team")}


def published(bench: Bench) -> dict[str, Upstreams]:
    """Return host -> route of the newest table."""
    return {route.host: route for route in bench.router.tables[-1]}


def passing(bench: Bench, host: str = HOST) -> set[str]:
    """Return the digests of those who may pass."""
    found = published(bench)[host].sign_in
    assert found is not None
    return set(found)


def digest(text: str) -> str:
    """Return what is kept of a token."""
    return sha256(text.encode()).hexdigest()


async def a_token(
    bench: Bench, role: str = "viewer", *projects: str, lifetime: timedelta | None = None
) -> tuple[str, str]:
    """Make a token; return its id and its digest."""
    row, text = await bench.world.tokens.create("somebody", role, projects, lifetime)
    return row.id, digest(text)


async def test_whose_tokens_may_pass(bench: Bench) -> None:
    """All roles may pass, tokens of single projects at these, expired ones nowhere; the table has digests and no token."""
    wanted = {(await a_token(bench, role))[1] for role in ("owner", "developer", "viewer")}
    wanted.add((await a_token(bench, "viewer", "shop", "other"))[1])
    wanted.add((await a_token(bench, lifetime=timedelta(hours=1)))[1])
    elsewhere = (await a_token(bench, "owner", "other"))[1]
    expired = (await a_token(bench, "owner", lifetime=timedelta(microseconds=1)))[1]

    assert (await bench.push("shop", team())).accepted
    assert (await bench.push("other", team())).accepted

    hosts = [host for host in published(bench) if host.startswith("shop-")]
    assert len(hosts) == 2  # the stable one, and the deployment's own
    for host in hosts:
        assert passing(bench, host) == wanted
    assert elsewhere in passing(bench, "other-web.localhost")
    assert expired not in passing(bench, "other-web.localhost")
    assert "hst_" not in repr(bench.router.tables[-1])


async def test_without_any_token_nobody_passes(bench: Bench) -> None:
    """Where there is no token, the route asks for one all the same."""
    assert (await bench.push("shop", team())).accepted

    assert published(bench)[HOST].sign_in == ()


async def test_only_the_ports_that_say_so(bench: Bench) -> None:
    """Each port of a service asks as it says itself, at its own host."""
    mixed = web()["hostess.yml"].replace("[8000]", "[8000, {port: 9000, visibility: team}]")
    assert (await bench.push("shop", {"hostess.yml": mixed})).accepted

    found = {host: route.sign_in for host, route in published(bench).items() if is_stable(host)}
    assert found == {HOST: None, "shop-web-2.localhost": ()}


def is_stable(host: str) -> bool:
    """Whether a host is not that of one deployment."""
    return host.removesuffix(".localhost") in {"shop-web", "shop-web-2"}


async def test_a_revoked_token(bench: Bench) -> None:
    """A token that is revoked or has expired is in the next table no more."""
    row, shown = await a_token(bench)
    assert (await bench.push("shop", team())).accepted
    assert passing(bench) == {shown}

    await bench.world.tokens.revoke(row)
    await bench.world.reconciler.tick()

    assert passing(bench) == set()


async def test_sessions_outlive_the_daemon(bench: Bench) -> None:
    """The key of the sessions is the same after a restart, and no other installation's."""
    assert (await bench.push("shop", team())).accepted
    before = bench.router.session_keys[-1]

    await bench.restart()
    await bench.world.routing.publish()

    assert bench.router.session_keys[-1] == before
    assert len(bytes.fromhex(before)) >= 16


async def test_sign_in_restarts_nothing(bench: Bench) -> None:
    """Whether a service asks for sign-in changes routes alone: the same container serves on, and each push says what holds now."""
    assert (await bench.push("shop", web())).accepted
    [before] = await bench.world.replicas.of_place("shop", "production")
    assert "(asks for sign-in)" not in bench.text()

    await bench.push("shop", team(), "dry-run")
    assert "route    web (port 8000 asks for sign-in)" in bench.text()
    assert published(bench)[HOST].sign_in is None
    assert (await bench.push("shop", team())).accepted
    assert f"web  http://{HOST}:8080  (asks for sign-in)" in bench.text()
    assert published(bench)[HOST].sign_in == ()
    assert (await bench.push("shop", web())).accepted
    assert published(bench)[HOST].sign_in is None

    [after] = await bench.world.replicas.of_place("shop", "production")
    assert after.id == before.id


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [((401, "sign-in-needed"), True), ((200, ""), False), ((401, ""), False), ((404, "unknown-host"), False)],
)
async def test_what_is_proved(bench: Bench, answer: tuple[int, str], *, accepted: bool) -> None:
    """A deployment fails where the proxy does not ask for sign-in, above all when it gives the page."""
    bench.router.proof = answer

    assert (await bench.push("shop", team())).accepted is accepted
    assert ("prove: " in bench.text()) is not accepted


async def test_an_open_service_is_not_proved_by_a_question(bench: Bench) -> None:
    """A service for everyone that is asked for sign-in has not been served."""
    bench.router.proof = (401, "sign-in-needed")

    assert not (await bench.push("shop", web())).accepted
