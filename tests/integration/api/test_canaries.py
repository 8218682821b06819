"""A canary by API and command line: seen, given another share, promoted, stopped; and who may."""

import re

from hostess.domain.releases.push import ZERO, Push, RefUpdate
from tests.integration.api.stage import FILE, Stage

PLACE = "/v1/projects/shop/environments/production"


async def tried(stage: Stage) -> None:
    """Make v1 live and try v2 out with 10 %."""
    await stage.live()
    before = stage.tips.get("shop/main", ZERO)
    commit = await stage._commit("shop", FILE.replace("PLAIN: word", "PLAIN: other"), before)
    push = Push(commit[:16], "shop", "pusher", (RefUpdate("refs/heads/main", before, commit),), ("canary=10",))
    said: list[str] = []
    (verdict,) = await stage.world.pushes.handle(push, said.append)
    assert verdict.accepted, said


async def test_from_a_share_to_the_live_release(stage: Stage) -> None:
    """It is shown with its share, gets another one and a header, and is promoted; then there is none."""
    await tried(stage)

    shown = await stage.hostess("canary", "status", "-p", "shop")
    status = await stage.hostess("status")
    changed = await stage.hostess("canary", "set", "50", "--header", "X-Canary=yes,please", "-p", "shop")
    [seen] = (await stage.get(f"{PLACE}/canary"))["items"]
    wrong = await stage.hostess("canary", "set", "50", "--header", "X-Canary", "-p", "shop")
    promoted = await stage.hostess("canary", "promote", "-p", "shop")
    gone = await stage.hostess("canary", "status", "-p", "shop")

    assert re.search(r"^Share: +10 % of clients$", shown.out, re.MULTILINE), shown
    assert "shop (production): canary v2, 10 % of clients" in status.err
    assert "50 % of clients, and requests with X-Canary: yes or please" in changed.out
    assert (seen["release"], seen["percent"], seen["values"], seen["well"]) == (2, 50, ["yes", "please"], ["web"])
    assert wrong.code == 2
    assert promoted.out == "v2 is live in production of shop\n"
    assert (gone.code, gone.out, "there is no canary" in gone.err) == (0, "", True)
    kinds = [event.kind for event in await stage.journal.events(project="shop")]
    assert {"canary.set", "audit.canary.set", "audit.deployment.promote"} <= set(kinds)


async def test_stopped(stage: Stage) -> None:
    """It is stopped with one command, and who did it is written down."""
    await tried(stage)

    stopped = await stage.hostess("canary", "stop", "-p", "shop")
    again = await stage.hostess("canary", "stop", "-p", "shop")

    assert (stopped.code, stopped.out) == (0, "v2 is no canary any more\n")
    assert again.code == 3
    assert {route.canary for route in stage.router.table} == {None}


async def test_who_only_reads(stage: Stage) -> None:
    """A viewer sees a canary, and changes and ends none."""
    await tried(stage)
    viewer = await stage.a_token("viewer")

    assert (await stage.ask(f"GET {PLACE}/canary", token=viewer)).status == 200
    for asked, body in ((f"PUT {PLACE}/canary", {"percent": 1}), (f"POST {PLACE}/canary/promote", {})):
        assert (await stage.ask(asked, body, token=viewer)).status == 403
    assert (await stage.ask(f"DELETE {PLACE}/canary", token=viewer)).status == 403
