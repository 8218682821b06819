"""What every engine does: files taken out of an image, the same tests for the fake and for Docker."""

import io
import os
import tarfile
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.ports import BuildOrder, Engine
from hostess.domain.problem import Problem
from tests.fakes.building import packed
from tests.fakes.engine import FakeEngine

LABELS = {"hostess.test": "export", "hostess.run": str(os.getpid())}
FILES = {
    "Dockerfile": b'FROM busybox:1 AS build\nCOPY . /app\nFROM scratch\nCOPY --from=build ["/app/dist", "/site"]\n',
    "dist/index.html": b"hello",
    "dist/big": os.urandom(1024) * 2048,
}


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """Yield an engine; what was made on it is removed afterwards."""
    made: FakeEngine | DockerEngine = FakeEngine() if request.param == "fake" else DockerEngine()
    yield made
    for image in await made.images(LABELS):
        for name in image.tags or (image.id,):
            await made.remove_image(name)
    await made.close()


async def built(engine: Engine) -> str:
    """Build an image that holds nothing but files."""
    order = BuildOrder(
        tag=f"hostess-export-test/{os.getpid()}:built",
        context=lambda: [packed(FILES)],
        dockerfile="Dockerfile",
        args={},
        labels=LABELS,
        cpus=1.0,
        memory=1024**3,
        timeout=timedelta(minutes=4),
    )
    return await engine.build(order, lambda _: None)


def unpacked(pieces: Iterable[bytes]) -> dict[str, bytes]:
    """Return the files of a tar stream."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


async def test_the_files_of_an_image(engine: Engine) -> None:
    """A folder of an image that could never be started is handed over as a tar, and no container is left."""
    image = await built(engine)
    found: dict[str, bytes] = {}

    await engine.export(image, "/site", lambda pieces: found.update(unpacked(pieces)))

    assert found == {"site/index.html": b"hello", "site/big": FILES["dist/big"]}
    assert await engine.containers(LABELS) == []


async def test_what_cannot_be_taken_out(engine: Engine) -> None:
    """An absent image, an absent folder and what the taker raises are Problems, and no container is left."""
    image = await built(engine)

    def refuse(_: Iterable[bytes]) -> None:
        raise Problem("refused", "no")

    for reference, path, code in (
        (image, "/nowhere", "path-not-found"),
        (image, "/site", "refused"),
        ("hostess-test/absent:1", "/site", "image-not-found"),
    ):
        with pytest.raises(Problem) as raised:
            await engine.export(reference, path, refuse)
        assert raised.value.code == code
    assert await engine.containers(LABELS) == []
