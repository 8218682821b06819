"""Which release a rollback goes to."""

from dataclasses import replace

from hostess.domain.releases.release import Deployment, Kind, Release, State
from hostess.domain.releases.rollback import previous_good
from tests.build import NOON, a_release, a_workload


def numbered(number: int, spec: str) -> Release:
    """Return a release of one service."""
    return a_release(a_workload(spec=spec), number=number)


def deployed(number: int, kind: Kind = Kind.PUSH, state: State = State.LIVE) -> Deployment:
    """Return the deployment that made a release."""
    return Deployment(str(number), "shop", "production", kind, state, "c", "", "", "me", NOON, release=number)


def test_the_one_before() -> None:
    """The first rollback goes to the release before the live one."""
    releases = [numbered(1, "a"), numbered(2, "b"), numbered(3, "c")]

    assert previous_good(releases[2], releases, [deployed(n) for n in (1, 2, 3)]) == releases[1]


def test_a_second_rollback_goes_further_back() -> None:
    """It goes neither to the release that was left, nor to a copy of what is live."""
    releases = [numbered(1, "a"), numbered(2, "b"), numbered(3, "c"), numbered(4, "b")]
    history = [deployed(1), deployed(2), deployed(3), deployed(4, Kind.ROLLBACK)]

    assert previous_good(releases[3], releases, history) == releases[0]


def test_nothing_good_is_left() -> None:
    """Where every earlier release was left or is live already, there is none."""
    releases = [numbered(1, "a"), numbered(2, "b"), numbered(3, "a")]
    history = [deployed(1), deployed(2), deployed(3, Kind.ROLLBACK)]

    assert previous_good(releases[2], releases, history) is None


def test_failed_deployments_do_not_count() -> None:
    """A deployment that failed was never live, so nobody rolled back from it."""
    releases = [numbered(1, "a"), numbered(2, "b"), numbered(4, "d")]
    history = [deployed(1), deployed(2), replace(deployed(3), state=State.FAILED), deployed(4)]

    assert previous_good(releases[2], releases, history) == releases[1]
