"""How far a rollback says the database is ahead."""

from hostess.domain.records import Step
from hostess.domain.releases.ahead import ahead, later
from hostess.domain.releases.release import Deployment, Kind, Release, State
from tests.build import NOON, a_release


def a_deployment(release: int, commit: str, kind: Kind = Kind.PUSH, state: State = State.LIVE) -> Deployment:
    """Return a deployment that made a release from a commit of this one letter."""
    return Deployment(
        id=f"d{release}",
        project="shop",
        environment="production",
        kind=kind,
        state=state,
        commit=commit * 40,
        ref="refs/heads/main",
        previous="",
        actor="tester",
        created_at=NOON,
        release=release,
    )


def the_release(number: int, commit: str) -> Release:
    """Return a release with this number and commit."""
    release = a_release(number=number)
    return Release(release.project, release.environment, number, commit * 40, NOON, release.workloads)


def migrated(*deployments: Deployment) -> list[tuple[Deployment, list[Step]]]:
    """Return each with the steps of a deployment that migrated api."""
    names = ("databases:database", "migrate:api", "switch")
    return [(d, [Step(n, d.id, name, {}, NOON) for n, name in enumerate(names)]) for d in deployments]


def test_pushes_after_the_target_are_later() -> None:
    """What was pushed after the target, oldest first, and nothing from before it."""
    pushes = [a_deployment(number, "abc"[number - 1]) for number in (3, 2, 1)]

    assert [d.release for d in later(the_release(1, "a"), pushes)] == [2, 3]
    assert later(the_release(3, "c"), pushes) == []


def test_a_copy_made_by_a_rollback_is_as_old_as_its_code() -> None:
    """Release 3, a rollback to release 1, does not know what release 2 migrated either."""
    found = [a_deployment(3, "a", Kind.ROLLBACK), a_deployment(2, "b"), a_deployment(1, "a")]

    assert [d.release for d in later(the_release(3, "a"), found)] == [2, 3]


def test_a_deployment_that_never_got_a_release_is_not_later() -> None:
    """What was rejected before it had a number has not migrated anything."""
    rejected = a_deployment(0, "b", state=State.FAILED)

    assert later(the_release(1, "a"), [rejected, a_deployment(1, "a")]) == []


def test_migrations_are_named_with_the_release_that_ran_them() -> None:
    """The sentence names services, releases and commits, and says of a deployment that it failed."""
    ran = migrated(a_deployment(2, "b"), a_deployment(3, "c", state=State.FAILED))

    assert ahead(the_release(1, "a"), ran) == (
        "the database is ahead of v1: migrate of api ran in v2 (bbbbbbb); migrate of api ran in v3 (ccccccc, failed)"
    )


def test_nothing_is_said_where_nothing_migrated() -> None:
    """Later deployments without a migration leave no sentence."""
    assert ahead(the_release(1, "a"), [(a_deployment(2, "b"), [])]) == ""
