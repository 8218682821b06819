"""A deployed app is served by TLS: with a certificate of the internal authority, then with one that somebody brought."""

import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.issuing import authorities, issue
from tests.system.acting import done, pushed
from tests.system.host import Host, a_host, a_repository, echo_files

BROUGHT = "shop.example.org"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation whose proxy listens for TLS, too."""
    with a_host(tmp_path_factory.mktemp("https"), {"HOSTESS_PROXY__HTTPS": "127.0.0.1:0"}) as made:
        yield made


def ask(host: Host, name: str, root: str) -> bytes:
    """Ask for a page by TLS, as a client that trusts this root alone; return the first line of the answer."""
    return head(host, name, root).partition(b"\r\n")[0]


def head(host: Host, name: str, root: str) -> bytes:
    """Ask for a page by TLS, as a client that trusts this root alone; return the head of the answer."""
    address, _, port = json.loads((host.data / "run" / "proxy.json").read_text())["https"].rpartition(":")
    context = ssl.create_default_context(cadata=root)
    with (
        socket.create_connection((address, int(port)), 60) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return b"".join(iter(answer.readline, b"\r\n"))


def bring(host: Host, names: Sequence[str], folder: Path) -> str:
    """Import a certificate for *names*; return the root that signed it."""
    root, middle = authorities()
    issued = issue(names, middle)
    (folder / "chain.pem").write_text(issued.chain)
    done(host, "tls", "import", "--cert", str(folder / "chain.pem"), "--key", "-", stdin=issued.key)
    return root.pem


def test_a_host_of_localhost_and_one_that_was_brought(host: Host, tmp_path: Path) -> None:
    """Who trusts the root of `hostess tls root` gets generated hosts, at once; a certificate that was imported is served for its names."""
    files = echo_files(services=f"    domains: [{BROUGHT}]\n")
    pushed(a_repository(host, "shop", files), files)
    root = done(host, "tls", "root")

    assert ask(host, "shop-web.localhost", root) == b"HTTP/1.1 200 OK"
    assert ask(host, BROUGHT, bring(host, [BROUGHT], tmp_path)) == b"HTTP/1.1 200 OK"
    assert ask(host, "shop-web.localhost", root) == b"HTTP/1.1 200 OK"


def test_plain_http_leads_to_https_where_that_is_trusted(host: Host, tmp_path: Path) -> None:
    """Plain HTTP leads to the same place by HTTPS where a certificate was brought, unless that is turned off for the domain.

    With the internal authority's it serves as before. A release is proved where its hosts lead, and URLs are told by that.
    """
    port = json.loads((host.data / "run" / "proxy.json").read_text())["https"].rpartition(":")[2]
    domains = "    domains: [a.example.net, b.example.net]\n    proxy: {redirect_https: [a.example.net], hsts: {max_age: 30d}}\n"
    repository = a_repository(host, "led", echo_files())
    pushed(repository, echo_files(services=domains))
    assert [host.get(name)[0] for name in ("a.example.net", "b.example.net", "led-web.localhost")] == [200, 200, 200]

    root = bring(host, ["*.example.net"], tmp_path)
    status, _, headers = host.get("a.example.net", "/there?and=back")
    assert (status, headers["location"]) == (308, f"https://a.example.net:{port}/there?and=back")
    assert [host.get(name)[0] for name in ("b.example.net", "led-web.localhost")] == [200, 200]
    led, other = head(host, "a.example.net", root).lower(), head(host, "b.example.net", root).lower()
    assert b"\r\nstrict-transport-security: max-age=2592000\r\n" in led
    assert other.startswith(b"http/1.1 200 ok\r\n")
    assert b"strict-transport-security" not in other

    told = pushed(repository, echo_files("2", services=domains))
    assert f"web  https://a.example.net:{port}" in told
    assert f"web  http://led-web.localhost:{host.proxy[1]}" in told
    assert f"https://a.example.net:{port}" in done(host, "status")
