"""Deployments by the API: looked at, followed, cancelled and begun."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing

from tests.integration.api.stage import Stage, served

PLACE = "/v1/projects/shop/environments/production"


async def test_a_deployment_is_shown_with_its_steps(stage: Stage) -> None:
    """A deployment that went well is listed, and inspected by the beginning of its id with every step."""
    deployment = await stage.live()

    (listed,) = (await stage.get("/v1/deployments?project=shop"))["items"]
    shown = await stage.get(f"/v1/deployments/{deployment[:6]}")

    assert (listed["id"], listed["state"], listed["release"], listed["actor"]) == (deployment, "live", 1, "pusher")
    assert {"switch", "prove"} <= {step["name"] for step in shown["steps"]}
    assert all(step["outcome"] == "done" for step in shown["steps"])
    assert shown["problem"] is None


async def test_a_failed_deployment_tells_why(stage: Stage) -> None:
    """A failed deployment tells code, cause and remedy: of a secret that is missing, its name."""
    await stage.project()

    await stage.push()

    (found,) = (await stage.get("/v1/deployments?state=failed"))["items"]
    assert found["problem"]["code"] == "secret-missing"
    assert "hostess secrets add GREETING" in found["problem"]["remedy"]


async def test_lists_come_in_pages(stage: Stage) -> None:
    """Going from page to page by `next` shows every deployment once, the newest first."""
    await stage.live()
    for count in (2, 3, 1):
        await stage.done(f"POST {PLACE}/scale", {"services": {"web": count}})

    pages, after = [], ""
    while True:
        page = await stage.get(f"/v1/deployments?limit=2{after}")
        pages.append([item["release"] for item in page["items"]])
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert pages == [[4, 3], [2, 1]]


async def test_log_as_text(stage: Stage) -> None:
    """The log of a deployment is what the pusher was told."""
    deployment = await stage.live()

    said = await stage.ask(f"GET /v1/deployments/{deployment}/log")

    assert said.headers["Content-Type"].startswith("text/plain")
    assert "release v1 of shop (production) is live" in said.text


async def test_log_as_events_resumes(stage: Stage) -> None:
    """Followed as events, the log has numbered lines, goes on after Last-Event-ID, and ends with the deployment."""
    deployment = await stage.live()

    every = [event async for event in stage.events(f"/v1/deployments/{deployment}/log")]
    last = every[-3]["id"]
    rest = [e async for e in stage.events(f"/v1/deployments/{deployment}/log", {"Last-Event-ID": last})]

    assert [event["id"] for event in every[:-1]] == [str(n) for n in range(1, len(every))]
    assert rest == every[-2:]
    assert every[-1]["event"] == "end"
    assert json.loads(every[-1]["data"])["state"] == "live"


async def test_an_id_from_beyond_the_end_is_no_harm(stage: Stage) -> None:
    """A Last-Event-ID that no line has yet only brings the end."""
    deployment = await stage.live()

    rest = [e async for e in stage.events(f"/v1/deployments/{deployment}/log", {"Last-Event-ID": "99999"})]

    assert [event["event"] for event in rest] == ["end"]


async def test_ids_that_nobody_was_given_are_passed_over(stage: Stage) -> None:
    """A Last-Event-ID that is no number, or one of thousands of digits, is no id: the stream begins where it begins without one."""
    deployment = await stage.live()

    for path in (f"/v1/deployments/{deployment}/log", "/v1/events?after=0"):
        first = await _first(stage, path, {})
        for nonsense in ("x", "-1", "9" * 30, "9" * 5000):
            assert await _first(stage, path, {"Last-Event-ID": nonsense}) == first
    beyond = await stage.ask(f"GET /v1/events?after={10**30}")

    assert (beyond.status, beyond.code) == (422, "invalid-request")


async def test_a_deployment_is_followed_while_it_waits_and_runs(stage: Stage) -> None:
    """A follower of a deployment that still waits in the queue gets its lines as they come, and its end."""
    await stage.live()
    hold = asyncio.Event()
    first = await stage.held(hold)
    second = (await stage.ask(f"POST {PLACE}/rollback", {"release": 1})).json
    assert second["state"] == "queued"

    following = asyncio.create_task(_collected(stage, second["id"]))
    await asyncio.sleep(0)
    hold.set()
    await stage.world.deployments.ended(first)
    events = await following

    assert "waits for its turn" in events[0]["data"]
    assert any("rolling back" in event["data"] for event in events)
    assert json.loads(events[-1]["data"])["state"] == "live"


async def test_cancel_stops_what_runs(stage: Stage) -> None:
    """Cancelling answers when the deployment is over; what is over cannot be cancelled again."""
    await stage.live()
    running = await stage.held(asyncio.Event())

    said = await stage.ask(f"POST /v1/deployments/{running}/cancel")
    again = await stage.ask(f"POST /v1/deployments/{running}/cancel")

    assert (said.status, said.json["state"]) == (200, "cancelled")
    assert (again.status, again.code) == (409, "not-cancellable")


async def test_rollback_and_restart(stage: Stage) -> None:
    """A rollback and a restart are deployments of their own, by the one path."""
    await stage.live()

    restarted = await stage.done(f"POST {PLACE}/restart", {"services": ["web"]})
    rolled = await stage.done(f"POST {PLACE}/rollback")

    assert (restarted["kind"], restarted["state"], restarted["release"]) == ("restart", "live", 2)
    assert (rolled["kind"], rolled["state"], rolled["release"]) == ("rollback", "live", 3)
    assert [r["number"] for r in (await stage.get("/v1/releases?project=shop"))["items"] if r["live"]] == [3]


async def test_releases_come_in_pages(stage: Stage) -> None:
    """The releases of one environment are read page by page; of several there are none, so no page follows another."""
    await stage.live()
    for _ in range(2):
        await stage.done(f"POST {PLACE}/restart", {"services": ["web"]})
    one, seen, after = "/v1/releases?limit=2&project=shop&env=production", [], ""

    while after is not None:
        page = await stage.get(f"{one}{after}")
        seen.append([release["number"] for release in page["items"]])
        after = page["next"] and f"&after={page['next']}"
    every = await stage.get("/v1/releases?limit=2")
    asked = await stage.ask("GET /v1/releases?after=2")

    assert seen == [[3, 2], [1]]
    assert every["next"] is None
    assert (asked.status, asked.code) == (422, "invalid-request")


async def test_scale_changes_the_number_of_replicas(stage: Stage) -> None:
    """After scaling, so many replicas run; impossible numbers and unknown services are refused."""
    await stage.live()

    await stage.done(f"POST {PLACE}/scale", {"services": {"web": 3}})
    wrong = await stage.ask(f"POST {PLACE}/scale", {"services": {"nope": 3}})
    absurd = await stage.ask(f"POST {PLACE}/scale", {"services": {"web": 0}})

    web, _ = (await stage.get(f"{PLACE}/services"))["items"]
    assert (web["wanted"], web["running"], web["state"]) == (3, 3, "running")
    assert (wrong.status, wrong.code) == (404, "service-not-found")
    assert (absurd.status, absurd.code) == (422, "bad-count")


async def test_rollback_to_what_never_was(stage: Stage) -> None:
    """A rollback to a release that does not exist is not found; without any release there is nothing to roll back."""
    await stage.live()

    unknown = await stage.ask(f"POST {PLACE}/rollback", {"release": 77})

    assert (unknown.status, unknown.code) == (404, "release-not-found")


async def test_a_cancelled_deployment_ends_its_log(stage: Stage) -> None:
    """Who follows a deployment that is cancelled is told so at the end."""
    await stage.live()
    running = await stage.held(asyncio.Event())

    following = asyncio.create_task(_collected(stage, running))
    await stage.world.deployments.cancel(running)
    events = await following

    assert json.loads(events[-1]["data"])["state"] == "cancelled"


async def test_a_stream_does_not_hold_up_the_stop(stage: Stage) -> None:
    """The API stops at once although a client follows what has not ended."""
    await stage.live()
    running = await stage.held(asyncio.Event())
    headers = {"Authorization": f"Bearer {stage.token}", "Accept": "text/event-stream"}

    async with served(stage.services, stage.folder / "other") as url:
        response = await stage.session.get(f"{url}/v1/deployments/{running}/log", headers=headers)
        first = await response.content.readline()
        stopping = asyncio.get_running_loop().time()

    assert b"id: 1" in first
    assert asyncio.get_running_loop().time() - stopping < 0.9
    await response.read()


async def _first(stage: Stage, path: str, headers: Mapping[str, str]) -> dict[str, str]:
    async with aclosing(stage.events(path, headers)) as events:  # type: ignore[type-var]
        return await anext(events)


async def _collected(stage: Stage, deployment: str) -> list[dict[str, str]]:
    async with aclosing(stage.events(f"/v1/deployments/{deployment}/log")) as events:  # type: ignore[type-var]
        return [event async for event in events]
