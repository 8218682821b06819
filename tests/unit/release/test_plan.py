"""What a plan keeps, starts, hands over and retires."""

from dataclasses import replace

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.releases.plan import HandOver, Start, needed_to_be_well, orderly, plan, waves
from hostess.domain.releases.release import StaticSite
from hostess.domain.routing.routes import routes
from tests.build import a_container, a_database, a_release, a_worker, a_workload


def test_unchanged_services_are_carried_over() -> None:
    """Nothing is started or stopped when every spec equals the live one's (scenario: a push that changes nothing)."""
    release = a_release(a_workload(replicas=2), a_worker(), a_database())
    running = [a_container(w, n) for w in release.workloads.values() for n in range(1, w.replicas + 1)]

    found = plan(release, replace(release, number=2), running)

    assert found.empty
    assert set(found.carried) == {"api", "beat", "database"}
    assert set(found.kept) == {container.id for container in running}


def test_changed_routed_service_starts_beside_the_old() -> None:
    """New replicas of a routed service start while the old ones run, which retire after the switch."""
    old, new = a_workload(replicas=2), a_workload(replicas=2, spec="api-2")
    running = [a_container(old, 1), a_container(old, 2)]

    found = plan(a_release(old), a_release(new), running)

    assert found.waves == ((Start("api", 2),),)
    assert set(found.retired) == {"api-1-1", "api-1-2"}
    assert not found.hand_overs


def test_changed_singleton_is_handed_over() -> None:
    """What must never run twice is stopped before its successor starts, databases first."""
    old = [a_worker(), a_database()]
    new = [a_worker(spec="beat-2"), a_database(spec="database-2")]

    found = plan(a_release(*old), a_release(*new), [a_container(workload) for workload in old])

    assert found.hand_overs == (HandOver("database", ("database-1-1",)), HandOver("beat", ("beat-1-1",)))
    assert not found.starts
    assert not found.retired


def test_singletons_are_handed_over_after_those_they_depend_on() -> None:
    """Whatever their order in the file, a worker is handed over after the store that it depends on."""
    old = [a_worker(depends_on=("store",)), a_workload("store", singleton=True)]
    new = [replace(workload, spec=f"{workload.name}-2") for workload in old]

    found = plan(a_release(*old), a_release(*new), [a_container(workload) for workload in old])

    assert [hand_over.service for hand_over in found.hand_overs] == ["store", "beat"]


def test_first_singleton_is_a_plain_start() -> None:
    """Where no singleton runs yet there is nothing to hand over."""
    found = plan(None, a_release(a_workload(), a_worker(), a_database()), [])

    assert found.databases == (Start("database", 1),)
    assert found.workers == (Start("beat", 1),)
    assert not found.hand_overs


def test_scaling_up_starts_only_what_is_missing() -> None:
    """A higher count keeps the replicas there are; a lower one retires the surplus."""
    three = a_workload(replicas=3)
    running = [a_container(three, 1)]

    assert plan(a_release(three), a_release(three), running).waves == ((Start("api", 2),),)
    more = [a_container(three, number) for number in (1, 2, 3, 4)]
    assert plan(a_release(three), a_release(three), more).retired == ("api-1-4",)


def test_removed_service_retires_and_is_named() -> None:
    """A service that left the file is retired and named, so that the pusher is told (scenario 23)."""
    old = [a_workload(), a_workload("web")]

    found = plan(a_release(*old), a_release(old[0]), [a_container(workload) for workload in old])

    assert found.removed == ("web",)
    assert found.retired == ("web-1-1",)


def test_a_stopped_replica_does_not_count() -> None:
    """A replica that exited is replaced, and retired."""
    workload = a_workload()

    found = plan(a_release(workload), a_release(workload), [a_container(workload, state="exited")])

    assert found.waves == ((Start("api", 1),),)
    assert found.retired == ("api-1-1",)


def test_waves_follow_dependencies() -> None:
    """A service starts after what it depends on."""
    workloads = [
        a_workload("front", depends_on=("api",)),
        a_workload("api", depends_on=("database",)),
        a_database(),
    ]

    assert waves({workload.name: workload for workload in workloads}) == (("database",), ("api",), ("front",))


def test_a_host_without_a_replica_keeps_its_route() -> None:
    """The proxy answers 503 for it and never another app's page (scenario 46)."""
    release = a_release(a_workload(hosts={8000: ("shop.example", "shop-api.localhost")}))

    table = routes(release, [], ())

    assert [(route.host, route.targets) for route in table] == [("shop.example", ()), ("shop-api.localhost", ())]


def test_routes_name_every_replica_of_the_live_spec() -> None:
    """Replicas of another spec get no traffic."""
    workload = a_workload(replicas=2)
    other = replace(workload, spec="api-2")
    running = [a_container(workload, 1), a_container(workload, 2), a_container(other, 3)]

    [route] = routes(a_release(workload), running, ())

    assert route.targets == ("10.213.0.2:8000", "10.213.0.3:8000")


def test_orderly_is_exactly_what_is_live() -> None:
    """One replica too few, too many, stopped or of another spec, or a one-off task, is not."""
    workload = a_workload(replicas=2)
    live = a_release(workload)
    both = [a_container(workload, 1), a_container(workload, 2)]
    other = a_container(a_workload(spec="api-2"), 3)
    task = a_container(workload, 3, labels={labels.ROLE: labels.TASK_ROLE})

    assert orderly(live, both)
    assert orderly(None, [])
    wrong = [both[:1], [*both, a_container(workload, 3)], [both[0], other], [*both, task]]
    assert not any(orderly(live, containers) for containers in wrong)
    assert not orderly(live, [both[0], a_container(workload, 2, state="exited")])
    assert not orderly(None, both)


def test_what_a_service_needs_to_be_well() -> None:
    """What it depends on and the databases that it uses; neither jobs, nor files, nor what sleeps until somebody asks."""
    api = a_workload(depends_on=("sleepy", "site", "seed", "beat"), databases=("database",))
    sleepy = a_workload("sleepy", replicas=0, scaling=Replicas(low=0, high=1))
    site = a_workload("site", replicas=0, static=StaticSite("key"))

    release = a_release(api, sleepy, site, a_worker(), a_database())

    assert needed_to_be_well(release, api) == {"beat", "database"}
