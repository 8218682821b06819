"""Scaling: what is decided at each reading, and how that goes over time, beside what Kubernetes decides."""

from datetime import timedelta

import pytest

from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.scaling import Pace, Reading, Room, wanted
from tests.unit.scaling.traces import (
    START,
    Trace,
    idle,
    kubernetes,
    noisy,
    ours,
    ramp,
    sawtooth,
    simulate,
    spike,
    step,
)

BOUNDS = Replicas(1, 4, 70)


def steady(load: float, replicas: int, minutes: float = 10) -> list[Reading]:
    """Return readings of a load that stays the same."""
    return [Reading(START + timedelta(seconds=5 * n), replicas, load) for n in range(int(minutes * 12) + 1)]


def test_more() -> None:
    """Above the target there are as many as bring the average to it, and the reason names both."""
    decision = wanted(steady(91, 2), 2, BOUNDS, Room(), Pace())

    assert decision.replicas == 3
    assert decision.why == "91 % CPU on average, and 70 % is the target"


def test_twice_as_many() -> None:
    """Replicas at their limit are doubled: nobody knows how much more there is to do."""
    assert wanted(steady(100, 2), 2, BOUNDS, Room(), Pace()).replicas == 4


@pytest.mark.parametrize("load", [64, 70, 76])
def test_near_the_target(load: float) -> None:
    """Within a tenth of the target nothing changes."""
    assert wanted(steady(load, 2), 2, BOUNDS, Room(), Pace()).replicas == 2


def test_the_bound_of_the_file() -> None:
    """There are never more than the file allows, which is told."""
    decision = wanted(steady(100, 3), 3, BOUNDS, Room(), Pace())

    assert (decision.replicas, "no more than 4: so says hostess.yml" in decision.why) == (4, True)


def test_the_bound_of_the_host() -> None:
    """There are never more than the host has room for, and what there is stays; the reason is told."""
    room = Room(1, "the host has 90 MB of memory available")
    decision = wanted(steady(100, 2), 2, BOUNDS, room, Pace())

    assert (decision.replicas, decision.why) == (
        2,
        "100 % CPU on average, and 70 % is the target; no more than 2: the host has 90 MB of memory available",
    )


@pytest.mark.parametrize(("there", "wants"), [(1, 2), (9, 4)])
def test_out_of_bounds(there: int, wants: int) -> None:
    """What is outside the file's bounds is brought to the nearer one at once, measured or not."""
    assert wanted([], there, Replicas(2, 4, 70), Room(), Pace()).replicas == wants


def test_nothing_measured() -> None:
    """Without a reading nothing changes."""
    assert wanted([], 2, BOUNDS, Room(), Pace()).replicas == 2


def test_fewer() -> None:
    """After five quiet minutes at most half of the replicas go."""
    assert wanted(steady(1, 4), 4, BOUNDS, Room(), Pace()).replicas == 2


def test_not_yet_fewer() -> None:
    """What is known of less than five minutes, as after a start of the daemon, takes no replica away."""
    assert wanted(steady(1, 4, minutes=4.5), 4, BOUNDS, Room(), Pace()).replicas == 4


def test_step() -> None:
    """A step is answered within a minute and a half, without more replicas than it needs, and taken back within ten minutes."""
    run = simulate(step, 2700, ours)

    assert run.replicas[390:1500] == (4,) * 1110
    assert max(run.replicas) == 4
    assert run.replicas[2100:] == (1,) * 600
    assert run.turns == 1


def test_ramp() -> None:
    """A ramp is followed in one direction, and never lacks more than a hundredth of what is asked."""
    run = simulate(ramp, 2400, ours)

    assert run.turns == 0
    assert run.short(ramp) < 0.01
    assert run.replicas[-1] in {9, 10}


@pytest.mark.parametrize("trace", [spike, idle])
def test_nothing_to_do(trace: Trace) -> None:
    """Spikes of a few seconds, and idling, change nothing."""
    assert simulate(trace, 3600, ours).changes == ()


@pytest.mark.parametrize("trace", [sawtooth, noisy])
def test_no_flapping(trace: Trace) -> None:
    """A load that goes up and down is served by what its highest part needs: replicas that were added stay."""
    run = simulate(trace, 3600, ours)

    assert run.turns == 0
    assert len([at for at, _ in run.changes if at > 600]) <= 1


@pytest.mark.parametrize("trace", [step, ramp, spike, sawtooth, noisy, idle])
def test_beside_kubernetes(trace: Trace) -> None:
    """On every trace it turns no more often than Kubernetes' autoscaler, takes no more replicas, and lacks at most 2 % more."""
    own, theirs = simulate(trace, 3600, ours), simulate(trace, 3600, kubernetes)

    assert own.turns <= theirs.turns
    assert sum(own.replicas) <= sum(theirs.replicas) * 1.1
    assert own.short(trace) <= theirs.short(trace) + 0.02
