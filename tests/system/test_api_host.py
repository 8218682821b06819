"""API and git at a host name of their own, by TLS through the proxy: a real push, the command line, a daemon that goes and comes."""

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.acting import hooked, pushed
from tests.system.host import GIT, Host, Repository, a_host, a_repository, docker, echo_files, until

NAME = "localhost"
"""As api.host: of the names that are no public one's, the only one that every resolver knows."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation whose API has a host."""
    folder = tmp_path_factory.mktemp("api-host")
    with a_host(folder, {"HOSTESS_PROXY__HTTPS": "127.0.0.1:0", "HOSTESS_API__HOST": NAME}) as made:
        (folder / "root.pem").write_text(made.hostess("tls", "root").stdout)
        yield made


def secure_port(host: Host) -> int:
    """Return where the proxy serves TLS."""
    return int(json.loads((host.data / "run" / "proxy.json").read_text())["https"].rpartition(":")[2])


def asked(host: Host, name: str, path: str) -> tuple[int, str]:
    """GET a path by TLS, with the owner's token as a password; return status and body."""
    port = secure_port(host)
    context = ssl.create_default_context(cafile=str(host.folder / "root.pem"))
    context.check_hostname = False  # of other names, too; the connection goes to an address
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        connection.request("GET", path, headers={"Host": name, "Authorization": f"Bearer {host.token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def begin_push(repository: Repository, token: str = "") -> subprocess.Popen[str]:
    """Begin to push through the proxy, as a client that trusts the installation's root alone."""
    host = repository.host
    url = f"https://x:{token or host.token}@{NAME}:{secure_port(host)}/git/{repository.project}.git"
    return subprocess.Popen(
        ["git", "push", url, "main"],
        cwd=repository.folder,
        env={**os.environ, **GIT, "GIT_SSL_CAINFO": str(host.folder / "root.pem")},
        stderr=subprocess.PIPE,
        text=True,
    )


def by_url(host: Host, ca_file: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the API's public URL."""
    trust = {} if ca_file is None else {"HOSTESS_CA_FILE": str(ca_file)}
    url = f"https://{NAME}:{secure_port(host)}"
    return subprocess.run(
        [sys.executable, "-m", "hostess", "--url", url, "--token", host.token, *arguments],
        env={**host.environment, **trust},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_push_by_tls(host: Host) -> None:
    """A push of several megabytes goes through the proxy; its output comes while it is deployed; at its end the app is served."""
    lifecycle = "      migrate: {command: [sh, -c, 'until [ -e /tmp/go ]; do sleep 0.1; done'], timeout: 2m}\n"
    repository = a_repository(host, "shop", hooked("1", lifecycle))
    (repository.folder / "large").write_bytes(os.urandom(5 << 20))
    repository.commit("large")

    pushing = begin_push(repository)
    lines: list[str] = []
    assert pushing.stderr is not None
    for line in pushing.stderr:
        lines.append(line)
        if "migrate" in line:
            break
    until(lambda: host.containers("project=shop", running=True), 60, "the migration")
    assert host.get("shop-web.localhost")[0] == 404
    docker("exec", host.containers("project=shop", running=True)[0], "touch", "/tmp/go")
    rest = pushing.communicate(timeout=120)[1]
    assert pushing.returncode == 0, "".join(lines) + rest
    assert any(line.startswith("remote: ") for line in lines)
    assert "main -> main" in rest
    assert host.get("shop-web.localhost")[0] == 200


def test_a_push_with_a_wrong_token(host: Host) -> None:
    """Who shows no token that is known is refused through the proxy, too."""
    pushing = begin_push(a_repository(host, "other", echo_files()), "hst_wrong")

    assert "Authentication failed" in pushing.communicate(timeout=180)[1]
    assert pushing.returncode != 0


def test_the_command_line_by_https(host: Host, tmp_path: Path) -> None:
    """With the root in HOSTESS_CA_FILE the command line is at home; without, it says what to put there; rubbish is told as such."""
    (tmp_path / "rubbish.pem").write_text("no certificate")
    known = by_url(host, host.folder / "root.pem", "whoami", "-o", "json")
    unknown = by_url(host, None, "whoami")
    rubbish = by_url(host, tmp_path / "rubbish.pem", "whoami")

    assert json.loads(known.stdout)["role"] == "owner"
    assert (unknown.returncode, rubbish.returncode) == (5, 2)
    assert "HOSTESS_CA_FILE" in unknown.stderr
    assert "HOSTESS_CA_FILE" in rubbish.stderr


def test_plain_http_is_sent_to_https(host: Host) -> None:
    """By plain HTTP nothing of the API is served: every path leads to the same one by TLS."""
    status, _, headers = host.get(NAME, "/v1/whoami?x=1")

    assert (status, headers["location"]) == (308, f"https://{NAME}:{secure_port(host)}/v1/whoami?x=1")


def test_while_the_daemon_is_away(host: Host) -> None:
    """A daemon that is killed takes its own host with it and no other; when it is back, at another port, so is its host."""
    files = echo_files()
    pushed(a_repository(host, "stays", files), files)
    assert asked(host, NAME, "/v1/whoami")[0] == 200

    host.kill()
    assert asked(host, NAME, "/v1/whoami")[0] in {502, 503}
    assert asked(host, "stays-web.localhost", "/")[0] == 200
    host.start()
    until(lambda: asked(host, NAME, "/v1/whoami")[0] == 200, 30, "the return of the API")
