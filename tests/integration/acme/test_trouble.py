"""A real authority that says no, goes away, forgets; and clients that are killed in between."""

import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from hostess.adapters.acme.account import BindingFile
from hostess.adapters.acme.authorities import authorities
from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.acme_answers import certificate_request, fresh_key
from hostess.domain.certificates.order import Kind, Order, Trouble
from hostess.domain.certificates.pem import read_pair
from hostess.domain.ports import AuthorityError
from hostess.domain.problem import Problem
from hostess.domain.settings import AcmeSettings
from tests.integration.acme.proving import Prepare, dns_answers, http_answers, issued, proved
from tests.pebble import Names, Pebble, name_server
from tests.pebble import authority as a_pebble

KEY_ID, KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

Connect = Callable[..., AcmeAuthority]
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    """Give a name server for all authorities here."""
    with name_server() as running:
        yield running


@pytest.fixture(scope="module")
def pebble(names: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """Give an authority."""
    with a_pebble(tmp_path_factory.mktemp("pebble"), names) as running:
        yield running


@pytest.fixture
async def connect(tmp_path: Path) -> AsyncIterator[Connect]:
    """Give what makes clients; all have the same folder for accounts, as a daemon that was started again."""
    async with AsyncExitStack() as stack:

        def made(pebble: Pebble, **more: object) -> AcmeAuthority:
            options = {"ca_file": pebble.ca_file, **more}
            client = AcmeAuthority(pebble.directory, tmp_path / "accounts", SystemClock(), **options)  # type: ignore[arg-type]
            stack.push_async_callback(client.close)
            return client

        yield made


async def test_half_of_all_nonces_refused(names: Names, connect: Connect, tmp_path: Path) -> None:
    """An authority that refuses every second nonce issues all the same: whatever fails for it is done again where it stood."""
    with a_pebble(tmp_path / "pebble", names, environment={"PEBBLE_WFE_NONCEREJECT": "50"}) as pebble:
        client, key = connect(pebble), fresh_key()
        ways = {Kind.DNS: dns_answers(pebble)}
        order = await again(lambda: client.begin(["nonces.example.org"]))
        proof = await again(lambda: _proved_by_url(client, order.url, ways))
        request = certificate_request(["nonces.example.org"], key)
        chain = await again(lambda: client.finish(proof, request))

        assert read_pair(chain, key).names == ("nonces.example.org",)


async def test_a_wrong_answer_is_told(pebble: Pebble, connect: Connect) -> None:
    """Where an answer was wrong, the order is invalid, and its error has the name and the authority's own sentence."""
    client = connect(pebble)
    async with http_answers(pebble.http_port) as answers:
        order = await client.begin(["wrong.example.org"])
        judged = await proved(client, order, {Kind.HTTP: lambda _authorization, _challenge: None})
        assert answers.hosts

    assert (judged.status, judged.trouble) == ("invalid", Trouble.NOT_OURS_YET)
    assert judged.error.startswith("wrong.example.org: ")
    assert "404" in judged.error
    failed = [each for each in judged.authorizations[0].challenges if each.error]
    assert [each.kind for each in failed] == [Kind.HTTP]


async def test_nobody_at_the_port(pebble: Pebble, connect: Connect) -> None:
    """A host that cannot be reached is told as such: its name server may not lead here yet."""
    client = connect(pebble)
    judged = await proved(
        client, await client.begin(["nobody.example.org"]), {Kind.HTTP: lambda _authorization, _challenge: None}
    )

    assert (judged.status, judged.trouble) == ("invalid", Trouble.NOT_OURS_YET)
    assert "connection refused" in judged.error


async def test_names_that_nobody_may_have(pebble: Pebble, connect: Connect) -> None:
    """A name for which the authority never issues is refused with its own sentence, and waiting would not help."""
    with pytest.raises(AuthorityError) as caught:
        await connect(pebble).begin(["under_score.example.org"])

    assert caught.value.trouble is Trouble.FORBIDDEN
    assert "illegal character" in caught.value.what


async def test_an_order_is_taken_up_by_another_client(pebble: Pebble, connect: Connect, tmp_path: Path) -> None:
    """A client that knows only an order's URL goes on where another one was killed: pending, ready, and valid."""
    ways, key = {Kind.DNS: dns_answers(pebble)}, fresh_key()
    request = certificate_request(["later.example.org"], key)
    first = await connect(pebble).begin(["later.example.org"])

    second = await connect(pebble).order(first.url)
    assert second == first
    await proved(connect(pebble), second, ways)

    third = await connect(pebble).order(first.url)
    assert third.status == "ready"
    chain = await connect(pebble).finish(third, request)

    client = connect(pebble)
    fourth = await client.order(first.url)
    assert fourth.status == "valid"
    assert await client.finish(fourth, request) == chain
    assert len(list((tmp_path / "accounts").iterdir())) == 1
    with pytest.raises(AuthorityError, match="its key is not the one that was asked for"):
        await client.finish(fourth, certificate_request(["later.example.org"], fresh_key()))


async def test_an_order_that_nobody_knows_is_invalid(pebble: Pebble, connect: Connect) -> None:
    """An order that the authority never had, or no longer has, is invalid, and the trouble is not ours."""
    lost = await connect(pebble).order(f"{pebble.directory.removesuffix('dir')}my-order/never")

    assert (lost.status, lost.trouble) == ("invalid", Trouble.AUTHORITY)
    assert "no longer knows the order" in lost.error


async def test_pebble_has_no_windows(pebble: Pebble, connect: Connect) -> None:
    """An authority without renewal windows is one: there are none."""
    client = connect(pebble)

    assert await client.window("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE") is None


async def test_customers_only(names: Names, connect: Connect, tmp_path: Path) -> None:
    """An authority for customers refuses who is none, or has another key, and issues to who shows the key that it gave out.

    What the file holds is looked at when it is needed: one that is put right serves without a new start.
    """
    file = tmp_path / "eab"
    with a_pebble(tmp_path / "pebble", names, bindings={KEY_ID: KEY}) as pebble:
        with pytest.raises(AuthorityError, match=r"acme\.eab_kid") as caught:
            await connect(pebble).begin(["customer.example.org"])
        assert caught.value.trouble is Trouble.FORBIDDEN

        client = connect(pebble, binding=BindingFile(KEY_ID, file))
        with pytest.raises(Problem, match="cannot be read: No such file"):
            await client.begin(["customer.example.org"])
        file.write_text("not a key!")
        with pytest.raises(Problem, match="does not hold a key in base64url") as told:
            await client.begin(["customer.example.org"])
        assert "not a key!" not in str(told.value)
        file.write_text(KEY[::-1])
        with pytest.raises(AuthorityError):
            await client.begin(["customer.example.org"])

        file.write_text(f"{KEY}\n")
        assert (await client.begin(["customer.example.org"])).status in {"pending", "ready"}


async def test_an_authority_that_goes_away(names: Names, connect: Connect, tmp_path: Path) -> None:
    """While an authority is away its orders fail as its trouble; one that has forgotten everything gets the account again, with its key."""
    with a_pebble(tmp_path / "pebble", names) as pebble:
        client = connect(pebble)
        order = await client.begin(["gone.example.org"])
        pebble.stop()
        for attempt in (client.order(order.url), client.begin(["gone.example.org"]), client.settled(order)):
            with pytest.raises(AuthorityError, match="cannot be reached") as caught:
                await attempt
            assert caught.value.trouble is Trouble.AUTHORITY

        pebble.start()
        assert (await client.order(order.url)).status == "invalid"
        pair = await issued(client, ["gone.example.org"], {Kind.DNS: dns_answers(pebble)})
        assert pair.names == ("gone.example.org",)
    answer = order.authorizations[0].challenges[0].answer.rpartition(".")[2]
    assert answer == (await client._account.thumbprint())


async def test_a_second_authority(pebble: Pebble, names: Names, tmp_path: Path) -> None:
    """Settings with a fallback make two clients, each with an account of its own; the second issues while the first is away."""
    with a_pebble(tmp_path / "first", names) as first:
        first.stop()
        settings = AcmeSettings(
            directory=first.directory, fallback=pebble.directory, email="ops@example.org", ca_file=pebble.ca_file
        )
        one, two = authorities(settings, tmp_path / "accounts", SystemClock())

        with pytest.raises(AuthorityError):
            await one.begin(["second.example.org"])
        pair = await issued(two, ["second.example.org"], {Kind.DNS: dns_answers(pebble)})
        assert pair.names == ("second.example.org",)
        assert (one.directory, two.directory) == (first.directory, pebble.directory)
        assert authorities(AcmeSettings(directory="", fallback="https://x.example/dir"), tmp_path, SystemClock()) == []
        await one.close()
        await two.close()

    accounts = [json.loads(path.read_text()) for path in (tmp_path / "accounts").iterdir()]
    assert {each["directory"] for each in accounts if each["url"]} == {pebble.directory}


async def test_the_account_is_kept_in_private(pebble: Pebble, connect: Connect, tmp_path: Path) -> None:
    """An account's key is in one file that only its owner reads; one that is damaged is told, and left as it is."""
    await connect(pebble).begin(["account.example.org"])
    (file,) = (tmp_path / "accounts").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    half = file.read_text()[:200]
    file.write_text(half)
    with pytest.raises(Problem, match="does not hold an account's key") as caught:
        await connect(pebble).begin(["account.example.org"])
    assert "PRIVATE KEY" not in str(caught.value)
    assert file.read_text() == half


async def test_a_kill_before_the_answer_makes_no_second_account(
    pebble: Pebble, connect: Connect, tmp_path: Path
) -> None:
    """An account of which the authority told the URL to nobody, because of a kill, is found again by its key; halves are removed."""
    await connect(pebble).begin(["killed.example.org"])
    (file,) = (tmp_path / "accounts").iterdir()
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"url": ""}))
    half = file.with_name(f".{file.name}.new")
    half.write_text("{")

    await connect(pebble).begin(["killed.example.org"])
    assert json.loads(file.read_text()) == known
    assert not half.exists()


async def test_an_authority_that_is_not_trusted(pebble: Pebble, connect: Connect, tmp_path: Path) -> None:
    """An authority whose own TLS certificate leads to no known root is not spoken with; a file of roots that is none is told."""
    with pytest.raises(AuthorityError, match="certificate verify failed") as caught:
        await connect(pebble, ca_file=None).begin(["trust.example.org"])
    assert caught.value.trouble is Trouble.AUTHORITY

    for content in (None, "no certificate"):
        file = tmp_path / "roots.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(Problem, match=r"acme\.ca_file .* cannot be used"):
            await connect(pebble, ca_file=file).begin(["trust.example.org"])


async def again(attempt: Callable[[], Awaitable[Found]]) -> Found:
    """Return what comes of an attempt, made anew as long as nonces are refused."""
    while True:
        try:
            return await attempt()
        except AuthorityError as error:
            assert "nonce" in error.what  # noqa: PT017 -- whatever else fails is a failure


async def _proved_by_url(client: AcmeAuthority, url: str, ways: Mapping[Kind, Prepare]) -> Order:
    return await proved(client, await client.order(url), ways)
