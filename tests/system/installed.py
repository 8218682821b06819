"""An installation by the README's command in a booted Debian, and what tests ask of it and do with it."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.side_by_side import free_ports, own_subnets
from tests.system.booted import ROOT, Booted, a_booted_debian, run

HOST = "{}-{}.apps.example.com"
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".cache", ".*_cache", ".hypothesis", "__pycache__")


def overrides() -> dict[str, str]:
    """Return what must differ here: free ports, and the engine outside, whose folder is not this Debian's."""
    names = ("hostess-proxy", "hostess-proxy-https", "hostess-proxy-inside")
    ports = dict(zip(names, free_ports(len(names)), strict=True))  # systemd takes no port 0
    hosts = dict.fromkeys(ports, "127.0.0.1") | {"hostess-proxy-inside": "198.18.213.1"}
    return {
        **{
            f"/etc/systemd/system/{name}.socket.d/port.conf": f"[Socket]\nListenStream=\nListenStream={hosts[name]}:{port}\n"
            for name, port in ports.items()
        },
        "/etc/hostess/daemon.env": "HOSTESS_API__LISTEN=127.0.0.1:0\nHOSTESS_ENGINE__URL=unix:///engine.sock\n"
        f"HOSTESS_ENGINE__SUBNETS={own_subnets()}\n"
        f"HOSTESS_PROXY__HTTP=127.0.0.1:{ports['hostess-proxy']}\n"
        f"HOSTESS_PROXY__HTTPS=127.0.0.1:{ports['hostess-proxy-https']}\n",
        "/var/lib/docker/.keep": "",
    }


def readme_steps() -> str:
    """Return the command that the README has for the server, with our repository."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"On the server, as root:\n\n((?:    .*\n)+)", readme)
    assert block
    assert "REPOSITORY" in block[1]
    return "set -e\n" + re.sub(r"^    ", "", block[1].replace("REPOSITORY", "/source"), flags=re.MULTILINE)


@contextmanager
def a_shared_folder() -> Iterator[str]:
    """Give a folder that units may see, for the same path inside and outside."""
    with tempfile.TemporaryDirectory(prefix="hostess-test-", dir="/var/lib") as folder:
        Path(folder).chmod(0o711)
        yield folder


@contextmanager
def installed(folder: Path, image: str, data: str = "") -> Iterator[Booted]:
    """Install as the README says; at the end everything of it in the engine is removed.

    *data* is a folder outside that is the data folder, at the same path; by default it is one inside, at the usual path.
    """
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    shared = ("--volume", f"{data}:{data}") if data else ()
    options = ("--network", "host", "--volume", "/var/run/docker.sock:/engine.sock", *shared)
    with a_booted_debian(*options, image=image) as system:
        if data:
            system.data = data
            system.write(f'data_dir = "{data}"\nbase_domain = "apps.example.com"\n', "/etc/hostess/config.toml")
        system.put(source, "/source")
        for path, text in overrides().items():
            system.write(text, path)
        # The source becomes a repository, since the README clones one. The port of sshd is the machine's.
        system.write(
            "apt-get update -qq && apt-get install -y -qq git openssh-server\n"
            "systemctl disable -q --now ssh\n"
            "cd /source && git init -q && git add . \n"
            "git -c user.name=a -c user.email=a@localhost commit -qm a\n",
            "/before.sh",
        )
        system.execute("bash", "-e", "/before.sh")
        system.write(readme_steps(), "/steps.sh")
        try:
            # The engine is outside; without this one would be installed.
            system.execute("env", "DOCKER_HOST=unix:///engine.sock", "bash", "/steps.sh")
            yield system
        finally:
            system.execute("hostess", "setup", "--remove", "--data", "--force", check=False)


def instance_of(system: Booted) -> str:
    """Return the id that everything of this installation is labelled with."""
    status = json.loads(system.execute("hostess", "status", "--format", "json"))
    return str(status["host"]["instance"])


def objects_of(instance: str) -> list[str]:
    """Return what the engine has of an installation."""
    label = f"label=sh.hostess.instance={instance}"
    listings = (("ps", "--all"), ("network", "ls"), ("volume", "ls"), ("image", "ls"))
    return [each for words in listings for each in run("docker", *words, "--quiet", "--filter", label).stdout.split()]


def fact(system: Booted, file: str, name: str) -> str:
    """Return what daemon or proxy tell about themselves."""
    return str(json.loads(system.execute("cat", f"{system.data}/run/{file}.json"))[name])


def answer(system: Booted, project: str = "kept", service: str = "api", *, check: bool = True) -> str:
    """Ask a deployed app through the proxy's port; unless *check* an error is an answer, too."""
    port = fact(system, "proxy", "http").rpartition(":")[2]
    program = (
        "import sys, urllib.request as u; "
        "print(u.urlopen(u.Request(sys.argv[1], headers={'Host': sys.argv[2]}), timeout=60).read().decode())"
    )
    return system.execute(
        "python3", "-c", program, f"http://127.0.0.1:{port}/", HOST.format(project, service), check=check
    )


def mortal(name: str, moment: str = "") -> str:
    """Return the command that is one of the mortal programs, with the Hostess that was installed last."""
    python = "$(ls -d /opt/hostess/[0-9]*/bin/python | head -n 1)"
    return f"env PYTHONPATH=/source MORTAL_AT='{moment}' {python} -m tests.system.mortal_{name}"


def coded(system: Booted, command: str) -> tuple[int, str]:
    """Run a command of the shell; return its exit code and all that it said."""
    said, _, code = system.execute("bash", "-c", f"exec 2>&1; {command}; echo $?").rpartition("\n")
    return int(code), said


def push(system: Booted, project: str, folder: str = "/source/examples/fastapi-minimal") -> str:
    """Push a folder, by default the smallest example, as a new project; return what git said."""
    address = fact(system, "daemon", "api")
    system.write(
        f"rm -rf /work && cp -r {folder} /work && cd /work && git init -q -b main && git add .\n"
        "git -c user.name=a -c user.email=a@localhost commit -qm a\n"
        f'git push "http://x:$(cat {system.data}/owner-token)@{address}/git/{project}.git" main\n',
        "/push.sh",
    )
    return system.execute("bash", "-e", "/push.sh")


def is_well(system: Booted) -> None:
    """Have an app deployed, unless there is one, and see that it answers."""
    if "kept" not in system.execute("hostess", "projects", "list"):
        push(system, "kept")
    assert '"hello":"world"' in answer(system)


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    give_up = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.2)


def push_again(system: Booted, project: str) -> str:
    """Push one commit more to a project; return what git said."""
    address = fact(system, "daemon", "api")
    system.write(
        f'rm -rf /again && git clone -q "http://x:$(cat {system.data}/owner-token)@{address}/git/{project}.git" /again\n'
        "cd /again && echo more >more.txt && git add .\n"
        "git -c user.name=a -c user.email=a@localhost commit -qm b && git push origin main\n",
        "/again.sh",
    )
    return system.execute("bash", "-e", "/again.sh")


def remove_everything(system: Booted, program: str = "hostess") -> dict[str, str]:
    """Remove the installation with its data, by its *program*; return the settings that it had, by path."""
    paths = ("/etc/hostess/config.toml", "/etc/hostess/daemon.env")
    settings = {path: system.execute("cat", path) + "\n" for path in paths}
    system.execute(program, "setup", "--remove", "--data", "--force")
    return settings
