"""The table of a deployment's legal moves."""

import pytest

from hostess.domain.releases.release import NEXT, State, final


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_end(state: State) -> None:
    """From every state a final one can be reached, so that no record stays open for ever."""
    reached, queue = {state}, [state]
    while queue:
        for following in NEXT.get(queue.pop(), frozenset()) - reached:
            reached.add(following)
            queue.append(following)

    assert any(final(one) for one in reached)


def test_only_a_switched_deployment_becomes_live() -> None:
    """There is no way to LIVE but through the switch."""
    assert [state for state, following in NEXT.items() if State.LIVE in following] == [State.SWITCHED]
