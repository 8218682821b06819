"""The container engine: whether it answers, what it is, what the kernel lets it do, and whether apps outlive its restart."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostess.cli.checks.finding import Finding
from hostess.cli.checks.host import disk
from hostess.cli.client import Client
from hostess.cli.failure import Failure
from hostess.cli.server import Server

if TYPE_CHECKING:
    from hostess.domain.settings import Settings

OLDEST_API = (1, 40)
USUAL_ROOT = Path("/var/lib/docker")  # `host.disks` looks at it
USUAL = "unix:///var/run/docker.sock"
SETTINGS = Path("/etc/docker/daemon.json")
_GRUB = """sed -i 's/^GRUB_CMDLINE_LINUX="/&cgroup_enable=memory swapaccount=1 /' /etc/default/grub && update-grub && reboot"""
_KERNEL = (
    ("MemoryLimit", "fail", "the kernel limits no container's memory", _GRUB),
    (
        "CpuCfsQuota",
        "fail",
        "the kernel limits no container's processors (CONFIG_CFS_BANDWIDTH)",
        "boot another kernel",
    ),
    ("PidsLimit", "warn", "the kernel limits no container's processes (CONFIG_CGROUP_PIDS)", "boot another kernel"),
    ("IPv4Forwarding", "fail", "the kernel forwards nothing to containers", "sysctl -w net.ipv4.ip_forward=1"),
    ("BridgeNfIptables", "warn", "bridges pass by the firewall", "modprobe br_netfilter"),
)


def engine(settings: "Settings") -> Iterator[Finding]:
    """Look at the engine and at what it says of the kernel."""
    where = settings.engine.url or os.environ.get("DOCKER_HOST") or USUAL
    try:
        version, info = (_ask(where, path) for path in ("/version", "/info"))
    except Failure as failure:
        yield Finding("fail", "engine", failure.message, "apt-get install -y docker.io && systemctl start docker")
        return
    yield _version(version)
    yield from kernel(info)
    yield from root(info)
    if not info.get("LiveRestoreEnabled"):
        what = "live-restore is off: a restart of the engine stops every app"
        yield Finding("warn", "engine", what, live_restore(SETTINGS))


def root(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at the folder in which the engine keeps images and volumes, where it is not the usual one."""
    place = Path(info.get("DockerRootDir") or USUAL_ROOT)
    if not place.is_dir():
        what = f"{place}, where the engine keeps images and volumes, is not to be seen here: its disk is not watched"
        yield Finding(
            "warn", "engine", what, f"let Hostess run where the engine does, or show it {place} at the same path"
        )
    elif place != USUAL_ROOT and os.access(place, os.R_OK | os.X_OK):
        yield disk(place)


def kernel(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at what the engine tells of control groups, the kernel and its storage (`/info`)."""
    missing = [Finding(state, "kernel", what, remedy) for key, state, what, remedy in _KERNEL if info.get(key) is False]
    yield from missing
    groups = f"control groups {info.get('CgroupVersion') or 1} ({info.get('CgroupDriver')})"
    if not missing:
        yield Finding("ok", "kernel", f"Linux {info.get('KernelVersion')}, {groups}: limits hold")
    if info.get("Driver") == "vfs":
        what = "the engine copies whole images (storage driver vfs): each replica costs its image's size"
        remedy = (
            f'set "storage-driver": "overlay2" in {SETTINGS} and restart the engine; images are pulled and built anew'
        )
        yield Finding("warn", "engine", what, remedy)


def live_restore(file: Path) -> str:
    """Return the command that lets apps outlive a restart of the engine; settings that are there stay."""
    change = """'import json,pathlib;p=pathlib.Path("{0}");p.write_text(json.dumps(json.loads(p.read_text())|{{"live-restore":True}}))'"""
    write = f"python3 -c {change.format(file)}" if file.exists() else f"""echo '{{"live-restore": true}}' > {file}"""
    return f"{write} && systemctl reload docker"


def _version(version: Mapping[str, Any]) -> Finding:
    api = tuple(int(part) for part in str(version.get("ApiVersion", "0.0")).split("."))
    old = api < OLDEST_API
    text = f"Docker {version.get('Version')} (API {version.get('ApiVersion')})"
    return Finding("fail" if old else "ok", "engine", text, "install Docker 19.03 or newer" if old else "")


def _ask(where: str, path: str) -> dict[str, Any]:
    if where.startswith("unix://"):
        server = Server(socket=Path(where.removeprefix("unix://")))
    else:
        server = Server(url=where.replace("tcp://", "http://", 1))
    found = Client(server).send("GET", path, timeout=10)
    return found if isinstance(found, dict) else {}
