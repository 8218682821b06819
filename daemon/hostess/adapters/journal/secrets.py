"""Sealed secrets by version, and the tokens of people and machines. Each function is one transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal.projects import burn
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.records import Secret, Token


def put(db: Database, key: tuple[str, str, str], seal: Callable[[int], str], now: datetime) -> int:
    """Store a new version of the secret *key* (project, environment, name) and return its number.

    A number is never used again, not even after the secret was removed. Problem "project-not-found".
    """
    project, environment, name = key
    version = burn(db, project, environment, f"secret {name}")
    row = [project, environment, name, version, seal(version), now.isoformat()]
    db.execute(
        "INSERT INTO secrets (project, environment, name, version, sealed, changed_at) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    return version


def newest(db: Database, project: str, environment: str) -> list[Secret]:
    """Return the newest version of each secret, by name."""
    rows = db.query(
        "SELECT project, environment, name, max(version) AS version, sealed, changed_at FROM secrets"
        " WHERE project = ? AND environment = ? GROUP BY name ORDER BY name",
        [project, environment],
    )
    return [from_row(Secret, row) for row in rows]


def remove(db: Database, project: str, environment: str, name: str) -> bool:
    """Remove all versions; False when there was none."""
    done = db.execute(
        "DELETE FROM secrets WHERE project = ? AND environment = ? AND name = ?", [project, environment, name]
    )
    return done.rowcount > 0


def add_token(db: Database, token: Token) -> None:
    """Store a token's row."""
    db.execute(
        "INSERT INTO tokens (id, name, digest, role, projects, created_at, expires_at, used_at)"
        " VALUES (:id, :name, :digest, :role, :projects, :created_at, :expires_at, :used_at)",
        to_row(token),
    )


def token(db: Database, digest: str) -> Token | None:
    """Return the token with this digest."""
    return next((from_row(Token, row) for row in db.query("SELECT * FROM tokens WHERE digest = ?", [digest])), None)


def tokens(db: Database) -> list[Token]:
    """Return all tokens, the oldest first."""
    return [from_row(Token, row) for row in db.query("SELECT * FROM tokens ORDER BY rowid")]


def revoke_token(db: Database, token: str) -> bool:
    """Delete a token by id; False when there is none."""
    return db.execute("DELETE FROM tokens WHERE id = ?", [token]).rowcount == 1


def used_token(db: Database, token: str, now: datetime) -> None:
    """Note when a token was last used."""
    db.execute("UPDATE tokens SET used_at = ? WHERE id = ?", [now.isoformat(), token])
