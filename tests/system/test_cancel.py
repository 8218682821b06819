"""Cancelled means dead: builds, hooks and containers of a cancelled deployment have really stopped."""

import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.acting import done, hooked, post, version
from tests.system.host import Host, a_repository, echo_files, until
from tests.system.watching import began, deployments, settled


def runs(mark: str) -> bool:
    """Whether a process of this machine has *mark* in its command line (the engine's builds are processes of it, too)."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes():
                return True
    return False


def test_cancelled_is_dead(host: Host) -> None:
    """A queued and a building deployment are cancelled (200), pushers told, the build's process dead; a finished one is 409 (28)."""
    repository = a_repository(host, "cancelled", echo_files())
    assert repository.push().returncode == 0
    mark = uuid.uuid4().hex
    files = echo_files("2")
    files["Dockerfile"] = f"FROM hostess-test/echo:1-sh\nRUN sleep 300; echo {mark}\n"
    repository.write(files)
    repository.commit()
    building = repository.begin_push()
    until(lambda: runs(mark), 30, "the build")
    repository.write(echo_files("3"))
    repository.commit()
    queued = repository.begin_push()
    began(host, "cancelled", 3)
    finished, second, third = (record["id"] for record in deployments(host, "cancelled"))

    for deployment, push in ((third, queued), (second, building)):
        status, answer = post(host, f"/v1/deployments/{deployment}/cancel")
        assert (status, answer["state"]) == (200, "cancelled")
        _, told = push.communicate(timeout=180)
        assert push.returncode != 0
        assert "cancelled" in told

    until(
        lambda: not runs(mark),
        30,
        "the end of the build's process, which the engine kills when nobody listens to it any more",
    )
    for deployment in (finished, third):
        status, answer = post(host, f"/v1/deployments/{deployment}/cancel")
        assert (status, answer["code"]) == (409, "not-cancellable")
    assert repository.push().returncode == 0
    assert version(host, "cancelled-web") == "3"


@pytest.mark.parametrize("where", ["migrate", "gate"])
def test_a_cancelled_container_is_gone(host: Host, where: str) -> None:
    """A deployment cancelled in its migration or at its gate leaves no container, and the next in the queue starts (scenario 28)."""
    name = f"cancelled-{where}"
    repository = a_repository(host, name, echo_files())
    assert repository.push().returncode == 0
    [old] = host.containers(f"project={name}")
    files = hooked("2", "      migrate: {command: [sleep, '300']}\n") if where == "migrate" else echo_files("2")
    if where == "gate":
        files["Dockerfile"] += "ENV HEALTH=fail\n"
        files["hostess.yml"] = files["hostess.yml"].replace("retries: 3", "retries: 100")
    repository.write(files)
    repository.commit()
    running = repository.begin_push()
    deployment = began(host, name, 2)
    until(lambda: len(host.containers(f"project={name}", running=True)) == 2, 30, "the new container")
    repository.write({**echo_files("3")})
    repository.commit()
    waiting = repository.begin_push()
    began(host, name, 3)

    done(host, "deployments", "cancel", deployment)

    assert "cancelled" in running.communicate(timeout=180)[1]
    assert waiting.communicate(timeout=180) is not None
    assert (running.returncode, waiting.returncode) == (1, 0)
    assert version(host, f"{name}-web") == "3"
    settled(host, name)
    [now] = host.containers(f"project={name}")
    assert now != old
