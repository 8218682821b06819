"""Managed databases: scoped ones, extensions, the pooler, limits of memory; with real PostgreSQL, Redis and PgBouncer."""

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.system.host import Host, Repository, a_repository, docker, until
from tests.system.sources import carried, ids, inspected, only, pushed, revised
from tests.system.watching import settled

APP = """  {name}:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    health: {{http: /health, interval: 1s}}
    resources: {{cpu: 0.5, memory: 128Mi}}
    env: {env}
"""
STACK = """version: "1.0"
services:
{apps}
  database: {{type: postgres, resources: {postgres}, databases: {groups}, special: {special}}}
  cache: {{type: redis, resources: small, databases: {{first: [web], second: [other]}}, special: {limits}}}
jobs:
  seed:
    image: postgres:18
    command: [sh, -c, 'psql "$DATABASE" -c "CREATE TABLE IF NOT EXISTS kept (n int)"']
    env: {{DATABASE: "${{database.url}}"}}
    depends_on: [database]
"""
WEB = '{DATABASE: "${database.url}", POOLED: "${database.pooled_url}", CACHE: "${cache.url}"}'
OTHER = '{DATABASE: "${database.url}", CACHE: "${cache.url}", USER: "${database.user}"}'
SPECIAL = "{extensions: [pg_trgm, uuid-ossp], pooler: true}"
LIMITS = "{maxmemory: 64Mi, maxmemory_policy: allkeys-lru}"


def stack(
    special: str = SPECIAL, limits: str = LIMITS, groups: str = "per_service", more: str = "", postgres: str = "small"
) -> dict[str, str]:
    """Return the stack: two consumers and a job, each in a group of its own."""
    apps = APP.format(name="web", env=WEB) + APP.format(name="other", env=OTHER) + more
    text = STACK.format(apps=apps, groups=groups, special=special, limits=limits, postgres=postgres)
    return {"hostess.yml": text}


@dataclass(frozen=True)
class Shop:
    """The stack, live."""

    host: Host
    repository: Repository
    output: str

    def env(self, service: str, name: str) -> str:
        """Return a variable of a service's running container."""
        values = json.loads(inspected(only(self.host, "shop", service), "{{json .Config.Env}}"))
        return str(next(value.partition("=")[2] for value in values if value.startswith(f"{name}=")))

    def databases(self) -> dict[str, list[str]]:
        """Return the containers of both databases."""
        return ids(self.host, "shop", "database", "cache")

    def psql(self, url: str, sql: str) -> subprocess.CompletedProcess[str]:
        """Ask PostgreSQL by a URL, from inside the stack's network."""
        return self.inside("database", "psql", url, "-Atc", sql)

    def redis(self, service: str, *words: str, index: int | None = None) -> str:
        """Ask Redis with the URL of a service, or with another index in it."""
        url = self.env(service, "CACHE")
        chosen = url if index is None else f"{url.rpartition('/')[0]}/{index}"
        done = self.inside("cache", "redis-cli", "--no-auth-warning", "-u", chosen, *words)
        return (done.stdout + done.stderr).strip()

    def inside(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a database's container, without its own credentials."""
        command = ["docker", "exec", "--env", "REDISCLI_AUTH=", only(self.host, "shop", service), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def first(host: Host) -> Shop:
    """Push the stack for the first time, and let web store something in both databases."""
    repository = a_repository(host, "shop", stack())
    shop = Shop(host, repository, pushed(repository))
    assert shop.psql(shop.env("web", "DATABASE"), "CREATE TABLE mine AS SELECT 7 AS n").returncode == 0
    assert shop.redis("web", "SET", "mine", "7") == "OK"
    return shop


@pytest.fixture
def shop(first: Shop) -> Shop:
    """Give the stack as it was pushed first, whatever another test has made of it."""
    if (first.repository.folder / "hostess.yml").read_text() != stack()["hostess.yml"]:
        revised(first.repository, stack())
    until(lambda: well(first), 60, "the databases' and the pooler's answers")
    return first


def test_each_group_has_a_database_of_its_own(shop: Shop) -> None:
    """Every consumer is owner of its own database, a job too, and none can connect to another's, whatever user it is."""
    own, other = shop.env("web", "DATABASE"), shop.env("other", "DATABASE")

    assert re.fullmatch(r"postgresql://database__web:[\w-]+@database:5432/database__web", own)
    assert shop.env("other", "USER") == "database__other"
    assert shop.psql(own, "SELECT usesuper FROM pg_user WHERE usename = current_user").stdout == "f\n"
    across = other.rpartition("/")[0] + "/database__web"
    refused = shop.psql(across, "SELECT n FROM mine")
    assert "permission denied for database" in refused.stderr
    assert "does not exist" in shop.psql(other, "SELECT n FROM mine").stderr
    seeded = shop.inside(
        "database", "psql", "-U", "postgres", "-d", "database__seed", "-Atc", "SELECT count(*) FROM kept"
    )
    assert seeded.stdout == "0\n"


def test_each_group_has_an_index_of_its_own(shop: Shop) -> None:
    """Groups of redis have users with one index each: no other can be selected, and nothing reaches beyond it."""
    assert [shop.env(name, "CACHE")[-2:] for name in ("web", "other")] == ["/0", "/1"]
    assert shop.redis("other", "GET", "mine") == ""
    assert "NOPERM" in shop.redis("web", "GET", "mine", index=1)
    assert "NOPERM" in shop.redis("other", "SELECT", "0")
    assert "no permissions to run the 'select'" in shop.redis("other", "EVAL", "redis.call('select', 0)", "0")
    for words in (["FLUSHALL"], ["SWAPDB", "0", "1"], ["MOVE", "x", "0"], ["CONFIG", "GET", "*"], ["ACL", "LIST"]):
        assert "NOPERM" in shop.redis("other", *words)
    assert "redis_version" in shop.redis("other", "INFO", "server")
    assert shop.redis("web", "GET", "mine") == "7"


def test_extensions_are_in_every_database(shop: Shop) -> None:
    """Extensions are made in the service's database and in each scoped one."""
    for database in ("database", "database__web", "database__other", "database__seed"):
        sql = "SELECT extname FROM pg_extension ORDER BY 1"
        found = shop.inside("database", "psql", "-U", "postgres", "-d", database, "-Atc", sql)
        assert found.stdout.split() == ["pg_trgm", "plpgsql", "uuid-ossp"]


def test_the_pooler_shares_connections(shop: Shop) -> None:
    """pooled_url answers in transaction mode, with a consumer's own credentials: many clients, few connections of the server."""
    url = shop.env("web", "POOLED")

    assert "@database.pooler:6432/database__web" in url
    asked = f"for n in $(seq 40); do psql '{url}' -Atc 'SELECT pg_backend_pid() FROM pg_sleep(0.05)' & done; wait"
    answers = shop.inside("database", "sh", "-c", asked).stdout.split()
    assert len(answers) == 40
    assert len(set(answers)) <= 32 // 3
    wrong = url.replace("database__web:", "database__other:")
    assert "authentication failed" in shop.psql(wrong, "SELECT 1").stderr


def test_settings_follow_the_memory_limit(shop: Shop) -> None:
    """The server's settings are those of its 512 MB, and redis has the cap and the policy that the file says."""
    shown = shop.inside("database", "psql", "-U", "postgres", "-Atc", "SHOW shared_buffers; SHOW max_connections")
    assert shown.stdout.split() == ["128MB", "64"]
    assert limits_of(shop) == ["maxmemory", str(64 * 2**20), "maxmemory-policy", "allkeys-lru"]


def limits_of(shop: Shop) -> list[str]:
    """Return what redis says of its limits, asked as Hostess."""
    command = ["exec", only(shop.host, "shop", "cache"), "redis-cli", "CONFIG", "GET", "maxmemory", "maxmemory-policy"]
    found = docker(*command).split()
    return [word for pair in sorted(zip(found[::2], found[1::2], strict=True)) for word in pair]


def test_no_password_is_shown(shop: Shop) -> None:
    """Neither output nor logs nor the files of Hostess's settings hold a password of a group."""
    passwords = [shop.env("web", name).split(":")[2].partition("@")[0] for name in ("DATABASE", "CACHE")]
    logs = "".join(docker("logs", container) for [container] in shop.databases().values())

    for password in passwords:
        assert password not in shop.output + logs + shop.host.log()
        assert subprocess.run(["docker", "exec", only(shop.host, "shop", "cache"), "grep", "-r", password, "/data"],
                              capture_output=True, check=False).returncode == 1  # fmt: skip


def test_an_extension_that_is_not_there_fails_the_push(shop: Shop) -> None:
    """The refusal names the extension and what there is instead, and the database runs on as it was."""
    before = shop.databases()
    shop.repository.write(stack(special="{extensions: [pg_trgm, uuid-ossp, pgvector, pg_tgrm], pooler: true}"))
    shop.repository.commit()
    refused = shop.repository.push()

    assert refused.returncode != 0
    assert 'database has no extension vector, pg_tgrm (did you mean "pg_trgm"?); its image brings' in refused.stderr
    assert re.search(r"v\d+ \(\w+\) still serves", refused.stderr)
    assert shop.databases() == before


def test_limits_change_while_it_runs(shop: Shop) -> None:
    """A change of maxmemory restarts nothing and lasts; a push that fails later leaves the limits of what serves."""
    before = shop.databases()
    broken = '{DATABASE: "${database.url}"}\n    lifecycle: {migrate: {command: [/echo, exit, "3"]}}'
    shop.repository.write(stack(limits="{maxmemory: 100Mi}", more=APP.format(name="third", env=broken)))
    shop.repository.commit()
    assert shop.repository.push().returncode != 0
    assert limits_of(shop)[1] == str(64 * 2**20)

    output = revised(shop.repository, stack(limits="{maxmemory_percent: 25}"))

    assert {"database", "cache", "web", "other", "database.pooler"} <= carried(output)
    assert shop.databases() == before
    assert limits_of(shop) == ["maxmemory", str(128 * 2**20), "maxmemory-policy", "noeviction"]


def test_a_group_comes_and_goes_while_it_runs(shop: Shop) -> None:
    """A new consumer gets a database of its own, extensions included, with no restart; one that leaves keeps its data."""
    before, own = shop.databases(), shop.env("web", "DATABASE")
    third = APP.format(name="third", env='{DATABASE: "${database.url}", POOLED: "${database.pooled_url}"}')

    output = revised(shop.repository, stack(more=third))

    assert shop.databases() == before
    assert "database__third" in output
    assert shop.psql(shop.env("third", "POOLED"), "SELECT similarity('a', 'a')").stdout == "1\n"
    gone = revised(shop.repository, stack())
    assert "group third is no longer in hostess.yml; its database and role database__third stay" in gone
    assert shop.psql(own, "SELECT n FROM mine").stdout == "7\n"


def test_credentials_last(shop: Shop) -> None:
    """Scoped credentials and limits work after a kill -9 of the containers, after a rollback, and after a hand-over."""
    settled(shop.host, "shop")
    urls = {name: (shop.env(name, "DATABASE"), shop.env(name, "CACHE")) for name in ("web", "other")}
    before = shop.databases()
    kill = "kill -9 $(pidof postgres redis-server | tr ' ' '\\n' | sort -n | head -1)"
    for [container] in before.values():
        # The container may end before the shell that ends it can say that it did.
        subprocess.run(["docker", "exec", container, "sh", "-c", kill], capture_output=True, check=False, timeout=60)
    until(lambda: well(shop), 60, "the databases' return")
    assert shop.databases() == before
    assert [inspected(container, "{{.RestartCount}}") for [container] in before.values()] == ["1", "1"]
    assert limits_of(shop)[1] == str(64 * 2**20)

    revised(shop.repository, stack(limits="{maxmemory: 100Mi}"))
    assert shop.host.hostess("rollback", "--project", "shop").returncode == 0
    settled(shop.host, "shop")
    assert shop.databases() == before
    assert well(shop)

    output = revised(shop.repository, stack(postgres="medium"))
    assert "handing over database" in output
    assert shop.databases()["database"] != before["database"]
    until(lambda: well(shop), 30, "the pooler's way to the new database")
    assert {name: (shop.env(name, "DATABASE"), shop.env(name, "CACHE")) for name in urls} == urls


def test_a_lost_database_comes_back_with_its_users(shop: Shop) -> None:
    """Containers that somebody removed are replaced, and the consumers' credentials work as before."""
    settled(shop.host, "shop")
    for [container] in shop.databases().values():
        docker("rm", "--force", "--volumes", container)

    until(lambda: all(shop.databases().values()) and well(shop), 90, "the databases' return")
    assert limits_of(shop)[1] == str(64 * 2**20)


def test_an_extension_with_a_library_is_there_from_the_start(host: Host) -> None:
    """One whose library the image lacks is named when the server does not start; one that it has takes a hand-over."""
    text = 'version: "1.0"\nservices:\n  store: {{type: postgres, resources: small, special: {{extensions: [{}]}}}}\n'
    repository = a_repository(host, "audit", {"hostess.yml": text.format("pgaudit")})
    refused = repository.push()
    assert refused.returncode != 0
    assert "store has no extension pgaudit: its image does not bring the library" in refused.stderr
    assert not host.containers("project=audit")

    revised(repository, {"hostess.yml": text.format("pg_trgm")})
    output = revised(repository, {"hostess.yml": text.format("pg_trgm, pg_stat_statements")})

    assert "handing over store" in output
    asked = ("psql", "-U", "postgres", "-d", "store", "-Atc", "SELECT count(*) > 0 FROM pg_stat_statements")
    assert docker("exec", only(host, "audit", "store"), *asked) == "t\n"


def well(shop: Shop) -> bool:
    """Whether both databases and the pooler answer with the credentials of the consumers, with the data of before."""
    if [len(found) for found in shop.databases().values()] != [1, 1]:
        return False  # The engine waits a moment before it starts one that ended.
    own = [shop.psql(shop.env("web", name), "SELECT n FROM mine").stdout for name in ("DATABASE", "POOLED")]
    return own == ["7\n", "7\n"] and shop.redis("web", "GET", "mine") == "7" and shop.redis("other", "PING") == "PONG"
