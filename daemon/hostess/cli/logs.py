"""hostess services logs."""

import json
import queue
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import example

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow")
WAITING = 1000

Line = dict[str, Any]


@example("hostess services logs api --follow", "hostess logs api worker --since 10m --grep 'ERROR|Traceback'")
@click.command("logs")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE...")
@options.project
@options.environment
@click.option("--follow", "-f", is_flag=True, help="Go on with each new line, of later replicas too.")
@click.option("--tail", "-n", default=100, show_default=True, type=click.IntRange(0, 10_000), help="Lines per replica.")
@click.option("--since", help="Only lines since then: 30s, 10m, 2h, 1d, or an ISO 8601 time.")
@click.option("--previous", is_flag=True, help="Of replicas that are gone, too: the last 20 of a service, for 7 days.")
@click.option("--grep", "-g", "pattern", help="Only lines in which this regular expression is found.")
@click.option("--timestamps", "-t", is_flag=True, help="Begin each line with its time.")
@options.form
@options.connected
def logs(  # noqa: PLR0913, PLR0917 -- one per option
    client: Client,
    services: tuple[str, ...],
    project: str | None,
    environment: str,
    follow: bool,  # noqa: FBT001 -- click's
    tail: int,
    since: str | None,
    previous: bool,  # noqa: FBT001 -- click's
    pattern: str | None,
    timestamps: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Print what the replicas of services write, those of several in the order of time.

    With -o json each line is an object; `fields` is what a line has that is JSON itself.
    """
    wanted = _compiled(pattern)
    asked = {"tail": tail, "since": since, "follow": follow, "previous": previous}
    paths = {name: options.place(project, environment, "services", name, "logs") for name in services}
    for service, line in (_merged if follow else _sorted)(client, paths, asked):
        if wanted is None or wanted.search(line["text"]):
            click.echo(_shown(service, line, services, timestamps=timestamps, form=form))


def _compiled(pattern: str | None) -> "re.Pattern[str] | None":
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise Failure(f"--grep is no regular expression: {error}", exit_code=USAGE) from None


def _lines(client: Client, path: str, asked: dict[str, Any]) -> Iterator[Line]:
    for event in client.events(path, **asked):
        if event.event == "end":
            return
        yield json.loads(event.data)


def _sorted(client: Client, paths: dict[str, str], asked: dict[str, Any]) -> Iterator[tuple[str, Line]]:
    """Yield the lines that there are, by time."""
    found = [(name, line) for name, path in paths.items() for line in _lines(client, path, asked)]
    yield from sorted(found, key=lambda each: str(each[1]["at"])) if len(paths) > 1 else found


def _merged(client: Client, paths: dict[str, str], asked: dict[str, Any]) -> Iterator[tuple[str, Line]]:
    """Yield lines as they come, of each service by a connection of its own; until all have ended, or one has failed."""
    coming: queue.Queue[tuple[str, Line | BaseException | None]] = queue.Queue(WAITING)

    def read(name: str, path: str) -> None:
        try:
            for line in _lines(client, path, asked):
                coming.put((name, line))
            coming.put((name, None))
        except BaseException as error:  # noqa: BLE001 -- told by whoever reads
            coming.put((name, error))

    if len(paths) == 1:
        [(name, path)] = paths.items()
        yield from ((name, line) for line in _lines(client, path, asked))
        return
    for each in paths.items():
        threading.Thread(target=read, args=each, daemon=True).start()
    left = len(paths)
    while left:
        name, line = coming.get()
        if isinstance(line, BaseException):
            raise line
        if line is None:
            left -= 1
        else:
            yield name, line


def _shown(service: str, line: Line, services: tuple[str, ...], *, timestamps: bool, form: str) -> str:
    """Return a line as it is printed; with several services each has its name, and on a terminal its colour."""
    if form == "json":
        with suppress(ValueError):
            fields = json.loads(line["text"])
            if isinstance(fields, dict):
                line = {**line, "fields": fields}
        return json.dumps({**line, "service": service} if len(services) > 1 else line)
    who = f"{service} {line['replica']} |" if len(services) > 1 else f"{line['replica']} |"
    if sys.stdout.isatty():
        who = click.style(who, fg=COLOURS[services.index(service) % len(COLOURS)])
    return " ".join(filter(None, [line["at"] if timestamps else "", who])) + f" {line['text']}"
