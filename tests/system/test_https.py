"""A deployed app is served by TLS: with a certificate of the internal authority, then with one that somebody brought."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.issuing import authorities, issue
from tests.system.acting import pushed
from tests.system.host import Host, a_host, a_repository, echo_files

BROUGHT = "shop.example.org"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation whose proxy listens for TLS, too."""
    with a_host(tmp_path_factory.mktemp("https"), {"HOSTESS_PROXY__HTTPS": "127.0.0.1:0"}) as made:
        yield made


def ask(host: Host, name: str, root: str) -> bytes:
    """Ask for a page by TLS, as a client that trusts this root alone; return the first line of the answer."""
    address, _, port = json.loads((host.data / "run" / "proxy.json").read_text())["https"].rpartition(":")
    context = ssl.create_default_context(cadata=root)
    with (
        socket.create_connection((address, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        return connection.recv(65536).partition(b"\r\n")[0]


def test_a_host_of_localhost_and_one_that_was_brought(host: Host, tmp_path: Path) -> None:
    """Who trusts the root of `hostess tls root` gets generated hosts, at once; a certificate that was imported is served for its names."""
    files = echo_files(services=f"    domains: [{BROUGHT}]\n")
    pushed(a_repository(host, "shop", files), files)
    root = host.hostess("tls", "root").stdout
    other, middle = authorities()
    issued = issue((BROUGHT,), middle)
    (tmp_path / "chain.pem").write_text(issued.chain)

    assert ask(host, "shop-web.localhost", root) == b"HTTP/1.1 200 OK"
    done = host.hostess("tls", "import", "--cert", str(tmp_path / "chain.pem"), "--key", "-", stdin=issued.key)
    assert done.returncode == 0, done.stderr
    assert ask(host, BROUGHT, other.pem) == b"HTTP/1.1 200 OK"
