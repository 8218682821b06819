"""Tasks that survive restarts, images by content key, and events. Each function is one transaction."""

from collections.abc import Mapping
from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_row, to_row, to_text
from hostess.domain.records import Event, Task

_EVENTS_KEPT = 100_000


def add(db: Database, kind: str, payload: Mapping[str, object], due_at: datetime) -> int:
    """Add a task; return its id."""
    done = db.execute(
        "INSERT INTO tasks (kind, payload, due_at) VALUES (?, ?, ?)", [kind, to_text(payload), due_at.isoformat()]
    )
    return int(done.lastrowid or 0)


def every(db: Database) -> list[Task]:
    """Return all open tasks, the one due first first."""
    found = [from_row(Task, row) for row in db.query("SELECT * FROM tasks")]
    return sorted(found, key=lambda task: (task.due_at, task.id))


def postpone(db: Database, task: int, due_at: datetime, error: str) -> None:
    """Note a failed attempt and when to try again; a task that is finished stays so."""
    db.execute(
        "UPDATE tasks SET attempts = attempts + 1, due_at = ?, error = ? WHERE id = ?",
        [due_at.isoformat(), error, task],
    )


def amend(db: Database, task: int, payload: Mapping[str, object]) -> None:
    """Replace what a task says; a task that is finished stays so."""
    db.execute("UPDATE tasks SET payload = ? WHERE id = ?", [to_text(payload), task])


def finish(db: Database, task: int) -> None:
    """Forget a task that is done."""
    db.execute("DELETE FROM tasks WHERE id = ?", [task])


def built(db: Database, key: str) -> str | None:
    """Return the id of the image built from this content key."""
    return next((str(row["image"]) for row in db.query("SELECT image FROM builds WHERE key = ?", [key])), None)


def remember_build(db: Database, key: str, image: str, project: str, now: datetime) -> None:
    """Write down which image a content key gave; Problem "project-not-found"."""
    require(db, project)
    db.execute(
        "INSERT OR REPLACE INTO builds (key, image, project, built_at) VALUES (?, ?, ?, ?)",
        [key, image, project, now.isoformat()],
    )


def tell(db: Database, event: Event) -> Event:
    """Append an event and return it with its id; the oldest of very many are dropped."""
    done = db.execute(
        "INSERT INTO events (at, project, environment, kind, message, data)"
        " VALUES (:at, :project, :environment, :kind, :message, :data)",
        to_row(event),
    )
    number = int(done.lastrowid or 0)
    db.execute("DELETE FROM events WHERE id <= ?", [number - _EVENTS_KEPT])
    return Event(number, event.at, event.project, event.environment, event.kind, event.message, event.data)


def events(db: Database, after: int, project: str | None, limit: int, kind: str) -> list[Event]:
    """Return events with an id above *after*, oldest first; with after < 0 the newest *limit* of them.

    *kind*: of this kind alone, or of those that begin with it and a dot; "" for all.
    """
    chosen = (
        "SELECT * FROM events WHERE id > :after AND (:project IS NULL OR project = :project)"
        " AND (:kind = '' OR kind = :kind OR substr(kind, 1, length(:kind) + 1) = :kind || '.')"
    )
    order = " ORDER BY id DESC LIMIT :limit" if after < 0 else " ORDER BY id LIMIT :limit"
    rows = db.query(chosen + order, {"after": after, "project": project, "kind": kind, "limit": max(limit, 0)})
    return sorted((from_row(Event, row) for row in rows), key=lambda event: event.id)
