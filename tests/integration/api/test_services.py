"""Services, their logs, and secrets that were changed under them."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

from hostess.adapters.prober_sockets import SocketProber
from hostess.domain import labels
from hostess.domain.redaction import SecretRedactor
from tests.integration.api.stage import FILE, WITHIN, Stage, served

PLACE = "/v1/projects/shop/environments/production"
SECRET = "sentinel-7f3a91c2"


async def test_services_are_shown_as_they_run(stage: Stage) -> None:
    """A service tells its replicas, ports and URLs; a private port has none."""
    await stage.live()

    web, worker = (await stage.get(f"{PLACE}/services"))["items"]

    assert (web["name"], web["type"], web["state"], web["running"], web["wanted"]) == ("web", "custom", "running", 1, 1)
    assert web["urls"][0] == "http://shop-web.localhost:8080"
    assert [(port["number"], len(port["urls"]) > 0) for port in web["ports"]] == [(8000, True)]
    assert worker["urls"] == []
    (container,) = web["containers"]
    assert (container["state"], container["release"], container["replica"]) == ("running", "1", "1")
    assert len(container["id"]) == 12


async def test_a_service_without_replicas_is_down(stage: Stage) -> None:
    """When its container has stopped, a service is shown as down."""
    await stage.live()
    for container in await stage.world.replicas.of_place("shop", "production"):
        await stage.engine.stop(container.id, timedelta())

    web, _ = (await stage.get(f"{PLACE}/services"))["items"]

    assert (web["state"], web["running"]) == ("down", 0)


async def test_an_unhealthy_service_is_shown_as_such(stage: Stage) -> None:
    """A service whose one replica fails its check is unhealthy, though the replica runs."""
    await stage.project()
    await stage.secret("a-greeting")
    assert (await stage.push(FILE.replace("/health}", "/health, interval: 1s, retries: 1}"))).accepted
    await stage.world.checkups.look()
    container, _ = await stage.world.replicas.of_place("shop", "production")
    async with stage.world.turns.turn("shop", "production"):  # nothing is restarted meanwhile
        await SocketProber().http(container.address, 8000, "/unhealthy", "x", timedelta(seconds=5))
        async with asyncio.timeout(WITHIN):
            while container.id not in stage.world.checkups.unwell:
                await asyncio.sleep(0.02)
        web, worker = (await stage.get(f"{PLACE}/services"))["items"]
    await stage.world.checkups.stop()

    assert (web["state"], web["running"], web["containers"][0]["state"]) == ("unhealthy", 1, "unhealthy")
    assert worker["state"] == "running"


async def test_nothing_is_live_before_the_first_deployment(stage: Stage) -> None:
    """A project without a deployment has no environment yet, and the answer says how to get one."""
    await stage.project()

    said = await stage.ask(f"GET {PLACE}/services")

    assert (said.status, said.code) == (404, "environment-not-found")
    assert "first push" in said.json["remedy"]


async def test_logs_hide_secrets(stage: Stage) -> None:
    """What a service writes can be read, with the values of secrets hidden."""
    await stage.live(SECRET)

    said = await stage.ask(f"GET {PLACE}/services/web/logs")

    assert "PLAIN=word" in said.text
    assert "GREETING=[hidden]" in said.text
    assert SECRET not in said.text


async def test_logs_hide_secrets_that_were_changed(stage: Stage) -> None:
    """A value that was changed, and that the daemon has meanwhile forgotten, is hidden as long as something runs with it."""
    await stage.live(SECRET)
    await stage.ask("PUT /v1/projects/shop/secrets/GREETING", {"value": "another-value"})
    forgetful = replace(stage.services, redactor=SecretRedactor())
    headers = {"Authorization": f"Bearer {stage.token}"}

    async with (
        served(forgetful, stage.folder / "other") as url,
        stage.session.get(f"{url}{PLACE}/services/web/logs", headers=headers) as response,
    ):
        text = await response.text()

    assert "GREETING=[hidden]" in text
    assert SECRET not in text


async def test_logs_can_be_cut(stage: Stage) -> None:
    """`tail` and `since` choose lines; what is neither a time nor a duration is refused."""
    await stage.live()

    one = await stage.ask(f"GET {PLACE}/services/web/logs?tail=1")
    recent = await stage.ask(f"GET {PLACE}/services/web/logs?since=1h")
    future = await stage.ask(f"GET {PLACE}/services/web/logs?since=2999-01-01T00:00:00Z")
    wrong = await stage.ask(f"GET {PLACE}/services/web/logs?since=yesterday")

    assert len(one.text.splitlines()) == 1
    assert "PLAIN=word" in recent.text
    assert future.text == ""
    assert (wrong.status, wrong.code) == (422, "invalid-request")


async def test_logs_of_several_replicas_are_told_apart(stage: Stage) -> None:
    """With more than one replica each line begins with release and replica."""
    await stage.live()
    await stage.done(f"POST {PLACE}/scale", {"services": {"web": 2}})

    said = await stage.ask(f"GET {PLACE}/services/web/logs?timestamps=true")

    begun = {line.split(" ")[1] for line in said.text.splitlines()}
    assert begun == {"v1.1", "v2.2"}


async def test_logs_of_an_unknown_service(stage: Stage) -> None:
    """Logs of a service that is not there are not found, and the answer names those that are."""
    await stage.live()

    said = await stage.ask(f"GET {PLACE}/services/nope/logs")

    assert (said.status, said.code) == (404, "service-not-found")
    assert "web, worker" in said.json["remedy"]


async def test_a_crash_loop_is_shown_as_such(stage: Stage) -> None:
    """What was stopped for its deaths is so in the list, in its details, and among what is wrong, at once."""
    await stage.live()
    (web,) = [c for c in await stage.engine.containers({}) if c.labels[labels.SERVICE] == "web"]
    for _ in range(10):
        await stage.world.loops.died(web.id, timedelta(seconds=1), spared=False)
    await stage.engine.stop(web.id, timedelta(seconds=5))

    found = {each["name"]: each for each in (await stage.get(f"{PLACE}/services"))["items"]}
    shown = await stage.hostess("services", "list", "-p", "shop", "--detailed")
    [alert] = (await stage.get("/v1/alerts"))["items"]

    assert (found["web"]["state"], found["worker"]["state"]) == ("crash-looping", "running")
    assert [each["health"] for each in found["web"]["containers"]] == ["crash-looping"]
    assert [each["health"] for each in found["worker"]["containers"]] == ["healthy"]
    assert "exited, crash-looping" in shown.out
    assert (alert["kind"], alert["level"], alert["service"]) == ("service.crash-loop", "error", "web")
    assert "ended 10 times in a row and was stopped" in alert["what"]


async def test_logs_are_followed_into_the_next_release(stage: Stage) -> None:
    """Who follows a service's log gets the lines of the replicas that a restart brings, too."""
    await stage.live()
    path = f"{PLACE}/services/web/logs?follow=true"

    restarting: asyncio.Task[object] | None = None
    seen: set[str] = set()
    async with asyncio.timeout(WITHIN), aclosing(stage.events(path)) as events:  # type: ignore[type-var]
        async for event in events:
            seen.add(json.loads(event["data"])["replica"])
            if restarting is None:
                restarting = asyncio.create_task(stage.done(f"POST {PLACE}/restart", {"services": ["web"]}))
            if len(seen) == 2:
                break

    assert restarting is not None
    await restarting
    assert seen == {"v1.1", "v2.1"}


async def test_events_of_a_log_resume(stage: Stage) -> None:
    """The id of a line's event is its time, and nothing up to it is sent again."""
    await stage.live()
    path = f"{PLACE}/services/web/logs"

    every = [event async for event in stage.events(path)]
    rest = [event async for event in stage.events(path, {"Last-Event-ID": every[1]["id"]})]

    assert rest == every[2:]
    assert rest[-1]["event"] == "end"


async def test_a_changed_secret_makes_a_restart_pending(stage: Stage) -> None:
    """A service that refers to a changed or deleted secret is pending a restart, until it gets one; others are not."""
    await stage.live()

    assert await _pending(stage) == []
    await stage.ask("PUT /v1/projects/shop/secrets/GREETING", {"value": "another-value"})
    assert await _pending(stage) == ["web"]
    assert (await stage.get("/v1/status"))["places"][0]["pending_restart"] == ["web"]
    await stage.done(f"POST {PLACE}/restart")
    assert await _pending(stage) == []
    await stage.done(f"POST {PLACE}/rollback", {"release": 1})
    assert await _pending(stage) == ["web"]
    await stage.ask("DELETE /v1/projects/shop/secrets/GREETING")
    assert await _pending(stage) == ["web"]


async def _pending(stage: Stage) -> list[str]:
    items = (await stage.get(f"{PLACE}/services"))["items"]
    return [item["name"] for item in items if item["pending_restart"]]
