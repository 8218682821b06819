"""Jobs over the API and the command line: listed, run by hand, overridden, followed; they never overlap."""

import asyncio
import json

import pytest

from tests.integration.api.jobs_stage import PLACE, POLICIES, ran, with_jobs
from tests.integration.api.stage import WITHIN, Stage

STACK = """services:
  web: {image: "leaky:1", ports: [8000], health: {http: /health}}
jobs:
  report: {image: "leaky:1", command: [print, done], run: manual}
"""


async def test_jobs_are_listed_with_their_last_run(stage: Stage) -> None:
    """A job tells its policy, how its last run ended, and when it fires next."""
    await with_jobs(stage)
    await ran(stage, "fail")

    found = {job["name"]: job for job in (await stage.get(f"{PLACE}/jobs"))["items"]}

    assert list(found) == list(POLICIES)
    assert (found["fail"]["last_outcome"], found["report"]["last_outcome"]) == ("failed", None)
    assert found["nightly"]["next_fire"].endswith("02:00:00Z")
    assert found["seed"]["next_fire"] is None


async def test_a_run_is_kept_with_its_output(stage: Stage) -> None:
    """What a run wrote can be read after its end, by its id, with times if asked."""
    await with_jobs(stage)
    run = await ran(stage, "report")

    (kept,) = (await stage.get(f"{PLACE}/jobs/report/runs"))["items"]
    plain = await stage.ask(f"GET {PLACE}/jobs/report/log?run={run[:6]}&tail=1")
    stamped = await stage.ask(f"GET {PLACE}/jobs/report/log?timestamps=true&tail=1")

    assert (kept["id"], kept["outcome"], kept["exit_code"], kept["trigger"]) == (run, "done", 0, "manual")
    assert plain.text == "done\n"
    assert stamped.text.startswith("20")
    assert stamped.text.endswith(" done\n")


async def test_who_follows_a_run_sees_its_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is followed ends when the run's container is gone, too: then the next run can begin."""
    await with_jobs(stage)
    remove, go = stage.world.jobs._replicas.remove, asyncio.Event()

    async def held(container: str) -> None:
        await go.wait()
        await remove(container)

    monkeypatch.setattr(stage.world.jobs._replicas, "remove", held)
    run = (await stage.ask(f"POST {PLACE}/jobs/report/runs", {})).json["id"]
    headers = {"Authorization": f"Bearer {stage.token}", "Accept": "text/event-stream"}
    url = f"{stage.url}{PLACE}/jobs/report/log?follow=true&run={run}"
    async with asyncio.timeout(WITHIN), stage.session.get(url, headers=headers) as answer:
        reading = asyncio.ensure_future(answer.text())
        while (await stage.journal.runs("shop", "production", "report", 1))[0].outcome != "done":
            await asyncio.sleep(0.01)
        busy = await stage.ask(f"POST {PLACE}/jobs/report/runs", {})
        early = reading.done()
        go.set()
        told = await reading
    again = await stage.ask(f"POST {PLACE}/jobs/report/runs", {})

    assert (busy.code, early) == ("job-runs-already", False)
    assert "event: end" in told
    assert again.status == 202


async def test_secrets_in_the_output_of_a_run_are_hidden(stage: Stage) -> None:
    """A job that prints its environment shows no secret."""
    await with_jobs(stage)
    await ran(stage, "report")

    said = await stage.ask(f"GET {PLACE}/jobs/report/log")

    assert "KEY=[hidden]" in said.text
    assert "a-greeting-of-mine" not in said.text


async def test_values_of_one_run_can_be_replaced(stage: Stage) -> None:
    """`env` replaces values for one run; one that is kept as a secret only when that is asked for in words."""
    await with_jobs(stage)

    refused = await stage.ask(f"POST {PLACE}/jobs/report/runs", {"env": {"KEY": "another-value"}})
    run = await ran(stage, "report", {"env": {"KEY": "another-value", "SIZE": "9"}, "allow_secret_override": True})
    said = await stage.ask(f"GET {PLACE}/jobs/report/log?run={run}")

    assert (refused.status, refused.code) == (422, "secret-override")
    assert "SIZE=9" in said.text
    assert "KEY=[hidden]" in said.text


async def test_a_job_never_overlaps_itself(stage: Stage) -> None:
    """While a run is under way, another one is a conflict; the reconciler leaves its container alone."""
    await with_jobs(stage)
    first = await stage.ask(f"POST {PLACE}/jobs/long/runs", {})
    second = await stage.ask(f"POST {PLACE}/jobs/long/runs", {})

    assert (second.status, second.code) == (409, "job-runs-already")
    await _until_container(stage, first.json["id"])
    await stage.world.reconciler.tick()
    assert await _containers(stage, first.json["id"]) == 1


async def test_only_manual_jobs_run_without_force(stage: Stage) -> None:
    """A job that runs by itself is run by hand only with force; a job that is not there is not found."""
    await with_jobs(stage)

    refused = await stage.ask(f"POST {PLACE}/jobs/seed/runs", {})
    forced = await stage.ask(f"POST {PLACE}/jobs/seed/runs", {"force": True})
    absent = await stage.ask(f"POST {PLACE}/jobs/nope/runs", {})

    assert (refused.status, refused.code, forced.status) == (422, "job-not-manual", 202)
    assert (absent.status, absent.code) == (404, "job-not-found")
    assert "report" in absent.json["remedy"]


async def test_a_job_that_ran_once_can_be_reset(stage: Stage) -> None:
    """A reset lets a `once` job run again at the next deployment; other jobs have nothing to reset."""
    await with_jobs(stage)
    await ran(stage, "seed", {"force": True})
    before = await stage.get(f"{PLACE}/jobs/seed")
    reset = await stage.ask(f"POST {PLACE}/jobs/seed/reset")
    after = await stage.get(f"{PLACE}/jobs/seed")
    other = await stage.ask(f"POST {PLACE}/jobs/report/reset")

    assert (before["done_once"], reset.status, after["done_once"]) == (True, 204, False)
    assert (other.status, other.code) == (422, "job-not-once")


async def test_a_run_is_followed_to_its_end(stage: Stage) -> None:
    """Who follows a run gets its lines and at last the run, also when it had ended before."""
    await with_jobs(stage)
    begun = await stage.ask(f"POST {PLACE}/jobs/fail/runs", {})

    path = f"{PLACE}/jobs/fail/log?run={begun.json['id']}&follow=true"
    events = [event async for event in stage.events(path)]
    again = [event async for event in stage.events(path)]

    assert (events[-1]["event"], json.loads(events[-1]["data"])["exit_code"]) == ("end", 3)
    assert again == events


async def test_the_command_line_of_jobs(stage: Stage) -> None:
    """`jobs run --follow` ends with 0 or 1 as the run did; list, inspect, runs and logs print what there is."""
    await with_jobs(stage)
    (stage.folder / "values.env").write_text("SIZE=7\n# a comment\n")

    good = await stage.hostess(
        "jobs", "run", "report", "-p", "shop", "-e", "production", "-f", "--env-from", "values.env"
    )
    bad = await stage.hostess("jobs", "run", "fail", "-p", "shop", "-e", "production", "-f")
    without = await stage.hostess("jobs", "run", "fail", "-p", "shop")
    shown = [
        await stage.hostess("jobs", *words, "-p", "shop") for words in (["ls"], ["inspect", "report"], ["runs", "fail"])
    ]
    logs = await stage.hostess("jobs", "logs", "report", "-p", "shop", "-n", "1")

    assert (good.code, bad.code, without.code) == (0, 1, 2), (good, bad, without)
    assert "SIZE=7" in good.err
    assert "failed (exit 3)" in bad.err
    assert [each.code for each in shown] == [0, 0, 0]
    assert "NEXT FIRE" in shown[0].out
    assert "manual" in shown[2].out
    assert logs.out == "done\n"


async def test_one_run_by_the_command_line_with_other_values(stage: Stage) -> None:
    """`--set-env` wins over `--env-from`, a secret needs `--allow-secret-override`, and a job that runs by itself `--force`."""
    await with_jobs(stage)
    (stage.folder / "values.env").write_text("SIZE=7\nKEY=other-word-of-mine\n")
    run = ("jobs", "run", "report", "-p", "shop", "-e", "production", "--follow", "--env-from", "values.env")

    refused = await stage.hostess(*run)
    allowed = await stage.hostess(*run, "--allow-secret-override", "--set-env", "SIZE=8", "--set-env", "MORE=1")
    by_itself = await stage.hostess("jobs", "run", "seed", "-p", "shop", "-e", "production", "--follow")
    forced = await stage.hostess("jobs", "run", "seed", "-p", "shop", "-e", "production", "--follow", "--force")

    assert (refused.code, allowed.code) == (2, 0), (refused, allowed)
    assert "--allow-secret-override" in refused.err
    assert {"SIZE=8", "MORE=1", "KEY=[hidden]"} <= set(allowed.err.splitlines())
    assert "other-word-of-mine" not in allowed.err + allowed.out
    assert (by_itself.code, forced.code) == (2, 0), (by_itself, forced)
    assert "--force" in by_itself.err


async def test_next_deploy_runs_a_job_once_more(stage: Stage) -> None:
    """`jobs run --next-deploy` starts nothing now; the next deployment runs the `once` job again, and the one after does not."""
    await stage.project()
    text = STACK + '  seed: {image: "leaky:1", command: [print, seeded], run: once}\n'
    assert (await stage.push(text)).accepted
    asked = ("jobs", "run", "seed", "-p", "shop", "-e", "production", "--next-deploy")

    reset = await stage.hostess(*asked)
    unchanged = len(await stage.journal.runs("shop", "production", "seed"))
    assert (await stage.push(text + "# again\n")).accepted
    again = len(await stage.journal.runs("shop", "production", "seed"))
    assert (await stage.push(text + "# and again\n")).accepted
    wrong = await stage.hostess(*(word.replace("seed", "report") for word in asked))

    assert (reset.code, unchanged, again) == (0, 1, 2), reset
    assert len(await stage.journal.runs("shop", "production", "seed")) == 2
    assert wrong.code == 2
    assert "runs again at the next deployment" in reset.err


async def test_viewers_read_and_do_not_run(stage: Stage) -> None:
    """A viewer sees jobs and may not run them."""
    await with_jobs(stage)
    token = await stage.a_token("viewer", ["shop"])

    seen = await stage.ask(f"GET {PLACE}/jobs", token=token)
    refused = await stage.ask(f"POST {PLACE}/jobs/report/runs", {}, token=token)

    assert (seen.status, refused.status) == (200, 403)


async def _containers(stage: Stage, run: str) -> int:
    found = await stage.world.replicas.of_place("shop", "production")
    return sum(container.labels.get("sh.hostess.deployment") == run for container in found)


async def _until_container(stage: Stage, run: str) -> None:
    async with asyncio.timeout(WITHIN):
        while not await _containers(stage, run):
            await asyncio.sleep(0.01)
