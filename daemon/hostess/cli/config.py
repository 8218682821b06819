"""hostess config ..."""

import os
from pathlib import Path

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import UNREACHABLE, USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table, tell
from hostess.cli.server import find_server


@click.group()
def config() -> None:
    """Look at the daemon's settings."""


@example("hostess config show", "hostess config show --config /etc/hostess/config.toml")
@config.command("show")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Read this file, without asking a daemon.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="With this data folder, without asking a daemon.")
@options.which_server
@options.form
def show(file: Path | None, data_dir: Path | None, url: str | None, token: str | None, form: str) -> None:
    """Print the effective settings and where each came from: those of the daemon, or of the file when none runs."""
    rows = _from_files(file, data_dir) if file or data_dir else _effective(*options.given_server(url, token))
    if form == "json":
        show_json([{"key": key, "value": value, "source": source} for key, value, source in rows])
        return
    show_table(("KEY", "VALUE", "SOURCE"), rows)


def _effective(url: str, token: str) -> list[tuple[str, str, str]]:
    try:
        found = Client(find_server(url, token)).get("/v1/config")["items"]
    except Failure as failure:
        if failure.exit_code != UNREACHABLE or url:
            raise
        tell("no daemon answers: these are the settings that one started now would have")
        return _from_files(None, None)
    return [(each["key"], each["value"], each["source"]) for each in found]


def _from_files(file: Path | None, data_dir: Path | None) -> list[tuple[str, str, str]]:
    # The parser of settings is only loaded where it is used.
    from hostess.domain.problem import Problem
    from hostess.domain.settings import load

    try:
        return load(file, data_dir, os.environ).shown()
    except Problem as problem:
        raise Failure(str(problem), exit_code=USAGE, remedy=problem.remedy) from None
