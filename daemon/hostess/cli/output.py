"""What people read: tables, times ago, sizes; and JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Json = Any

_UNITS = ((365 * 86400, "y"), (30 * 86400, "mo"), (7 * 86400, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def show_json(value: Json) -> None:
    """Print JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
    """Print aligned columns on standard output; without a row, *empty* on standard error."""
    cells = [[shown(value) for value in row] for row in rows]
    if not cells:
        tell(empty)
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    for row in [list(headers), *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print "Name: value" lines on standard output; empty values are left out."""
    cells = [(name, shown(value)) for name, value in fields if value not in {None, ""}]
    width = max((len(name) for name, _ in cells), default=0) + 1
    for name, value in cells:
        click.echo(f"{name + ':':<{width}} {value}")


def tell(line: str) -> None:
    """Print a line of progress, or a hint, on standard error."""
    if line:
        click.echo(line, err=True)


def ago(text: str | None, now: datetime | None = None) -> str:
    """Return how long ago an ISO 8601 time was: "2h ago"."""
    if not text:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return "just now"


def shown(value: object) -> str:
    """Return a value on one line, without anything that would move a terminal's cursor."""
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)
