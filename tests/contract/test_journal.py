"""What every journal does, whatever it is made of: the installation, projects, builds, tasks, tokens, events."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.domain.forges import Webhook
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Project, Token
from hostess.domain.registries import Registry
from tests.contract.journals import LATER, NOW, SUBNETS, a_deployment, a_release, switched


async def test_an_installation_has_an_id(journal: Journal) -> None:
    """The instance is 12 hex digits and stays the same."""
    instance = await journal.instance()

    assert len(instance) == 12
    assert int(instance, 16) >= 0
    assert await journal.instance() == instance


async def test_notes_are_kept(journal: Journal) -> None:
    """A note is what was stored last; one never stored is None."""
    await journal.set_note("sentinel", "1")
    await journal.set_note("sentinel", "2")

    assert await journal.note("sentinel") == "2"
    assert await journal.note("instance") is None


async def test_projects_are_created_once(journal: Journal) -> None:
    """Creating a project again says so and changes nothing."""
    assert await journal.create_project("blog", NOW)
    assert not await journal.create_project("blog", LATER)
    assert await journal.projects() == [Project("blog", NOW), Project("shop", NOW)]


async def test_a_removed_project_leaves_nothing(journal: Journal) -> None:
    """Removing a project forgets its environments, releases, hosts, secrets and events, and frees its network."""
    await switched(journal, a_release(), {"a.x": "api"})
    await journal.begin_step("shop-production-1", "build", {}, NOW)
    await journal.put_secret("shop", "production", "KEY", str, NOW)
    await journal.remember_build("k", "sha256:1", "shop", NOW)
    await journal.tell("deployed", "live", NOW, project="shop")

    await journal.remove_project("shop")

    assert await journal.projects() == []
    assert await journal.places() == []
    assert await journal.deployments() == []
    assert await journal.live("shop", "production") is None
    assert await journal.host_owners(["a.x"]) == {}
    assert await journal.secrets("shop", "production") == []
    assert await journal.built("k") is None
    assert await journal.events(-1) == []
    assert await journal.steps("shop-production-1") == []


async def test_what_needs_a_project_says_so(journal: Journal) -> None:
    """Nothing can be written for a project that is not there."""
    for call in (
        journal.open_place("none", "production", SUBNETS, NOW),
        journal.add_deployment(a_deployment(project="none")),
        journal.next_number("none", "production"),
        journal.put_secret("none", "production", "KEY", str, NOW),
        journal.remember_build("k", "i", "none", NOW),
    ):
        with pytest.raises(Problem) as caught:
            await call
        assert caught.value.code == "project-not-found"


async def test_projects_say_what_they_are(journal: Journal) -> None:
    """A project has no description until it is given one; one of a project that is not there is refused."""
    before = await journal.projects()
    await journal.describe_project("shop", "What we sell")

    assert [each.description for each in before] == [""]
    assert [each.description for each in await journal.projects()] == ["What we sell"]
    with pytest.raises(Problem, match="no project"):
        await journal.describe_project("nothing", "x")


async def test_webhooks(journal: Journal) -> None:
    """A project has one webhook at most, the last that was set, and none when it is gone; another project's stays."""
    old, new, other = (
        Webhook(project, f"https://forge.test/{name}", "me", "v1.x", NOW)
        for project, name in (("shop", "old"), ("shop", "new"), ("other", "x"))
    )
    await journal.create_project("other", NOW)
    for webhook in (old, new, other):
        await journal.put_webhook(webhook)

    assert await journal.webhook("shop") == new
    assert await journal.remove_webhook("shop")
    assert not await journal.remove_webhook("shop")
    await journal.remove_project("other")
    assert await journal.webhook("other") is None


async def test_registries(journal: Journal) -> None:
    """Of each registry one login is kept, the last; they are listed by host."""
    old, new = (Registry("ghcr.io", user, "v1.x", NOW) for user in ("old", "new"))
    for registry in (old, new, Registry("a.test", "me", "v1.y", NOW)):
        await journal.put_registry(registry)

    assert [(each.host, each.user) for each in await journal.registries()] == [("a.test", "me"), ("ghcr.io", "new")]
    assert (await journal.registries())[1] == new
    assert await journal.remove_registry("ghcr.io")
    assert not await journal.remove_registry("ghcr.io")


async def test_builds_are_remembered(journal: Journal) -> None:
    """A content key gives the image that was built from it last."""
    await journal.remember_build("k1", "sha256:1", "shop", NOW)
    await journal.remember_build("k1", "sha256:2", "shop", LATER)

    assert await journal.built("k1") == "sha256:2"
    assert await journal.built("k2") is None


async def test_tasks_stay_until_finished(journal: Journal) -> None:
    """Tasks are listed by when they are due, count their failures, say what they say last, and are gone when finished."""
    late = await journal.add_task("stop", {"container": "c1"}, LATER)
    soon = await journal.add_task("drain", {"targets": ["a:1"]}, NOW)
    await journal.postpone(soon, LATER + timedelta(microseconds=1), "engine away")

    first, second = await journal.tasks()
    assert (first.id, first.kind, first.payload, first.attempts) == (late, "stop", {"container": "c1"}, 0)
    assert (second.id, second.attempts, second.error) == (soon, 1, "engine away")
    await journal.amend_task(soon, {"targets": [], "told": True})
    await journal.finish_task(late)
    await journal.amend_task(late, {"container": "c2"})
    assert [(each.id, each.payload) for each in await journal.tasks()] == [(soon, {"targets": [], "told": True})]


async def test_tokens_are_rows(journal: Journal) -> None:
    """Tokens are found by their digest, listed, marked as used and revoked."""
    token = Token("t1", "laptop", "d" * 64, "developer", ("shop", "blog"), NOW, expires_at=LATER)
    await journal.add_token(token)
    await journal.used_token("t1", LATER)

    assert await journal.token("d" * 64) == replace(token, used_at=LATER)
    assert await journal.token("e" * 64) is None
    assert await journal.tokens() == [replace(token, used_at=LATER)]
    assert await journal.revoke_token("t1")
    assert not await journal.revoke_token("t1")
    assert await journal.tokens() == []


async def test_events_are_numbered(journal: Journal) -> None:
    """Events are read on from a number, by project, or the newest ones; always oldest first."""
    told = [
        await journal.tell("k", f"m{n}", NOW, project=project, data={"n": n})
        for n, project in enumerate(("", "shop", ""))
    ]

    assert await journal.events() == told
    assert await journal.events(after=told[0].id) == told[1:]
    assert await journal.events(after=-1, limit=2) == told[1:]
    assert await journal.events(project="shop") == [told[1]]
    assert await journal.events(limit=1) == told[:1]


async def test_what_is_no_json_is_refused(journal: Journal) -> None:
    """A payload that could not be read back is a mistake of ours, and nothing of it is kept."""
    with pytest.raises(TypeError):
        await journal.add_task("stop", {"names": {"a", "b"}}, NOW)

    assert await journal.tasks() == []
