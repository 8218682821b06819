"""`source:` in a push: recognised, told, built from a Dockerfile that nobody pushed."""

import io
import tarfile

from hostess.domain.recognisers.dockerfiles import NAME
from tests.fakes.building import Recipe
from tests.fakes.programs import echo, task
from tests.world import Bench

API = """version: "1.0"
services:
  api:
    type: fastapi
    source: {source}
    health: {{http: /health, interval: 1s, retries: 3}}
"""
MAIN = "from fastapi import FastAPI\n\napp = FastAPI()\n"
FILES = {
    "hostess.yml": API.format(source="./backend"),
    "backend/requirements.txt": "fastapi\n",
    "backend/app/main.py": MAIN,
    "backend/.env": "SECRET=1",
    "backend/Dockerfile": "FROM nowhere:1\n",
}


def with_python(bench: Bench) -> None:
    """Give the engine an image of Python whose uvicorn is the test server."""
    commands = {"uvicorn": echo, "python": echo}
    bench.engine.add_image("python:3.12-slim", Recipe(commands, env={"VERSION": "1", "PORT": "8000"}))


def context(bench: Bench) -> dict[str, bytes]:
    """Return the files of the last build's context."""
    pieces = b"".join(bench.engine.orders[-1].context())
    with tarfile.open(fileobj=io.BytesIO(pieces)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


async def test_a_folder_without_a_dockerfile_is_deployed(bench: Bench) -> None:
    """A push of a FastAPI project is built as recognised, which the output says, and answers."""
    with_python(bench)

    assert (await bench.push("shop", FILES)).accepted, bench.text()

    said = "api: recognised Python 3.12 with requirements.txt; start: uvicorn app.main:app --host 0.0.0.0 --port 8000"
    assert said in bench.text()
    assert "uvicorn is not among the dependencies" in bench.text()
    assert await bench.get("shop-api.localhost") == "200 1"


async def test_the_context_has_the_generated_files_and_no_secrets(bench: Bench) -> None:
    """The build gets the written Dockerfile beside the pushed files, without what the folder's missing .dockerignore would keep out."""
    with_python(bench)
    await bench.push("shop", FILES)

    sent = context(bench)

    assert sent.keys() >= {NAME, "requirements.txt", "app/main.py"}
    assert ".env" not in sent
    assert b"id=hostess-shop-pip" in sent[NAME]
    assert bench.engine.orders[-1].dockerfile == NAME


async def test_a_dockerignore_of_the_folder_holds(bench: Bench) -> None:
    """Where the folder says itself what is left out, nothing else is."""
    with_python(bench)
    await bench.push("shop", {**FILES, "backend/.dockerignore": "Dockerfile\n"})

    sent = context(bench)

    assert ".env" in sent
    assert "Dockerfile" not in sent


async def test_the_same_source_is_not_built_again(bench: Bench) -> None:
    """A push that changes nothing in the folder builds nothing; another port makes another Dockerfile, and so another image."""
    with_python(bench)
    await bench.push("shop", FILES)
    await bench.push("shop", {"README.md": "hello"})
    assert len(bench.engine.orders) == 1
    assert "api: unchanged" in bench.text()

    await bench.push("shop", {"hostess.yml": FILES["hostess.yml"] + "    ports: [9000]\n    env: {PORT: '9000'}\n"})

    assert len(bench.engine.orders) == 2
    assert "--port 9000" in bench.text()


async def test_a_worker_shares_the_folder_with_its_own_command(bench: Bench) -> None:
    """A service with a command of its own needs no start to be found, and gets an image of the same folder."""
    with_python(bench)
    bench.engine.commands["fine"] = task(0)
    more = "    source: ./backend\n    command: [uvicorn]\n    health: {command: [fine], interval: 1s}\n"
    worker = f"  worker:\n    type: custom\n{more}"

    verdict = await bench.push("shop", {**FILES, "hostess.yml": FILES["hostess.yml"] + worker})

    assert verdict.accepted, bench.text()
    assert "worker: recognised Python 3.12 with requirements.txt; start: the command in hostess.yml" in bench.text()


async def test_what_is_not_recognised_is_refused_before_any_build(bench: Bench) -> None:
    """A folder that nobody can start fails the push with what was looked for, and nothing is built, not even the service before it."""
    with_python(bench)
    more = "  site:\n    type: custom\n    source: ./site\n"
    files = {**FILES, "hostess.yml": FILES["hostess.yml"] + more, "site/index.html": "<p>hi</p>"}

    verdict = await bench.push("shop", files)

    assert not verdict.accepted
    assert "services.site.source (site): the source folder holds static files" in bench.text()
    assert "type: static" in bench.text()
    assert bench.engine.orders == []


async def test_a_folder_that_is_not_there(bench: Bench) -> None:
    """A source that was not pushed is named."""
    verdict = await bench.push("shop", {"hostess.yml": API.format(source="./nope")})

    assert not verdict.accepted
    assert "services.api.source: there is no folder 'nope' in the pushed commit" in bench.text()


async def test_a_dry_run_recognises_too(bench: Bench) -> None:
    """`-o dry-run` finds what a push would, and builds nothing."""
    with_python(bench)

    verdict = await bench.push("shop", {**FILES, "backend/app/main.py": "print('no app')\n"}, "dry-run")

    assert not verdict.accepted
    assert "but not what starts it" in bench.text()
    assert bench.engine.orders == []
