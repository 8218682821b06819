"""Builds on every engine."""

import os
from collections.abc import Iterable
from datetime import timedelta

import pytest

from hostess.domain.problem import Problem
from tests.contract.engines import ECHO, LABELS, Bench, refusal


async def test_build(bench: Bench) -> None:
    """A build gives an image with its tag and labels that runs as its Dockerfile says, and tells its steps."""
    dockerfile = "ARG BASE=none\nFROM ${BASE}\nENV VERSION=7\nCOPY page.txt /page.txt\n"
    image = await bench.build({"Dockerfile": dockerfile, "page.txt": "hello"}, args={"BASE": ECHO})
    found = await bench.engine.image(image)
    _, lines = await bench.finished("built", image=image, command=("env",))

    assert found is not None
    assert found.id == image
    assert found.labels.items() >= LABELS.items()
    assert found.tags == (f"hostess-engine-test/{os.getpid()}:built",)
    assert "VERSION=7" in lines
    assert any("COPY page.txt /page.txt" in line for line in bench.said)
    assert [image] == [listed.id for listed in await bench.engine.images(LABELS)]


async def test_build_again(bench: Bench) -> None:
    """The same order gives the same image."""
    files = {"Dockerfile": f"FROM {ECHO}\nENV A=1\n"}

    assert await bench.build(files) == await bench.build(files)


async def test_dockerfile_elsewhere(bench: Bench) -> None:
    """The Dockerfile may lie in a folder of the context."""
    image = await bench.build({"deploy/prod.Dockerfile": f"FROM {ECHO}\n"}, dockerfile="deploy/prod.Dockerfile")

    assert image.startswith("sha256:")


async def test_failing_step(bench: Bench) -> None:
    """A failed build names the step and its exit code and keeps what the step said."""
    with pytest.raises(Problem) as raised:
        await bench.build({"Dockerfile": "FROM busybox:1\nRUN echo on the way; exit 7\n"})

    assert raised.value.code == "build-failed"
    assert "RUN echo on the way; exit 7" in raised.value.what
    assert "exit code 7" in raised.value.what
    assert raised.value.tail == ("on the way",)
    assert "  on the way" in bench.said


@pytest.mark.parametrize(
    ("dockerfile", "code", "words"),
    [
        ("FROM hostess-engine-test-absent:1\n", "base-image-not-found", "hostess-engine-test-absent:1"),
        ("FROM busybox:1\nRAN true\n", "build-failed", "unknown instruction: RAN"),
        ("FROM busybox:1\nCOPY absent.txt /\n", "build-failed", "/absent.txt"),
    ],
)
async def test_mistakes_in_the_dockerfile(bench: Bench, dockerfile: str, code: str, words: str) -> None:
    """A mistake in the Dockerfile is told by what is wrong."""
    with pytest.raises(Problem) as raised:
        await bench.build({"Dockerfile": dockerfile})

    assert raised.value.code == code
    assert words in raised.value.what


async def test_missing_dockerfile(bench: Bench) -> None:
    """A context without its Dockerfile is told by that."""
    with pytest.raises(Problem, match="there is no Dockerfile") as raised:
        await bench.build({"README": "hello"})

    assert raised.value.code == "build-failed"


async def test_build_timeout(bench: Bench) -> None:
    """A build that takes too long is ended."""
    with pytest.raises(Problem) as raised:
        await bench.build(
            {"Dockerfile": f"FROM busybox:1\nRUN sleep 60; echo {os.getpid()}\n"}, timeout=timedelta(seconds=1)
        )

    assert raised.value.code == "build-timeout"


async def test_context_that_fails(bench: Bench) -> None:
    """A Problem met while the context is read is the build's."""

    def broken() -> Iterable[bytes]:
        yield b"x" * 512
        raise Problem("file-too-large", "too large")

    with refusal("file-too-large"):
        await bench.build({}, context=broken)
