"""Domains by API and command line: they lead to their service at once, are shown with where they stand, and go again."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from hostess.domain.dns.preflight import Preflight
from hostess.services.certificates.preflights import WITHIN, Preflights
from tests.integration.api.stage import FILE, Stage

BASE = "/v1/projects/shop/domains"
WITH_DOMAIN = FILE.replace("    visibility: public\n", "    domains: [www.shop.example.com]\n")
BOTH_PUBLIC = FILE.replace("    ports: [8001]\n", "    ports: [8001]\n    visibility: public\n")


def services_of(stage: Stage, host: str) -> list[str]:
    """Return the services that a host leads to."""
    return [route.service for route in stage.router.table if route.host == host]


async def test_add_list_remove(stage: Stage) -> None:
    """A domain leads to its service with one new table and no new container; who did it is in the events."""
    await stage.live()
    containers, generation = len(await stage.engine.containers({})), stage.router.generation

    added = await stage.hostess("domains", "add", "Shop.EXAMPLE.com", "web", "-p", "shop")
    led, after = services_of(stage, "shop.example.com"), stage.router.generation
    shown = await stage.hostess("domains", "list", "-p", "shop", "-o", "json")
    services = await stage.hostess("services", "list", "-p", "shop")
    removed = await stage.hostess("domains", "remove", "shop.example.com", "-p", "shop")

    assert (added.code, removed.code) == (0, 0), added.err + removed.err
    assert re.search(r"^shop\.example\.com +shop +production +web +command +pending DNS: A+ ", added.out, re.MULTILINE)
    assert (led, after) == (["web"], generation + 1)
    [found] = shown.json
    assert (found["host"], found["service"], found["sources"]) == ("shop.example.com", "web", ["command"])
    assert found["state"].startswith("pending DNS: A")
    assert "http://shop.example.com:8080" in services.out
    assert services_of(stage, "shop.example.com") == []
    assert len(await stage.engine.containers({})) == containers
    kinds = [event.kind for event in await stage.journal.events(project="shop") if "domain" in event.kind]
    assert kinds == ["domain.added", "audit.domain.added", "domain.removed", "audit.domain.removed"]


async def test_verified_as_people_write_it(stage: Stage) -> None:
    """`domains verify` finds a domain that is written with other letters, and with a dot at its end."""
    await stage.live()
    await stage.hostess("domains", "add", "xn--bcher-kva.localhost", "web", "-p", "shop")
    ran = await stage.hostess("domains", "verify", "Bücher.localhost.", "-p", "shop")

    assert ran.code == 0, ran.err


async def test_one_of_many(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds, lists or verifies one domain waits for the DNS of no other."""
    await stage.live()
    for host in ("a.example.com", "b.example.com"):
        await stage.ask(f"POST {BASE}", {"host": host, "service": "web"})
    check, asked = Preflights.check, []

    async def looked(own: Preflights, domains: Sequence[str], within: timedelta = WITHIN) -> list[Preflight]:
        asked.append(list(domains))
        return await check(own, domains, within)

    monkeypatch.setattr(Preflights, "check", looked)
    added = await stage.ask(f"POST {BASE}", {"host": "c.example.com", "service": "web"})
    listed = await stage.get(f"{BASE}?host=A.example.com")
    verified = await stage.hostess("domains", "verify", "B.example.com", "-p", "shop")
    unknown = await stage.hostess("domains", "verify", "d.example.com", "-p", "shop")

    assert added.json["state"].startswith("pending DNS: A")
    assert [each["host"] for each in listed["items"]] == ["a.example.com"]
    assert (verified.code, "b.example.com is not live yet" in verified.err.lower()) == (1, True), verified.err
    assert (unknown.code, "there is no domain d.example.com" in unknown.err) == (3, True), unknown.err
    assert asked == [["c.example.com"], ["a.example.com"], ["b.example.com"], []]


async def test_one_that_points_here(stage: Stage) -> None:
    """A host below the base domain needs no record: it is live."""
    await stage.live()
    said = await stage.ask(f"POST {BASE}", {"host": "shop.localhost", "service": "web"})

    assert (said.status, said.json["state"]) == (201, "live")


async def test_a_domain_stays(stage: Stage) -> None:
    """It leads to the service after a deployment, waits when the service is gone, which the push says, and then leads there again."""
    await stage.project()
    await stage.secret("a")
    assert (await stage.push(BOTH_PUBLIC)).accepted
    assert (await stage.ask(f"POST {BASE}", {"host": "w.shop.example.com", "service": "worker"})).status == 201
    said: list[str] = []

    assert (await stage.push(FILE.split("  worker:")[0], say=said.append)).accepted
    assert services_of(stage, "w.shop.example.com") == []
    assert any(line.strip() == "w.shop.example.com waits: v2 has no service worker" for line in said), said
    [listed] = (await stage.get(BASE))["items"]
    assert listed["state"] == "waits: v2 has no service worker"
    said.clear()
    assert (await stage.push(BOTH_PUBLIC, say=said.append)).accepted
    assert services_of(stage, "w.shop.example.com") == ["worker"]
    assert any("w.shop.example.com  pending DNS: A" in line for line in said), said


async def test_before_anything_is_live(stage: Stage) -> None:
    """A domain may be added before the first deployment: it waits for it."""
    await stage.project()
    await stage.secret("a")
    assert (await stage.ask("POST /v1/projects/shop/environments", {"name": "production"})).status == 201

    said = await stage.ask(f"POST {BASE}", {"host": "shop.example.com", "service": "web"})
    assert (said.status, said.json["state"]) == (201, "waits: nothing is live in production")
    assert (await stage.push()).accepted
    assert services_of(stage, "shop.example.com") == ["web"]


async def test_of_file_and_command(stage: Stage) -> None:
    """The same host by both is one; without the command it is still the file's, which the command cannot take away."""
    await stage.project()
    await stage.secret("a")
    assert (await stage.push(WITH_DOMAIN)).accepted
    added = await stage.ask(f"POST {BASE}", {"host": "www.shop.example.com", "service": "web"})
    led = services_of(stage, "www.shop.example.com")
    removed = await stage.ask(f"DELETE {BASE}/www.shop.example.com")
    again = await stage.ask(f"DELETE {BASE}/www.shop.example.com")

    assert added.json["sources"] == ["file", "command"]
    assert (led, services_of(stage, "www.shop.example.com")) == (["web"], ["web"])
    assert (removed.status, again.status, again.code) == (204, 409, "domain-in-file")
    assert [(each["host"], each["sources"]) for each in (await stage.get(BASE))["items"]] == [
        ("www.shop.example.com", ["file"])
    ]


async def test_moved(stage: Stage) -> None:
    """A domain is moved between services by adding it again, and between environments by `update`: one table each."""
    await stage.project()
    await stage.secret("a")
    assert (await stage.push(BOTH_PUBLIC)).accepted
    await stage.ask("POST /v1/projects/shop/environments", {"name": "staging"})
    await stage.hostess("domains", "add", "shop.example.com", "--service", "web", "-p", "shop")
    generation = stage.router.generation

    assert (await stage.hostess("domains", "add", "shop.example.com", "worker", "-p", "shop")).code == 0
    assert services_of(stage, "shop.example.com") == ["worker"]
    assert stage.router.generation == generation + 1
    refused = await stage.hostess("domains", "add", "shop.example.com", "web", "-p", "shop", "--env", "staging")
    assert (refused.code, "shop (production)" in refused.err) == (7, True)
    moved = await stage.hostess("domains", "update", "shop.example.com", "--env", "staging", "-p", "shop", "-o", "json")
    assert (moved.json["environment"], moved.json["service"]) == ("staging", "worker")
    assert services_of(stage, "shop.example.com") == []


async def test_one_of_the_file_is_not_moved(stage: Stage) -> None:
    """A host of hostess.yml that was added, too, is not moved to another environment, where it would lead to both: nothing changes."""
    await stage.project()
    await stage.secret("a")
    await stage.ask("POST /v1/projects/shop/environments", {"name": "staging"})
    assert (await stage.push(WITH_DOMAIN)).accepted
    await stage.ask(f"POST {BASE}", {"host": "www.shop.example.com", "service": "web"})

    said = await stage.ask(f"PATCH {BASE}/www.shop.example.com", {"environment": "staging"})

    assert (said.status, said.code) == (409, "host-taken"), said.text
    assert [(each["environment"], each["service"]) for each in (await stage.get(BASE))["items"]] == [
        ("production", "web")
    ]


async def test_of_another_project(stage: Stage) -> None:
    """A domain that another project has is refused with who has it: by command where a file has it, and the other way round."""
    await stage.project()
    await stage.secret("a")
    assert (await stage.push(WITH_DOMAIN)).accepted
    await stage.project("blog")
    await stage.secret("a", project="blog")
    assert (await stage.push(project="blog")).accepted
    taken = await stage.ask("POST /v1/projects/blog/domains", {"host": "www.shop.example.com", "service": "web"})
    assert (taken.status, taken.code) == (409, "host-taken")
    assert "web of shop (production)" in taken.json["detail"]

    await stage.ask("POST /v1/projects/blog/domains", {"host": "blog.example.com", "service": "web"})
    said: list[str] = []
    verdict = await stage.push(WITH_DOMAIN.replace("www.shop.example.com", "blog.example.com"), say=said.append)
    assert not verdict.accepted
    assert any("blog.example.com belongs to service web of project blog (production)" in line for line in said), said
    assert services_of(stage, "blog.example.com") == ["web"]
    assert (await stage.ask("DELETE /v1/projects/shop/domains/blog.example.com")).status == 404


async def test_what_does_not_fit(stage: Stage) -> None:
    """Names that hostess.yml would refuse, services that nobody reaches and unknown environments are refused; nothing is kept."""
    await stage.live()
    wrong: list[tuple[dict[str, object], int]] = [
        ({"host": "*.shop.example.com", "service": "web"}, 422),
        ({"host": "https://shop.example.com", "service": "web"}, 422),
        ({"host": "shop", "service": "web"}, 422),
        ({"host": "shop.example.com", "service": "nobody"}, 404),
        ({"host": "shop.example.com", "service": "worker"}, 404),
        ({"host": "shop.example.com", "service": "web", "environment": "nowhere"}, 404),
    ]
    for body, status in wrong:
        said = await stage.ask(f"POST {BASE}", body)
        assert said.status == status, (body, said.text)
    assert (await stage.get(BASE))["items"] == []


async def test_who_only_reads(stage: Stage) -> None:
    """A viewer sees domains, and adds, moves and removes none."""
    await stage.live()
    viewer = await stage.a_token("viewer")

    assert (await stage.ask(f"GET {BASE}", token=viewer)).status == 200
    for method in ("PATCH", "DELETE"):
        assert (await stage.ask(f"{method} {BASE}/shop.example.com", {}, token=viewer)).status == 403
    assert (await stage.ask(f"POST {BASE}", {"host": "a.example.com", "service": "web"}, token=viewer)).status == 403


async def test_while_the_proxy_is_away(stage: Stage) -> None:
    """What the proxy could not be told of is kept, told as an event, and answered as such; it holds with the next table."""
    await stage.live()
    stage.router.is_gone = True
    added = await stage.ask(f"POST {BASE}", {"host": "shop.example.com", "service": "web"})
    kept = [each["host"] for each in (await stage.get(BASE))["items"]]
    removed = await stage.ask(f"DELETE {BASE}/shop.example.com")
    again = await stage.ask(f"DELETE {BASE}/shop.example.com")

    assert (added.status, added.code, kept) == (503, "proxy-not-told", ["shop.example.com"])
    assert "the domain is kept, but the proxy could not be told" in added.json["detail"]
    assert (removed.status, removed.code, again.code) == (503, "proxy-not-told", "domain-not-found")
    kinds = [event.kind for event in await stage.journal.events(project="shop") if event.kind.startswith("domain.")]
    assert kinds == ["domain.added", "domain.removed"]
