"""Databases that are opened to the outside: psql and redis-cli reach them by TLS, by the URL that services are given; nobody else does."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from tests.system.host import Host, a_host, a_repository, docker, until
from tests.system.sources import only, pushed

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: hostess-test/echo:1-sh
    ports: [8000]
    health: {http: /health, interval: 1s}
    resources: {cpu: 0.5, memory: 128Mi}
    env: {DATABASE: "${database.external_url}", CACHE: "${cache.external_url}", NAME: "${database.external_host}"}
  database: {type: postgres, resources: small, special: {version: 17, external: true}}
  cache: {type: redis, resources: small, special: {version: 8, external: {allow: [127.0.0.0/8]}}}
  shut: {type: redis, resources: small, special: {version: 8, external: {allow: [192.0.2.0/24]}}}
  closed: {type: postgres, resources: small, special: {version: 17}}
"""
LISTENERS = {"HOSTESS_PROXY__POSTGRES": "127.0.0.1:0", "HOSTESS_PROXY__REDIS": "127.0.0.1:0"}
WITHIN = 60.0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation with databases that are opened, and one that is not; its proxy serves no HTTPS."""
    with a_host(tmp_path_factory.mktemp("host"), LISTENERS) as running:
        (running.folder / "root.pem").write_text(running.hostess("tls", "root").stdout)
        said = pushed(a_repository(running, "shop", {"hostess.yml": STACK}))
        assert f"database  postgresql://shop-database.localhost:{port(running, 'postgres')}  (from outside)" in said
        yield running


def port(host: Host, kind: str) -> int:
    """Return where the proxy listens."""
    return int(json.loads((host.data / "run" / "proxy.json").read_text())[kind].rpartition(":")[2])


def given(host: Host, variable: str) -> str:
    """Return what the service that runs now was given."""
    newest = host.containers("project=shop", "service=web", "role=replica", running=True)[
        0
    ]  # others may be on their way out
    variables = json.loads(docker("inspect", "--format", "{{json .Config.Env}}", newest))
    return str(dict(each.split("=", 1) for each in variables)[variable])


def client(
    host: Host, image: str, command: str, *words: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a client on the host's own network; "$@" are the words, /tmp/root.pem is the root that `hostess tls root` gives."""
    names = ("shop-database", "shop-cache", "shop-closed", "shop-shut")
    options = [word for name in names for word in ("--add-host", f"{name}.localhost:127.0.0.1")]
    values = {"ROOT": (host.folder / "root.pem").read_text(), "PGCONNECT_TIMEOUT": "60", **(env or {})}
    options += [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
    script = f'printf %s "$ROOT" >/tmp/root.pem; {command}'
    return subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "--network",
            "host",
            *options,
            "--entrypoint",
            "sh",
            image,
            "-c",
            script,
            "-",
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def psql(host: Host, url: str, question: str = "SELECT 6 * 7", **env: str) -> "subprocess.CompletedProcess[str]":
    """Ask a question of what is at *url*, and trust the installation's own authority."""
    variables = {"PGSSLROOTCERT": "/tmp/root.pem", **env}
    return client(host, "postgres:17", 'psql "$1" -XAtq -c "$2"', url, question, env=variables)


def strict(url: str) -> str:
    """Return the URL of a client that looks at the certificate and at its name."""
    return url.replace("sslmode=require", "sslmode=verify-full")


def redis(host: Host, url: str, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Ask what is at *url* for this name, which redis-cli does not take from there."""
    command = 'url=$1 sni=$2; shift 2; redis-cli --no-auth-warning -u "$url" --cacert /tmp/root.pem --sni "$sni" "$@"'
    return client(host, "redis:8", command, url, name, *words)


def test_psql_reaches_a_database(host: Host) -> None:
    """By the very URL that a service is given, as strictly as psql can; megabytes go both ways."""
    url = given(host, "DATABASE")
    parts = urlsplit(url)
    assert (parts.hostname, parts.port, parts.query) == (
        "shop-database.localhost",
        port(host, "postgres"),
        "sslmode=require",
    )
    assert given(host, "NAME") == "shop-database.localhost"

    asked = psql(host, strict(url), "SELECT current_user, length(repeat('y', 5000000)), 'x' FROM pg_stat_ssl LIMIT 1")
    assert asked.stdout.strip() == "postgres|5000000|x", asked.stderr
    assert psql(host, url).stdout.strip() == "42"
    assert psql(host, strict(url), PGREQUIREAUTH="scram-sha-256").stdout.strip() == "42"
    assert len(psql(host, strict(url), "SELECT repeat('y', 5000000)").stdout) == 5_000_001


def test_psql_of_18_begins_with_the_handshake(host: Host) -> None:
    """So it does where it is told not to ask first."""
    url = f"{given(host, 'DATABASE')}&sslnegotiation=direct"
    assert psql(host, strict(url)).stdout.strip() == "42"


def test_a_statement_is_cancelled(host: Host) -> None:
    """Ctrl+C in psql, which asks for that on a connection of its own and without TLS, ends the statement."""
    url, asleep = given(host, "DATABASE"), "SELECT pg_sleep(600)"
    running = f"SELECT count(*) FROM pg_stat_activity WHERE query = '{asleep}' AND state = 'active'"
    hosts = ("--network", "host", "--add-host", "shop-database.localhost:127.0.0.1")
    with subprocess.Popen(
        ["docker", "run", "--rm", *hosts, "--entrypoint", "psql", "postgres:17", url, "-XAtqc", asleep],
        stderr=subprocess.PIPE,
        text=True,
    ) as talking:
        until(lambda: psql(host, url, running).stdout.strip() == "1", WITHIN, "the statement")
        talking.send_signal(signal.SIGINT)
        _, said = talking.communicate(timeout=WITHIN)
    assert "canceling statement due to user request" in said


def test_what_is_refused(host: Host) -> None:
    """Plain connections, other roots, names that are no database's or one's that is closed, wrong passwords."""
    url = given(host, "DATABASE")
    words = {
        url.replace("sslmode=require", "sslmode=disable"): "reached by TLS only",
        url.replace("shop-database", "shop-closed"): "unrecognized name",
        strict(url).replace("shop-database.localhost", "127.0.0.1"): "unrecognized name",
        url.replace(urlsplit(url).password or "", "guessed"): "password authentication failed",
    }
    for tried, why in words.items():
        ran = psql(host, tried)
        assert (ran.returncode, why in ran.stderr) == (2, True), ran.stderr
    assert "certificate verify failed" in psql(host, strict(url), PGSSLROOTCERT="system").stderr


def test_redis_cli_reaches_a_redis(host: Host) -> None:
    """So it does with redis-cli; a redis for other networks, or another name, takes nobody."""
    url = given(host, "CACHE")
    told = redis(host, url, "shop-cache.localhost", "SET", "there", "yes")
    assert told.stdout == "OK\n", told
    assert docker("exec", only(host, "shop", "cache"), "redis-cli", "GET", "there").strip() == "yes"

    assert redis(host, url, "shop-shut.localhost", "GET", "there").returncode != 0
    assert redis(host, url, "shop-database.localhost", "GET", "there").returncode != 0
    assert redis(host, url.replace("rediss", "redis"), "shop-cache.localhost", "GET", "there").returncode != 0


def test_people_see_where_it_is(host: Host) -> None:
    """The lists show the address, and no password."""
    listed = host.hostess("services", "list", "--project", "shop", "-o", "json")
    urls = {each["name"]: each["urls"] for each in json.loads(listed.stdout)}
    assert urls["database"] == [f"postgresql://shop-database.localhost:{port(host, 'postgres')}"]
    assert urls["cache"] == [f"rediss://shop-cache.localhost:{port(host, 'redis')}"]
    assert urls["closed"] == []
    hosts = json.loads(host.hostess("tls", "list", "-o", "json").stdout)
    assert "shop-database.localhost" in json.dumps(hosts)


def test_it_is_found_after_every_change(host: Host) -> None:
    """After a restart, a rotation, and with no daemon at all; a connection that is open outlives the daemon."""
    assert host.hostess("services", "restart", "database", "--project", "shop").returncode == 0
    assert psql(host, strict(given(host, "DATABASE"))).stdout.strip() == "42"

    before = given(host, "DATABASE")
    rotated = host.hostess("services", "rotate", "database", "--project", "shop")
    assert rotated.returncode == 0, rotated.stderr
    assert given(host, "DATABASE") != before
    assert psql(host, strict(given(host, "DATABASE"))).stdout.strip() == "42"
    until(lambda: psql(host, strict(before)).returncode == 2, WITHIN, "the end of the password of before")

    url = given(host, "DATABASE")
    hosts = ("--network", "host", "--add-host", "shop-database.localhost:127.0.0.1")
    with subprocess.Popen(
        ["docker", "run", "--rm", "--interactive", *hosts, "postgres:17", "psql", url, "-XAtq"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as talking:
        assert talking.stdin is not None
        assert talking.stdout is not None
        print("SELECT 1;", file=talking.stdin, flush=True)
        assert talking.stdout.readline() == "1\n"
        host.kill()
        assert psql(host, strict(url)).stdout.strip() == "42"
        print("SELECT 2;", file=talking.stdin, flush=True)
        assert talking.stdout.readline() == "2\n"
    host.start()


def test_a_host_that_does_not_listen_refuses(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Off by default: nothing listens, and who asks for it is told where in the file, and which setting it takes."""
    with a_host(tmp_path_factory.mktemp("plain")) as plain:
        refused = a_repository(plain, "shop", {"hostess.yml": STACK}).push()
        assert refused.returncode == 1
        assert (
            "hostess.yml:10:81: services.database.special.external: this host does not listen for postgres"
            in refused.stderr
        )
        assert 'proxy.redis = ":6379"' in refused.stderr
        facts = json.loads((plain.data / "run" / "proxy.json").read_text())
        assert (facts["postgres"], facts["redis"]) == ("", "")
