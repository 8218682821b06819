"""The last good table on disk: written beside, synced, renamed, so that a crash leaves the old one or the new one."""

import json
import os
from pathlib import Path

from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import Table, TableError


def save(path: Path, table: Table) -> None:
    """Make *table* the one that `load` returns, also after a power cut; OSError leaves the old one in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(table.raw, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def load(path: Path) -> Table | None:
    """Return the table in *path*, None when there is no such file; TableError when it is not a valid table."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TableError("", f"{path} cannot be read: {error}") from error
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"{path}:{error.lineno}:{error.colno}", f"not JSON: {error.msg}") from error
    except RecursionError as error:
        raise TableError(str(path), "nested too deep") from error
    return parse_table(raw)


def load_existing(path: Path) -> Table:
    """Return the table in *path*; TableError when it is absent or not valid."""
    table = load(path)
    if table is None:
        raise TableError("", f"{path}: no such file")
    return table


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
