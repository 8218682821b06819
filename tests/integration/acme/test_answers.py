"""What the client makes of an authority's answers: renewal windows, profiles, limits, and those that are none."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.acme.wire import LONGEST_WAIT, Answer, WireLimits
from hostess.domain.certificates.acme_answers import certificate_request, fresh_key
from hostess.domain.certificates.order import Kind, Order, Trouble
from hostess.domain.certificates.pem import read_pair
from hostess.domain.ports import AuthorityError
from tests.fakes.authority_server import AuthorityServer, Said, authority_server, fault
from tests.fakes.clock import START, FakeClock
from tests.integration.acme.proving import HttpAnswers, issued, proved
from tests.issuing import DAY

JUNK: tuple[Any, ...] = (None, 7, [], {}, "", "\x1b[2J", "https://[bad", ["x"], [{"type": "http-01"}])
Place = tuple[str | int, ...]
ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
NAMES = ["shop.example.org"]


@pytest.fixture
async def server() -> AsyncIterator[AuthorityServer]:
    """Give an authority."""
    async with authority_server() as running:
        yield running


@pytest.fixture
async def client(server: AuthorityServer, tmp_path: Path) -> AsyncIterator[AcmeAuthority]:
    """Give a client of it that bears with little."""
    limits = WireLimits(size=64 * 1024)
    made = AcmeAuthority(server.directory, tmp_path / "accounts", FakeClock(), limits=limits)
    yield made
    await made.close()


async def refused(client: AcmeAuthority) -> AuthorityError:
    """Return why there is no order."""
    with pytest.raises(AuthorityError) as caught:
        await client.begin(NAMES)
    return caught.value


async def ready(client: AcmeAuthority) -> Order:
    """Return an order whose names are proved."""
    return await proved(client, await client.begin(NAMES), {Kind.HTTP: HttpAnswers().prepare})


async def test_a_window_is_read(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A renewal window is asked for again when the authority wants it, within sense."""
    server.windows = {ID: (START + DAY, START + 2 * DAY)}
    server.window_headers = {"Retry-After": "21600"}

    window = await client.window(ID)

    assert window is not None
    assert (window.start, window.end) == (START + DAY, START + 2 * DAY)
    assert window.ask_after == timedelta(hours=6)
    for said, meant in [("1", timedelta(minutes=1)), ("99999999", timedelta(days=1)), ("soon", timedelta(hours=6))]:
        server.window_headers["Retry-After"] = said
        again = await client.window(ID)
        assert again is not None
        assert again.ask_after == meant


async def test_no_window(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An authority that knows no windows, or not this certificate, says none; one that ends before it begins is an error."""
    assert await client.window(ID) is None
    await client.close()

    server.windows = {"x.y": (START + DAY, START)}
    other = AcmeAuthority(server.directory, Path("/nonexistent"), FakeClock())
    assert await other.window(ID) is None
    with pytest.raises(AuthorityError, match="ends before it begins"):
        await other.window("x.y")
    await other.close()


async def test_a_certificate_is_replaced_once(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An order says which certificate it replaces; where that has been replaced it fails as such, and is made without."""
    server.windows = {}
    await client.begin(NAMES, replaces=ID)
    with pytest.raises(AuthorityError) as caught:
        await client.begin(NAMES, replaces=ID)
    await client.begin(NAMES)

    assert caught.value.trouble is Trouble.REPLACED
    assert [each.get("replaces") for each in server.asked("order")] == [ID, ID, None]


async def test_replaces_is_for_those_who_know_it(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An authority without renewal windows is not told what an order replaces."""
    await client.begin(NAMES, replaces=ID)

    assert server.asked("order") == [{"identifiers": [{"type": "dns", "value": NAMES[0]}]}]


async def test_profiles(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A profile is asked for where it is offered; one that is not is left out of the order."""
    server.profiles = {"shortlived": "six days", "classic": "ninety"}

    await client.begin(NAMES, profile="shortlived")
    await client.begin(NAMES, profile="withdrawn")
    assert [each.get("profile") for each in server.asked("order")] == ["shortlived", None]


async def test_a_profile_that_was_withdrawn(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A profile that the authority has withdrawn since it was offered is left out at once."""
    server.profiles = {"shortlived": "six days"}
    server.say("order", fault("invalidProfile", "no such profile"))

    assert (await client.begin(NAMES, profile="shortlived")).status == "pending"
    assert [each.get("profile") for each in server.asked("order")] == ["shortlived", None]


async def test_an_address_is_ordered_as_one(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A certificate for an IP address is ordered, requested and checked as RFC 8738 says."""
    pair = await issued(client, ["192.0.2.7", "shop.example.org"], {Kind.HTTP: HttpAnswers().prepare})

    assert set(pair.names) == {"192.0.2.7", "shop.example.org"}
    assert [each["type"] for each in server.asked("order")[0]["identifiers"]] == ["ip", "dns"]


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("120", timedelta(minutes=2)),
        (format_datetime(START + timedelta(hours=3), usegmt=True), timedelta(hours=3)),
        (format_datetime(START - timedelta(hours=3), usegmt=True), timedelta()),
        ("9" * 300, LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("²", None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header: str, meant: timedelta | None) -> None:
    """Retry-After is understood as seconds and as a date, is never in the past or in another year, and nonsense is no answer."""
    answer = Answer("https://ca.example/x", 200, {"retry-after": header}, b"")

    assert answer.retry_after(START) == (None if meant is None else START + meant)


@pytest.mark.parametrize(
    ("said", "trouble", "until"),
    [
        (fault("rateLimited", "too many certificates", 429, Retry_After="3600"), Trouble.RATE_LIMITED, 3600),
        (
            fault(
                "rateLimited",
                "too many",
                429,
                Retry_After=format_datetime(START + timedelta(hours=2), usegmt=True),
            ),
            Trouble.RATE_LIMITED,
            7200,
        ),
        (Said(503, b"busy", {"Retry-After": "30"}), Trouble.RATE_LIMITED, 30),
        (Said(503, b"down"), Trouble.AUTHORITY, None),
        (fault("rejectedIdentifier", "never for this"), Trouble.FORBIDDEN, None),
        (Said(302, b"", {"Location": "/other"}), Trouble.AUTHORITY, None),
    ],
)
async def test_a_refusal_tells_what_to_do(
    server: AuthorityServer, client: AcmeAuthority, said: Said, trouble: Trouble, until: float | None
) -> None:
    """What an authority refuses is of one kind of trouble, with the time until which it wants to be left alone, if it says one."""
    server.say("order", said)
    error = await refused(client)

    wanted: datetime | None = None if until is None else START + timedelta(seconds=until)
    assert (error.trouble, error.retry_after) == (trouble, wanted)
    assert error.what.startswith("127.0.0.1:")


async def test_a_bad_nonce_is_forgiven_three_times(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A request whose nonce is refused is repeated at once, three times, with the nonce of the refusal."""
    bad = fault("badNonce", "an old nonce")
    server.say("order", bad, bad, bad)
    await client.begin(NAMES)
    assert len(server.asked("order")) == 4

    server.say("order", bad, bad, bad, bad)
    assert (await refused(client)).trouble is Trouble.AUTHORITY
    assert len(server.asked("order")) == 8


@pytest.mark.parametrize(
    ("what", "said", "words"),
    [
        ("directory", Said(body=b"<html>"), "no JSON object"),
        ("directory", Said(body={"newNonce": 7}), "a directory without newNonce"),
        ("directory", Said(body=b"x" * 70_000), "is longer than 64 KiB"),
        ("directory", Said(body=b"[" * 60_000), "no JSON object"),
        ("account", Said(201, {"status": "valid"}), r"does not say where \(Location\)"),
        ("order", Said(201, {}, {"Location": "/order/0"}), "is no order"),
        ("order", Said(201, {"status": "pending", "identifiers": [7]}, {"Location": "/order/0"}), "has no value"),
        ("authorization", Said(body={"status": "pending"}), "is no authorization"),
        (
            "authorization",
            Said(
                body={
                    "identifier": {"type": "dns", "value": "shop.example.org"},
                    "status": "pending",
                    "challenges": [{"type": "http-01", "url": "x", "status": "pending", "token": "../" * 20}],
                }
            ),
            "a token that is none",
        ),
    ],
)
async def test_answers_that_are_none(
    server: AuthorityServer, client: AcmeAuthority, what: str, said: Said, words: str
) -> None:
    """An answer that is no ACME, or too long, is told as the authority's fault; the next attempt is not harmed by it."""
    server.say(what, said)
    with pytest.raises(AuthorityError, match=words) as caught:
        await client.begin(NAMES)
    assert caught.value.trouble is Trouble.AUTHORITY
    assert (await client.begin(NAMES)).status == "pending"


@pytest.mark.parametrize("what", ["directory", "order", "authorization"])
async def test_nonsense_in_any_place(server: AuthorityServer, client: AcmeAuthority, what: str) -> None:
    """Whatever stands in one place of an answer, it is an order or the authority's fault, and nothing else goes wrong."""
    server.windows, server.profiles = {}, {"classic": "ninety"}
    async with aiohttp.ClientSession() as session:
        urls = {"directory": server.directory, "authorization": f"{server.url}/authorization/0.0"}
        await client.begin(NAMES)
        if what == "directory":
            document = await (await session.get(urls[what])).json()
        else:
            url = urls.get(what, f"{server.url}/order/0")
            document = await (await session.post(url, json={"payload": ""})).json()

    for place, junk in product(list(places(document)), JUNK):
        broken = changed(document, place, junk)
        server.say(what, Said(201, broken, {"Location": f"{server.url}/order/0"}))
        client._wire._known = None  # the directory
        faults: list[AuthorityError] = []
        try:
            await client.begin(NAMES)
        except AuthorityError as error:
            faults.append(error)
        assert all(each.what.isprintable() for each in faults), (place, junk)


async def test_what_nobody_needs_harms_nothing(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An order whose end (`expires`) is no time, at an authority that has no place to revoke, is an order."""
    await client.begin(NAMES)
    shown = json_of_order(server, "pending") | {"expires": "soon"}
    server.say("order", Said(201, shown, {"Location": f"{server.url}/order/0"}))

    assert (await client.begin(NAMES)).status == "pending"


async def test_a_compressed_answer_is_not_unpacked(server: AuthorityServer, client: AcmeAuthority) -> None:
    """Nothing that an authority sends is unpacked: a small answer may hold a huge one."""
    server.say("directory", Said(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))

    assert "no JSON object" in (await refused(client)).what


async def test_an_answer_that_never_comes(server: AuthorityServer, tmp_path: Path) -> None:
    """An authority that does not answer is given up, and asked again the next time."""
    limits = WireLimits(within=timedelta(seconds=0.3))
    impatient = AcmeAuthority(server.directory, tmp_path, FakeClock(), limits=limits)
    server.say("directory", Said(hangs=True))

    error = await refused(impatient)
    await impatient.close()
    assert error.trouble is Trouble.AUTHORITY
    assert error.what.endswith("did not answer within 0.3 seconds")


async def test_a_chain_for_something_else_is_refused(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A certificate for another key, for other names, or none at all is not taken from the authority."""
    order = await ready(client)
    key, other = fresh_key(), fresh_key()
    request = certificate_request(NAMES, key)
    chain = await client.finish(order, request)

    for wanted, words in [
        (certificate_request(NAMES, other), "its key is not the one"),
        (certificate_request([*NAMES, "www.example.org"], key), "it is for shop.example.org instead of"),
    ]:
        with pytest.raises(AuthorityError, match=words):
            await client.finish(order, wanted)
    server.say("certificate", Said(body=b"nothing"), Said(body=b"\xff"))
    for words in ("cannot be used", "no certificate in PEM form"):
        with pytest.raises(AuthorityError, match=words):
            await client.finish(order, request)
    assert read_pair(await client.finish(order, request), key).chain == read_pair(chain, key).chain


async def test_slow_issuance_is_waited_for(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An order in processing is looked at again until it is issued, but not for ever."""
    order = await ready(client)
    request = certificate_request(NAMES, fresh_key())
    busy = Said(body=json_of_order(server, "processing"), headers={"Retry-After": "20"})
    server.say("look", Said(body=json_of_order(server, "ready")), busy, busy)
    assert "BEGIN CERTIFICATE" in await client.finish(order, request)

    server.say("look", *[busy] * 100)
    with pytest.raises(AuthorityError, match="has not issued the order within 3 minutes") as caught:
        await client.finish(order, request)
    assert caught.value.trouble is Trouble.AUTHORITY


async def test_an_order_that_fails_says_why(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An order that became invalid at the end says the authority's reason, and one without a reason says that."""
    order = await ready(client)
    server.say(
        "look",
        Said(body=json_of_order(server, "invalid") | {"error": fault("caa", "CAA forbids it").body}),
        Said(body=json_of_order(server, "invalid")),
    )

    first, second = await client.order(order.url), await client.order(order.url)
    assert (first.status, first.error, first.trouble) == ("invalid", "CAA forbids it", Trouble.FORBIDDEN)
    assert (second.error, second.trouble) == ("the authority does not say why", Trouble.AUTHORITY)


async def test_a_lost_account_is_made_again(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An account that the authority has lost is made again with the same key; one that it has shut, with another."""
    await client.begin(NAMES)
    server.say("order", fault("accountDoesNotExist", "who?"))
    await client.begin(NAMES)
    assert len(server.asked("account")) == 2

    before = (await ready(client)).authorizations[0].challenges[0].answer
    server.say("order", fault("unauthorized", "the account is deactivated", 403))
    server.say("own", fault("unauthorized", "the account is deactivated", 403))
    after = (await client.begin(NAMES)).authorizations[0].challenges[0].answer
    assert before.rpartition(".")[2] != after.rpartition(".")[2]


async def test_saying_it_twice_is_no_error(server: AuthorityServer, client: AcmeAuthority) -> None:
    """A challenge that was said to be ready before a kill may be so again; where it still waits, the refusal is an error."""
    order = await client.begin(NAMES)
    challenge = order.authorizations[0].challenges[0]
    server.say("challenge", fault("malformed", "not pending"), Said(body={"status": "processing"}))
    await client.ready(challenge)

    server.say("challenge", fault("malformed", "not now"), Said(body={"status": "pending"}))
    with pytest.raises(AuthorityError, match="not now"):
        await client.ready(challenge)


async def test_a_refusal_for_the_names_keeps_the_account(server: AuthorityServer, client: AcmeAuthority) -> None:
    """An order that is refused as unauthorized by an authority where the account is well is about the names: no account is made."""
    await client.begin(NAMES)
    server.say("order", fault("unauthorized", "not these names", 403))

    assert (await refused(client)).trouble is Trouble.NOT_OURS_YET
    assert len(server.asked("account")) == 1


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the places of all values in a document."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def changed(value: Any, path: Place, to: Any) -> Any:
    """Return a document with another value in one place."""
    if not path:
        return to
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], to)
    return copy


def json_of_order(server: AuthorityServer, status: str) -> dict[str, object]:
    """Return the first order as it would be shown in another state."""
    return {
        "status": status,
        "identifiers": server.orders[0].wanted["identifiers"],
        "authorizations": [f"{server.url}/authorization/0.0"],
        "finalize": f"{server.url}/finalize/0",
    }
