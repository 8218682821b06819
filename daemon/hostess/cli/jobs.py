"""hostess jobs ..."""

import json
from pathlib import Path
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, USAGE, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import ago, show_fields, show_json, show_table, tell


@click.group(cls=Aliased)
def jobs() -> None:
    """Look at jobs, run them, read what they wrote."""


@example("hostess jobs list -p shop -e staging")
@jobs.command("list")
@options.project
@options.environment
@options.form
@options.connected
def list_(client: Client, project: str | None, environment: str, form: str) -> None:
    """List the jobs of the live release."""
    found = client.get(options.place(project, environment, "jobs"))["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("JOB", "RUN", "SCHEDULE", "LAST OUTCOME", "LAST RUN", "NEXT FIRE"),
        [
            (j["name"], j["run"], j["schedule"], j["last_outcome"] or "never ran", ago(j["last_run"]), j["next_fire"])
            for j in found
        ],
        empty="no jobs are live here: hostess.yml has none, or nothing is deployed yet",
    )


@example("hostess jobs inspect seed")
@jobs.command("inspect")
@click.argument("job")
@options.project
@options.environment
@options.form
@options.connected
def inspect(client: Client, job: str, project: str | None, environment: str, form: str) -> None:
    """Show one job: what it runs, when, and how its last run ended."""
    found = client.get(options.place(project, environment, "jobs", job))
    if form == "json":
        show_json(found)
        return
    last = found["last"] or {}
    show_fields(
        [
            ("Job", found["name"]),
            ("Run", found["run"] + (" (done)" if found["run"] == "once" and found["done_once"] else "")),
            ("Schedule", found["schedule"]),
            ("Next fire", found["next_fire"]),
            ("Command", " ".join(found["command"])),
            ("Image", found["image"]),
            ("Release", f"v{found['release']}"),
            ("Depends on", ", ".join(f"{name} ({what})" for name, what in found["depends_on"].items())),
            ("Variables", ", ".join(found["variables"])),
            ("Timeout", f"{found['timeout']:g} s"),
            ("Retries", str(found["retries"])),
            ("Concurrency", found["concurrency"]),
            (
                "Last run",
                f"{last['id']}  {_outcome(last)}  {ago(last['started_at'])} ({last['trigger']})" if last else "",
            ),
        ]
    )


@example("hostess jobs runs report -n 5")
@jobs.command("runs")
@click.argument("job")
@options.project
@options.environment
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@options.form
@options.connected
def runs(client: Client, job: str, project: str | None, environment: str, limit: int, form: str) -> None:
    """List the runs of JOB, the newest first."""
    found = client.get(options.place(project, environment, "jobs", job, "runs"), limit=limit)["items"]
    if form == "json":
        show_json(found)
        return
    show_table(
        ("RUN", "TRIGGER", "OUTCOME", "ATTEMPT", "STARTED", "ENDED"),
        [(r["id"], r["trigger"], _outcome(r), r["attempt"], ago(r["started_at"]), ago(r["ended_at"])) for r in found],
        empty=f"{job} has not run yet",
    )


@example("hostess jobs run seed -e staging --set-env SIZE=10 --follow")
@jobs.command("run")
@click.argument("job")
@options.project
@options.needed_environment
@click.option("--next-deploy", is_flag=True, help="Not now: let a job that runs once run again at the next deployment.")
@click.option("--force", is_flag=True, help="Also a job that is not `run: manual`.")
@options.set_env
@click.option("--env-from", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="KEY=VALUE lines.")
@click.option("--allow-secret-override", is_flag=True, help="Let --set-env and --env-from replace secrets.")
@click.option("--follow", "-f", is_flag=True, help="Print what it writes; the exit code is 0 only when it ended well.")
@options.form
@options.connected
def run(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    job: str,
    project: str | None,
    environment: str,
    next_deploy: bool,  # noqa: FBT001 -- click's
    force: bool,  # noqa: FBT001 -- click's
    set_env: tuple[str, ...],
    env_from: Path | None,
    allow_secret_override: bool,  # noqa: FBT001 -- click's
    follow: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Run JOB now, in the environment that --env names."""
    if next_deploy:
        client.send("POST", options.place(project, environment, "jobs", job, "reset"))
        tell(f"{job} runs again at the next deployment")
        return
    env = {**(_file(env_from) if env_from else {}), **options.variables(set_env)}
    body = {"force": force, "env": env, "allow_secret_override": allow_secret_override}
    begun = client.send("POST", options.place(project, environment, "jobs", job, "runs"), body)
    if follow:
        begun = _followed(client, options.place(project, environment, "jobs", job, "log"), begun["id"])
    if form == "json":
        show_json(begun)
    elif not follow:
        click.echo(begun["id"])
        tell(f"follow it: hostess jobs logs {job} -e {environment} --run {begun['id']} --follow")
    _check(begun, follow=follow)


@example("hostess jobs logs report --run 3f9ac1 --timestamps")
@jobs.command("logs")
@click.argument("job")
@options.project
@options.environment
@click.option("--run", "run_id", default="", help="A run (the beginning of its id is enough); by default the newest.")
@click.option("--follow/--no-follow", "-f", default=True, show_default=True, help="Go on until the run has ended.")
@click.option("--tail", "-n", default=500, show_default=True, type=click.IntRange(0, 100_000), help="Last lines.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@options.form
@options.connected
def logs(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    job: str,
    project: str | None,
    environment: str,
    run_id: str,
    follow: bool,  # noqa: FBT001 -- click's
    tail: int,
    timestamps: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Print what a run of JOB wrote."""
    path = options.place(project, environment, "jobs", job, "log")
    for event in client.events(path, run=run_id, tail=tail, follow=follow):
        if event.event == "end":
            return
        line = json.loads(event.data)
        if form == "json":
            click.echo(event.data)
        else:
            click.echo(f"{line['at']} {line['text']}" if timestamps else line["text"])


def _followed(client: Client, path: str, run_id: str) -> dict[str, Any]:
    for event in client.events(path, run=run_id, tail=100_000, follow=True):
        if event.event == "end":
            ended: dict[str, Any] = json.loads(event.data)
            return ended
        click.echo(json.loads(event.data)["text"], err=True)
    raise Failure(f"the output of run {run_id} ended before it did")


def _check(run: dict[str, Any], *, follow: bool) -> None:
    if follow and run["outcome"] != "done":
        raise Failure(f"run {run['id']} of {run['job']}: {_outcome(run)}", exit_code=FAILED)


def _outcome(run: dict[str, Any]) -> str:
    code = run["exit_code"]
    return str(run["outcome"]) if code in {None, 0} else f"{run['outcome']} (exit {code})"


def _file(path: Path) -> dict[str, str]:
    from hostess.domain.docker_compose.dotenv import parse_dotenv
    from hostess.domain.problem import Problem

    try:
        return parse_dotenv(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, Problem) as error:
        raise Failure(f"{path}: {error}", exit_code=USAGE) from error
