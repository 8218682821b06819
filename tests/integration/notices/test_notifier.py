"""The notifier on a real journal: nothing is lost and little comes twice, over restarts and long silence."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.notices.webhook import Webhook
from hostess.domain.notices import Delivery
from hostess.domain.ports import NoticeChannel
from hostess.services.notifier import PAGE, Notifier
from tests.fakes.clock import FakeClock
from tests.integration.notices.receivers import WebReceiver, web_receiver
from tests.new_journal import opened_journal

DAY = timedelta(days=1).total_seconds()


class KilledError(Exception):
    """What the daemon's end looks like from inside."""


class Stage:
    """A daemon's journal and clock, and a notifier that can be started anew."""

    def __init__(self, journal: SqliteJournal, receiver: WebReceiver) -> None:
        self.journal = journal
        self.receiver = receiver
        self.clock = FakeClock()
        self.notifier = self.started()

    def started(self, *more: NoticeChannel) -> Notifier:
        """Return a notifier as it is after a start of the daemon."""
        channels = [Webhook(self.receiver.url), *more]
        hide = lambda text: text.replace("hush", "[hidden]")  # noqa: E731 -- one word
        self.notifier = Notifier(self.journal, channels, self.clock, hide, "host.test")
        return self.notifier

    async def tell(self, kind: str, host: str = "shop.example.com", what: str = "it happened") -> int:
        """Let something happen; return the event's id."""
        return (await self.journal.tell(kind, what, self.clock.now(), data={"subject": host})).id

    def told(self) -> list[int]:
        """Return the ids of all notices that arrived, in order."""
        return [each["id"] for post in self.receiver.posts for each in json.loads(post.body)["notices"]]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Open a journal and a web server."""
    journal = await opened_journal(tmp_path / "hostess.db")
    async with web_receiver() as receiver:
        stage = Stage(journal, receiver)
        await stage.notifier.begin()
        yield stage
    await journal.close()


async def test_trouble_arrives_once(stage: Stage) -> None:
    """A failure is told once, however often it is looked for and the daemon is restarted; its end is told, too."""
    begun = await stage.tell("certificate.failed")
    for _ in range(3):
        await stage.notifier.look()
        await stage.tell("certificate.failed")
        await stage.started().look()
    over = await stage.tell("certificate.issued")
    await stage.started().look()
    await stage.started().look()

    assert stage.told() == [begun, over]


async def test_what_happens_between_two_daemons(stage: Stage) -> None:
    """What is written down while nobody looks is told by the next daemon."""
    happened = await stage.tell("certificate.expired")
    await stage.started().look()

    assert stage.told() == [happened]


async def test_what_was_before_is_no_news(tmp_path: Path) -> None:
    """A channel that is new begins with what happens from then on."""
    journal = await opened_journal(tmp_path / "other.db")
    async with web_receiver() as receiver:
        stage = Stage(journal, receiver)
        await stage.tell("certificate.failed")
        await stage.notifier.begin()
        later = await stage.tell("certificate.failed", "api.example.com")
        await stage.notifier.look()
    await journal.close()

    assert stage.told() == [later]


async def test_killed_in_the_middle(stage: Stage) -> None:
    """A daemon that is killed after a notice left, and before it wrote so down, sends the same notice again, by its id."""
    happened = await stage.tell("certificate.failed")

    class Killing:
        name = "webhook"

        async def send(self, delivery: Delivery) -> str:
            await Webhook(stage.receiver.url).send(delivery)
            raise KilledError

    killed = Notifier(stage.journal, [Killing()], stage.clock, str, "host.test")
    await killed.look()
    await stage.started().look()
    await stage.started().look()

    assert stage.told() == [happened, happened]


async def test_a_channel_that_is_down_for_long(stage: Stage) -> None:
    """A channel that fails is tried at growing pauses up to an hour; when it is back, what is still news arrives in order."""
    stage.receiver.status = 503
    await stage.tell("certificate.failed", "old.example.com")
    for _ in range(5 * 24 * 60):
        await stage.notifier.look()
        stage.clock.advance(60)
    tries = len(stage.receiver.posts)
    fresh = [await stage.tell("certificate.failed", f"{name}.example.com") for name in "abc"]
    stage.receiver.posts.clear()
    stage.receiver.status = 200
    stage.clock.advance(3600)
    await stage.notifier.look()

    assert 3 * 24 < tries < 5 * 24 + 10
    assert stage.told() == fresh
    kinds = [event.kind for event in await stage.journal.events() if event.kind.startswith("notify.")]
    assert kinds == ["notify.failed", "notify.works"]


async def test_one_that_is_down_holds_up_no_other(stage: Stage) -> None:
    """Others go on while a channel fails, and are told of it; when it is back it tells nothing of itself."""
    async with web_receiver() as other:
        second = replace(Webhook(other.url), name="second")
        stage.started(second)
        await stage.notifier.look()
        stage.receiver.status = 500
        trouble = await stage.tell("certificate.failed")
        for _ in range(10):
            await stage.notifier.look()
            stage.clock.advance(300)
        stage.receiver.posts.clear()
        stage.receiver.status = 200
        stage.clock.advance(3600)
        await stage.notifier.look()
        await stage.notifier.look()

    kinds = [each["kind"] for post in other.posts for each in json.loads(post.body)["notices"]]
    assert kinds == ["certificate.failed", "notify.failed", "notify.works"]
    assert stage.told() == [trouble]


async def test_many_at_once_are_few_posts(stage: Stage) -> None:
    """Hundreds of hosts in trouble at the same time are told in a few deliveries, none of them left out."""
    happened = [await stage.tell("certificate.failed", f"{number}.example.com") for number in range(3 * PAGE)]
    await stage.notifier.look()

    assert stage.told() == happened
    assert len(stage.receiver.posts) == 3


async def test_secrets_are_hidden(stage: Stage) -> None:
    """What the installation knows as a secret is in no notice."""
    await stage.tell("certificate.failed", what="hush was refused")
    await stage.notifier.look()

    assert json.loads(stage.receiver.posts[0].body)["notices"][0]["what"] == "[hidden] was refused"


async def test_a_trial(stage: Stage) -> None:
    """A trial goes out by every channel at once and says what each answered, without a change to what is due."""
    stage.started(replace(Webhook("http://127.0.0.1:1/"), name="second"))

    first, second = await stage.notifier.test()
    assert (first.channel, first.taken, first.answer) == ("webhook", True, "200 OK noted")
    assert (second.channel, second.taken) == ("second", False)
    assert "could not be reached" in second.answer


async def test_a_channel_with_a_fault_of_its_own(stage: Stage) -> None:
    """One that ends in what nobody thought of has failed like another: tried at growing pauses, told of, and so in a trial."""

    class Faulty:
        name = "faulty"
        tries = 0

        async def send(self, _: Delivery) -> str:
            self.tries += 1
            raise ValueError("hush")

    faulty = Faulty()
    await stage.started(faulty).begin()
    await stage.tell("certificate.failed")
    for _ in range(60):
        await stage.notifier.look()
        stage.clock.advance(10)
    looked = faulty.tries
    tried = (await stage.notifier.test())[1]

    assert looked == 5
    assert [event.kind for event in await stage.journal.events()].count("notify.failed") == 1
    assert (tried.channel, tried.taken) == ("faulty", False)
    assert "ValueError" in tried.answer
    assert "hush" not in tried.answer
