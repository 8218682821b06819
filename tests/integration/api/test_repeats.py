"""Requests that are made again with the same key, and answers that have not changed."""

import asyncio
import uuid

import pytest

from hostess.domain.keyed_requests import Answer
from hostess.services.keyed_requests import KEPT, KeyedRequests
from tests.archives import tree
from tests.fakes.clock import FakeClock
from tests.integration.api.stage import FILE, Stage

PLACE = "/v1/projects/shop/environments/production"
REPLAYED = "Idempotent-Replayed"


def keyed(key: str = "") -> dict[str, str]:
    """Return the header with a key."""
    return {"Idempotency-Key": key or str(uuid.uuid4())}


async def test_a_request_with_a_key_is_carried_out_once(stage: Stage) -> None:
    """Made twice, a token is one token, and both answers are the same; without a key, or with another, there are more."""
    headers, body = keyed(), {"name": "ci"}

    first = await stage.ask("POST /v1/tokens", body, headers=headers)
    again = await stage.ask("POST /v1/tokens", body, headers=headers)
    other = await stage.ask("POST /v1/tokens", body, headers=keyed())

    assert (first.status, again.status, other.status) == (201, 201, 201)
    assert first.text == again.text != other.text
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert [token["name"] for token in (await stage.get("/v1/tokens"))["items"]].count("ci") == 2
    kinds = [event["kind"] for event in (await stage.get("/v1/events?after=0&kind=audit"))["items"]]
    assert kinds.count("audit.token.created") == 2


async def test_what_is_kept_of_an_answer_is_sealed(stage: Stage) -> None:
    """The token in an answer that can be given again is nowhere in the journal's files."""
    made = await stage.ask("POST /v1/tokens", {"name": "ci"}, headers=keyed())

    text = b"".join(path.read_bytes() for path in stage.folder.glob("hostess.db*"))
    assert b"keyed_requests" in text
    assert made.json["token"].encode() not in text


async def test_what_is_gone_was_deleted_once(stage: Stage) -> None:
    """A deletion that is asked for again with its key is answered as before, also where the project is gone."""
    await stage.project()
    headers = keyed()

    first = await stage.ask("DELETE /v1/projects/shop", headers=headers)
    again = await stage.ask("DELETE /v1/projects/shop", headers=headers)
    without = await stage.ask("DELETE /v1/projects/shop")

    assert (first.status, again.status, again.text, without.status) == (204, 204, "", 404)


async def test_a_key_stands_for_one_request(stage: Stage) -> None:
    """The same key with another body, path or method is refused, and nothing is done; of another caller it is another key."""
    headers = keyed()
    other = await stage.a_token("owner")
    await stage.ask("POST /v1/projects", {"name": "shop"}, headers=headers)

    body = await stage.ask("POST /v1/projects", {"name": "other"}, headers=headers)
    path = await stage.ask("DELETE /v1/projects/shop", headers=headers)
    theirs = await stage.ask("POST /v1/projects", {"name": "theirs"}, headers=headers, token=other)

    assert (body.status, body.code) == (path.status, path.code) == (422, "key-reused")
    assert theirs.status == 201
    assert {each["name"] for each in (await stage.get("/v1/projects"))["items"]} == {"shop", "theirs"}


async def test_what_failed_may_be_tried_again(stage: Stage) -> None:
    """A request that was refused is carried out when it is made again with its key and can be."""
    headers, body = keyed(), {"name": "GREETING", "value": "hello there"}

    refused = await stage.ask("POST /v1/projects/shop/secrets", body, headers=headers)
    await stage.project()
    taken = await stage.ask("POST /v1/projects/shop/secrets", body, headers=headers)

    assert (refused.status, taken.status) == (404, 201)
    assert REPLAYED not in taken.headers


async def test_an_upload_is_deployed_once(stage: Stage) -> None:
    """An archive that is sent again with its key begins no second deployment."""
    await stage.project()
    await stage.secret("a-greeting")
    headers = {**keyed(), "Content-Type": "application/gzip"}

    said = [
        await stage.ask(f"POST {PLACE}/upload", data=tree({"hostess.yml": FILE}), headers=headers) for _ in range(2)
    ]

    assert [each.status for each in said] == [202, 202]
    assert said[0].json["id"] == said[1].json["id"]
    assert len((await stage.get("/v1/deployments"))["items"]) == 1


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 256])
async def test_keys_that_are_none(stage: Stage, key: str) -> None:
    """A key of no, too many or other characters is refused."""
    said = await stage.ask("POST /v1/projects", {"name": "shop"}, headers={"Idempotency-Key": key})

    assert (said.status, said.code) == (400, "bad-request")


async def test_a_command_takes_no_key(stage: Stage) -> None:
    """The output of a command is not kept, which is said instead of running it twice."""
    await stage.live()

    said = await stage.ask(f"POST {PLACE}/services/web/run", {"command": ["print"]}, headers=keyed())

    assert (said.status, said.code) == (400, "bad-request")


async def test_of_two_at_once_one_is_carried_out(stage: Stage) -> None:
    """While a request is carried out, the same one is told to wait; afterwards it has its answer."""
    requests = KeyedRequests(stage.journal, stage.world.secrets._vault, FakeClock())
    begun, hold, done = asyncio.Event(), asyncio.Event(), []

    async def slowly() -> Answer:
        begun.set()
        await hold.wait()
        done.append(1)
        return Answer(200, "{}")

    first = asyncio.create_task(requests.once("me", "k", "d", slowly))
    await begun.wait()
    with pytest.raises(Exception, match="is being carried out"):
        await requests.once("me", "k", "d", slowly)
    hold.set()

    assert await first == (Answer(200, "{}"), False)
    assert await requests.once("me", "k", "d", slowly) == (Answer(200, "{}"), True)
    assert done == [1]


async def test_a_daemon_that_died_meanwhile_does_not_guess(stage: Stage) -> None:
    """What a request came to that a dead daemon was carrying out is not known, and it is not carried out again."""
    vault, clock = stage.world.secrets._vault, FakeClock()
    begun = asyncio.Event()

    async def never() -> Answer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    dying = asyncio.create_task(KeyedRequests(stage.journal, vault, clock).once("me", "k", "d", never))
    await begun.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    with pytest.raises(Exception, match="the daemon ended"):
        await KeyedRequests(stage.journal, vault, clock).once("me", "k", "d", never)


async def test_what_is_remembered_is_bounded(stage: Stage) -> None:
    """After a day a key is free again, and of one caller's requests only the newest are kept."""
    clock, done = FakeClock(), []
    requests = KeyedRequests(stage.journal, stage.world.secrets._vault, clock, most=5)

    async def counted() -> Answer:
        done.append(1)
        return Answer(200, "")

    await requests.once("me", "old", "d", counted)
    clock.advance(KEPT.total_seconds() + 1)
    await requests.once("me", "old", "d", counted)
    assert len(done) == 2

    for number in range(5):
        await requests.once("me", f"{number}", "d", counted)
    await requests.once("me", "old", "d", counted)
    assert len(done) == 2 + 5 + 1


async def test_an_answer_that_has_not_changed_is_not_sent_again(stage: Stage) -> None:
    """Lists and the API's document have an ETag; who shows it gets 304 without a body until something changes."""
    for path in ("/v1/projects", "/v1/openapi.json"):
        first = await stage.ask(f"GET {path}")
        tag = first.headers["ETag"]
        known = await stage.ask(f"GET {path}", headers={"If-None-Match": tag})
        several = await stage.ask(f"GET {path}", headers={"If-None-Match": f'"x", W/{tag}'})
        other = await stage.ask(f"GET {path}", headers={"If-None-Match": '"x"'})
        assert (known.status, known.text, known.headers["ETag"]) == (304, "", tag)
        assert (several.status, other.status, other.text) == (304, 200, first.text)

    before = (await stage.ask("GET /v1/projects")).headers["ETag"]
    await stage.project()
    after = await stage.ask("GET /v1/projects", headers={"If-None-Match": before})

    assert after.status == 200
    assert after.headers["ETag"] != before
