"""PostgreSQL: settings by memory, extensions by name, and the SQL that is fed to it."""

import base64
import hashlib
import hmac

import pytest

from hostess.domain.databases import postgres
from hostess.domain.problem import Problem

MIB = 2**20


@pytest.mark.parametrize(
    ("memory", "wanted"),
    [
        (128, ("25", "32MB", "96MB", "16MB", "1966kB")),
        (512, ("64", "128MB", "384MB", "32MB", "3072kB")),
        (1024, ("128", "256MB", "768MB", "64MB", "3072kB")),
        (4096, ("400", "1024MB", "3072MB", "256MB", "3932kB")),
        (65536, ("400", "16384MB", "49152MB", "1024MB", "62914kB")),
    ],
)
def test_settings_follow_the_memory(memory: int, wanted: tuple[str, ...]) -> None:
    """A quarter of the memory is shared, what all connections may take fits into the rest, and there are bounds at both ends."""
    found = postgres.settings(memory * MIB)

    names = ("max_connections", "shared_buffers", "effective_cache_size", "maintenance_work_mem", "work_mem")
    assert tuple(found[name] for name in names) == wanted


def test_a_library_is_loaded_at_the_start_where_an_extension_needs_it() -> None:
    """Most extensions leave the command line alone; pgaudit's library is preloaded, with the others that need it."""
    plain = postgres.command(1024 * MIB, ("vector", "pg_trgm"))

    assert plain == postgres.command(1024 * MIB, ())
    loaded = postgres.command(1024 * MIB, ("pgaudit", "vector", "pg_stat_statements"))
    assert loaded == (*plain, "-c", "shared_preload_libraries=pgaudit,pg_stat_statements")
    assert postgres.settings_of(loaded)["shared_preload_libraries"] == "pgaudit,pg_stat_statements"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("pgvector", "vector"), ("uuid_ossp", "uuid-ossp"), ("uuid-ossp", "uuid-ossp"), ("pg_trgm", "pg_trgm")],
)
def test_packages_names_are_understood(written: str, wanted: str) -> None:
    """An extension may be written as its package is called."""
    assert postgres.extension(written) == wanted


def test_an_extension_that_is_not_there_is_named_with_what_is() -> None:
    """The refusal names the extension, the nearest one, and all that the image brings."""
    postgres.check_available("db", ["hstore"], ["hstore", "pg_trgm"])

    with pytest.raises(Problem) as caught:
        postgres.check_available("db", ["hstore", "pg_trgram"], ["pg_trgm", "hstore"])
    assert caught.value.code == "extension-unavailable"
    assert caught.value.what == (
        'db has no extension pg_trgram (did you mean "pg_trgm"?); its image brings hstore, pg_trgm'
    )


def test_a_server_that_lacks_a_library_is_understood() -> None:
    """A server that dies of a missing library is told as the extension that asked for it; any other end stays as it is."""
    died = Problem("replica-crashed", "it stopped", tail=('FATAL:  could not access file "pgaudit": No such file',))

    assert "has no extension pgaudit" in postgres.explained("db", ("vector", "pgaudit"), died).what
    assert postgres.explained("db", ("vector",), died) is died


def test_a_verifier_is_what_scram_checks() -> None:
    """What postgres is told proves the password and does not hold it; it is the same each time, and another one for another role."""
    found = postgres.verifier("secret-password", "db__api")

    kind, rest, keys = found.split("$")
    rounds, salt = rest.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    salted = hashlib.pbkdf2_hmac("sha256", b"secret-password", base64.b64decode(salt), int(rounds))
    assert kind == "SCRAM-SHA-256"
    assert stored == hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    assert server == hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    assert found == postgres.verifier("secret-password", "db__api") != postgres.verifier("secret-password", "db__web")


def test_the_script_makes_each_database_its_owners_own() -> None:
    """Role and database are made only once, nobody else may connect, and extensions come to every database."""
    lines = postgres.script("db", {"db__api": "SCRAM$x"}, ["vector"]).splitlines()

    own, role, database = (line for line in lines if line.endswith("\\gexec"))
    assert own.startswith("SELECT 'CREATE DATABASE \"db\"' WHERE NOT EXISTS (SELECT FROM pg_database ")
    assert role.startswith("SELECT 'CREATE ROLE \"db__api\"' WHERE NOT EXISTS (SELECT FROM pg_roles ")
    assert database.startswith('SELECT \'CREATE DATABASE "db__api" OWNER "db__api"\' WHERE NOT EXISTS ')
    assert 'REVOKE ALL ON DATABASE "db__api" FROM PUBLIC;' in lines
    assert lines.count('CREATE EXTENSION IF NOT EXISTS "vector" CASCADE;') == 2
    assert lines.index('\\connect "db__api"') < len(lines) - 1


def test_who_logs_in_in_the_owners_place_becomes_the_owner() -> None:
    """The second role is a member of the owner and takes its place at each login; a role without a password keeps none."""
    script = postgres.logins({"db__api": None, "db__api_b": "SCRAM"})

    assert 'ALTER ROLE "db__api" PASSWORD NULL;' in script
    assert "ALTER ROLE \"db__api_b\" PASSWORD 'SCRAM';" in script
    assert 'ALTER ROLE "db__api_b" LOGIN NOSUPERUSER;' in script
    assert 'GRANT "db__api" TO "db__api_b";' in script
    assert script.index("RESET ALL") < script.index('SET role TO "db__api"') < script.index("COMMIT")
    assert 'ALTER ROLE "postgres_b" LOGIN SUPERUSER;' in postgres.logins({"postgres": None, "postgres_b": "SCRAM"})
