"""What happens next by itself, in one list: of all projects for who sees all, and of his own for everybody else."""

import json

from tests.integration.api.jobs_stage import with_jobs
from tests.integration.api.stage import Stage


async def test_what_happens_next(stage: Stage) -> None:
    """A cron job and the end of an environment are there with their times, the next first."""
    await with_jobs(stage)
    made = await stage.hostess("environments", "create", "try", "--ephemeral", "--ttl", "2h", "-p", "shop")
    items = (await stage.get("/v1/upcoming"))["items"]
    shown = await stage.hostess("upcoming")
    plain = json.loads((await stage.hostess("upcoming", "-o", "json", "-n", "1")).out)

    assert made.code == 0, made.err
    found = {each["kind"]: each for each in items}
    job = found["job"]
    assert (job["project"], job["environment"], job["name"], job["schedule"]) == (
        "shop",
        "production",
        "nightly",
        "daily",
    )
    assert job["at"].endswith("02:00:00Z")
    assert (found["expiry"]["project"], found["expiry"]["name"]) == ("shop", "try")
    assert items == sorted(items, key=lambda each: str(each["at"]))
    assert plain == items[:1]
    assert "shop/production" in shown.out
    assert "nightly" in shown.out


async def test_nobody_sees_what_is_not_his(stage: Stage) -> None:
    """A token for another project lists nothing of this one, and nothing of the host's own."""
    await with_jobs(stage)
    await stage.hostess("projects", "create", "other")
    made = json.loads(
        (await stage.hostess("tokens", "create", "mine", "--role", "viewer", "-p", "other", "-o", "json")).out
    )
    found = await stage.hostess("--token", made["token"], "upcoming", "-o", "json")

    assert (found.code, json.loads(found.out)) == (0, [])
