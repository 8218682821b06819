"""PostgreSQL: its settings by the size of its memory, its extensions, and the SQL that makes roles, databases and extensions. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from hostess.domain.hostess_yml.mistakes import did_you_mean
from hostess.domain.problem import Problem

MIB = 2**20
ROUNDS = 4096
"""How often SCRAM hashes a password; PostgreSQL's own default."""

EXTENSIONS: Mapping[str, str] = {
    "pgvector": "vector",
    "pg_vector": "vector",
    "uuid_ossp": "uuid-ossp",
    "pgtrgm": "pg_trgm",
    "pgcron": "pg_cron",
    "pgpartman": "pg_partman",
    "timescale": "timescaledb",
}
"""What packages are called -> what CREATE EXTENSION calls them, where the two differ."""

LIBRARIES = frozenset({"citus", "pg_cron", "pg_stat_statements", "pgaudit", "timescaledb"})
"""The extensions whose library must be there from the server's start."""

WRITE = "SET default_transaction_read_only = off;"
"""What is made here is made in a server, too, that an upgrade keeps from changing meanwhile."""

USER = "postgres"
"""Who owns the server."""

# Values of these settings are lists of names, already quoted; those of all others are one text.
_SAME_SETTINGS = (
    "SELECT format('ALTER ROLE %I%s SET %I TO %s', {name}, coalesce(' IN DATABASE ' || quote_ident(d.datname), ''), "
    "split_part(c, '=', 1), CASE WHEN split_part(c, '=', 1) IN "
    "('search_path', 'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces') "
    "THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END) "
    "FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c "
    "WHERE s.setrole = {owner}::regrole AND split_part(c, '=', 1) <> 'role' \\gexec"
)

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"

AVAILABLE = "SELECT name FROM pg_available_extensions;\n"


def settings(memory: int) -> dict[str, str]:
    """Return the server settings for a memory limit in bytes: a quarter is shared, the rest is for connections and the disk cache."""
    connections = max(25, min(400, memory // (8 * MIB)))
    shared = memory // 4
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{shared // MIB}MB",
        "effective_cache_size": f"{memory * 3 // 4 // MIB}MB",
        "maintenance_work_mem": f"{max(16, min(1024, memory // 16 // MIB))}MB",
        "work_mem": f"{max(1024, (memory - shared) // (2 * connections) // 1024)}kB",
    }


def command(memory: int, extensions: Iterable[str]) -> tuple[str, ...]:
    """Return the server's command line."""
    libraries = [name for name in extensions if name in LIBRARIES]
    chosen = settings(memory) | ({"shared_preload_libraries": ",".join(libraries)} if libraries else {})
    return ("postgres", *(word for name, value in chosen.items() for word in ("-c", f"{name}={value}")))


def settings_of(words: Iterable[str] | None) -> dict[str, str]:
    """Return the settings in a command of `command`'s making."""
    return {name: value for word in words or () for name, found, value in [word.partition("=")] if found}


def extension(written: str) -> str:
    """Return what CREATE EXTENSION calls an extension that people may call by its package's name."""
    return EXTENSIONS.get(written, written)


def check_available(service: str, wanted: Iterable[str], available: Iterable[str]) -> None:
    """Raise Problem "extension-unavailable" that names each extension the server does not have, and what it has instead."""
    there = sorted(set(available))
    missing = [name for name in wanted if name not in there]
    if not missing:
        return
    hints = [hint for hint in (did_you_mean(name, there) for name in missing) if hint]
    raise Problem(
        "extension-unavailable",
        f"{service} has no extension {', '.join(missing)}{f' ({hints[0]})' if hints else ''}; "
        f"its image brings {', '.join(there)}",
        remedy=f"take it out of services.{service}.special.extensions, or use one of those; nothing was changed",
    )


def explained(service: str, wanted: Iterable[str], problem: Problem) -> Problem:
    """Return why a server did not start, where it is an extension whose library its image does not have; else *problem*."""
    for name in wanted:
        if any(f'could not access file "{name}"' in line for line in problem.tail):
            return Problem(
                "extension-unavailable",
                f"{service} has no extension {name}: its image does not bring the library",
                remedy=f"take it out of services.{service}.special.extensions",
                tail=problem.tail,
            )
    return problem


def verifier(password: str, role: str) -> str:
    """Return what PostgreSQL keeps in place of a password (SCRAM-SHA-256), always the same for the same two.

    So no statement ever holds the password itself: statements that fail are logged by the server.
    """
    salt = hashlib.sha256(f"{role}\0{password}".encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    stored = hashlib.sha256(_keyed(salted, b"Client Key")).digest()
    parts = (_text(salt), f"{_text(stored)}:{_text(_keyed(salted, b'Server Key'))}")
    return f"SCRAM-SHA-256${ROUNDS}:{parts[0]}${parts[1]}"


def logins(roles: Mapping[str, str | None]) -> str:
    """Return what psql reads to give an owner, the first of *roles*, and whoever logs in in its place the verifiers they are to have.

    None means that nobody can log in. A role in the owner's place becomes the owner as soon as it has logged in, by `SET role` and
    with the owner's own settings: what it makes is the owner's. It may be run again at any time.
    """
    owner, *others = roles
    lines = [WRITE, "SET client_min_messages = warning;", "BEGIN;", _password(owner, roles[owner])]
    for name in others:
        rights = "SUPERUSER" if owner == USER else "NOSUPERUSER"
        lines += [
            _unless("pg_roles", "rolname", name, f"CREATE ROLE {_name(name)}"),
            f"ALTER ROLE {_name(name)} LOGIN {rights};",
            _password(name, roles[name]),
            f"GRANT {_name(owner)} TO {_name(name)};",
            f"ALTER ROLE {_name(name)} RESET ALL;",
            _SAME_SETTINGS.format(owner=_literal(owner), name=_literal(name)),
            f"ALTER ROLE {_name(name)} SET role TO {_name(owner)};",
        ]
    return "\n".join([*lines, "COMMIT;", ""])


def end_sessions(role: str) -> str:
    """Return what ends the sessions that have come over the network as *role*."""
    return f"{_END_SESSIONS} WHERE usename = {_literal(role)} AND client_addr IS NOT NULL;\n"


def script(database: str, scoped: Mapping[str, str | None], extensions: Iterable[str]) -> str:
    """Return what psql reads to make what is not there yet, the service's own *database* included.

    The image makes that one at the first start; if it is killed right then, it never does. *scoped* maps the name of each scoped
    database, which is its owner's name, too, to the owner's verifier (None: nobody can log in as the owner itself). Others than the
    owner cannot connect to it. *extensions* are made in all databases. It may be run again at any time.
    """
    wanted = list(extensions)
    lines = [WRITE, _unless("pg_database", "datname", database, f"CREATE DATABASE {_name(database)}")]
    for name, secret in scoped.items():
        lines += [
            _unless("pg_roles", "rolname", name, f"CREATE ROLE {_name(name)}"),
            f"ALTER ROLE {_name(name)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;",
            _password(name, secret),
            _unless("pg_database", "datname", name, f"CREATE DATABASE {_name(name)} OWNER {_name(name)}"),
            f"REVOKE ALL ON DATABASE {_name(name)} FROM PUBLIC;",
        ]
    for name in (database, *scoped) if wanted else ():
        lines += [f"\\connect {_name(name)}", WRITE, "SET client_min_messages = warning;", *_extensions(wanted)]
    return "\n".join([*lines, ""])


PSQL = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres")
"""The command that reads a script; it stops at the first error."""


def _password(role: str, secret: str | None) -> str:
    return f"ALTER ROLE {_name(role)} PASSWORD {'NULL' if secret is None else _literal(secret)};"


def _extensions(names: Iterable[str]) -> list[str]:
    return [f"CREATE EXTENSION IF NOT EXISTS {_name(name)} CASCADE;" for name in names]


def _unless(table: str, column: str, name: str, statement: str) -> str:
    """Return a line for psql that runs *statement* unless the catalogue has that name already (CREATE DATABASE has no IF)."""
    known = f"EXISTS (SELECT FROM {table} WHERE {column} = {_literal(name)})"
    return f"SELECT {_literal(statement)} WHERE NOT {known} \\gexec"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _keyed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
