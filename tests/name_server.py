"""A real name server (Knot) on a loopback address of its own, with zones that a test writes."""

import base64
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from tests.system.host import until

PROGRAM = "/usr/sbin/knotd"
PORT = 5399
KEY_NAME = "hostess"
KEY = base64.b64encode(secrets.token_bytes(32)).decode()
"""The key that may change zones, as name servers write it."""

CONFIGURATION = """
server:
    rundir: {folder}
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}/db
log:
  - target: stderr
    any: warning
key:
  - id: {key_name}
    algorithm: hmac-sha256
    secret: {key}
acl:
  - id: update
    key: {key_name}
    action: update
  - id: transfer
    address: 127.0.0.0/8
    action: transfer
template:
  - id: default
    storage: {folder}
    acl: [update, transfer]
    journal-content: none
    zonefile-sync: -1
    zonefile-load: whole
zone:
"""


@dataclass(frozen=True)
class NameServer:
    """One that runs."""

    address: str
    port: int = PORT

    def values(self, name: str, kind: str) -> list[str]:
        """Return what it says of a name."""
        answer = dns.query.udp(dns.message.make_query(name, kind), self.address, port=self.port, timeout=5)
        return sorted(str(record) for rrset in answer.answer for record in rrset)


def loopback() -> str:
    """Return a loopback address that nothing else uses."""
    return f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(250) + 1}"


@contextmanager
def name_server(folder: Path, zones: Mapping[str, str], address: str = "") -> Iterator[NameServer]:
    """Run one. *zones* is name -> lines below its SOA record; a zone without any is one that the server cannot read."""
    address = address or loopback()
    text = CONFIGURATION.format(folder=folder, address=address, port=PORT, key_name=KEY_NAME, key=KEY)
    for zone, lines in zones.items():
        text += f"  - domain: {zone}\n"
        if lines:
            head = f"$ORIGIN {zone}.\n$TTL 5\n@ SOA ns1 admin 1 60 60 3600 5\n@ NS ns1\nns1 A {address}\n"
            (folder / f"{zone}.zone").write_text(head + lines)
    (folder / "knot.conf").write_text(text)
    with (folder / "knot.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-c", str(folder / "knot.conf")], stdout=log, stderr=log)
    server = NameServer(address)
    try:
        for zone in [name for name, lines in zones.items() if lines]:
            until(partial(_serves, server, zone), 20, f"the zone {zone} (see {folder}/knot.log)")
        yield server
    finally:
        process.terminate()
        process.wait()


def _serves(server: NameServer, zone: str) -> bool:
    try:
        answer = dns.query.udp(dns.message.make_query(zone, "SOA"), server.address, port=server.port, timeout=0.2)
    except (dns.exception.Timeout, OSError):
        return False
    return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)
