"""How PostgreSQL is dumped: one snapshot for the dump and for the rows that the manifest tells. Pure."""

import json
from collections.abc import Iterable
from urllib.parse import quote, unquote

from hostess.domain.backups.backup import Dumped, Heard, Table

GLOBALS = "globals.sql"
ENDING = ".dump"
SPARE = "__hostess_"
"""What is in the names of databases that only a restore uses."""

USER = "postgres"
DUMP_GLOBALS = ("pg_dumpall", "-U", USER, "--globals-only")
LIST = (
    "SELECT json_build_object('name', datname, 'size', pg_database_size(oid), 'owner', pg_get_userbyid(datdba), "
    "'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype, "
    "'engine', current_setting('server_version')) FROM pg_database "
    "WHERE datallowconn AND NOT datistemplate AND position('__hostess_' in datname) = 0 ORDER BY datname"
)
DATABASES = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres", "-c", LIST)
"""A line of JSON for each database that is backed up."""

ROWS, ENDED = "hostess-rows:", "hostess-ended:"

# Tables of extensions are made by them; what a view holds follows from tables.
COUNT = (
    "SELECT format($$SELECT 'hostess-rows:' || json_build_array(%L, %L, count(*)) FROM ONLY %I.%I$$, "
    "n.nspname, c.relname, n.nspname, c.relname) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema' AND NOT EXISTS "
    "(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') "
    "ORDER BY n.nspname, c.relname \\gexec"
)
"""Prints a line for each table."""

# psql holds the snapshot open while the dump that it starts reads it. Only the dump writes to standard output.
DUMP = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1")
SCRIPT = "\n".join(
    [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
        "SELECT pg_export_snapshot() AS snapshot \\gset",
        "\\setenv HOSTESS_SNAPSHOT :snapshot",
        "\\o |cat >&2",
        COUNT,
        "\\o",
        f'\\! pg_dump -Fc -Z0 --lock-wait-timeout=60s --snapshot="$HOSTESS_SNAPSHOT"; echo "{ENDED}$?" >&2',
        "COMMIT;",
        "",
    ]
)


# A server that waits for a lock does not see that its client was killed unless it looks.
OPTIONS = "-c lock_timeout=60s -c client_connection_check_interval=5s"


def environment(database: str) -> dict[str, str]:
    """Return what tells psql, pg_dump and pg_restore which database is meant, whatever characters its name has."""
    return {"PGUSER": USER, "PGDATABASE": database, "PGOPTIONS": OPTIONS}


def databases(output: Iterable[str], heard: Heard) -> list[Dumped]:
    """Return the databases that DATABASES told of."""
    found = []
    for line in output:
        told = json.loads(line)
        heard.engine = told.pop("engine")
        found.append(Dumped(**told))
    return found


def part_of(database: str) -> str:
    """Return the name of a database's part."""
    return quote(database, safe="") + ENDING


def database_of(part: str) -> str:
    """Return whose part it is."""
    return unquote(part.removesuffix(ENDING))


class Listener:
    """Takes what a dump writes to standard error apart: rows of tables, how pg_dump ended, complaints."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.code: int | None = None
        self.said = ""

    def hear(self, line: str) -> None:
        """Take a line."""
        if line.startswith(ROWS):
            schema, name, rows = json.loads(line.removeprefix(ROWS))
            self.tables.append(Table(schema, name, rows))
        elif line.startswith(ENDED):
            self.code = int(line.removeprefix(ENDED))
        else:
            self.said = line


def counted(lines: Iterable[str]) -> tuple[Table, ...]:
    """Return the tables that COUNT told of."""
    listener = Listener()
    for line in lines:
        listener.hear(line)
    return tuple(listener.tables)
