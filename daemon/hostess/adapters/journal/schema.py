"""The journal's tables, step by step. A migration that was released is never changed; a new one is added below it.

One that only adds (tables, or columns that may be left out) lets an older version go on with the journal afterwards, so that an upgrade
can be undone. A test holds every migration to that which is not named in BREAKING.
"""

import secrets

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from hostess.adapters.journal import keyed_requests as journal_keyed_requests
from hostess.adapters.journal import registries as journal_registries
from hostess.adapters.journal import ssh_keys as journal_ssh_keys
from hostess.adapters.journal import usage as journal_usage
from hostess.adapters.journal import wal_schema as journal_wal_schema
from hostess.adapters.journal import webhooks as journal_webhooks

migrations = Migrations("hostess")

BREAKING = frozenset({"m001_first_tables"})
"""Migrations after which an older version must not work on the journal."""

# Deployments and releases are kept whole, as JSON; the columns that are searched for are computed from it by SQLite itself,
# so that the two can never say different things.
_TABLES = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE projects (
    name TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE counters (
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (project, environment, name)
) STRICT;

CREATE TABLE places (
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    network TEXT NOT NULL UNIQUE,
    subnet TEXT NOT NULL UNIQUE,
    live INTEGER,
    created_at TEXT NOT NULL,
    PRIMARY KEY (project, environment),
    FOREIGN KEY (project, environment, live) REFERENCES releases (project, environment, number)
        DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE releases (
    record TEXT NOT NULL,
    taken_back INTEGER NOT NULL DEFAULT 0,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    number INTEGER NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.number')) STORED,
    UNIQUE (project, environment, number),
    FOREIGN KEY (project, environment) REFERENCES places (project, environment) ON DELETE CASCADE
) STRICT;

CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    service TEXT NOT NULL,
    FOREIGN KEY (project, environment) REFERENCES places (project, environment) ON DELETE CASCADE
) STRICT;
CREATE INDEX hosts_by_place ON hosts (project, environment);

CREATE TABLE deployments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    state TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.state')) STORED
) STRICT;
CREATE INDEX deployments_by_place ON deployments (project, environment);

CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX steps_by_deployment ON steps (deployment);

CREATE TABLE builds (
    key TEXT PRIMARY KEY,
    image TEXT NOT NULL,
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    built_at TEXT NOT NULL
) STRICT;
CREATE INDEX builds_by_project ON builds (project);

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    due_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE secrets (
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (project, environment, name, version)
) STRICT;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    projects TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    used_at TEXT
) STRICT;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_project ON events (project);
"""

_RUNS = """
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    job TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.job')) STORED,
    outcome TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.outcome')) STORED
) STRICT;
CREATE INDEX runs_by_job ON runs (project, environment, job);
CREATE INDEX runs_open ON runs (outcome) WHERE outcome = '';

CREATE TABLE done_once (
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    job TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (project, environment, job, spec)
) STRICT;
"""

_ENVIRONMENTS = """
CREATE TABLE environments (
    record TEXT NOT NULL,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    UNIQUE (project, environment)
) STRICT;
"""

_ADDRESSES = """
CREATE TABLE addresses (
    project TEXT NOT NULL REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    service TEXT NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (project, environment, service),
    UNIQUE (project, environment, address)
) STRICT;
"""


_CLOSURES = """
CREATE TABLE closures (
    record TEXT NOT NULL,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    kind TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.kind')) STORED,
    service TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.service')) STORED,
    UNIQUE (project, environment, kind, service)
) STRICT;
"""


_CANARIES = """
CREATE TABLE canaries (
    record TEXT NOT NULL,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.release.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.release.environment')) STORED,
    UNIQUE (project, environment)
) STRICT;
"""


_LOCKS = """
CREATE TABLE locks (
    record TEXT NOT NULL,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    UNIQUE (project, environment)
) STRICT;
"""


_DOMAINS = """
CREATE TABLE domains (
    record TEXT NOT NULL,
    host TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.host')) STORED,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED
) STRICT;
"""

_BACKUPS = """
CREATE TABLE backups (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    service TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.service')) STORED,
    state TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.state')) STORED
) STRICT;
CREATE INDEX backups_by_service ON backups (project, environment, service);
"""

_RESTORES = """
CREATE TABLE restores (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE
) STRICT;
"""


_ISSUANCES = """
CREATE TABLE issuances (
    names TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE certificate_orders (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
"""


@migrations()
def m001_first_tables(db: Database) -> None:
    """Make all tables of the first version, and this installation's id."""
    db.executescript(_TABLES)
    db.execute("INSERT INTO facts (name, value) VALUES ('instance', ?)", [secrets.token_hex(6)])


@migrations()
def m002_runs_of_jobs(db: Database) -> None:
    """Make the tables for runs of jobs, and for what ran once."""
    db.executescript(_RUNS)


@migrations()
def m003_settings_of_environments(db: Database) -> None:
    """Make the table for what is set for environments beside hostess.yml."""
    db.executescript(_ENVIRONMENTS)


@migrations()
def m004_addresses_of_services(db: Database) -> None:
    """Make the table for the virtual addresses of services."""
    db.executescript(_ADDRESSES)


@migrations()
def m005_closures_of_services(db: Database) -> None:
    """Make the table for maintenance and pauses."""
    db.executescript(_CLOSURES)


@migrations()
def m006_canaries(db: Database) -> None:
    """Make the table for releases that are tried out beside the live one."""
    db.executescript(_CANARIES)


@migrations()
def m007_domains_by_command(db: Database) -> None:
    """Make the table for domains that were given to services beside hostess.yml."""
    db.executescript(_DOMAINS)


@migrations()
def m008_backups(db: Database) -> None:
    """Make the table for backups of services."""
    db.executescript(_BACKUPS)


@migrations()
def m009_restores(db: Database) -> None:
    """Make the table for restores of services."""
    db.executescript(_RESTORES)


@migrations()
def m010_orders_for_certificates(db: Database) -> None:
    """Make the tables for orders for certificates."""
    db.executescript(_ISSUANCES)


@migrations()
def m011_point_in_time(db: Database) -> None:
    """Make the tables for what is kept of the logs of databases."""
    db.executescript(journal_wal_schema.TABLES)


@migrations()
def m012_locks_of_environments(db: Database) -> None:
    """Make the table for what keeps deployments out."""
    db.executescript(_LOCKS)


@migrations()
def m013_ssh_keys(db: Database) -> None:
    """Make the table for keys that git over SSH is open to."""
    db.executescript(journal_ssh_keys.TABLES)


@migrations()
def m014_admin_api(db: Database) -> None:
    """Make the tables for requests that may be repeated, for registries and for webhooks of forges."""
    db.executescript(journal_keyed_requests.TABLES + journal_registries.TABLES + journal_webhooks.TABLES)


@migrations()
def m015_usage_history(db: Database) -> None:
    """Make the table for what was used."""
    db.executescript(journal_usage.TABLES)


@migrations()
def m019_descriptions_of_projects(db: Database) -> None:
    """Let projects say what they are."""
    db.execute("ALTER TABLE projects ADD COLUMN description TEXT NOT NULL DEFAULT ''")


def additive_migrations() -> frozenset[str]:
    """Return the names of those after which an older version can go on."""
    return known_migrations() - BREAKING


def known_migrations() -> frozenset[str]:
    """Return the names of the migrations that this version knows."""
    empty = Database(memory=True, execute_plugins=False)
    try:
        return frozenset(migration.name for migration in migrations.pending(empty))
    finally:
        empty.close()
