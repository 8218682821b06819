"""One host, several projects, things that are not ours, secrets, and an outside that fails: what must never happen."""

import json
import os
import re
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.system.acting import Doing, done, pushed, version
from tests.system.engine_relay import EngineRelay
from tests.system.host import Host, a_host, a_repository, docker, echo_files, until
from tests.system.watching import deployments, settled

MARK = "hostess.test=host-safety"
POSTGRES = "  postgres:\n    type: postgres\n    resources: {cpu: 0.5, memory: 256Mi}\n"


def with_env(files: dict[str, str], env: str) -> dict[str, str]:
    """Return the tiny app with these variables."""
    return {**files, "hostess.yml": files["hostess.yml"].replace("    ports:", f"    env: {{{env}}}\n    ports:", 1)}


def with_domain(domain: str) -> dict[str, str]:
    """Return the tiny app with a domain of its own."""
    files = echo_files()
    return {
        **files,
        "hostess.yml": files["hostess.yml"].replace("    ports:", f"    domains: [{domain}]\n    ports:", 1),
    }


def asked(host: Host, path: str) -> str:
    """Return the text that the API answers."""
    request = urllib.request.Request(f"http://{host.api}{path}", headers={"Authorization": f"Bearer {host.token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


# ---- several projects ----------------------------------------------------------------------------------------------------


def test_a_domain_belongs_to_the_first_who_claims_it(host: Host) -> None:
    """A second project that claims a taken domain is refused before its build, by name; the first one keeps it (scenario 32)."""
    assert a_repository(host, "first", with_domain("shop.example.org")).push().returncode == 0
    second = a_repository(host, "second", with_domain("shop.example.org"))

    refused = second.push()

    assert refused.returncode != 0
    assert "shop.example.org belongs to service web of project first (production)" in refused.stderr
    assert "building" not in refused.stderr
    assert not host.containers("project=second")
    assert host.get("shop.example.org")[0] == 200
    pushed(second, with_domain("other.example.org"))
    assert host.get("other.example.org")[0] == 200


def test_two_projects_with_the_same_names_are_strangers(host: Host) -> None:
    """Each of two projects with a `postgres` resolves its own; neither reaches the other's by address, nor the API (scenario 51)."""
    env = "URL: '${postgres.url}'"
    repositories = [
        a_repository(host, name, with_env(echo_files(services=POSTGRES), env)) for name in ("left", "right")
    ]
    for push in [Doing(repository.push) for repository in repositories]:
        result = push.result(300)
        assert result.returncode == 0, result.stderr

    def inside(name: str, path: str) -> tuple[int, str]:
        return host.get(f"{name}-web.localhost", path)[:2]

    own = {name: inside(name, "/resolve?name=postgres")[1].strip() for name in ("left", "right")}
    assert own["left"] != own["right"]
    urls = {name: inside(name, "/env?name=URL")[1] for name in own}
    assert urls["left"] != urls["right"]
    for name, address in own.items():
        # A database answers with something that is no HTTP: that tells what can be reached from what cannot.
        assert "no HTTP answer" in inside(name, f"/fetch?url=http://{address}:5432/")[1]
    address, gateway = (first_of(host, "right", key) for key in ("IPAddress", "Gateway"))
    port = host.api.rpartition(":")[2]
    tries = [("left", f"http://{own['right']}:5432/"), ("left", f"http://{address}:8000/health")]
    tries += [("right", f"http://{own['left']}:5432/")]
    tries += [("left", f"http://{api}:{port}/healthz") for api in (gateway, "127.0.0.1", own_address())]
    # Side by side, because a connection that is dropped on its way ends after 5 s only.
    for name, url, attempt in [(name, url, Doing(partial(inside, name, f"/fetch?url={url}"))) for name, url in tries]:
        status, said = attempt.result(180)
        assert (status, "cannot connect" in said) == (502, True), f"{name} reaches {url}: {said}"


def first_of(host: Host, project: str, key: str) -> str:
    """Return what the engine says of the network of a project's web container."""
    [web] = host.containers(f"project={project}", "service=web")
    return docker(
        "inspect", "--format", f"{{{{range .NetworkSettings.Networks}}}}{{{{.{key}}}}}{{{{end}}}}", web
    ).strip()


def own_address() -> str:
    """Return this machine's address towards elsewhere; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


# ---- what is not ours ----------------------------------------------------------------------------------------------------


@contextmanager
def foreign_things() -> Iterator[dict[str, str]]:
    """Make what somebody else may have on the same engine: images, containers, a volume, a network; removed at the end."""
    name = f"hostess-foreign-{uuid.uuid4().hex[:8]}"
    build = f"FROM hostess-test/echo:1\nLABEL {MARK} other.thing={name}\n"
    looks_like_ours = f"hostess/{name}/web:{'0' * 12}"
    subprocess.run(["docker", "build", "--quiet", "--tag", looks_like_ours, "-"], input=build, text=True, check=True,
                   capture_output=True)  # fmt: skip
    things = {"image": looks_like_ours}
    try:
        things["stopped"] = docker("create", "--name", f"{name}-a", "--label", MARK, "hostess-test/echo:1").strip()
        things["dead"] = docker("run", "--detach", "--label", MARK, "hostess-test/echo:1", "exit", "3").strip()
        things["volume"] = docker("volume", "create", "--label", MARK, f"{name}-v").strip()
        things["anonymous"] = docker("volume", "create").strip()
        things["network"] = docker("network", "create", "--internal", "--label", MARK, f"{name}-n").strip()
        yield things
    finally:
        for words in (
            ("rm", "--force", things.get("stopped"), things.get("dead")),
            ("volume", "rm", things.get("volume"), things.get("anonymous")),
            ("network", "rm", things.get("network")),
            ("image", "rm", "--force", looks_like_ours),
        ):
            subprocess.run(["docker", *filter(None, words)], capture_output=True, check=False)


def test_garbage_collection_touches_nothing_of_others(host: Host) -> None:
    """`hostess gc` and the removal of a project leave foreign images (even under our names), containers, volumes, networks (49)."""
    repository = a_repository(host, "collected", echo_files())
    assert repository.push().returncode == 0
    with foreign_things() as things:
        volumes, images = volumes_of_others(), docker("image", "ls", "--quiet", "--all")

        done(host, "gc")
        done(host, "projects", "delete", "collected", "--force")

        assert things["volume"] in volumes
        assert volumes <= volumes_of_others()
        ours = set(
            docker("image", "ls", "--quiet", "--all", "--filter", f"label=sh.hostess.instance={host.instance}").split()
        )
        assert things["image"] in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        assert len(set(images.split()) - ours) > 0
        for kind, thing in things.items():
            verb = {"stopped": "container", "dead": "container", "anonymous": "volume"}.get(kind, kind)
            assert docker(verb, "inspect", "--format", "{{.ID}}" if verb != "volume" else "{{.Name}}", thing).strip()
    assert not host.containers("project=collected")


def volumes_of_others() -> set[str]:
    """Return the volumes with a name of their own that no Hostess made: those of other tests, and of containers, come and go."""
    # One listing: between two of them a volume of another test's host would go, and look like nobody's.
    form = '{{.Name}} {{.Label "sh.hostess.instance"}} {{with .Label "hostess.test"}}hostess.test={{.}}{{end}}'
    listed = (line.split() for line in docker("volume", "ls", "--format", form).splitlines())
    unlabelled = {name for name, *labels in listed if labels in ([], [MARK])}
    return {name for name in unlabelled if not re.fullmatch("[0-9a-f]{64}", name)}


# ---- secrets -------------------------------------------------------------------------------------------------------------


def test_a_secret_is_in_its_container_and_nowhere_else(host: Host) -> None:
    """A secret that the app prints, fails with and gets asked for is in no output, log, answer, event, image, process or file (50)."""
    sentinel = f"sentinel-{uuid.uuid4().hex}"
    done(host, "projects", "create", "secretive")
    assert host.hostess("secrets", "add", "KEY", "--project", "secretive", stdin=sentinel).returncode == 0
    hooks = "    lifecycle:\n      migrate: {command: [/echo, env]}\n"
    files = with_env(echo_files(services=hooks), "KEY: '${secret:KEY}', URL: 'http://u:${secret:KEY}@h/'")
    files["Dockerfile"] = (
        'FROM hostess-test/echo:1-sh\nENTRYPOINT []\nCMD ["sh", "-c", "echo the key is $KEY; exec /echo"]\n'
    )
    repository = a_repository(host, "secretive", files)

    push = repository.push()

    assert push.returncode == 0, push.stderr
    assert host.get("secretive-web.localhost", "/env?name=KEY")[1].strip() == sentinel
    patient = files["hostess.yml"].replace("retries: 3", "retries: 100")
    repository.write({"Dockerfile": files["Dockerfile"] + "ENV HEALTH=fail\n", "hostess.yml": patient})
    repository.commit()
    failing = Doing(repository.push)
    ours = ("project=secretive", "role=replica")
    until(lambda: len(host.containers(*ours, running=True)) == 2, 30, "the failing container")
    for container in host.containers(*ours):
        assert sentinel in docker("inspect", container)
    [deployment] = [record["id"] for record in deployments(host, "secretive")][-1:]
    done(host, "deployments", "cancel", deployment)
    seen = {
        "push": push.stdout + push.stderr + failing.result(180).stderr,
        "logs": done(host, "logs", "web", "--project", "secretive"),
        "status": done(host, "status", "--format", "json"),
        "events": asked(host, "/v1/events?project=secretive"),
        "deployments": asked(host, "/v1/deployments?project=secretive"),
        "deployment": asked(host, f"/v1/deployments/{deployment}"),
        "deployment log": asked(host, f"/v1/deployments/{deployments(host, 'secretive')[0]['id']}/log"),
        "services": asked(host, "/v1/projects/secretive/environments/production/services"),
        "secrets": done(host, "secrets", "get", "--project", "secretive"),
        "processes": processes(),
    }
    assert "the key is" in seen["logs"]
    for image in set(
        docker("image", "ls", "--quiet", "--filter", f"label=sh.hostess.instance={host.instance}").split()
    ):
        seen[f"image {image}"] = docker("image", "history", "--no-trunc", image) + docker("image", "inspect", image)
    leaks = [where for where, text in seen.items() if sentinel in text]
    files_with = [path for path in [*host.data.rglob("*"), host.folder / "daemon.log"] if holds(path, sentinel)]
    assert (leaks, files_with) == ([], [])


def processes() -> str:
    """Return the command lines and environments of all processes but those in containers, where the secret belongs."""
    found = ""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if "docker" in (folder / "cgroup").read_text():
                continue
            found += (folder / "cmdline").read_text(errors="replace") + (folder / "environ").read_text(errors="replace")
    return found


def holds(path: Path, text: str) -> bool:
    """Whether a file has *text* in it; one that is replaced at this moment is not there."""
    with suppress(FileNotFoundError):
        return path.is_file() and text.encode() in path.read_bytes()
    return False


# ---- an outside that fails -----------------------------------------------------------------------------------------------


def test_an_engine_that_is_away_stops_nothing_that_serves(tmp_path: Path) -> None:
    """While the engine cannot be reached apps are served, a push fails with a clear sentence, the daemon tells; then all is well (47)."""
    relay = EngineRelay(tmp_path / "engine.sock")
    relay.open()
    with a_host(tmp_path / "host", {"HOSTESS_ENGINE__URL": f"unix://{relay.path}"}) as host:
        repository = a_repository(host, "steady", echo_files())
        assert repository.push().returncode == 0
        repository.write(echo_files("2"))
        repository.commit()
        try:
            relay.cut()
            refused = repository.push()
            assert refused.returncode != 0
            assert "the container engine cannot be reached" in refused.stderr
            assert "still serves" in refused.stderr
            assert "Traceback" not in refused.stderr
            assert version(host, "steady-web") == "1"
            # A daemon that starts without its engine opens its doors all the same.
            host.stop()
            host.start()
            assert version(host, "steady-web") == "1"
            until(lambda: "cannot be reached" in host.log(), 30, "a word in the daemon's log")
        finally:
            relay.open()
        again = repository.push()
        assert again.returncode == 0, again.stderr
        assert version(host, "steady-web") == "2"
        assert "Traceback" not in host.log()
        relay.cut()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of its own of this size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until no byte more fits."""
    with path.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(os.urandom(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """With no byte left for the daemon's data a push fails with a clear error and the app is served; with room again all is well (48)."""
    with small_disk(tmp_path / "disk", "24m") as disk, a_host(disk / "host") as host:
        (tmp_path / "work").mkdir()
        (host.folder / "work").symlink_to(tmp_path / "work")
        repository = a_repository(host, "full", echo_files())
        assert repository.push().returncode == 0
        repository.write(echo_files("2"))
        repository.commit()
        fill(disk / "ballast")

        refused = repository.push()

        assert refused.returncode != 0
        assert "Traceback" not in refused.stderr
        assert "internal" not in refused.stderr, refused.stderr
        assert version(host, "full-web") == "1"
        (disk / "ballast").unlink()
        again = repository.push()
        assert again.returncode == 0, again.stderr
        assert version(host, "full-web") == "2"
        settled(host, "full")
        assert len(host.containers("project=full")) == 1
        host.stop()
        host.start()
        assert version(host, "full-web") == "2"
        assert json.loads(done(host, "status", "--format", "json"))
