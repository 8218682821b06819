"""What is wrong: shown to who may see it, counted, and told once by whatever daemon there is."""

import json
from datetime import timedelta

from hostess.domain.backups.backup import FAILED, OK, SCHEDULED, Backup
from hostess.services.keeping.alert_watch import AlertWatch, Watched
from tests.fakes.clock import FakeClock
from tests.integration.api.stage import FILE, Stage

PLAIN = FILE.replace("${secret:GREETING}", "hello")
STORE = """
  database: {type: postgres, special: {version: "16"}, backups: daily}
  other: {type: postgres, special: {version: "16"}}
"""
SUBJECT = "backups of shop/production/database"


async def stored(stage: Stage) -> FakeClock:
    """Deploy a database with backups and one without; return a clock that stands two days later."""
    await stage.project()
    verdict = await stage.push(PLAIN + STORE)
    assert verdict.accepted, verdict
    live = await stage.journal.live("shop", "production")
    assert live is not None
    return FakeClock(live.created_at + timedelta(days=2), flowing=False)


def watch(stage: Stage, clock: FakeClock) -> AlertWatch:
    """Return what watches for alerts, as it is after a start of the daemon."""
    world = stage.world
    watched = Watched(
        world.replicas, world.checkups, world.storage, world.orders, world.certificates, world.host_watch, world.loops
    )
    return AlertWatch(stage.journal, watched, clock)


async def put(stage: Stage, clock: FakeClock, state: str, problem: str = "") -> None:
    """Leave the record of a scheduled backup that ends now."""
    now = clock.now()
    await stage.journal.put_backup(
        Backup("20260101-1", "shop", "production", "database", SCHEDULED, now, state, now, 10, "abc", problem)
    )


async def told(stage: Stage) -> list[tuple[str, str]]:
    """Return kind and project of the events about the backups."""
    events = await stage.journal.events(limit=1000)
    return [(each.kind, each.project) for each in events if each.data.get("subject") == SUBJECT]


async def test_a_backup_that_does_not_come_is_told_once_a_day_by_any_daemon(stage: Stage) -> None:
    """It is told at its beginning and a day later, whichever daemon looks, and its end when a good backup is there."""
    clock = await stored(stage)
    for _ in range(3):
        await watch(stage, clock).look()
    assert await told(stage) == [("backup.overdue", "shop")]

    clock.advance(timedelta(days=1, hours=1).total_seconds())
    await watch(stage, clock).look()
    await watch(stage, clock).look()
    await put(stage, clock, OK)
    await watch(stage, clock).look()
    await watch(stage, clock).look()

    assert await told(stage) == [("backup.overdue", "shop"), ("backup.overdue", "shop"), ("backup.recovered", "shop")]


async def test_what_is_gone_has_no_alerts(stage: Stage) -> None:
    """With a project its alerts end, and that is told of the host: nobody waits for a backup of it any more."""
    clock = await stored(stage)
    await watch(stage, clock).look()
    assert (await stage.ask("DELETE /v1/projects/shop")).status == 204
    await watch(stage, clock).look()

    assert [each.kind for each in await watch(stage, clock).now()] == []
    assert (await told(stage))[-1] == ("backup.recovered", "")


async def test_alerts_are_shown_where_people_and_programs_look(stage: Stage) -> None:
    """The API, the status, the metrics and the command line have it; who may not see the project does not."""
    clock = await stored(stage)
    await put(stage, FakeClock(clock.now() - timedelta(days=2)), FAILED, "the disk is full")

    [alert] = (await stage.get("/v1/alerts"))["items"]
    status = await stage.get("/v1/status")
    figures = await stage.ask("GET /metrics")
    shown = await stage.hostess("status")
    other = await stage.a_token("viewer", ("blog",))

    assert (alert["kind"], alert["level"], alert["subject"]) == ("backup.failed", "error", SUBJECT)
    assert "the disk is full; there is no good one" in alert["what"]
    assert status["alerts"] == [alert]
    assert status["places"][0]["unsaved"] == ["other"]
    assert 'hostess_alerts{level="error",kind="backup.failed"} 1' in figures.text
    assert 'hostess_alerts{level="error",kind="backup.overdue"} 0' in figures.text
    assert shown.out.startswith("error: shop: the last backup of database (production) failed: the disk is full")
    assert "what to do: mend what it says" in shown.out
    assert "no backups are taken of other" in shown.err
    assert json.loads((await stage.ask("GET /v1/alerts", token=other)).text)["items"] == []
