"""What a plan is told as: every change once, with its reason, by name only."""

from dataclasses import replace

from hostess.domain.databases.postgres import command
from hostess.domain.hostess_yml.stack import Hook, Run
from hostess.domain.releases.difference import Change, Facts, changes
from hostess.domain.releases.fingerprint import fingerprint
from hostess.domain.releases.plan import plan
from hostess.domain.releases.release import Inside, Release, ReleaseJob
from tests.build import a_container, a_database, a_release, a_worker, a_workload


def told(live: Release | None, wanted: Release, facts: Facts | None = None) -> list[str]:
    """Return the lines for what runs as *live* says."""
    running = [a_container(w, n + 1) for w in (live.workloads.values() if live else ()) for n in range(w.replicas)]
    return [str(change) for change in changes(live, wanted, plan(live, wanted, running), facts or Facts())]


def job(name: str, run: Run, schedule: str | None = None) -> ReleaseJob:
    """Return a job."""
    return ReleaseJob(a_worker(name), run, schedule=schedule)


def test_a_change_is_a_line() -> None:
    """A change reads as verb, service and detail."""
    assert str(Change("keep", "api")) == "keep     api"
    assert str(Change("restart", "api", "image")) == "restart  api (image)"


def test_each_reason_of_a_restart_is_named() -> None:
    """A restart tells everything that differs."""
    old = a_workload(command=("a",))
    new = replace(old, spec="api-2", image="sha256:two", command=("b",), cpu=2.0, memory=512 * 1024**2, restarted="x")
    facts = Facts(env_before={"api": {"A": "1"}}, env_after={"api": {"A": "2"}}, files_changed=frozenset({"api"}))

    lines = told(a_release(old), a_release(new, number=2), facts)

    assert lines == [
        "restart  api (image, environment, files, command, resources 1 cpu 1Gi -> 2 cpu 512Mi, it was restarted by hand)",
        "env      api (changes A)",
    ]


def test_a_change_of_owner_is_told() -> None:
    """Another owner of a folder makes another container, and the plan says that this is why."""
    old = a_workload(owners={"/data": "1000:1000"})
    new = replace(old, spec="api-2", owners={"/data": "2000:2000"})

    assert fingerprint(old, {}, {}) != fingerprint(new, {}, {})
    assert told(a_release(old), a_release(new, number=2)) == ["restart  api (owners)"]


def test_sign_in_is_told() -> None:
    """A port that begins or ceases to ask for sign-in is told, and restarts nothing."""
    opened = a_workload(ports=(8000, 9000), hosts={8000: ("api.x",)})
    asking = replace(opened, sign_in=(8000,))

    assert fingerprint(opened, {}, {}) == fingerprint(asking, {}, {})
    for old, new, word in ((opened, asking, ""), (asking, opened, " no more")):
        assert told(a_release(old), a_release(new, number=2)) == [
            f"route    api (port 8000 asks for sign-in{word})",
            "keep     api",
        ]
    assert "route    api (port 8000 asks for sign-in)" in told(None, a_release(asking))


def test_what_must_not_run_twice_pauses() -> None:
    """A singleton that changes is replaced, and the line says that it pauses."""
    old = a_worker()

    assert told(a_release(old), a_release(replace(old, spec="beat-2", image="sha256:two"), number=2)) == [
        "replace  beat (pauses; image)"
    ]


def test_images_are_built_rebuilt_or_pulled() -> None:
    """A new service is built, a known one rebuilt, a ready-made image pulled."""
    live, wanted = (
        a_release(a_workload()),
        a_release(a_workload(spec="api-2"), a_workload("web"), a_database(), number=2),
    )

    lines = told(live, wanted, Facts(unbuilt=frozenset({"api", "web"}), pulled=frozenset({"database"})))

    assert lines[:3] == ["pull     database", "rebuild  api", "build    web"]
    assert "restart  api (image)" in lines
    assert "start    web (new)" in lines


def test_replicas_are_scaled() -> None:
    """More and fewer replicas of what did not change otherwise are told as numbers."""
    two = a_workload(replicas=2)

    assert told(a_release(a_workload()), a_release(two, number=2)) == ["scale    api (1 -> 2 replicas)"]
    assert told(a_release(two), a_release(a_workload(), number=2)) == ["scale    api (2 -> 1 replicas)"]


def test_hosts_come_and_go() -> None:
    """Hosts that are added, removed or taken over are told; those that carry the commit are not."""
    old, own = a_workload(), f"shop-api-{'c' * 7}.localhost"
    new = replace(old, hosts={8000: ("api.example.org", own)})
    web = a_workload("web", hosts={8000: ("shop-api.localhost",)})

    lines = told(a_release(old), a_release(new, web, number=2))

    assert [line for line in lines if line.startswith("route")] == [
        "route    api (adds api.example.org)",
        "route    web (takes shop-api.localhost from api)",
    ]
    assert "route    api (removes shop-api.localhost)" in told(
        a_release(old), a_release(replace(old, hosts={}), number=2)
    )


def test_hooks_and_jobs_that_run_are_told() -> None:
    """Migrations that are new, jobs of the deployment and post_deploy run; what is done or runs by itself does not."""
    hook = Hook(command=("x",))
    old = a_workload(migrate=hook)
    jobs = [job("seed", Run.ONCE), job("done", Run.ONCE), job("check", Run.ON_DEPLOY), job("hand", Run.MANUAL)]
    jobs.append(job("nightly", Run.CRON, "daily"))
    new = replace(old, spec="api-2", post_deploy=hook)
    wanted = replace(a_release(new, number=2), jobs={each.name: each for each in jobs})

    lines = told(a_release(old), wanted, Facts(done=frozenset({"done"})))

    assert [line.split()[:2] for line in lines if line.split()[0] in {"migrate", "run", "post_deploy", "schedule"}] == [
        ["migrate", "api"],
        ["run", "seed"],
        ["run", "check"],
        ["post_deploy", "api"],
        ["schedule", "nightly"],
    ]
    assert told(a_release(old), a_release(old, number=2)) == ["keep     api"]


def test_what_changes_inside_a_database_is_told() -> None:
    """Groups, extensions and limits are told one by one, and none of them starts the database anew."""
    before = Inside({"a": 0, "b": 1}, ("vector",), 2**28)
    after = Inside({"a": 0, "c": 2}, ("hstore",), 2**29, "allkeys-lru")
    old = a_database(inside=before)

    assert told(a_release(old), a_release(replace(old, inside=after), number=2)) == [
        "set up   database (adds group c)",
        "set up   database (leaves group b, its data stays)",
        "set up   database (adds extension hstore)",
        "set up   database (leaves extension vector as it is)",
        "set up   database (maxmemory 256Mi -> 512Mi)",
        "set up   database (maxmemory_policy noeviction -> allkeys-lru)",
        "keep     database",
    ]


def test_settings_of_a_server_are_told_by_name() -> None:
    """A postgres that gets more memory is told with the settings that follow from it."""
    old = a_database(command=command(2**30, ()))
    new = replace(old, spec="database-2", memory=2**31, command=command(2**31, ("pgaudit",)))

    [line] = told(a_release(old), a_release(new, number=2))
    assert "settings max_connections shared_buffers effective_cache_size" in line
    assert "shared_preload_libraries" in line
