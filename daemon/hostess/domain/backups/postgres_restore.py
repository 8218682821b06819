"""How a dump of PostgreSQL is loaded beside live databases, compared with its manifest, and put in their place. Pure.

The new databases have names that no service has until one transaction renames old and new: whatever is killed when, a name leads
to all of the old data or to all of the new.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from hostess.domain.backups.backup import Dumped, Table
from hostess.domain.backups.postgres_backup import USER, variable
from hostess.domain.problem import Problem

NEW, OLD = "__hostess_new_", "__hostess_old_"
ADMIN = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "template1")
"""No session of it is in the way of a rename."""

LIST = (*ADMIN, "-c", "SELECT datname FROM pg_database")
SUBSCRIBED = (*ADMIN, "-c", "SELECT datname FROM pg_database WHERE oid IN (SELECT subdbid FROM pg_subscription)")
"""The databases that subscribe to changes of other servers."""
ROLES = (*ADMIN, "-c", "SELECT rolname FROM pg_roles")

VERSION = (*ADMIN, "-c", "SHOW server_version")
LOADING = {"PGOPTIONS": "-c synchronous_commit=off"}
"""Of the sessions that load: the commit of the swap, which waits for the disk, makes all that the log has before it safe, too."""

_ROLE = re.compile(r'^(?:CREATE|ALTER) ROLE ("(?:[^"]|"")+"|[^\s;]+)')
_MEMBER = re.compile(r"^GRANT .+ TO .+;$")
_WORD = re.compile(r'"(?:[^"]|"")+"|[^\s;]+')
CREATE = r"""DROP DATABASE IF EXISTS :"new" WITH (FORCE);
DROP DATABASE IF EXISTS :"old" WITH (FORCE);
CREATE DATABASE :"new" TEMPLATE template0 ENCODING :'encoding' LC_COLLATE :'collate' LC_CTYPE :'ctype' {locale} OWNER :"owner";
"""
LOCALES = {
    "c": "LOCALE_PROVIDER libc",
    "i": "LOCALE_PROVIDER icu ICU_LOCALE :'locale'",
    "b": "LOCALE_PROVIDER builtin LOCALE :'locale'",
}
RULES = " ICU_RULES :'rules'"
UNSUBSCRIBE = r"""SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname), format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname),
    format('DROP SUBSCRIPTION %I', subname)
    FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE datname = current_database() \gexec
"""
"""Lets the other server keep what it holds for the subscription: the one in the database that has taken the place needs it."""
CLOSE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname IN (SELECT json_array_elements_text(:'names'::json));
"""


def check_major(dumped: str, live: str) -> None:
    """Problem "restore-unfit" when a dump is of a later major than the server ("16.2 (Debian ...)" and the like)."""
    before, now = (int(found[0]) if (found := re.match(r"\d+", text)) else 0 for text in (dumped, live))
    if before and now and before > now:
        raise Problem(
            "restore-unfit",
            f"the backup is of PostgreSQL {before}, and the server is {now}: a dump fits its own major and later ones",
            remedy="bring the service to that major first: `hostess services upgrade`",
        )


def new_name(database: str) -> str:
    """Return what a database is called while it is loaded."""
    return NEW + _short(database)


def old_name(database: str) -> str:
    """Return what the database is called that it has replaced."""
    return OLD + _short(database)


def leftovers(databases: Iterable[str], prefix: str) -> list[str]:
    """Return the databases of a restore among *databases*."""
    return [each for each in databases if each.startswith(prefix)]


def restored(databases: Iterable[Dumped]) -> list[Dumped]:
    """Return those that are restored: an empty `postgres`, which every server has, is left as it is."""
    return [each for each in databases if each.name != USER or each.tables]


def missing_roles(globals_text: str, known: Collection[str]) -> str:
    """Return the lines of a dump of roles that make those that are not *known*; all others keep the passwords they have now."""
    made: list[str] = []
    absent: set[str] = set()
    for line in globals_text.splitlines():
        found = _ROLE.match(line)
        if found and _plain(found[1]) not in known:
            absent.add(found[1])
            made.append(line)
        elif _MEMBER.match(line) and not absent.isdisjoint(_WORD.findall(line)):
            made.append(line)
    return "\n".join([*made, ""]) if made else ""


def create(database: Dumped, owners: Collection[str]) -> str:
    """Return what makes the database that a dump is loaded into."""
    values = {
        "new": new_name(database.name),
        "old": old_name(database.name),
        "encoding": database.encoding,
        "collate": database.collate,
        "ctype": database.ctype,
        "locale": database.locale,
        "rules": database.rules,
        "owner": database.owner if database.owner in owners else USER,
    }
    locale = LOCALES.get(database.provider, "") + (RULES if database.rules else "")
    return "".join(variable(name, value) for name, value in values.items()) + CREATE.format(locale=locale)


def settle(database: str, script: str) -> str:
    """Return what gives the database beside what *script* (`postgres_backup.databases`) says. Some of it would be in the way of loading."""
    return variable("database", new_name(database)) + script


def load(database: str) -> tuple[str, ...]:
    """Return the command that reads a dump into the database beside, with LOADING in its environment.

    Its tablespaces are places on the disk of the server that was dumped: everything goes into the default one.
    """
    return ("pg_restore", "-U", USER, "--exit-on-error", "--no-tablespaces", "-d", new_name(database))


def swap(databases: Sequence[str], live: Collection[str]) -> str:
    """Return the one transaction that puts the new databases in the place of those that are *live*."""
    renames = []
    for name in databases:
        if name in live:
            renames.append(f"ALTER DATABASE {_name(name)} RENAME TO {_name(old_name(name))};")
        renames.append(f"ALTER DATABASE {_name(new_name(name))} RENAME TO {_name(name)};")
    return "\n".join(["BEGIN;", *renames, "COMMIT;", ""])


def close_sessions(databases: Iterable[str]) -> str:
    """Return what ends the sessions that are in the way of a rename; while it waits for them, no new ones begin."""
    names = [each for name in databases for each in (name, new_name(name))]
    return variable("names", json.dumps(names)) + CLOSE


def drop(databases: Iterable[str], subscribed: Collection[str]) -> str:
    """Return what removes databases of a restore; one that subscribes to something cannot be removed before that is over."""
    return "".join(
        (f"\\connect {_name(name)}\n{UNSUBSCRIBE}\\connect template1\n" if name in subscribed else "")
        + f"DROP DATABASE IF EXISTS {_name(name)} WITH (FORCE);\n"
        for name in databases
    )


def differences(wanted: Iterable[Table], found: Iterable[Table]) -> list[str]:
    """Return in which tables the rows that were *found* are not those *wanted*, in words."""
    before, after = _rows(wanted), _rows(found)
    return [
        f"{'.'.join(name)} has {after.get(name, 'no')} rows, and had {before.get(name, 'no')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _rows(tables: Iterable[Table]) -> Mapping[tuple[str, str], int]:
    return {(table.schema, table.name): table.rows for table in tables}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
