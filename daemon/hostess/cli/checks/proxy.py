"""The proxy: whether it runs, answers, and leads services of a stack to each other; who has its ports where it does not run."""

import http.client
import json
import os
import re
import subprocess
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostess.cli.checks.finding import Finding, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostess.domain.settings import Settings
    from hostess.domain.settings_kinds import Address

_EVERY = {"": ("127.0.0.1", "::1"), "::": ("127.0.0.1", "::1"), "0.0.0.0": ("127.0.0.1",)}  # noqa: S104 -- where to ask
_UNIT = re.compile(r"/system\.slice/(?:.*/)?([^/\n]+\.service)$", re.MULTILINE)
_LISTENS = "0A"  # TCP_LISTEN, in /proc/net/tcp (proc(5))


def proxy(settings: "Settings") -> Iterator[Finding]:
    """Look at the proxy that runs."""
    path = settings.data_dir / "run" / "proxy.json"
    facts = _facts(path)
    if facts is None:
        remedy = "systemctl start hostess-proxy; with proxy.managed the daemon starts it"
        yield Finding("fail", "proxy", f"does not run ({path})", remedy)
        yield from taken((settings.proxy.http, settings.proxy.https))
        return
    yield from _listener(str(facts.get("http", "")))
    if settings.proxy.https is not None and not facts.get("https"):
        yield from taken((settings.proxy.http, settings.proxy.https))
        yield Finding("warn", "proxy", "serves no HTTPS", "systemctl restart hostess-proxy-https.socket hostess-proxy")
    for kind, address in settings.proxy.to_databases().items():
        if not facts.get(kind):
            yield _no_database(kind, address.port)
    yield from _inside(str(facts.get("inside", "")))


def _no_database(kind: str, port: int) -> Finding:
    """Return what is in the way of databases from outside: another program, or that the proxy runs since before the setting."""
    pid, name = holder(port)
    held = f": {f'{name} (process {pid})' if pid else name} has port {port}" if name else f" at port {port}"
    first = f"{way_to_free(port, pid, name)}; then " if name else ""
    return Finding(
        "warn", "proxy", f"leads nobody to {kind} from outside{held}", f"{first}systemctl restart hostess-proxy"
    )


def holder(port: int, tables: tuple[Path, ...] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))) -> tuple[int, str]:
    """Return pid and name of the program that listens on a port; (0, "") for nobody.

    Without the right to see whose it is: (0, "another user's program").
    """
    inodes = set()
    for table in tables:
        for line in text_of(table).splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    if not inodes:
        return 0, ""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return int(process.name), text_of(process / "comm").strip()
    return 0, "another user's program"


def taken(addresses: "Iterable[Address | None]", but: Container[str] = ()) -> Iterator[Finding]:
    """Tell which programs *but* those have ports that are needed. systemd (process 1) holds the proxy's for it."""
    for address in addresses:
        pid, name = holder(address.port) if address else (0, "")
        if address and name and pid != 1 and name not in but:
            what = f"{name} (process {pid})" if pid else name
            yield Finding("fail", "ports", f"{what} has port {address.port}", way_to_free(address.port, pid, name))


def way_to_free(port: int, pid: int, name: str, kernel: Path = Path("/proc")) -> str:
    """Return the command that takes a port from a program: that ends the unit which it is of, where it is of one."""
    if name == "docker-proxy":
        return f"docker stop $(docker ps --quiet --filter publish={port})"
    unit = _UNIT.search(text_of(kernel / str(pid) / "cgroup")) if pid else None
    return f"systemctl disable --now {unit[1]}" if unit else f"ss -ltnp 'sport = :{port}'"


def _facts(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        os.kill(int(found["pid"]), 0)
    except PermissionError:
        return found if isinstance(found, dict) else {}  # it runs, as another user
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else {}


def _listener(address: str) -> Iterator[Finding]:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        yield Finding("ok", "proxy", "runs")
        return
    # All addresses, of both kinds: a host without IPv6 has no ::1 to be reached at.
    faults = [_fault(each, int(port)) for each in _EVERY.get(host.strip("[]"), (host.strip("[]"),))]
    if all(faults):
        yield Finding("fail", "proxy", f"does not answer at {address}: {faults[0]}", "systemctl restart hostess-proxy")
        return
    yield Finding("ok", "proxy", f"answers at {address}")


def _fault(host: str, port: int) -> str:
    """Return why nothing answers there; "" where something does."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "hostess-doctor.invalid"})
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return ""


def _inside(listener: str) -> Iterator[Finding]:
    """Look whether services of a stack reach each other through the proxy."""
    remedy = "run the daemon as root, with iptables and iproute2 installed; see docs/networking.md"
    if not listener:
        yield Finding("warn", "inside stacks", "the proxy does not wait for callers: names lead to containers", remedy)
        return
    if os.geteuid() != 0:
        return  # who is not root cannot see the rules
    try:
        rules = subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        yield Finding("warn", "inside stacks", "iptables is not there: names lead to containers", remedy)
        return
    led = len(re.findall(rf"--to-destination {re.escape(listener)}\b", rules.stdout))
    yield Finding("ok", "inside stacks", f"callers of {led} environments are led to {listener}")
