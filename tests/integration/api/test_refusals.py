"""What was refused is in the audit log (scenario 53), and nobody can fill that log with it."""

from datetime import timedelta

import pytest

from hostess.doors.api import refusals
from tests.integration.api.stage import Stage

PLACE = "/v1/projects/shop/environments/production"


async def refused(stage: Stage) -> list[tuple[str, str, str]]:
    """Return what the log has of refusals: project, who, why."""
    found = (await stage.get("/v1/events?after=0&kind=audit.refused&limit=100"))["items"]
    return [(each["project"], each["data"]["actor"], each["data"]["code"]) for each in found]


async def test_who_tries_what_is_not_theirs_is_written_down(stage: Stage) -> None:
    """A viewer who would change something, a token that has expired, one of another project: 403, 401, 404, and an entry each."""
    deployment = await stage.live()
    viewer, stranger = await stage.a_token("viewer"), await stage.a_token("owner", ["other"])
    _, expired = await stage.world.tokens.create("old", "owner", lifetime=timedelta(microseconds=1))

    said = [
        await stage.ask(f"POST {PLACE}/restart", {}, token=viewer),
        await stage.ask(f"POST {PLACE}/restart", {}, token=expired),
        await stage.ask(f"GET {PLACE}/services", token=stranger),
        await stage.ask(f"GET /v1/deployments/{deployment}", token=stranger),
    ]
    found = await refused(stage)

    assert [each.status for each in said] == [403, 401, 404, 404]
    assert [(project, code) for project, _, code in found] == [
        ("shop", "not-allowed"),
        ("shop", "unauthenticated"),
        ("shop", "project-not-found"),
        ("", "deployment-not-found"),
    ]
    assert found[1][1] == "somebody at 127.0.0.1"


async def test_the_same_again_is_no_news(stage: Stage) -> None:
    """What is tried again and again is written down once; what an owner mistypes is no refusal."""
    await stage.live()
    viewer = await stage.a_token("viewer")

    for _ in range(3):
        await stage.ask(f"POST {PLACE}/restart", {}, token=viewer)
        await stage.ask("GET /v1/whoami", token="hst_guess")
        await stage.ask("GET /v1/projects/nothing-here")

    assert [code for _, _, code in await refused(stage)] == ["not-allowed", "unauthenticated"]


async def test_who_tries_everything_fills_no_disk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all refusals together so many are written down, and no more."""
    monkeypatch.setattr(refusals, "MOST", 3)

    for number in range(6):
        await stage.ask(f"GET /v1/projects/p{number}", token="hst_guess")

    assert len(await refused(stage)) == 3
