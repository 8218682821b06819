"""What every journal does, whatever it is made of."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.forges import Webhook
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Canary, LiveDomain, Project, Share, Task, Token
from hostess.domain.registries import Registry
from hostess.domain.releases.lock import Lock
from hostess.domain.releases.release import (
    NEXT,
    Deployment,
    IllegalMoveError,
    Kind,
    Release,
    State,
    Workload,
    final,
)
from hostess.domain.routing.closures import Closing, Closure
from hostess.domain.usage_history import UsageSpan
from tests.later_version import add_to

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
SUBNETS = ("10.213.0.0/24", "10.213.1.0/24")


@pytest.fixture(params=["own", "of a later version"])
async def journal(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    """Open a new journal that has one project, "shop"; also one to which a later version has added."""
    journal: Journal
    if request.param != "own":
        await (await SqliteJournal.open(tmp_path / "hostess.db")).close()
        add_to(tmp_path / "hostess.db")
    journal = made = await SqliteJournal.open(tmp_path / "hostess.db")
    await journal.create_project("shop", NOW)
    yield journal
    await made.close()


def a_deployment(
    name: str = "d1", state: State = State.QUEUED, *, project: str = "shop", environment: str = "production"
) -> Deployment:
    """Return a deployment."""
    return Deployment(name, project, environment, Kind.PUSH, state, "c" * 40, "refs/heads/main", "0" * 40, "ann", NOW)


def a_release(number: int = 1, environment: str = "production", project: str = "shop") -> Release:
    """Return a release with one service."""
    api = Workload(
        "api", ServiceType.FASTAPI, "sha256:1", "spec", "sealed", 2, 1.0, 2**30, singleton=False, hosts={8000: ("a.x",)}
    )
    return Release(project, environment, number, "c" * 40, NOW, {"api": api}, "services: {}")


async def switched(journal: Journal, release: Release, hosts: dict[str, str], *tasks: Task) -> Deployment:
    """Carry a new deployment through to its switch."""
    await journal.create_project(release.project, NOW)
    await journal.open_place(release.project, release.environment, SUBNETS, NOW)
    name = f"{release.project}-{release.environment}-{release.number}"
    await journal.add_deployment(a_deployment(name, project=release.project, environment=release.environment))
    await journal.move(name, State.RUNNING, NOW)
    await journal.switch(name, release, hosts, tasks, LATER)
    found = await journal.deployment(name)
    assert found is not None
    return found


# ---- the installation, projects and environments ----


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


async def test_each_environment_has_its_own_subnet(journal: Journal) -> None:
    """Environments get the first subnet that no other has, keep it, and are refused when none is left."""
    first = await journal.open_place("shop", "production", SUBNETS, NOW)
    second = await journal.open_place("shop", "staging", SUBNETS, NOW)
    again = await journal.open_place("shop", "production", SUBNETS, LATER)
    with pytest.raises(Problem) as caught:
        await journal.open_place("shop", "preview", SUBNETS, NOW)

    assert (first.subnet, second.subnet) == SUBNETS
    assert again == first
    assert caught.value.code == "subnets-exhausted"
    assert await journal.places("shop") == [first, second]
    assert await journal.places("blog") == []


async def test_services_keep_their_addresses(journal: Journal) -> None:
    """Each service gets an address of the pool and keeps it, also while it is gone; environments do not share."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = await journal.give_addresses("shop", "production", ["api", "web"], ["v1", "v2", "v3"])
    again = await journal.give_addresses("shop", "production", ["web"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "production", ["web", "new"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "staging", ["api"], ["v1", "v2", "v3"])

    assert (first, again) == (True, False)
    assert await journal.addresses() == {
        ("shop", "production"): {"api": "v1", "web": "v2", "new": "v3"},
        ("shop", "staging"): {"api": "v1"},
    }

    await journal.remove_place("shop", "production", ())
    assert ("shop", "production") not in await journal.addresses()


async def test_the_oldest_address_nobody_needs_is_given_anew(journal: Journal) -> None:
    """When all addresses are taken, that of a service which is neither wanted nor live goes; without one nothing changes."""
    await journal.give_addresses("shop", "production", ["a", "b", "c"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "production", ["b", "d"], ["v1", "v2", "v3"], spare=["a"])
    with pytest.raises(Problem) as caught:
        await journal.give_addresses("shop", "production", ["a", "b", "d", "e"], ["v1", "v2", "v3"])

    assert caught.value.code == "addresses-exhausted"
    assert await journal.addresses() == {("shop", "production"): {"a": "v1", "b": "v2", "d": "v3"}}


async def test_network_names_are_short_and_never_shared(journal: Journal) -> None:
    """A network is named after instance, project and environment; long and ambiguous names get a digest."""
    pool = [f"10.9.{number}.0/24" for number in range(9)]
    for project in ("a", "a-b", "p" * 63):
        await journal.create_project(project, NOW)
    plain = await journal.open_place("a", "b-c", pool, NOW)
    twin = await journal.open_place("a-b", "c", pool, NOW)
    long = await journal.open_place("p" * 63, "production", pool, NOW)
    longer = await journal.open_place("p" * 63, "staging", pool, NOW)

    assert plain.network == f"hostess-{await journal.instance()}-a-b-c"
    networks = {place.network for place in (plain, twin, long, longer)}
    assert len(networks) == 4
    assert max(map(len, networks)) <= 63


# ---- deployments and their steps ----


async def test_deployments_are_found_by_a_beginning(journal: Journal) -> None:
    """A deployment is found by its id or by a beginning of it that no other has."""
    for name in ("ab", "abc1", "abc2", "x_y"):
        await journal.add_deployment(a_deployment(name))
    with pytest.raises(Problem) as caught:
        await journal.deployment("a")

    found = [await journal.deployment(name) for name in ("ab", "abc2", "x", "%", "", "abc3")]
    assert [each and each.id for each in found] == ["ab", "abc2", "x_y", None, None, None]
    assert caught.value.code == "deployment-ambiguous"


async def test_deployments_come_in_pages(journal: Journal) -> None:
    """Pages of deployments, newest first, together are all of them, also when newer ones arrive in between."""
    for number in range(5):
        await journal.add_deployment(a_deployment(f"d{number}"))
    first = await journal.deployments(limit=2)
    await journal.add_deployment(a_deployment("d5"))
    second = await journal.deployments(limit=2, before=first[-1].id)
    third = await journal.deployments(limit=2, before=second[-1].id)

    assert [each.id for each in (*first, *second, *third)] == ["d4", "d3", "d2", "d1", "d0"]
    assert await journal.deployments(before="d0") == []


async def test_deployments_are_selected(journal: Journal) -> None:
    """Deployments can be asked for by project, environment and state."""
    await journal.create_project("blog", NOW)
    await journal.add_deployment(a_deployment("d1"))
    await journal.add_deployment(a_deployment("d2", environment="staging"))
    await journal.add_deployment(a_deployment("d3", project="blog"))
    await journal.move("d2", State.RUNNING, NOW)

    assert [each.id for each in await journal.deployments("shop")] == ["d2", "d1"]
    assert [each.id for each in await journal.deployments("shop", "staging")] == ["d2"]
    assert [each.id for each in await journal.deployments(states=[State.QUEUED])] == ["d3", "d1"]
    assert [each.id for each in await journal.deployments(states=[State.QUEUED, State.RUNNING])] == ["d3", "d2", "d1"]
    with pytest.raises(Problem) as caught:
        await journal.deployments(before="none")
    assert caught.value.code == "deployment-not-found"


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize("state", State)
async def test_deployments_move_as_the_table_says(journal: Journal, state: State, to: State) -> None:
    """A move is carried out if the table has it or the state stays; all others are refused and change nothing."""
    await journal.add_deployment(a_deployment("d1", state))
    legal = to is state or to in NEXT.get(state, ())

    if legal:
        after = await journal.move("d1", to, LATER, phase="probe")
        assert (after.state, after.phase) == (to, "probe")
        assert after.finished_at == (LATER if final(to) and to is not state else None)
        assert await journal.deployment("d1") == after
    else:
        with pytest.raises(IllegalMoveError):
            await journal.move("d1", to, LATER, phase="probe")
        assert await journal.deployment("d1") == a_deployment("d1", state)


async def test_a_move_keeps_what_it_was_told(journal: Journal) -> None:
    """The fields of a move are stored, and those that it does not name stay as they were."""
    await journal.add_deployment(a_deployment())
    await journal.move("d1", State.RUNNING, NOW, seconds={"build": 1.5}, cancel=True)
    problem = {"code": "build-failed", "tail": ["a", "b"]}
    after = await journal.move("d1", State.FAILED, LATER, problem=problem, release=3)

    assert (after.seconds, after.cancel, after.problem, after.release) == ({"build": 1.5}, True, problem, 3)
    with pytest.raises(Problem) as caught:
        await journal.move("d2", State.RUNNING, NOW)
    assert caught.value.code == "deployment-not-found"
    with pytest.raises(TypeError, match="cannot set actor"):
        await journal.move("d1", State.FAILED, NOW, actor="eve")  # type: ignore[call-arg]


async def test_steps_are_kept_in_order(journal: Journal) -> None:
    """Steps are written when they begin and when they end, and one that never ended shows so."""
    await journal.add_deployment(a_deployment())
    first = await journal.begin_step("d1", "build", {"service": "api"}, NOW)
    await journal.end_step(first, "done", LATER)
    second = await journal.begin_step("d1", "start", {"names": ["a", "b"]}, LATER)

    build, start = await journal.steps("d1")
    assert (build.id, build.name, build.detail, build.outcome, build.ended_at) == (
        first,
        "build",
        {"service": "api"},
        "done",
        LATER,
    )
    assert (start.id, start.detail, start.begun_at, start.outcome, start.ended_at) == (
        second,
        {"names": ["a", "b"]},
        LATER,
        "",
        None,
    )
    with pytest.raises(Problem):
        await journal.begin_step("d2", "build", {}, NOW)
    with pytest.raises(LookupError):
        await journal.end_step(99, "done", NOW)


# ---- releases ----


async def test_release_numbers_are_burnt(journal: Journal) -> None:
    """Each environment counts its releases on its own, and no number is given twice."""
    numbers = [
        await journal.next_number("shop", place) for place in ("production", "production", "staging", "production")
    ]

    assert numbers == [1, 2, 1, 3]


async def test_a_switch_is_everything_at_once(journal: Journal) -> None:
    """After a switch the release is live, its hosts are its own, the deployment is switched and the tasks are there."""
    task = Task(0, "retire", {"containers": ["c1"]}, LATER)
    deployment = await switched(journal, a_release(), {"a.x": "api", "b.x": "web"}, task)

    assert await journal.live("shop", "production") == a_release()
    assert (deployment.state, deployment.release) == (State.SWITCHED, 1)
    assert await journal.host_owners(["a.x", "b.x", "c.x"]) == {
        "a.x": ("shop", "production", "api"),
        "b.x": ("shop", "production", "web"),
    }
    assert [(each.kind, each.payload) for each in await journal.tasks()] == [("retire", {"containers": ["c1"]})]
    assert [place.live for place in await journal.places()] == [1]


async def test_a_switch_replaces_the_hosts(journal: Journal) -> None:
    """Hosts that a newer release does not have any more are free for others."""
    await switched(journal, a_release(1), {"a.x": "api", "b.x": "web"})
    await switched(journal, a_release(2), {"b.x": "api"})

    assert await journal.host_owners(["a.x", "b.x"]) == {"b.x": ("shop", "production", "api")}
    assert await journal.live("shop", "production") == a_release(2)


async def test_a_taken_host_stops_a_switch(journal: Journal) -> None:
    """A switch to a host of another environment is refused, naming the owner, and nothing at all is changed."""
    await switched(journal, a_release(), {"a.x": "api"})
    with pytest.raises(Problem, match=r"a\.x") as caught:
        await switched(journal, a_release(1, "staging"), {"a.x": "api", "n.x": "api"}, Task(0, "retire", {}, NOW))

    assert caught.value.code == "host-taken"
    assert str(caught.value) == "a.x belongs to service api of shop (production)"
    assert await journal.live("shop", "staging") is None
    assert await journal.release("shop", "staging", 1) is None
    assert await journal.host_owners(["n.x"]) == {}
    assert await journal.tasks() == []
    waiting = await journal.deployment("shop-staging-1")
    assert waiting is not None
    assert waiting.state is State.RUNNING


async def test_a_switch_needs_its_environment_and_deployment(journal: Journal) -> None:
    """A switch without an environment, or of a deployment that is not there or not running, changes nothing."""
    with pytest.raises(Problem) as no_place:
        await journal.switch("d1", a_release(), {}, (), NOW)
    await journal.open_place("shop", "production", SUBNETS, NOW)
    with pytest.raises(Problem) as no_deployment:
        await journal.switch("d1", a_release(), {}, (), NOW)
    await journal.add_deployment(a_deployment())
    with pytest.raises(IllegalMoveError):
        await journal.switch("d1", a_release(), {}, (), NOW)

    assert (no_place.value.code, no_deployment.value.code) == ("environment-not-found", "deployment-not-found")
    assert await journal.releases("shop", "production", 9) == []
    assert await journal.live("shop", "production") is None


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


async def test_releases_are_listed_newest_first(journal: Journal) -> None:
    """Releases are kept by number, and the newest come first."""
    for number in (1, 2, 3):
        await switched(journal, a_release(number), {})

    assert [each.number for each in await journal.releases("shop", "production", 2)] == [3, 2]
    assert [each.number for each in await journal.releases("shop", "production", 2, below=3)] == [2, 1]
    assert await journal.release("shop", "production", 1) == a_release(1)
    assert await journal.release("shop", "production", 4) is None


async def test_a_switch_can_be_taken_back(journal: Journal) -> None:
    """After a revert the earlier release is live with its hosts, and the other is no release to return to."""
    await switched(journal, a_release(1), {"a.x": "api"})
    await switched(journal, a_release(2), {"b.x": "api"})

    await journal.revert("shop", "production", 1, {"a.x": "api"})

    assert await journal.live("shop", "production") == a_release(1)
    assert await journal.host_owners(["a.x", "b.x"]) == {"a.x": ("shop", "production", "api")}
    assert [each.number for each in await journal.releases("shop", "production", 9)] == [1]
    assert await journal.release("shop", "production", 2) == a_release(2)


async def test_the_first_switch_can_be_taken_back(journal: Journal) -> None:
    """A revert to nothing leaves nothing live and no host taken."""
    await switched(journal, a_release(), {"a.x": "api"})

    await journal.revert("shop", "production", None, {})

    assert await journal.live("shop", "production") is None
    assert await journal.host_owners(["a.x"]) == {}
    assert await journal.releases("shop", "production", 9) == []


async def test_what_is_live_can_be_taken_down(journal: Journal) -> None:
    """Taken down, nothing is live and no host taken, and what was live is a release to return to."""
    await switched(journal, a_release(1), {"a.x": "api"})

    await journal.take_down("shop", "production")

    assert await journal.live("shop", "production") is None
    assert await journal.host_owners(["a.x"]) == {}
    assert [each.number for each in await journal.releases("shop", "production", 9)] == [1]
    with pytest.raises(Problem, match="nowhere"):
        await journal.take_down("shop", "nowhere")


async def test_a_revert_to_nowhere_changes_nothing(journal: Journal) -> None:
    """A revert to a release that never was, or to a host that another has by now, is refused whole."""
    await switched(journal, a_release(1), {"a.x": "api"})
    await switched(journal, a_release(2), {})
    await switched(journal, a_release(1, "staging"), {"a.x": "api"})
    with pytest.raises(Problem) as unknown:
        await journal.revert("shop", "production", 7, {})
    with pytest.raises(Problem) as taken:
        await journal.revert("shop", "production", 1, {"a.x": "api"})

    assert (unknown.value.code, taken.value.code) == ("release-not-found", "host-taken")
    assert await journal.live("shop", "production") == a_release(2)
    assert [each.number for each in await journal.releases("shop", "production", 9)] == [2, 1]


async def test_a_release_can_be_amended(journal: Journal) -> None:
    """Amending replaces the record of a release that is there, and only that."""
    await switched(journal, a_release(), {"a.x": "api"})
    amended = replace(a_release(), file="abc")

    await journal.amend(amended)

    assert await journal.live("shop", "production") == amended
    assert await journal.host_owners(["a.x"]) != {}
    with pytest.raises(Problem) as caught:
        await journal.amend(a_release(9))
    assert caught.value.code == "release-not-found"


async def test_a_live_service_is_resized(journal: Journal) -> None:
    """The number of replicas of one service changes in what is live, and only from what was said to be there."""
    await switched(journal, a_release(1), {})
    await switched(journal, a_release(2), {})
    live = await journal.live("shop", "production")
    assert live is not None
    [name] = live.workloads

    assert await journal.resize(live, name, 0)
    assert not await journal.resize(live, name, 5)
    assert not await journal.resize(a_release(1), name, 5)

    now = await journal.live("shop", "production")
    assert now == replace(live, workloads={name: replace(live.workloads[name], replicas=0)})
    assert await journal.release("shop", "production", 1) == a_release(1)


# ---- builds, tasks, secrets, tokens, events ----


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


async def test_secrets_have_versions(journal: Journal) -> None:
    """A secret shows its newest version; a removed one is gone, and its version numbers are not used again."""
    seal = "sealed {}".format
    versions = [await journal.put_secret("shop", "production", name, seal, NOW) for name in ("B", "A", "A")]
    await journal.put_secret("shop", "staging", "A", seal, NOW)

    found = await journal.secrets("shop", "production")
    assert versions == [1, 1, 2]
    assert [(each.name, each.version, each.sealed) for each in found] == [("A", 2, "sealed 2"), ("B", 1, "sealed 1")]
    assert await journal.remove_secret("shop", "production", "A")
    assert not await journal.remove_secret("shop", "production", "A")
    assert await journal.put_secret("shop", "production", "A", seal, NOW) == 3
    assert [each.version for each in await journal.secrets("shop", "staging")] == [1]


async def test_a_secret_that_cannot_be_sealed_is_not_stored(journal: Journal) -> None:
    """When sealing fails, no version is stored or used up."""

    def failing(version: int) -> str:
        raise Problem("no-key", f"version {version}")

    with pytest.raises(Problem, match="version 1"):
        await journal.put_secret("shop", "production", "A", failing, NOW)

    assert await journal.secrets("shop", "production") == []
    assert await journal.put_secret("shop", "production", "A", str, NOW) == 1


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


async def test_closures(journal: Journal) -> None:
    """A closure replaces that of the same kind and service; one that is forgotten is forgotten as it was, and with its environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = Closure("shop", "production", Closing.MAINTENANCE, "", NOW, "ann", message="a", allow=("10.0.0.0/8",))
    second = replace(first, message="b")
    pause = Closure("shop", "production", Closing.PAUSE, "web", NOW, "ann", until=LATER)
    for closure in (first, second, pause):
        await journal.put_closure(closure)

    await journal.drop_closures([first])
    assert await journal.closures() == [second, pause]
    await journal.drop_closures([second])
    assert await journal.closures() == [pause]
    await journal.remove_place("shop", "production", ())
    assert await journal.closures() == []
    with pytest.raises(Problem, match="nowhere"):
        await journal.put_closure(replace(first, project="nowhere"))


async def test_locks(journal: Journal) -> None:
    """An environment has one lock at most, the newest; it is forgotten once, and with its environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = Lock("shop", "production", "a", "ann", NOW)
    second = replace(first, message="b")
    for lock in (first, second):
        await journal.put_lock(lock)

    assert await journal.lock("shop", "production") == second
    assert await journal.lock("shop", "staging") is None
    assert await journal.drop_lock("shop", "production") == second
    assert await journal.drop_lock("shop", "production") is None
    await journal.put_lock(first)
    await journal.remove_place("shop", "production", ())
    assert await journal.lock("shop", "production") is None
    with pytest.raises(Problem, match="nowhere"):
        await journal.put_lock(replace(first, project="nowhere"))


async def test_domains_by_command(journal: Journal) -> None:
    """A domain is one service's; it moves within its project, is nobody else's until it is forgotten, and goes with its environment."""
    for project, environment in (("shop", "production"), ("shop", "staging"), ("blog", "production")):
        await journal.create_project(project, NOW)
        await journal.open_place(project, environment, (*SUBNETS, "10.213.2.0/24"), NOW)
    first = LiveDomain("a.x", "shop", "production", "api", NOW, "ann")
    moved, other = replace(first, environment="staging", service="web"), replace(first, project="blog")
    await journal.put_domain(first)
    await journal.put_domain(moved)

    assert await journal.domains() == [moved]
    assert await journal.host_owners(["a.x", "b.x"]) == {"a.x": ("shop", "staging", "web")}
    with pytest.raises(Problem, match=r"belongs to service web of shop \(staging\)"):
        await journal.put_domain(other)
    with pytest.raises(Problem, match="belongs to service web"):
        await switched(journal, a_release(), {"a.x": "api"})
    assert await journal.drop_domain("blog", "a.x") is None
    assert await journal.drop_domain("shop", "a.x") == moved
    await journal.put_domain(other)
    await journal.remove_place("blog", "production", ())
    assert await journal.domains() == []
    with pytest.raises(Problem, match="blog has no environment"):
        await journal.put_domain(other)


async def test_a_domain_of_a_release_and_by_command(journal: Journal) -> None:
    """What a release leads somewhere is not moved to another environment by command: no host leads to two of them."""
    await switched(journal, a_release(), {"a.x": "api"})
    await journal.open_place("shop", "staging", (*SUBNETS, "10.213.2.0/24"), NOW)
    domain = LiveDomain("a.x", "shop", "production", "api", NOW, "ann")
    await journal.put_domain(domain)

    with pytest.raises(Problem, match=r"belongs to service api of shop \(production\)"):
        await journal.put_domain(replace(domain, environment="staging"))
    assert await journal.domains() == [domain]


async def test_canaries(journal: Journal) -> None:
    """There is one canary in an environment; another share is kept while it is that one; a switch there ends it."""
    await switched(journal, a_release(), {})
    canary = Canary(a_release(2), ("api",), "c1", Share(10), NOW, "ann")
    other = Share(50, "X-Canary", ("yes",))

    await journal.put_canary(canary)
    assert await journal.share_canary(canary, other)
    assert await journal.canary("shop", "production") == replace(canary, share=other)
    assert not await journal.share_canary(replace(canary, deployment="c0"), Share(1))
    await journal.drop_canary("shop", "production")
    assert not await journal.share_canary(canary, Share(1))
    await journal.put_canary(canary)
    await journal.put_canary(replace(canary, deployment="c2"))
    assert [each.deployment for each in await journal.canaries()] == ["c2"]
    await switched(journal, a_release(3), {})
    assert await journal.canary("shop", "production") is None


def a_span(began: datetime, cpu: float, project: str = "", service: str = "") -> UsageSpan:
    """Return what was used within ten minutes, by one reading."""
    environment = "production" if project else ""
    return UsageSpan(project, environment, service, began, 1, cpu, cpu, int(cpu * 100), int(cpu * 100))


async def test_what_was_used(journal: Journal) -> None:
    """It is kept by whose it is and when, joined to what there was of the same time; what is old goes, and what has no environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    await journal.put_usage([a_span(NOW, 1.0), a_span(NOW, 2.0, "shop", "web"), a_span(NOW, 9.0, "gone", "web")], NOW)
    await journal.put_usage([a_span(LATER, 3.0), a_span(NOW, 4.0, "shop", "web")], NOW)

    assert await journal.usage("", "", "", NOW) == [a_span(NOW, 1.0), a_span(LATER, 3.0)]
    assert await journal.usage("", "", "", LATER) == [a_span(LATER, 3.0)]
    assert await journal.usage("shop", "production", "web", NOW) == [
        UsageSpan("shop", "production", "web", NOW, 2, 3.0, 4.0, 300, 400)
    ]
    assert await journal.usage("gone", "production", "web", NOW) == []
    await journal.put_usage([], LATER)
    assert await journal.usage("", "", "", NOW) == [a_span(LATER, 3.0)]


async def test_what_was_used_goes_with_its_environment(journal: Journal) -> None:
    """With an environment, or its project, what it used is forgotten; the host's own stays."""
    for environment in ("production", "staging"):
        await journal.open_place("shop", environment, SUBNETS, NOW)
    spans = [
        a_span(NOW, 1.0),
        a_span(NOW, 2.0, "shop", "web"),
        replace(a_span(NOW, 2.0, "shop", "web"), environment="staging"),
    ]
    await journal.put_usage(spans, NOW)

    await journal.remove_place("shop", "staging", ())
    assert await journal.usage("shop", "staging", "web", NOW) == []
    assert len(await journal.usage("shop", "production", "web", NOW)) == 1
    await journal.remove_project("shop")
    assert await journal.usage("shop", "production", "web", NOW) == []
    assert len(await journal.usage("", "", "", NOW)) == 1
