"""The pooler of a postgres: its name, its files, the size of its pools."""

import pytest

from hostess.domain import names, pooler
from hostess.domain.references import properties
from hostess.domain.scopes import Access
from hostess.domain.stack_file import parse

GIB = 2**30
SERVICE = parse("""version: "1.0"
services:
  main-db: {type: postgres, special: {pooler: {mode: session, instances: 2}}}
""").services["main-db"]


def test_no_service_can_have_the_poolers_name() -> None:
    """The name of a pooler is no name that a service may have."""
    assert names.name_fault(pooler.pooler_name("main-db"))


@pytest.mark.parametrize(
    ("memory", "poolers", "pools", "wanted"), [(GIB, 1, 1, 64), (GIB, 2, 1, 32), (GIB, 2, 4, 8), (GIB // 8, 10, 16, 1)]
)
def test_pools_leave_half_of_the_connections_to_others(memory: int, poolers: int, pools: int, wanted: int) -> None:
    """All pools of all poolers together hold at most half of what the server takes, and each at least one."""
    assert pooler.pool_size(memory, poolers, pools) == wanted


def test_its_files_name_each_database_and_its_user() -> None:
    """The list of databases holds no secret, the list of users holds the passwords; both are as PgBouncer reads them."""
    found = pooler.files(SERVICE, {"main-db__api": ("main-db__api", "pass-word")})

    ini, users = found["/etc/hostess/pgbouncer.ini"], found["/etc/hostess/userlist.txt"]
    assert "main-db__api = host=@address@ port=5432 dbname=main-db__api" in ini.splitlines()
    assert "pool_mode = session" in ini.splitlines()
    assert "default_pool_size = 32" in ini.splitlines()
    assert "pass-word" not in ini
    assert users == '"main-db__api" "pass-word"\n'


def test_pooled_url_leads_to_it() -> None:
    """A postgres with a pooler has a pooled_url for each consumer's own database."""
    found = properties(SERVICE, external_urls={}, access=Access("p/w", "main-db__api", "main-db__api"))

    assert found["url"] == "postgresql://main-db__api:p%2Fw@main-db:5432/main-db__api"
    assert found["pooled_url"] == "postgresql://main-db__api:p%2Fw@main-db.pooler:6432/main-db__api"
    assert (found["user"], found["database"]) == ("main-db__api", "main-db__api")
