"""Pebble, the certificate authority for tests, and the name server that it asks: both real, on loopback, on ports of their own."""

import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.issuing import authorities, issue
from tests.side_by_side import free_ports

ATTEMPTS = 5
"""Ports that were free may be somebody else's a moment later."""
WITHIN = 20.0


@dataclass(frozen=True)
class Names:
    """The name server, pebble-challtestsrv: it says 127.0.0.1 for every name until it is told otherwise."""

    address: str
    """For DNS, as host:port."""
    control: str
    """For HTTP."""

    def point(self, name: str, *addresses: str) -> None:
        """Give a name these A and AAAA records."""
        for kind, colon in (("a", False), ("aaaa", True)):
            self._post(f"clear-{kind}", host=name)
            own = [each for each in addresses if (":" in each) is colon]
            if own:
                self._post(f"add-{kind}", host=name, addresses=own)

    def forget(self, name: str) -> None:
        """Take the addresses of a name away again."""
        self.point(name)

    def caa(self, name: str, *records: tuple[str, str]) -> None:
        """Give a name these CAA records, each a tag and a value; none of them: it has none any longer."""
        self._post("clear-caa", host=name)
        if records:
            self._post("add-caa", host=name, policies=[{"tag": tag, "value": value} for tag, value in records])

    def text(self, name: str, value: str) -> None:
        """Give a name one more TXT record."""
        self._post("set-txt", host=f"{name.rstrip('.')}.", value=value)

    def no_text(self, name: str) -> None:
        """Take the TXT records of a name away."""
        self._post("clear-txt", host=f"{name.rstrip('.')}.")

    def fail(self, name: str) -> None:
        """Answer SERVFAIL for a name."""
        self._post("set-servfail", host=name)

    def recover(self, name: str) -> None:
        """Answer for it again."""
        self._post("clear-servfail", host=name)

    def _post(self, what: str, **body: object) -> None:
        request = urllib.request.Request(f"{self.control}/{what}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass


@dataclass
class Pebble:
    """An authority. *directory* is its URL, *ca_file* the root of its own TLS certificate (and not of what it issues)."""

    folder: Path
    names: Names
    port: int
    control_port: int
    http_port: int
    tls_port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    strict: bool = True
    process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> str:
        """Where a client begins."""
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def ca_file(self) -> Path:
        """What a client has to trust to speak with it."""
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "pebble.log").read_text()

    def root(self) -> str:
        """Return the root (PEM) of the chains that it issues; another one after each start."""
        return self._managed("roots/0").decode()

    def start(self) -> None:
        """Start it, with nothing in its memory: accounts and orders of before are gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.ca_file.exists():
            root, middle = authorities()
            own = issue(["127.0.0.1", "localhost"], middle)
            (self.folder / "chain.pem").write_text(own.chain)
            (self.folder / "key.pem").write_text(own.key)
            self.ca_file.write_text(root.pem)
        config = self.folder / "config.json"
        config.write_text(json.dumps({"pebble": self._config()}))
        with (self.folder / "pebble.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["pebble", "-config", config, "-dnsserver", self.names.address, *(["-strict"] if self.strict else [])],
                env=os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", **self.environment},
                stdout=log,
                stderr=log,
            )
        _answers(self.process, lambda: (_ask(self.directory, self.ca_file), self.root()))

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _managed(self, what: str) -> bytes:
        return _ask(f"https://127.0.0.1:{self.control_port}/{what}", self.ca_file)

    def _config(self) -> Mapping[str, object]:
        return {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.control_port}",
            "certificate": str(self.folder / "chain.pem"),
            "privateKey": str(self.folder / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(self.bindings),
            "externalAccountMACKeys": dict(self.bindings),
        }


@contextmanager
def name_server() -> Iterator[Names]:
    """Give a name server."""
    for _ in range(ATTEMPTS):
        dns, control = free_ports(2)
        silent = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
        own = ["-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{control}", *silent]
        process = subprocess.Popen(["pebble-challtestsrv", *own], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        names = Names(f"127.0.0.1:{dns}", f"http://127.0.0.1:{control}")
        try:
            _answers(process, partial(names.forget, "nobody.invalid"))
            yield names
        except PortsTakenError:
            continue
        finally:
            process.kill()
            process.wait()
        return
    raise PortsTakenError("no ports for a name server")


@contextmanager
def authority(
    folder: Path,
    names: Names | None = None,
    *,
    http_port: int = 0,
    tls_port: int = 0,
    environment: Mapping[str, str] | None = None,
    bindings: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Iterator[Pebble]:
    """Give a running authority. It asks *names* (by default a name server of its own), and validates at the two ports.

    A port that is 0 is a free one, for the test to listen at. *bindings* are the customers (RFC 8555 §7.3.4) without whom there is no
    account, key ids and keys in base64url.
    """
    with ExitStack() as stack:
        asked = names or stack.enter_context(name_server())
        for _ in range(ATTEMPTS):
            port, control, http, tls = free_ports(4)
            made = Pebble(
                folder,
                asked,
                port,
                control,
                http_port or http,
                tls_port or tls,
                environment or {},
                bindings or {},
                strict,
            )
            stack.callback(made.stop)
            try:
                made.start()
            except PortsTakenError:
                continue
            yield made
            return
        raise PortsTakenError("no ports for Pebble")


class PortsTakenError(Exception):
    """A program could not have its ports."""


def _answers(process: subprocess.Popen[bytes], ask: Callable[[], object]) -> None:
    """Return once *ask* is answered; PortsTakenError when the program ends before."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        try:
            ask()
        except (OSError, ValueError):
            if process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            if process.poll() is None:
                return
            break
    process.kill()
    process.wait()
    raise PortsTakenError(f"{process.args!r} does not answer")


def _ask(url: str, ca_file: Path) -> bytes:
    context = ssl.create_default_context(cafile=ca_file)
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:
        return bytes(answer.read())
