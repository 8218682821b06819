"""Why a build failed, from BuildKit's words of 20.10 and of newer engines."""

import pytest

from hostess.adapters.engine.build_failure import Failure, explain

STEP = "[3/5] RUN pip install -r requirements.txt"
LOAD = "[internal] load metadata for docker.io/library/pyton:3.12"


def failure(message: str, step: str = "", *tail: str, memory: int = 0) -> Failure:
    """Return a failure."""
    return Failure(message, step, tail, "docker/Dockerfile", memory)


@pytest.mark.parametrize(
    "message",
    [
        "executor failed running [/bin/sh -c pip install]: exit code: 2",
        'failed to solve: process "/bin/sh -c pip install" did not complete successfully: exit code: 2',
    ],
)
def test_exit_code(message: str) -> None:
    """A step that fails is named with its exit code and its last lines."""
    problem = explain(failure(message, STEP, "ERROR: No matching distribution"))

    assert problem.code == "build-failed"
    assert problem.what == f"the build failed at {STEP}: exit code 2"
    assert problem.tail == ("ERROR: No matching distribution",)
    assert problem.serving


def test_poetry() -> None:
    """A failure by an option that Poetry 2 does not have says what to write in its place."""
    problem = explain(
        failure("exit code: 1", "[4/6] RUN poetry install --no-dev", 'The option "--no-dev" does not exist')
    )

    assert "--only main" in problem.remedy
    assert "Poetry 2" in problem.remedy


def test_out_of_memory() -> None:
    """A step that was killed says that memory was short, and how much there was if there was a limit."""
    limited = explain(failure("exit code: 137", STEP, memory=512 * 1024**2))
    unlimited = explain(failure("exit code: 137", STEP))

    assert "512 MiB" in limited.what
    assert "memory" in unlimited.what
    assert "MiB" not in unlimited.what


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('failed to do request: Head "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host', "no such host"),
        ("failed to resolve source metadata: dial tcp 1.2.3.4:443: i/o timeout", "i/o timeout"),
    ],
)
def test_base_image_out_of_reach(message: str, words: str) -> None:
    """A base image whose registry cannot be reached is told by its familiar name and the network's reason."""
    problem = explain(failure(message, LOAD))

    assert problem.code == "base-image-not-found"
    assert problem.what.startswith("the base image pyton:3.12 is not on this host, and its registry cannot be reached")
    assert words in problem.what
    assert "failed to" not in problem.what


@pytest.mark.parametrize(
    "message",
    [
        "pull access denied, repository does not exist or may require authorization: server message",
        "docker.io/library/pyton:3.12: not found",
        "manifest unknown",
    ],
)
def test_base_image_unknown(message: str) -> None:
    """A base image that its registry does not have is told so."""
    problem = explain(failure(message, LOAD))

    assert problem.code == "base-image-not-found"
    assert problem.what == "the base image pyton:3.12 was not found in its registry"


def test_copied_image() -> None:
    """An image that COPY --from names counts as a base image."""
    problem = explain(failure("dial tcp: lookup ghcr.io: no such host", "FROM ghcr.io/astral-sh/uv:latest"))

    assert problem.code == "base-image-not-found"
    assert "ghcr.io/astral-sh/uv:latest" in problem.what


def test_front_end() -> None:
    """A syntax line whose image cannot be had is blamed itself."""
    problem = explain(failure("no such host", "resolve image config for docker.io/docker/dockerfile:1"))

    assert "# syntax=" in problem.remedy
    assert "docker/dockerfile:1" in problem.remedy


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("failed to create LLB definition: dockerfile parse error line 3: unknown instruction: RAN", "Dockerfile line 3: unknown"),
        ("failed to solve: dockerfile parse error on line 3: unknown instruction: RAN", "line 3: unknown instruction: RAN"),
        ("failed to solve: file with no instructions", "there is no instruction in docker/Dockerfile"),
        ('failed to compute cache key: "/nothere" not found: not found', "/nothere is not in the build's folder"),
        ('failed to solve: failed to calculate checksum of ref x::y: "/nothere": not found', "/nothere is not in"),
        ("failed to read dockerfile: open /var/lib/docker/tmp/x/docker/Dockerfile: no such file or directory",
         "there is no docker/Dockerfile in the build's folder"),
        ("no active sessions", "it mounts a secret that build.secrets does not name, or an SSH agent"),
        ("secret TOKEN not found: not found", "it mounts the secret TOKEN, which build.secrets does not name"),
        ("failed to solve: secret TOKEN: not found", "it mounts the secret TOKEN, which build.secrets does not name"),
        ("write /x: no space left on device", "the disk is full"),
        ("failed to solve with frontend dockerfile.v0: something new", ": something new"),
    ],
)  # fmt: skip
def test_other_mistakes(message: str, words: str) -> None:
    """Each mistake is told in words that say where to look."""
    problem = explain(failure(message, "[2/2] COPY nothere /x"))

    assert problem.code == "build-failed"
    assert words in problem.what
