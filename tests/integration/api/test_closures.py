"""Maintenance and pauses by API and command line: what they say is in the table, is shown, and is written down with its actor."""

import json
import re

import pytest

from hostess.domain.ports import Maintenance, Pause
from tests.integration.api.stage import Stage

PLACE = "/v1/projects/shop/environments/production"


async def test_maintenance(stage: Stage) -> None:
    """It is turned on with a message and networks that may pass, shown, and turned off; who did it is in the events."""
    await stage.live()

    on = await stage.hostess(
        *("maintenance", "on", "web", "-p", "shop"),
        *("--message", "back at 9", "--retry-after", "120", "--allow", "10.0.0.0/8", "--allow", "::1"),
    )
    shown = await stage.hostess("maintenance", "status", "-p", "shop")
    status = await stage.hostess("status")
    closed = [route.maintenance for route in stage.router.table]
    listed = (await stage.get(f"{PLACE}/closures"))["items"]
    off = await stage.hostess("maintenance", "off", "web", "-p", "shop")

    assert (on.code, off.code, off.out) == (0, 0, "")
    assert set(closed) == {Maintenance("back at 9", 120, ("10.0.0.0/8", "::1/128"), "/health")}
    assert re.search(
        r"^maintenance +web +(?:just now|\d+s ago) +\S+ .*it is ended +10.0.0.0/8, ::1/128 +back at 9$",
        shown.out,
        re.MULTILINE,
    )
    assert "shop (production): maintenance of web (" in status.err
    assert (listed[0]["requests"], listed[0]["retry_after"]) == (None, 120)
    assert {route.maintenance for route in stage.router.table} == {None}
    events = [event.kind for event in await stage.journal.events(project="shop")]
    assert [kind for kind in events if "maintenance" in kind] == [
        *("maintenance.on", "audit.maintenance.on", "maintenance.off", "audit.maintenance.off"),
    ]


async def test_pause_and_resume(stage: Stage) -> None:
    """A pause has a bound and an end; resume ends it early; what is not paused can be resumed without harm."""
    await stage.live()

    paused = await stage.hostess("pause", "-p", "shop", "--seconds", "90", "--requests", "7", "-o", "json")
    table = {route.pause for route in stage.router.table}
    resumed = await stage.hostess("resume", "-p", "shop")
    again = await stage.hostess("resume", "-p", "shop")

    [found] = json.loads(paused.out)
    assert (found["kind"], found["service"], found["requests"]) == ("pause", "", 7)
    assert found["until"] > found["since"]
    assert table == {Pause(7, 90)}
    assert (resumed.code, again.code) == (0, 0)
    assert "nothing is in maintenance or paused" in resumed.err
    assert {route.pause for route in stage.router.table} == {None}


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("maintenance", {"service": "nobody"}, 404),
        ("maintenance", {"allow": ["everywhere"]}, 422),
        ("maintenance", {"retry_after": 0}, 422),
        ("maintenance", {"colour": "red"}, 422),
        ("maintenance", {"message": "a\x1b[2J"}, 422),
        ("pause", {"seconds": 601}, 422),
        ("pause", {"requests": 0}, 422),
    ],
)
async def test_what_does_not_fit(stage: Stage, route: str, body: dict[str, object], status: int) -> None:
    """A service that is not there, a network that is none and numbers out of bounds are refused; nothing is closed."""
    await stage.live()

    said = await stage.ask(f"PUT {PLACE}/{route}", body)

    assert said.status == status, said.text
    assert (await stage.get(f"{PLACE}/closures"))["items"] == []


async def test_who_only_reads(stage: Stage) -> None:
    """A viewer sees what is closed, and closes and opens nothing."""
    await stage.live()
    viewer = await stage.a_token("viewer")

    assert (await stage.ask(f"GET {PLACE}/closures", token=viewer)).status == 200
    assert (await stage.ask(f"PUT {PLACE}/maintenance", {}, token=viewer)).status == 403
    assert (await stage.ask(f"DELETE {PLACE}/pause", token=viewer)).status == 403
