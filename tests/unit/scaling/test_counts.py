"""How many replicas what is scaled by its load has after a deployment, a restart and a change by hand."""

import pytest

from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.releases.counts import as_scaled, scaled_by_hand, with_counts_of
from hostess.domain.releases.release import Release
from tests.build import a_release, a_workload


def with_web(replicas: int, scaling: Replicas | None) -> Release:
    """Return a release of one service."""
    return a_release(a_workload("web", replicas=replicas, scaling=scaling))


def web(found: Release) -> tuple[int, Replicas | None]:
    """Return what counts of it."""
    return found.workloads["web"].replicas, found.workloads["web"].scaling


BOUNDS = Replicas(2, 5, 70)


@pytest.mark.parametrize(("live", "kept"), [(4, 4), (1, 2), (9, 5)])
def test_a_deployment(live: int, kept: int) -> None:
    """A deployment keeps as many as are live, within the bounds of its file: the load is the same."""
    assert web(with_counts_of(with_web(2, BOUNDS), with_web(live, Replicas(1, 9)))) == (kept, BOUNDS)


def test_a_first_deployment() -> None:
    """A first deployment begins with the lower bound, and a fixed number is the file's."""
    assert web(with_counts_of(with_web(2, BOUNDS), None)) == (2, BOUNDS)
    assert web(with_counts_of(with_web(3, None), with_web(5, BOUNDS))) == (3, None)


@pytest.mark.parametrize("live", [None, 0, 1, 2])
def test_what_sleeps(live: int | None) -> None:
    """What sleeps is awake in the next release, whatever that is made of; what is awake keeps its replicas."""
    before = None if live is None else with_web(live, Replicas(0, 3))

    assert web(with_counts_of(with_web(0, Replicas(0, 3)), before)) == (max(live or 0, 1), Replicas(0, 3))


def test_by_hand() -> None:
    """A number that is set by hand stays, in a restart too, and the next deployment is scaled by its load again."""
    by_hand = scaled_by_hand(with_web(2, BOUNDS), {"web": 7})

    assert web(by_hand) == (7, None)
    assert web(as_scaled(with_web(2, BOUNDS), by_hand)) == (7, None)
    assert web(with_counts_of(with_web(2, BOUNDS), by_hand)) == (5, BOUNDS)
