"""Certificates by themselves: a real authority (Pebble), real DNS, the real daemon and its proxy."""

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509

from tests.name_server import loopback
from tests.pebble import Names, Pebble, authority, name_server
from tests.system.acting import done, pushed
from tests.system.host import Host, Repository, a_host, a_repository, echo_files, until

SOON = 180.0
CLOSED = 9
"""A port (discard) at which nobody listens."""
API_HOST = "hostess.example.org"
WRITER = """#!{python}
import json, os, sys, urllib.request
what = {{"present": "set-txt", "clear": "clear-txt"}}[sys.argv[1]]
body = {{"host": os.environ["HOSTESS_DNS_NAME"].rstrip(".") + ".", "value": os.environ["HOSTESS_DNS_VALUE"]}}
urllib.request.urlopen(urllib.request.Request("{control}/" + what, json.dumps(body).encode(), method="POST"), timeout=10)
"""


@dataclass(frozen=True)
class Site:
    """An installation whose proxy has ports 80 and 443 of an address of its own, and who issues for it."""

    host: Host
    pebble: Pebble
    names: Names
    address: str

    def push(self, project: str, *domains: str) -> Repository:
        """Push an app with these domains, which lead here."""
        for domain in domains:
            self.names.point(domain, self.address)
        files = echo_files(services=f"    domains: [{', '.join(domains)}]\n")
        repository = a_repository(self.host, project, files)
        pushed(repository, files)
        return repository

    def certificates(self, name: str) -> list[dict[str, Any]]:
        """Return what the list has for a name of an authority."""
        found = json.loads(done(self.host, "tls", "list", "-o", "json"))
        return [each for each in found if each["source"] == "acme" and name in each["names"]]

    def serves(self, name: str) -> bool:
        """Whether there is a certificate, and nothing is under way."""
        return any(each["state"] == "serving" and each["not_after"] for each in self.certificates(name))

    def left(self, name: str) -> list[str]:
        """Return which orders for a name have left files; those for other names, such as the API's, may be open."""
        rows = self.host.query("SELECT id FROM certificate_orders WHERE record LIKE ?", f'%"{name}"%')
        assert rows
        return [path.name for path in (self.host.data / "certs" / "orders").glob("*") if (path.name,) in rows]

    def await_certificate(self, name: str) -> None:
        """Wait for it."""
        until(
            partial(self.serves, name), SOON, f"the certificate for {name}: {self.certificates(name)} {self.host.log()}"
        )

    def shown(self, name: str) -> x509.Certificate:
        """Return what the proxy shows for a name, to a client that trusts the authority alone."""
        with self.connected(name) as secure:
            found = secure.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found)

    def connected(self, name: str) -> ssl.SSLSocket:
        """Open a connection by TLS, as such a client does."""
        context = ssl.create_default_context(cadata=self.pebble.root())
        raw = socket.create_connection((self.address, 443), timeout=60)
        return context.wrap_socket(raw, server_hostname=name)


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    """Give DNS."""
    with name_server() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, names: Names) -> Iterator[Site]:
    """Give an installation that is reached at port 80; its authority takes seconds to judge, so that an order is open for a while."""
    folder, address = tmp_path_factory.mktemp("acme"), loopback()
    names.point(API_HOST, address)
    with (
        authority(
            folder / "pebble",
            names,
            http_port=80,
            tls_port=443,
            environment={"PEBBLE_WFE_NONCEREJECT": "5", "PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "5"},
        ) as pebble,
        a_host(folder / "host", {**settings(pebble, names, address), "HOSTESS_API__HOST": API_HOST}) as host,
    ):
        yield Site(host, pebble, names, address)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, names: Names) -> Iterator[Site]:
    """Give an installation that its authority cannot reach at port 80, with a public base domain and a program that writes records."""
    folder, address = tmp_path_factory.mktemp("closed"), loopback()
    writer = folder / "writer"
    writer.write_text(WRITER.format(python=Path(os.__file__).parents[2] / "bin" / "python3", control=names.control))
    writer.chmod(0o755)
    more = {
        "HOSTESS_BASE_DOMAIN": "apps.example.net",
        "HOSTESS_ACME__DNS__PROVIDER": "command",
        "HOSTESS_ACME__DNS__COMMAND": str(writer),
    }
    with (
        authority(folder / "pebble", names, http_port=CLOSED, tls_port=443) as pebble,
        a_host(folder / "host", {**settings(pebble, names, address), **more}) as host,
    ):
        yield Site(host, pebble, names, address)


def settings(pebble: Pebble, names: Names, address: str) -> dict[str, str]:
    """Return what an installation at *address* needs."""
    return {
        "HOSTESS_PROXY__HTTP": f"{address}:80",
        "HOSTESS_PROXY__HTTPS": f"{address}:443",
        "HOSTESS_PUBLIC_ADDRESS": address,
        "HOSTESS_ACME__DIRECTORY": pebble.directory,
        "HOSTESS_ACME__CA_FILE": str(pebble.ca_file),
        "HOSTESS_ACME__DNS__SERVERS": names.address,
    }


@dataclass
class Clients:
    """Who asks for a page by TLS over and over: on one connection, and on a new one each time. *failed* is what went wrong."""

    site: Site
    name: str
    answers: int = 0
    serials: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin."""
        self.threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in (True, False, False)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def _ask(self, kept: bool) -> None:
        context = ssl.create_default_context(cadata=self.site.pebble.root())
        connection: http.client.HTTPConnection | None = None
        while not self.over.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self.name, timeout=30)
                    raw = socket.create_connection((self.site.address, 443), timeout=30)
                    connection.sock = context.wrap_socket(raw, server_hostname=self.name)
                    shown = connection.sock.getpeercert(binary_form=True)
                    self.serials.add(x509.load_der_x509_certificate(shown or b"").serial_number)
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(str(answer.status))
                self.answers += 1
                if not kept:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()


def test_a_pushed_domain_is_served_by_https(site: Site) -> None:
    """A push with a domain ends in a certificate by http-01 that clients trust; plain HTTP leads to HTTPS then."""
    site.push("shop", "shop.example.org", "www.shop.example.org")
    site.await_certificate("shop.example.org")

    alternative = site.shown("shop.example.org").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(alternative.get_values_for_type(x509.DNSName)) == {"shop.example.org", "www.shop.example.org"}
    status, _, headers = site.host.get("shop.example.org", "/a?b=c")
    assert (status, headers["location"]) == (308, "https://shop.example.org/a?b=c")
    assert "certificate.issued" in done(site.host, "events")
    until(lambda: not site.left("shop.example.org"), 30, "the end of what the order kept")


def test_the_api_at_a_host_of_its_own(site: Site) -> None:
    """The API's own host has a certificate of the authority without any push, and is served with it."""
    site.await_certificate(API_HOST)
    with site.connected(API_HOST) as secure:
        asked = f"GET /v1/projects HTTP/1.1\r\nHost: {API_HOST}\r\nAuthorization: Bearer {site.host.token}\r\n"
        secure.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(secure)
        answer.begin()
        assert (answer.status, "items" in json.load(answer)) == (200, True)


def test_a_renewal_loses_no_request(site: Site) -> None:
    """While a certificate is renewed every request is answered, on connections of before and on new ones; these get the new one."""
    site.push("busy", "busy.example.org")
    site.await_certificate("busy.example.org")
    before = site.shown("busy.example.org").serial_number
    with Clients(site, "busy.example.org") as clients:
        until(lambda: clients.answers > 20, SOON, f"answers {clients.failed}")
        done(site.host, "tls", "retry", "busy.example.org")
        until(lambda: len(clients.serials) > 1, SOON, f"a new certificate {clients.failed}")
        seen = clients.answers
        until(lambda: clients.answers > seen + 20, SOON, f"answers {clients.failed}")

    assert not clients.failed
    assert site.shown("busy.example.org").serial_number != before


def test_a_domain_that_moves_keeps_its_certificate(site: Site) -> None:
    """A domain that another service of the project has from now on is served with the certificate that it had."""
    repository = site.push("moving", "moving.example.org")
    site.await_certificate("moving.example.org")
    before = site.shown("moving.example.org").serial_number
    other = echo_files()["hostess.yml"].partition("  web:\n")[2]
    files = echo_files(services=f"  other:\n{other}    domains: [moving.example.org]\n")
    pushed(repository, files)

    assert site.shown("moving.example.org").serial_number == before
    assert len(site.certificates("moving.example.org")) == 1


def killed_in_order(site: Site, name: str) -> bool:
    """Push an app at that name and kill the daemon; return whether the order is open. If not, another daemon runs."""
    site.push(name.partition(".")[0], name)
    outcomes = "SELECT record ->> 'outcome' FROM certificate_orders WHERE record LIKE ?"
    until(lambda: site.host.query(outcomes, f'%"{name}"%'), SOON, f"the order {site.host.log()}")
    site.host.kill()
    if site.host.query(outcomes, f'%"{name}"%') == [("open",)]:
        return True
    site.host.start()
    return False


def test_a_daemon_that_is_killed_in_an_order(site: Site) -> None:
    """Kill -9 of the daemon while an order is open: the next one goes on, and there is one certificate in the end."""
    # The authority takes some seconds, or none.
    name = next(name for name in (f"killed{number}.example.org" for number in range(6)) if killed_in_order(site, name))
    site.host.start()
    site.await_certificate(name)

    site.shown(name)
    folders = [path for path in (site.host.data / "certs").iterdir() if path.name.startswith(f"{name}-")]
    sources = [json.loads((path / "meta.json").read_text())["source"] for path in folders]
    assert sources.count("acme") == 1
    until(lambda: not site.left(name), 30, "the end of what the order kept")


def test_a_domain_that_waits_for_its_dns(site: Site) -> None:
    """A domain that leads elsewhere waits, and the list says which record to make; then it is made, and a retry is enough."""
    site.names.point("late.example.org", "198.51.100.9")
    files = echo_files(services="    domains: [late.example.org]\n")
    pushed(a_repository(site.host, "late", files), files)
    until(
        lambda: [each["state"] for each in site.certificates("late.example.org")] == ["pending dns"],
        SOON,
        f"the wait {site.host.log()}",
    )
    assert f"A {site.address}" in site.certificates("late.example.org")[0]["error"]

    site.names.point("late.example.org", site.address)
    done(site.host, "tls", "retry", "late.example.org")
    site.await_certificate("late.example.org")


def test_port_80_is_closed_and_a_wildcard(closed: Site) -> None:
    """Where the authority cannot reach port 80 tls-alpn-01 proves a domain; hosts below the base domain share a wildcard by dns-01."""
    closed.push("shop", "closed.example.org")
    closed.await_certificate("closed.example.org")
    closed.await_certificate("*.apps.example.net")

    closed.shown("closed.example.org")
    closed.shown("shop-web.apps.example.net")
    challenges = closed.host.data / "certs" / "challenges"
    until(lambda: not list(challenges.glob("*")), 30, "the end of what proved them")
