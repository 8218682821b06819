"""What fails. Each fault strikes and mends, and says which requests may have failed for it; what is not mended is left to Hostess."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.system.host import SlowError, docker, until
from tests.system.soak.engine import shuffle
from tests.system.soak.world import HOSTS, PORT, Outage, World, now, spared, start_daemon

MOMENT = 0.5
"""Seconds after a kill in which what was in flight may still be failing."""
ALWAYS = float("inf")
"""An outage that ends when everything is as it must be again."""
EVERYBODY = frozenset(HOSTS)


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault did, in words, and whose requests it excuses."""

    detail: str = ""
    outages: tuple[Outage, ...] = ()


Fault = Callable[[World], Struck]


def kill_daemon(world: World) -> Struck:
    """Kill -9 the daemon, and start it again: nobody notices."""
    world.host.kill()
    time.sleep(world.chance.uniform(0, 1))
    start_daemon(world.host)
    return Struck()


def kill_daemon_again(world: World) -> Struck:
    """Kill -9 the daemon, and those after it in the middle of finishing what it had left: nobody notices."""
    for _ in range(3):
        world.host.kill()
        start_daemon(world.host)
        time.sleep(world.chance.uniform(0, 1))
    return Struck()


def stop_daemon(world: World) -> Struck:
    """Stop the daemon in the middle of what it does, for a while: nobody notices."""
    assert world.host.process is not None
    return _held([world.host.process.pid], world.hold, Struck())


def kill_worker(world: World) -> Struck:
    """Kill -9 a worker of the proxy: what was in flight on it fails."""
    began = now()
    os.kill(world.chance.choice(_workers(world)), signal.SIGKILL)
    return Struck(outages=(Outage(EVERYBODY, began, began + MOMENT),))


def stop_worker(world: World) -> Struck:
    """Stop a worker of the proxy: what is sent to it waits, until it goes on or is replaced."""
    began = now()
    _held([world.chance.choice(_workers(world))], world.hold, Struck())
    return Struck(outages=(Outage(EVERYBODY, began, now() + MOMENT),))


def kill_proxy(world: World) -> Struck:
    """Kill -9 the proxy's supervisor: nobody is answered until the daemon has started another."""
    began = now()
    until(lambda: world.proxy, 20, "the proxy")
    pid = world.proxy["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: world.proxy.get("pid") not in {None, pid}, 30, "another proxy")
    return Struck(outages=(Outage(EVERYBODY, began, now() + MOMENT),))


def kill_container(world: World) -> Struck:
    """Kill -9 a replica of web or api: with another one beside it, what was in flight on it fails; without, all of its service."""
    project = world.chance.choice(["left", "right"])
    service = world.chance.choice(["web", "web", "api"])
    ids = world.host.containers(
        f"project={project}", "environment=production", f"service={service}", "role=replica", running=True
    )
    host = f"{project}-{service}.localhost"
    # Not all that run are asked: some have not passed their gate yet, some are on their way out.
    began, ended = now(), ALWAYS if _targets(world, host) < 2 else now() + MOMENT
    if ids:
        _kill_inside(world.chance.choice(ids))
    return Struck(f"1 of {len(ids)}", (Outage(frozenset({host}), began, ended),))


def stop_container(world: World) -> Struck:
    """Stop the processes of a replica for a while: it is found to be unwell, and the others answer."""
    project = world.chance.choice(["left", "right"])
    ids = world.host.containers(
        f"project={project}", "environment=production", "service=web", "role=replica", running=True
    )
    began = now()
    with suppress(subprocess.CalledProcessError, IndexError):  # a deployment or another fault may have ended it
        docker("pause", ids[0])
        time.sleep(world.hold)
        docker("unpause", ids[0])
    return Struck(f"1 of {len(ids)}", (Outage(frozenset({f"{project}-web.localhost"}), began, ALWAYS),))


def lose_containers(world: World) -> Struck:
    """Kill -9 the daemon, and remove all that answers for a project, as `docker rm` or `docker system prune` would meanwhile."""
    project = world.chance.choice(["left", "right"])
    began = now()
    world.host.kill()
    for service in world.chance.sample(["web", "api"], 2):
        ids = world.host.containers(f"project={project}", "environment=production", f"service={service}")
        docker("rm", "--force", *ids) if ids else None
    start_daemon(world.host)
    hosts = frozenset(host for host in HOSTS if host.startswith(f"{project}-"))
    return Struck(project, (Outage(hosts, began, ALWAYS),))


def kill_store(world: World) -> Struck:
    """Kill -9 a database: no app that does not use it notices."""
    project = world.chance.choice(["left", "right"])
    for one in world.host.containers(f"project={project}", "service=store", "role=replica", running=True):
        _kill_inside(one)
    return Struck(project)


def kill_engine(world: World) -> Struck:
    """Kill -9 the engine, and start it again beside its containers (live-restore): nobody notices."""
    world.engine.kill()
    time.sleep(world.chance.uniform(0, 1))
    world.engine.start(live_restore=True)
    return Struck()


def lose_engine(world: World) -> Struck:
    """Kill -9 the engine, and start it again as it is by default: it ends all containers, and starts them again."""
    began = now()
    world.engine.kill()
    world.engine.start(live_restore=False)
    return Struck(outages=(Outage(EVERYBODY, began, ALWAYS),))


def stop_engine(world: World) -> Struck:
    """Stop the engine for a while: nobody notices."""
    assert world.engine.process is not None
    return _held([world.engine.process.pid], world.hold, Struck())


def fill_disk(world: World) -> Struck:
    """Let the disk of the data folder be full for a while, to the last byte: nobody notices."""
    ballast = _filled(world)
    time.sleep(world.hold)
    ballast.unlink()
    return Struck()


def kill_on_full_disk(world: World) -> Struck:
    """Kill -9 the daemon while the disk is full, and let it try to come back as systemd would: nobody notices."""
    ballast = _filled(world)
    world.host.kill()
    tries = 0
    ends = time.monotonic() + world.hold
    while time.monotonic() < ends:
        if not _runs(world):
            tries += 1
            with suppress(AssertionError, SlowError):  # it ended, or waits for room
                start_daemon(world.host, within=1)
        time.sleep(0.1)
    ballast.unlink()
    if _runs(world):
        until(lambda: not _runs(world) or world.host.ready(), 40, "the daemon")
    if not _runs(world):
        start_daemon(world.host)
    return Struck(f"{tries} tries")


def kill_proxy_on_full_disk(world: World) -> Struck:
    """Kill -9 the proxy's supervisor while the disk is full: another one answers before there is room again."""
    until(lambda: world.proxy, 20, "the proxy")
    ballast = _filled(world)
    began = now()
    os.kill(world.proxy["pid"], signal.SIGKILL)
    try:
        time.sleep(MOMENT)
        until(lambda: _answers(HOSTS[0]), 30, "an answer while the disk is full")
        back = now() + MOMENT
        time.sleep(world.hold)
    finally:
        ballast.unlink()
    return Struck(f"{back - began:.0f} s", (Outage(EVERYBODY, began, back),))


def jump_clock(world: World) -> Struck:
    """Set the daemon's clock to another time, for good: nobody notices."""
    seconds = world.chance.choice([-86400, -3600, 0, 3600, 40 * 86400])
    world.jump(seconds)
    return Struck(f"{seconds:+d} s")


def reboot(world: World) -> Struck:
    """Cut the power, boot, and let the containers have other addresses before the daemon is there (scenario 46)."""
    began = now()
    world.engine.power_off(spared(world))
    assert world.host.process is not None
    world.host.process.wait(60)
    world.engine.start(live_restore=True)
    moved = shuffle(f"sh.hostess.instance={world.host.instance}", world.chance)
    start_daemon(world.host)
    return Struck(f"{moved} moved", (Outage(EVERYBODY, began, ALWAYS),))


FAULTS: tuple[Fault, ...] = (
    kill_daemon,
    kill_daemon_again,
    kill_worker,
    kill_proxy,
    kill_container,
    stop_container,
    lose_containers,
    kill_store,
    kill_engine,
    lose_engine,
    stop_daemon,
    stop_worker,
    stop_engine,
    fill_disk,
    kill_on_full_disk,
    kill_proxy_on_full_disk,
    jump_clock,
    reboot,
)


def _held(pids: Iterable[int], seconds: float, struck: Struck) -> Struck:
    pids = list(pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # it was replaced
                os.kill(pid, signal.SIGCONT)
    return struck


def _targets(world: World, host: str) -> int:
    """Return how many replicas are asked for a host right now."""
    table = json.loads((world.host.data / "proxy" / "table.json").read_text())
    return max((len(route["targets"]) for route in table["routes"] if route["host"] == host), default=0)


def _answers(host: str) -> bool:
    """Whether the proxy has an answer of that host's app."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _runs(world: World) -> bool:
    return world.host.process is not None and world.host.process.poll() is None


def _filled(world: World) -> Path:
    """Fill the disk of the data folder to the last byte; return the file to remove."""
    ballast = world.host.data / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return ballast


def _workers(world: World) -> list[int]:
    until(lambda: len(world.proxy.get("workers", ())) == 2, 30, "both workers")
    return [int(pid) for pid in world.proxy["workers"]]


def _kill_inside(container: str) -> None:
    pid = int(json.loads(docker("container", "inspect", container))[0]["State"]["Pid"])
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
