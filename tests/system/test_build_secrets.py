"""Secrets of builds through real pushes: they arrive where they are named, and are found nowhere afterwards."""

import hashlib
import re
import subprocess

from tests.system.host import Host, a_repository, docker, echo_files
from tests.system.sources import built, inspected, only, prepared, pushed, revised
from tests.system.test_host_safety import holds

SENTINEL = "sentinel-of-builds-7c21d05e9a"
LATER = "sentinel-that-came-later-55"
READS = "RUN --mount=type=secret,id=TOKEN,required=true sha256sum < /run/secrets/TOKEN && cat /run/secrets/TOKEN"


def files(secrets: str, project: str) -> dict[str, str]:
    """Return the tiny app with a base that has a shell, whose build reads a secret; *project* makes its steps new."""
    made = echo_files("1", "", (f"RUN echo {project}", READS))
    made["hostess.yml"] = made["hostess.yml"].replace("source: .", f"source: .{secrets}")
    made["Dockerfile"] = made["Dockerfile"].replace("hostess-test/echo:1\n", "hostess-test/echo:1-sh\n")
    return made


def test_a_secret_is_read_by_the_build_and_found_nowhere(host: Host) -> None:
    """The step has the value; output, log, events, journal, history and layers have it not, though the step printed it."""
    repository = prepared(host, "handed", files(", secrets: [TOKEN]", "handed"), {"TOKEN": SENTINEL})
    output = pushed(repository)
    image = inspected(only(host, "handed", "web"), "{{.Image}}")
    layers = subprocess.run(["docker", "save", image], capture_output=True, check=True, timeout=60).stdout
    told = [
        output,
        docker("history", "--no-trunc", "--format", "{{json .}}", image) + docker("image", "inspect", image),
        (host.folder / "daemon.log").read_text(),
        host.hostess("deployments", "logs", "--project", "handed").stdout,
        host.hostess("events", "--project", "handed", "--format", "json").stdout,
    ]
    kept = [path for path in host.folder.rglob("*") if holds(path, SENTINEL)]

    assert hashlib.sha256(SENTINEL.encode()).hexdigest() in output
    assert "[hidden]" in output
    assert SENTINEL.encode() not in layers
    assert [text for text in told if SENTINEL in text] == []
    assert kept == []

    edited = host.hostess("secrets", "edit", "TOKEN", "--project", "handed", stdin=LATER)
    assert edited.returncode == 0, edited.stderr
    assert built(revised(repository, {})) == []
    repository.commit()
    fresh = pushed(repository, "--push-option=no-cache")
    assert hashlib.sha256(LATER.encode()).hexdigest() in fresh
    assert LATER not in fresh


def test_what_is_not_there_or_not_named(host: Host) -> None:
    """A secret that is not there, or that only the Dockerfile names, ends the push before anything is built."""
    absent = a_repository(host, "absent", files(", secrets: [TOKEN]", "absent")).push()
    unnamed = a_repository(host, "unnamed", files("", "unnamed")).push()

    assert absent.returncode != 0
    assert re.search(
        r"hostess\.yml:\d+:\d+: services\.web\.build\.secrets\.0: production has no secret TOKEN", absent.stderr
    )
    assert unnamed.returncode != 0
    assert "build.secrets of web does not name: TOKEN" in unnamed.stderr
    assert built(absent.stderr + unnamed.stderr) == []
