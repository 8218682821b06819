"""A live release with jobs, for tests of the API."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from hostess.adapters.vault_files import FileVault
from hostess.domain.hostess_yml.stack import Run
from hostess.domain.releases.fingerprint import seal_of
from hostess.domain.releases.release import ReleaseJob
from tests.integration.api.stage import FILE, WITHIN, Stage

PLACE = "/v1/projects/shop/environments/production"
JOBS = """
jobs:
  report: {image: "leaky:1", command: [print, done], run: manual, env: {KEY: "${secret:GREETING}", SIZE: "1"}}
  fail: {image: "leaky:1", command: [exit, "3"], run: manual}
  long: {image: "leaky:1", command: [sleep, "60"], run: manual}
  seed: {image: "leaky:1", command: [print, seeded], run: once}
  nightly: {image: "leaky:1", command: [print, night], run: cron, schedule: daily}
"""
POLICIES = {"report": Run.MANUAL, "fail": Run.MANUAL, "long": Run.MANUAL, "seed": Run.ONCE, "nightly": Run.CRON}
COMMANDS = {
    "report": ("print", "done"),
    "fail": ("exit", "3"),
    "long": ("sleep", "60"),
    "seed": ("print", "seeded"),
    "nightly": ("print", "night"),
}


async def with_jobs(stage: Stage, greeting: str = "a-greeting-of-mine") -> str:
    """Make a live release that has jobs; return its deployment's id."""
    deployment = await stage.live(greeting)
    live = await stage.journal.live("shop", "production")
    assert live is not None
    vault = FileVault(stage.folder / "key")
    jobs = {}
    for name, policy in POLICIES.items():
        env = json.dumps({"KEY": greeting, "SIZE": "1"} if name == "report" else {})
        workload = replace(
            live.workloads["web"],
            name=name,
            spec=f"spec of {name}",
            sealed_env=vault.seal(env, seal_of("shop", "production", name)),
            command=COMMANDS[name],
            ports=(),
            hosts={},
        )
        schedule = "daily" if policy is Run.CRON else None
        jobs[name] = ReleaseJob(workload, policy, schedule=schedule, timeout=timedelta(seconds=100), retries=0)
    await stage.journal.amend(replace(live, file=FILE + JOBS, jobs=jobs))
    return deployment


async def ran(stage: Stage, job: str, body: object = None) -> str:
    """Run a job to its end; return the run's id."""
    said = await stage.ask(f"POST {PLACE}/jobs/{job}/runs", body or {})
    assert said.status == 202, said.text
    run = (await stage.journal.runs("shop", "production", job, 1))[0]
    assert run.id == said.json["id"]
    async with asyncio.timeout(WITHIN):
        await stage.world.jobs.ended(run)
    return run.id
