"""The pooler of a postgres: its name, its files, the size of its pools."""

import pytest

from hostess.domain import names
from hostess.domain.databases import pooler
from hostess.domain.databases.scopes import Access
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.references import properties

GIB = 2**30
SERVICE = parse("""version: "1.0"
services:
  main-db: {type: postgres, special: {pooler: {mode: session, instances: 2}}}
""").services["main-db"]


def test_no_service_can_have_the_poolers_name() -> None:
    """The name of a pooler is no name that a service may have."""
    assert names.name_fault(pooler.pooler_name("main-db"))


@pytest.mark.parametrize(
    ("memory", "poolers", "groups", "wanted"),
    [(GIB, 1, 0, 64), (GIB, 2, 1, 32), (GIB, 2, 3, 8), (GIB, 2, 4, 8), (GIB, 2, 5, 4), (GIB // 8, 10, 16, 1)],
)
def test_pools_leave_half_of_the_connections_to_others(memory: int, poolers: int, groups: int, wanted: int) -> None:
    """All pools of all poolers together hold at most half of what the server takes, and each at least one."""
    assert pooler.pool_size(memory, poolers, groups) == wanted


def test_its_files_know_the_server_alone() -> None:
    """The settings hold no secret; of the users only the one is listed who looks the others up in the server."""
    found = pooler.files(SERVICE, Access("pass-word"))

    ini = found["/etc/hostess/pgbouncer.ini"].splitlines()
    assert {"* = host=@address@ port=5432", "pool_mode = session", "default_pool_size = 32"} <= set(ini)
    assert {"auth_user = postgres", "auth_dbname = main-db"} <= set(ini)
    assert not any("pass-word" in line for line in ini)
    assert found["/etc/hostess/userlist.txt"] == '"postgres" "pass-word"\n'


def test_it_looks_others_up_as_who_may_log_in() -> None:
    """After a rotation another role logs in as the database's own user, and the pooler with it."""
    found = pooler.files(SERVICE, Access("new", "postgres_b"))

    assert "auth_user = postgres_b" in found["/etc/hostess/pgbouncer.ini"].splitlines()
    assert found[pooler.USERS] == '"postgres_b" "new"\n'


def test_pooled_url_leads_to_it() -> None:
    """A postgres with a pooler has a pooled_url for each consumer's own database."""
    found = properties(SERVICE, external_urls={}, access=Access("p/w", "main-db__api", "main-db__api"))

    assert found["url"] == "postgresql://main-db__api:p%2Fw@main-db:5432/main-db__api"
    assert found["pooled_url"] == "postgresql://main-db__api:p%2Fw@main-db.pooler:6432/main-db__api"
    assert (found["user"], found["database"]) == ("main-db__api", "main-db__api")
