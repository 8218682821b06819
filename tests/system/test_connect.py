"""`hostess connect`: tunnels for psql and redis-cli as they are, and terminals, through the API and through the proxy by TLS."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
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
    env: {DATABASE: "${database.url}", CACHE: "${cache.url}"}
  database: {type: postgres, resources: small, databases: per_service, special: {version: 17}}
  cache: {type: redis, resources: small, special: {version: 8}}
"""
NAME = "localhost"
IDLE = 30.0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation with both databases, whose API has a host of its own."""
    folder = tmp_path_factory.mktemp("host")
    with a_host(folder, {"HOSTESS_PROXY__HTTPS": "127.0.0.1:0", "HOSTESS_API__HOST": NAME}) as running:
        (folder / "root.pem").write_text(running.hostess("tls", "root").stdout)
        pushed(a_repository(running, "shop", {"hostess.yml": STACK}))
        yield running


def given(host: Host, token: str = "", *, by_tls: bool = False) -> dict[str, str]:
    """Return the environment of a command line that speaks to the API, or to the proxy by TLS."""
    url = f"http://{host.api}"
    if by_tls:
        port = json.loads((host.data / "run" / "proxy.json").read_text())["https"].rpartition(":")[2]
        url = f"https://{NAME}:{port}"
    trust = {"HOSTESS_CA_FILE": str(host.folder / "root.pem")} if by_tls else {}
    return {**host.environment, **trust, "HOSTESS_URL": url, "HOSTESS_TOKEN": token or host.token}


def words(*arguments: str) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "hostess", "connect", *arguments, "--project", "shop"]


@contextmanager
def a_tunnel(host: Host, *arguments: str, by_tls: bool = False) -> Iterator[Mapping[str, Any]]:
    """Give what a tunnel says of itself; it ends with the block, by Ctrl+C."""
    with subprocess.Popen(
        words(*arguments, "-o", "json", "--local-port", "0"),
        env=given(host, by_tls=by_tls),
        stdout=subprocess.PIPE,
        text=True,
    ) as tunnel:
        try:
            assert tunnel.stdout is not None
            text = ""
            while not text.endswith("}\n"):
                line = tunnel.stdout.readline()
                assert line, host.log()
                text += line
            yield json.loads(text)
            tunnel.send_signal(signal.SIGINT)
            assert tunnel.wait(IDLE) == 0
        finally:
            tunnel.kill()


def outside(image: str, *command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a client of a database on the host's own network, as if it were installed here."""
    options = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
    return subprocess.run(
        ["docker", "run", "--rm", "--interactive", "--network", "host", *options, image, *command],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    ).stdout.strip()


@pytest.mark.parametrize("by_tls", [False, True])
def test_psql_reaches_a_database_by_its_url(host: Host, *, by_tls: bool) -> None:
    """The URL that is told is one for psql as it is; it leads to the first scoped database, and carries megabytes both ways."""
    with a_tunnel(host, "database", by_tls=by_tls) as told:
        assert told["database"] == told["user"] == "database__web"
        large = f"SELECT current_user, length('{'x' * 3_000_000}'), length(repeat('y', 5000000));"
        asked = outside("postgres:17", "psql", told["url"], "-XAtq", stdin=large)
        back = outside("postgres:17", "psql", told["url"], "-XAtc", "SELECT repeat('y', 5000000)")

    assert asked == "database__web|3000000|5000000"
    assert back == "y" * 5_000_000


def test_redis_cli_reaches_a_redis(host: Host) -> None:
    """So it does with redis-cli."""
    with a_tunnel(host, "cache") as told:
        client = ("redis-cli", "--no-auth-warning", "-u", told["url"])
        assert outside("redis:8", *client, "SET", "there", "yes") == "OK"

    assert docker("exec", only(host, "shop", "cache"), "redis-cli", "GET", "there").strip() == "yes"


def test_a_tunnel_leads_to_any_other_service(host: Host) -> None:
    """Of an application the first port is reached, private or not; who has said all it has to say still hears the answer."""
    with a_tunnel(host, "web") as told:
        done = subprocess.run(
            ["curl", "-fsS", "--noproxy", "*", f"{told['url']}/version"], capture_output=True, text=True, check=True
        )
        host_name, port = urlsplit(told["url"]).hostname, urlsplit(told["url"]).port
        with socket.create_connection((host_name, port), timeout=IDLE) as asking:
            asking.sendall(b"GET /version HTTP/1.0\r\nHost: x\r\n\r\n")
            asking.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: asking.recv(65536), b""))

    assert done.stdout.strip()
    assert b" 200 " in answer


def shell(host: Host, *arguments: str, stdin: str = "", token: str = "") -> subprocess.CompletedProcess[str]:
    """Run `hostess connect shell` without a terminal."""
    return subprocess.run(
        words("shell", *arguments),
        env=given(host, token),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_shell_without_a_terminal_is_a_pipe(host: Host) -> None:
    """Input, output, errors and exit code are passed on; megabytes come back as they went; databases are met by their clients."""
    assert shell(host, "database", stdin="SELECT 6 * 7 AS answer;").stdout.split()[2] == "42"
    assert shell(host, "cache", stdin="PING\n").stdout == "PONG\n"
    done = shell(host, "web", "-c", "sh -c 'echo out; echo err >&2; exit 7'")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    large = "0123456789abcde\n" * 250_000
    assert shell(host, "web", "-c", "cat", stdin=large).stdout == large


def test_a_command_in_a_container_that_runs(host: Host) -> None:
    """`services exec` takes its words as they are, reads what is given to it, and has its exit code."""
    ran = host.hostess(
        *("services", "exec", "web", "-p", "shop", "--", "sh", "-c", 'read word; echo "$word $1"; exit 7', "-", "a b"),
        stdin="typed\n",
    )
    absent = host.hostess("services", "exec", "nobody", "-p", "shop", "--", "true")

    assert (ran.stdout, ran.returncode) == ("typed a b\n", 7), ran.stderr
    assert absent.returncode == 3


def test_a_shell_has_a_terminal_where_its_user_has_one(host: Host) -> None:
    """What is typed goes to psql as to a person's, and nothing of it runs on when the command line is killed."""
    container = only(host, "shop", "database")
    ours, theirs = pty.openpty()
    talking = subprocess.Popen(words("shell", "database"), env=given(host), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = bytearray()

    def has(text: bytes) -> bool:
        with suppress(BlockingIOError):
            said.extend(os.read(ours, 65536))
        return text in said

    os.set_blocking(ours, False)
    try:
        until(lambda: has(b"database=#"), IDLE, "the prompt")
        os.write(ours, b"SELECT 6 * 7 AS answer, pg_sleep(0);\n")
        until(lambda: has(b"42"), IDLE, "the answer")
        os.write(ours, b"SELECT pg_sleep(600);\n")
        until(lambda: has(b"pg_sleep(600)"), IDLE, "the echo")
        assert "psql" in docker("top", container)
    finally:
        talking.kill()
        talking.wait(60)
        os.close(ours)

    until(lambda: "psql" not in docker("top", container), IDLE, "the end of psql")


def test_who_may_not_see_secrets_may_not_connect(host: Host) -> None:
    """A viewer is refused the credentials, the tunnel and the terminal; who connects is written down, without a secret."""
    made = host.hostess("tokens", "create", "looker", "--role", "viewer", "-o", "json")
    viewer = json.loads(made.stdout)["token"]
    refused = shell(host, "database", token=viewer)
    assert (refused.returncode, "may not do this" in refused.stderr) == (4, True)
    tunnel = subprocess.run(
        words("database"), env=given(host, viewer), capture_output=True, text=True, timeout=60, check=False
    )
    assert tunnel.returncode == 4

    with a_tunnel(host, "cache") as told:
        outside("redis:8", "redis-cli", "-u", told["url"], "PING")
    rows = host.query("SELECT kind, message, data FROM events WHERE kind LIKE 'audit.connect.%'")
    assert {"audit.connect.shown", "audit.connect.tunnel"} <= {str(kind) for kind, *_ in rows}
    assert told["password"] not in json.dumps(rows)
    assert told["password"] not in host.log()


def test_what_cannot_be_reached_is_told(host: Host) -> None:
    """An unknown service, group, command: each is said in a sentence."""
    assert "its services are web, database, cache" in shell(host, "databse").stderr
    group = subprocess.run(
        words("database", "--database", "other"), env=given(host), capture_output=True, text=True, check=False
    )
    assert "its groups are web" in group.stderr
    assert shell(host, "web", "-c", "no-such-program").returncode in {126, 127}
