"""Locks by API and command line: who sets one is told to whoever deploys, until somebody takes it away (scenario 27)."""

import json

from tests.integration.api.stage import Stage

PLACE = "/v1/projects/shop/environments/production"


async def test_a_lock_and_its_end(stage: Stage) -> None:
    """A push is refused with name, time and message, and says how it is ended; status shows it; unlocked, the same push goes through."""
    await stage.live()

    locked = await stage.hostess("lock", "-m", "moving the data", "-p", "shop")
    status = await stage.hostess("status")
    shown = await stage.get(f"{PLACE}/lock")
    refused = await stage.push()
    rollback = await stage.hostess("rollback", "v1", "-p", "shop")
    unlocked = await stage.hostess("unlock", "-p", "shop")
    accepted = await stage.push()

    assert (locked.code, unlocked.code) == (0, 0)
    assert "shop (production): locked by " in status.err
    assert (shown["message"], bool(shown["since"]), shown["actor"] != "") == ("moving the data", True, True)
    assert not refused.accepted
    assert f"locked by {shown['actor']} since {shown['since'][:10]}" in refused.reason
    assert "moving the data" in refused.reason
    assert rollback.code == 7
    assert "hostess unlock -p shop -e production" in rollback.err
    assert accepted.accepted
    events = [event.kind for event in await stage.journal.events(project="shop")]
    assert [kind for kind in events if "lock." in kind] == ["audit.lock.on", "audit.lock.off"]


async def test_what_a_lock_is_not_for(stage: Stage) -> None:
    """What is live is restarted and scaled behind a lock; another environment is open; unlocking what is open is no error."""
    await stage.live()
    await stage.hostess("lock", "-p", "shop", "-e", "production")

    again = json.loads((await stage.hostess("lock", "-p", "shop", "-m", "b", "-o", "json")).out)
    scaled = await stage.hostess("services", "scale", "web=2", "-p", "shop")
    nowhere = await stage.hostess("lock", "-p", "shop", "-e", "staging")
    twice = [await stage.hostess("unlock", "-p", "shop") for _ in range(2)]

    assert again["message"] == "b"
    assert scaled.code == 0, scaled.err
    assert (nowhere.code, "no environment staging" in nowhere.err) == (3, True)
    assert [each.code for each in twice] == [0, 0]


async def test_who_only_reads(stage: Stage) -> None:
    """A viewer sees a lock and changes none."""
    await stage.live()
    viewer = await stage.a_token("viewer")

    assert (await stage.ask(f"GET {PLACE}/lock", token=viewer)).status == 200
    for method in ("PUT", "DELETE"):
        assert (await stage.ask(f"{method} {PLACE}/lock", {}, token=viewer)).status == 403


async def test_the_audit_tells_who(stage: Stage) -> None:
    """`hostess audit` shows what people did, with their names, and nothing that happened by itself; events can be chosen by kind."""
    await stage.live()
    await stage.hostess("lock", "-m", "mine", "-p", "shop")

    audit = await stage.hostess("audit", "-p", "shop", "-o", "json")
    locks = await stage.hostess("events", "-k", "audit.lock")
    half = await stage.hostess("events", "-k", "audit.lo")
    by_hand = {event["kind"] for event in json.loads(audit.out)}

    assert "audit.lock.on" in by_hand
    assert all(kind.startswith("audit.") for kind in by_hand)
    assert len(locks.out.splitlines()) == 1
    assert "the owner: production is locked: mine" in locks.out
    assert half.out == ""
