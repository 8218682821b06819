"""hostess doctor: what is wrong with this host, and what repairs it."""

import http.client
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table
from hostess.cli.server import Server, data_dir
from hostess.domain.quantities import size_text

GIT = (2, 29)
LITTLE_DISK = 2 * 1024**3
OLDEST_API = (1, 40)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ok, warn or fail; what was found, and what repairs it."""

    state: str
    topic: str
    what: str
    remedy: str = ""


@example("sudo hostess doctor")
@click.command()
@options.form
def doctor(form: str) -> None:
    """Look at this host: git, engine, disk, data folder, daemon, proxy and alerts; exit code 1 when something is wrong."""
    findings = [finding for look in LOOKS for finding in look()]
    if form == "json":
        show_json([asdict(finding) for finding in findings])
    else:
        show_table(("", "WHAT", "FOUND", "WHAT TO DO"), [(f.state, f.topic, f.what, f.remedy) for f in findings])
    if any(finding.state == "fail" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def _git() -> Iterator[Finding]:
    try:
        said = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        yield Finding("fail", "git", "is not there", "apt-get install git")
        return
    found = re.search(r"(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < GIT:
        yield Finding(
            "fail", "git", said.strip(), f"install git {GIT[0]}.{GIT[1]} or newer: pushes need its proc-receive hook"
        )
        return
    yield Finding("ok", "git", said.strip())


def _engine() -> Iterator[Finding]:
    where = os.environ.get("HOSTESS_ENGINE__URL") or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        version, info = (_ask_engine(where, path) for path in ("/version", "/info"))
    except Failure as failure:
        yield Finding("fail", "engine", failure.message, "apt-get install docker.io && systemctl start docker")
        return
    api = tuple(int(part) for part in str(version.get("ApiVersion", "0.0")).split("."))
    old = api < OLDEST_API
    text = f"Docker {version.get('Version')} (API {version.get('ApiVersion')})"
    yield Finding("fail" if old else "ok", "engine", text, "install Docker 19.03 or newer" if old else "")
    if not info.get("LiveRestoreEnabled"):
        remedy = 'set "live-restore": true in /etc/docker/daemon.json and restart the engine'
        yield Finding("warn", "engine", "live-restore is off: a restart of the engine stops every app", remedy)


def _ask_engine(where: str, path: str) -> dict[str, Any]:
    if where.startswith("unix://"):
        server = Server(socket=Path(where.removeprefix("unix://")))
    else:
        server = Server(url=where.replace("tcp://", "http://", 1))
    found = Client(server).send("GET", path, timeout=10)
    return found if isinstance(found, dict) else {}


def _folder() -> Iterator[Finding]:
    folder = data_dir()
    if not folder.is_dir():
        yield Finding("fail", "data folder", f"{folder} is not there", "start the daemon once, or set HOSTESS_DATA_DIR")
        return
    free = shutil.disk_usage(folder).free
    state = "fail" if free < LITTLE_DISK else "ok"
    remedy = "`hostess gc`, then look at `docker system df`" if free < LITTLE_DISK else ""
    yield Finding(state, "disk", f"{size_text(free)} free in {folder}", remedy)
    for name in ("key", "owner-token"):
        path = folder / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("fail", "data folder", f"{path} can be read by others", f"chmod 600 {path}")


def _daemon() -> Iterator[Finding]:
    socket = data_dir() / "run" / "api.sock"
    try:
        found = Client(Server(socket=socket)).send("GET", "/healthz", timeout=10)
    except Failure as failure:
        yield Finding("fail", "daemon", failure.message, "systemctl start hostess; journalctl -u hostess")
        return
    yield Finding("ok", "daemon", f"version {found['version']} answers at {socket}")


def _alerts() -> Iterator[Finding]:
    try:
        found = Client(Server(socket=data_dir() / "run" / "api.sock")).send("GET", "/v1/alerts", timeout=30)
    except Failure:  # it does not answer, which is told already
        return
    for alert in found["items"]:
        about = f"{alert['project']}: " if alert["project"] else ""
        yield Finding("fail" if alert["level"] == "error" else "warn", "alert", about + alert["what"], alert["remedy"])
    if not found["items"]:
        yield Finding("ok", "alerts", "there are none")


def _proxy() -> Iterator[Finding]:
    path = data_dir() / "run" / "proxy.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        os.kill(int(facts["pid"]), 0)
    except PermissionError:
        pass  # it runs, as another user
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "the daemon starts it (proxy.managed), or `systemctl start hostess-proxy`"
        yield Finding("fail", "proxy", f"does not run ({path})", remedy)
        return
    told = facts if isinstance(facts, dict) else {}
    yield from _listener(str(told.get("http", "")))
    yield from _inside(str(told.get("inside", "")))


def _listener(address: str) -> Iterator[Finding]:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        yield Finding("ok", "proxy", "runs")
        return
    connection = http.client.HTTPConnection(host.strip("[]") or "127.0.0.1", int(port), timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "hostess-doctor.invalid"})
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        yield Finding("fail", "proxy", f"does not answer at {address}: {error}", "systemctl restart hostess-proxy")
        return
    finally:
        connection.close()
    yield Finding("ok", "proxy", f"answers at {address}")


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
    led = rules.stdout.count(f"--to-destination {listener}")
    yield Finding("ok", "inside stacks", f"callers of {led} environments are led to {listener}")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_git, _engine, _folder, _daemon, _proxy, _alerts)
