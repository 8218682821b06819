"""What every journal keeps of releases, of the hosts that lead to them, and of what goes beside them."""

from dataclasses import replace

import pytest

from hostess.domain.hostess_yml.stack import Run
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Canary, LiveDomain, Share, Task
from hostess.domain.releases.release import (
    IllegalMoveError,
    ReleaseJob,
    State,
)
from tests.contract.journals import LATER, NOW, SUBNETS, a_deployment, a_release, switched


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


async def test_an_image_is_another_one(journal: Journal) -> None:
    """Of one service or job of one release, where it is still the image that was said to be there; nothing else changes."""
    api = a_release(1).workloads["api"]
    seed = ReleaseJob(replace(api, name="seed"), Run.CRON)
    first, second = replace(a_release(1), jobs={"seed": seed}), replace(a_release(2), jobs={"seed": seed})
    await switched(journal, first, {})
    await switched(journal, second, {})

    await journal.replace_image(first, "api", "sha256:new")
    await journal.replace_image(first, "api", "sha256:newer")
    await journal.replace_image(second, "seed", "sha256:new")
    await journal.replace_image(second, "nobody", "sha256:new")

    changed = replace(api, image="sha256:new")
    assert await journal.release("shop", "production", 1) == replace(first, workloads={"api": changed})
    job = replace(seed, workload=replace(seed.workload, image="sha256:new"))
    assert await journal.release("shop", "production", 2) == replace(second, jobs={"seed": job})


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
