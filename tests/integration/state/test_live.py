"""What is live, found by name."""

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.problem import Problem
from hostess.services.live import live_workload, place_of
from tests.fakes.clock import FakeClock


async def test_an_environment_that_is_not_there_is_a_problem(journal: SqliteJournal, clock: FakeClock) -> None:
    """It is found by its name among those of its project; whoever asks for one that went meanwhile is told so."""
    made = await journal.open_place("shop", "production", ["10.9.0.0/24"], clock.now())

    assert await place_of(journal, "shop", "production") == made
    with pytest.raises(Problem, match="shop has no environment staging") as gone:
        await place_of(journal, "shop", "staging")
    assert gone.value.code == "environment-not-found"


async def test_a_service_of_nothing_live_is_a_problem(journal: SqliteJournal, clock: FakeClock) -> None:
    """Before the first deployment there is no service, and it is said what to do."""
    await journal.open_place("shop", "production", ["10.9.0.0/24"], clock.now())

    with pytest.raises(Problem, match="production of shop has no service web") as absent:
        await live_workload(journal, "shop", "production", "web")
    assert (absent.value.code, absent.value.remedy) == ("nothing-live", "deploy first")
