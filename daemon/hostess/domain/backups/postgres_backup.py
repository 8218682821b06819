"""How PostgreSQL is dumped: one snapshot for the dump and for the rows that the manifest tells. Pure."""

import json
from collections.abc import Iterable
from urllib.parse import quote, unquote

from hostess.domain.backups.backup import Dumped, Heard, Table

GLOBALS = "globals.sql"
ENDING = ".dump"
SETTINGS_ENDING = ".settings.sql"
USER = "postgres"
DUMP_GLOBALS = ("pg_dumpall", "-U", USER, "--globals-only")
# Neither a dump has these nor the roles. The text is for a psql whose variable `database` is what the database is called there.
_RIGHTS = r"""SELECT format('GRANT %s ON DATABASE :"database" TO %s%s;', a.privilege_type,
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM aclexplode(d.datacl) a"""
_SET = r"""SELECT CASE WHEN s.setrole = 0 THEN 'ALTER DATABASE :"database"'
        ELSE format('ALTER ROLE %I IN DATABASE :"database"', pg_get_userbyid(s.setrole)) END
        || format(' SET %I TO %s;', split_part(c, '=', 1), CASE WHEN split_part(c, '=', 1) IN
            ('search_path', 'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces')
        THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END)
    FROM pg_db_role_setting s, unnest(s.setconfig) WITH ORDINALITY AS of(c, place) WHERE s.setdatabase = d.oid
    ORDER BY s.setrole, place"""
_REMARK = "quote_literal(shobj_description(d.oid, 'pg_database'))"
_SETTINGS = (
    """concat_ws(E'\\n', CASE WHEN d.datacl IS NOT NULL THEN 'REVOKE ALL ON DATABASE :"database" FROM PUBLIC;' END, """
    f"array_to_string(ARRAY({_RIGHTS}), E'\\n'), array_to_string(ARRAY({_SET}), E'\\n'), "
    f"""'COMMENT ON DATABASE :"database" IS ' || {_REMARK} || ';', """
    """CASE WHEN d.datconnlimit >= 0 THEN 'ALTER DATABASE :"database" CONNECTION LIMIT ' || d.datconnlimit || ';' END)"""
)
# Which columns there are depends on the major: those of the ICU came with 15, its rules with 16, another name with 17.
# Of a database whose DROP was cut short (a limit of -2) nothing can be read any more.
LIST = (
    "SELECT json_build_object('name', datname, 'size', pg_database_size(oid), 'owner', pg_get_userbyid(datdba), "  # noqa: S608 -- of constants
    "'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype, "
    "'provider', coalesce(to_jsonb(d)->>'datlocprovider', ''), 'rules', coalesce(to_jsonb(d)->>'daticurules', ''), "
    "'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''), "
    f"'settings', {_SETTINGS}, "
    "'engine', current_setting('server_version')) FROM pg_database d "
    "WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 AND NOT starts_with(datname, '__hostess_') "
    "ORDER BY datname"
)
DATABASES = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres", "-c", LIST)
"""A line of JSON for each database that is backed up, or restored."""

ROWS, ENDED = "hostess-rows:", "hostess-ended:"

# Tables of extensions are made by them; what a view holds follows from tables.
_COUNT = (
    "SELECT {before}format($$SELECT 'hostess-rows:' || json_build_array(%L, %L, count(*)) FROM ONLY %I.%I$$, "
    "n.nspname, c.relname, n.nspname, c.relname){after} "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema' AND NOT EXISTS "
    "(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') "
    "ORDER BY n.nspname, c.relname \\gexec"
)
COUNT = _COUNT.format(before="", after="")
"""Prints a line for each table."""
# A server has room for some thousands of locks: those of tables are kept until they are dumped, so that none is emptied between,
# and are the dump's own; those of indexes, which counting takes, too, are given back.
_COUNT_LOCKED = _COUNT.format(
    before="format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE', n.nspname, c.relname), 'SAVEPOINT one', ",
    after=", 'ROLLBACK TO one', 'RELEASE one'",
)

# psql holds the snapshot open while the dump that it starts reads it. Only the dump writes to standard output.
DUMP = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1")
SCRIPT = "\n".join(
    [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
        "SELECT pg_export_snapshot() AS snapshot \\gset",
        "\\setenv HOSTESS_SNAPSHOT :snapshot",
        "\\o |cat >&2",
        _COUNT_LOCKED,
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


def databases(output: Iterable[str], heard: Heard) -> dict[Dumped, str]:
    """Return the databases that DATABASES told of, each with the script of who may connect to it, and what is set in it."""
    found = {}
    for line in output:
        told = json.loads(line)
        heard.engine = told.pop("engine")
        script = f"{told.pop('settings')}\n"
        found[Dumped(**told)] = script
    return found


def part_of(database: str) -> str:
    """Return the name of a database's part."""
    return quote(database, safe="") + ENDING


def settings_part_of(database: str) -> str:
    """Return the name of the part that has who may connect to a database, and what is set in it."""
    return quote(database, safe="") + SETTINGS_ENDING


def variable(name: str, value: str) -> str:
    """Return the line that gives psql a variable."""
    quoted = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"\\set {name} '{quoted}'\n"


def database_of(part: str) -> str:
    """Return whose part it is."""
    return unquote(part.removesuffix(ENDING if part.endswith(ENDING) else SETTINGS_ENDING))


class Listener:
    """Takes what a dump writes to standard error apart: rows of tables, how pg_dump ended, complaints."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.code: int | None = None
        self.said = ""
        self._error = False

    def hear(self, line: str) -> None:
        """Take a line."""
        if line.startswith(ROWS):
            schema, name, rows = json.loads(line.removeprefix(ROWS))
            self.tables.append(Table(schema, name, rows))
        elif line.startswith(ENDED):
            self.code = int(line.removeprefix(ENDED))
        elif not self._error:  # hints and details follow an error
            self.said, self._error = line, "error:" in line
        elif line.startswith("HINT:") or "hint:" in line:
            self.said = f"{self.said}; {line}"


def counted(lines: Iterable[str]) -> tuple[Table, ...]:
    """Return the tables that COUNT told of."""
    listener = Listener()
    for line in lines:
        listener.hear(line)
    return tuple(listener.tables)
