"""How a host is changed, step by step. Each step may be done again; one that cannot be done tells what is in the way."""

import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from hostess.adapters.engine.docker import DockerEngine
from hostess.adapters.firewall_iptables import clear
from hostess.domain import labels
from hostess.domain.installation.parts import DAEMON, PROXY, SSHD
from hostess.domain.installation.plan import Act, Step
from hostess.domain.problem import Problem

_WITHIN = 360.0  # a daemon that finishes what was half done has five minutes to start
_ROUTES_WITHIN = 90.0
_SOON = 5.0
_LOCK = Path("/run/hostess-setup.lock")
_SSHD_FOLDER = Path("/run/sshd")  # sshd checks nothing without it, and systemd makes it when sshd starts


@contextmanager
def alone(waits: Callable[[], None]) -> Iterator[None]:
    """Let no other setup change this host meanwhile. *waits* is called when there is one, whose end is waited for."""
    with _LOCK.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Host:
    """The host that this runs on, as root changes it. *engine_url* is where the container engine is; "": where it usually is."""

    def __init__(self, engine_url: str = "") -> None:
        self._engine_url = engine_url
        self._ways: Mapping[Act, Callable[[Step], None]] = {
            Act.WRITE: _write,
            Act.LINK: _link,
            Act.ACCOUNTS: lambda step: _run("systemd-sysusers", step.content),
            Act.FOLDERS: lambda step: _run("systemd-tmpfiles", "--create", step.content),
            Act.READ_UNITS: lambda _: _run("systemctl", "daemon-reload"),
            Act.ENABLE: lambda step: _run("systemctl", "enable", "--quiet", step.subject),
            Act.START: lambda step: _systemctl("start", step.subject),
            Act.RELOAD: lambda step: _systemctl("reload", step.subject),
            Act.RELOAD_OLDER: lambda step: _reload_older(step.subject),
            Act.RESTART: lambda step: _systemctl("restart", step.subject),
            Act.RELOAD_SSHD: lambda _: _reload_sshd(),
            Act.DISABLE: lambda step: _run("systemctl", "disable", "--quiet", "--now", step.subject),
            Act.DELETE: lambda step: Path(step.subject).unlink(missing_ok=True),
            Act.CLEAR_FIREWALL: lambda step: clear(step.subject),
            Act.REMOVE_OBJECTS: lambda step: asyncio.run(_remove_objects(step.subject, self._engine_url)),
            Act.REMOVE_USER: lambda step: _run("userdel", step.subject),
            Act.REMOVE_GROUP: lambda step: _run("groupdel", step.subject),
            Act.REMOVE_FOLDER: lambda step: _remove_folder(Path(step.subject)),
        }

    def do(self, step: Step) -> None:
        """Carry out one step; Problem "setup-failed" when it cannot be done."""
        try:
            self._ways[step.act](step)
        except OSError as error:
            raise _failed(f"{step}: {error.strerror or error}") from error


def _write(step: Step) -> None:
    """Put a file in its place, whole. Unlike the daemon's own files it may be read by all."""
    path = Path(step.subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(step.content, encoding="utf-8")
    beside.chmod(step.mode)
    beside.replace(path)


def _link(step: Step) -> None:
    """Let a link lead elsewhere in one move: somebody may start a program by it at any moment."""
    path = Path(step.subject)
    if path.exists() and not path.is_symlink():
        raise _failed(f"{path} is a file that is not ours", f"look at it, move it away, and {AGAIN}")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(step.content)
    beside.replace(path)


def _remove_folder(folder: Path) -> None:
    """Remove a folder. One that is a disk of its own is emptied, and stays where the host mounts it."""
    if not folder.is_mount():
        shutil.rmtree(folder)
        return
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _reload_sshd() -> None:
    _SSHD_FOLDER.mkdir(mode=0o755, exist_ok=True)
    try:
        _run("sshd", "-t")
    except Problem as problem:
        # An sshd that does not start any more would lock people out.
        Path(SSHD).unlink(missing_ok=True)
        raise problem.but(
            serving=f"sshd as before; {SSHD} was taken away again",
            remedy=f"correct what `sshd -t` says, then {AGAIN}",
        ) from None
    _run("systemctl", "try-reload-or-restart", "ssh.service")


def _systemctl(verb: str, unit: str) -> None:
    began = time.time()
    try:
        _run("systemctl", verb, unit)
    except Problem as problem:
        raise Problem(
            problem.code,
            problem.what,
            tail=_last_words(unit, began) or problem.tail,
            serving="apps and proxy, as before" if unit == DAEMON else "",
            remedy=f"journalctl --no-pager --lines 30 --unit {unit}" + _more(unit) + f"; then {AGAIN}",
        ) from None


def _last_words(unit: str, since: float) -> tuple[str, ...]:
    """Return what the program of a unit has said last, since a time (Unix, seconds): why it does not start."""
    ours = ("--quiet", "--no-pager", "--output=cat", f"--since=@{int(since)}", "--lines=3", f"_SYSTEMD_UNIT={unit}")
    said: tuple[str, ...] = ()
    give_up = time.monotonic() + _SOON
    with suppress(OSError, subprocess.SubprocessError):
        while time.monotonic() < give_up:
            asked = subprocess.run(["journalctl", *ours], capture_output=True, text=True, timeout=_SOON, check=False)
            before, said = said, tuple(line for line in asked.stdout.splitlines() if line.strip())
            if said and said == before:
                break
            time.sleep(0.3)  # on a busy host the journal has a program's words later than systemd has its end
    return said


def _reload_older(unit: str) -> None:
    """Reload a proxy whose successor may be in want of routes that it understands; the daemon tells them soon after its start."""
    give_up = time.monotonic() + _ROUTES_WITHIN
    while True:
        try:
            _systemctl("reload", unit)
        except Problem:
            if time.monotonic() > give_up:
                raise
            time.sleep(2)
        else:
            return


def _more(unit: str) -> str:
    if unit.endswith(".socket"):
        return "; `ss -ltnp` tells which program has the port"
    return (
        "; `systemctl restart hostess-proxy` where the one that runs is too old to hand over" if unit == PROXY else ""
    )


def _run(*words: str) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise _failed(f"{words[0]} is not on this host", f"install it and {AGAIN}")
    try:
        done = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, timeout=_WITHIN, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"`{' '.join(words)}` did not end within {_WITHIN:g} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise _failed(f"`{' '.join(words)}` failed: {said[0]}", tail=tuple(said[1:]))


async def _remove_objects(instance: str, url: str) -> None:
    engine = DockerEngine(url or None)
    ours = labels.of_instance(instance)
    try:
        for container in await engine.containers(ours):
            await engine.stop(container.id, timedelta(seconds=10))
            await engine.remove(container.id)
        networks = [each for each in await engine.networks(ours) if not await _could(engine.remove_network(each))]
        volumes = [each for each in await engine.volumes(ours) if not await _could(engine.remove_volume(each))]
        for image in await engine.images(ours):
            with suppress(Problem):  # one that somebody else uses, too
                await engine.remove_image(image.id)
        if networks or volumes:
            raise _used_by_others(networks, volumes)
    finally:
        await engine.close()


async def _could(removing: Awaitable[None]) -> bool:
    """Whether something was removed, and not refused because a container has it."""
    try:
        await removing
    except Problem as problem:
        if problem.code != "engine-refused":
            raise
        return False
    return True


def _used_by_others(networks: list[str], volumes: list[str]) -> Problem:
    filters = [f"network={each}" for each in networks] + [f"volume={each}" for each in volumes]
    shown = "; ".join(f"docker ps --all --filter {each}" for each in filters)
    return _failed(
        f"containers that are not Hostess's, which are left alone, use {', '.join([*networks, *volumes])}",
        f"see which ({shown}), and remove them or disconnect them (docker network disconnect); then {AGAIN}",
    )


AGAIN = "run the same command again: it goes on where it stopped"


def _failed(what: str, remedy: str = "", tail: tuple[str, ...] = ()) -> Problem:
    return Problem("setup-failed", what, remedy=remedy or f"correct that and {AGAIN}", tail=tail)
