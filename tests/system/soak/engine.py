"""The machine's own Docker engine: started, killed, stopped for a while, and booted anew as after a power failure."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.system.host import until

SOCKET = Path("/run/docker.sock")
WITHIN = 30.0


@dataclass
class OwnEngine:
    """An engine whose data is in *folder*. It must be started inside `machine.sh`: there its socket is where clients look for one."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, live_restore: bool) -> None:
        """Start it, and return once it answers. With *live_restore* it leaves alone the containers that outlived the one before."""
        Path("/run/docker.pid").unlink(missing_ok=True)
        words = [
            "dockerd",
            "--data-root",
            str(self.folder / "engine"),
            "--cgroup-parent",
            os.environ["HOSTESS_SOAK_CGROUP"],
        ]
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*words, f"--live-restore={str(live_restore).lower()}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.answers, WITHIN, "the engine's first answer")

    def answers(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, "the engine ended"
        return subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=20).returncode == 0

    def load(self, archive: Path) -> None:
        """Take the images of an archive of `docker save`."""
        subprocess.run(
            ["docker", "load", "--quiet", "--input", str(archive)], check=True, timeout=120, capture_output=True
        )

    def kill(self) -> None:
        """Kill -9 the engine; its containers run on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def power_off(self, spared: Collection[int]) -> None:
        """Kill every process of the machine but process 1, this one and those *spared*; what a boot does not find again is removed."""
        until(lambda: not _kill_all({1, os.getpid(), *spared}), 10, "the end of all processes")
        if self.process is not None:
            self.process.wait(60)
        for table in ("nat", "filter", "mangle"):
            for word in ("-F", "-X"):
                subprocess.run(["iptables", "-w", "-t", table, word], check=True, capture_output=True)
        for device in Path("/sys/class/net").iterdir():
            if device.name.startswith(("br-", "docker", "veth")):
                subprocess.run(["ip", "link", "delete", device.name], check=False, capture_output=True)
        for left in ("docker", "containerd"):
            _unmount_below(f"/run/{left}")
            shutil.rmtree(f"/run/{left}", ignore_errors=True)
        _unmount_below(str(self.folder / "engine"))


def shuffle(label: str, chance: random.Random) -> int:
    """Let the running containers with this label come up again in another order; return how many have another address now."""
    words = ["docker", "ps", "--quiet", "--no-trunc", "--filter", f"label={label}"]
    ids = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    before = _addresses(ids)
    chance.shuffle(ids)
    for verb in ("kill", "start"):
        # Side by side, as an engine does it at boot.
        words = ["docker", "container", verb]
        calls = [subprocess.Popen([*words, one], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in ids]
        for call in calls:
            call.wait(60)
    after = _addresses(ids)
    return sum(after.get(one) != address for one, address in before.items())


def _addresses(ids: Collection[str]) -> dict[str, str]:
    if not ids:
        return {}
    template = "{{.Id}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    words = ["docker", "container", "inspect", "--format", template, *ids]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    return dict(line.split(maxsplit=1) for line in told.splitlines() if " " in line.strip())


def _kill_all(spared: Collection[int]) -> list[int]:
    """Kill -9 every other process; return which there were."""
    found = [pid for pid in _processes() if pid not in spared]
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if found:
        time.sleep(0.01)
    return found


def _processes() -> Iterator[int]:
    """Give the processes of this machine that run; threads of the kernel are not among them, nor what waits to be reaped."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if ") Z " not in (entry / "stat").read_text():
                    yield int(entry.name)


def _unmount_below(folder: str) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
