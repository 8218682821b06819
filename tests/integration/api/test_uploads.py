"""Uploads: a tree without git is deployed as a pushed one is; what is hostile changes nothing."""

import asyncio

import pytest

from hostess.domain.releases.push import ZERO
from hostess.doors.api import uploads
from tests.archives import HOSTILE, archive, file, tree
from tests.integration.api.stage import FILE, Json, Said, Stage

PATH = "POST /v1/projects/shop/environments/{environment}/upload{query}"
GZIP = {"Content-Type": "application/gzip"}
REF = "refs/hostess/uploads/production"


async def send(stage: Stage, data: bytes, environment: str = "production", query: str = "", token: str = "") -> Said:
    """Upload."""
    route = PATH.format(environment=environment, query=query)
    return await stage.ask(route, data=data, headers=GZIP, token=token or None)


async def uploaded(stage: Stage, data: bytes, environment: str = "production", query: str = "") -> Json:
    """Upload, and return the deployment as it ended."""
    said = await send(stage, data, environment, query)
    assert said.status == 202, said.text
    await stage.world.deployments.ended(said.json["id"])
    return await stage.get(f"/v1/deployments/{said.json['id']}")


async def refs(stage: Stage) -> str:
    """Return all refs of the project."""
    return await stage._git("shop", "for-each-ref")


async def test_an_upload_is_deployed(stage: Stage) -> None:
    """The first upload of a project makes production, is live, and its ref points at it; nothing else is left."""
    await stage.project()
    await stage.secret("hello")

    ended = await uploaded(stage, tree({"hostess.yml": FILE}), query="?message=a+word")

    assert (ended["state"], ended["kind"], ended["ref"]) == ("live", "push", REF)
    assert ended["actor"] == "the owner"
    assert await refs(stage) == f"{ended['commit']} commit\t{REF}"
    assert await stage.world.repositories.title("shop", ended["commit"]) == "a word"
    log = (await stage.ask(f"GET /v1/deployments/{ended['id']}/log")).text
    assert "what the owner uploaded" in log
    assert any(event["kind"] == "audit.deployment.upload" for event in (await stage.get("/v1/events"))["items"])


async def test_uploads_and_pushes_follow_each_other(stage: Stage) -> None:
    """An upload follows the last one, and the tip of main where it is the first; a push over it goes live as ever."""
    await stage.live()
    main = stage.tips["shop/main"]

    first = await uploaded(stage, tree({"hostess.yml": FILE, "a": "1"}))
    second = await uploaded(stage, tree({"hostess.yml": FILE, "a": "2"}))
    verdict = await stage.push(FILE.replace("word", "another"))

    assert verdict.accepted, verdict
    assert (first["release"], second["release"]) == (2, 3)
    assert await stage._git("shop", "rev-parse", f"{first['commit']}^", f"{second['commit']}^") == (
        f"{main}\n{first['commit']}"
    )
    live = await stage.journal.live("shop", "production")
    assert live is not None
    assert live.commit == stage.tips["shop/main"]


async def test_an_upload_that_fails_moves_nothing(stage: Stage) -> None:
    """When it does not become live, no ref leads to it and what served still serves."""
    await stage.live()
    before = await refs(stage)

    ended = await uploaded(stage, tree({"hostess.yml": FILE.replace("leaky:1", "absent:1")}))

    assert ended["state"] == "failed"
    assert await refs(stage) == before


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_archives_are_refused(stage: Stage, name: str) -> None:
    """A hostile archive gets a problem for an answer; repository, journal and data folder are as before (scenario 8)."""
    data, code = HOSTILE[name]
    await stage.project()
    objects = stage.world.repositories.path("shop") / "objects"
    before = sorted(str(path) for path in objects.rglob("*"))

    said = await send(stage, data)

    assert said.code == code
    assert said.status == 422
    assert await refs(stage) == ""
    assert sorted(str(path) for path in objects.rglob("*")) == before
    assert await stage.journal.deployments(limit=9) == []


async def test_what_the_file_says_is_checked_first(stage: Stage) -> None:
    """Mistakes in the uploaded hostess.yml are all told, and no deployment begins; so is a missing file."""
    await stage.project()

    said = await send(stage, tree({"hostess.yml": "services: {web: {type: nope, prots: 1}}"}))
    none = await send(stage, tree({"a": "1"}))

    assert (said.status, len(said.json["mistakes"])) == (422, 2)
    assert none.code == "no-hostess-yml"


async def test_environments(stage: Stage) -> None:
    """An environment that neither the file nor anybody made is no place to upload to; one that the file names is."""
    await stage.project()
    await stage.secret("hello")
    named = FILE + "environments: {staging: {branches: [develop]}}\n"

    unknown = await send(stage, tree({"hostess.yml": FILE}), "stagign")
    made = await uploaded(stage, tree({"hostess.yml": named}), "staging")

    assert (unknown.status, unknown.code) == (404, "environment-not-found")
    assert "hostess environments ensure stagign -p shop" in unknown.json["remedy"]
    assert made["environment"] == "staging"


async def test_who_may(stage: Stage) -> None:
    """A viewer may not upload; to a token of another project this one does not exist; the body must be an archive."""
    await stage.project()
    data = tree({"hostess.yml": FILE})

    viewer = await send(stage, data, token=await stage.a_token("viewer"))
    other = await send(stage, data, token=await stage.a_token("developer", ["blog"]))
    text = await stage.ask(PATH.format(environment="production", query=""), {"a": 1})

    assert (viewer.status, other.status, text.status) == (403, 404, 415)


async def test_an_announced_size_beyond_the_bound(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that says itself that it is too large is refused before it is read."""
    await stage.project()
    monkeypatch.setattr(uploads, "MOST", 100)

    said = await send(stage, archive(file("a", bytes(10_000)), zipped=False))

    assert (said.status, said.code) == (413, "archive-too-large")


async def test_a_client_that_goes_away(stage: Stage) -> None:
    """An upload that breaks off leaves nothing, and the daemon goes on."""
    await stage.project()
    folder = stage.world.repositories.path("shop").parent
    host, port = stage.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    path = PATH.format(environment="production", query="").removeprefix("POST ")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {stage.token}\r\n"
    writer.write(f"{head}Content-Type: application/x-tar\r\nContent-Length: 99999\r\n\r\n".encode() + file("a")[:700])
    await writer.drain()
    async with asyncio.timeout(25):
        while not list(folder.glob(".import-*")):
            await asyncio.sleep(0.01)
    writer.close()

    async with asyncio.timeout(25):
        while list(folder.glob(".import-*")):
            await asyncio.sleep(0.01)

    assert await stage.world.repositories.ref("shop", REF) in {None, ZERO}
    assert (await stage.ask("GET /healthz")).status == 200
