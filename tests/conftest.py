"""For all tests: no example of hypothesis is timed, and what takes longest begins first, so that no process is left alone with it."""

import pytest
from hypothesis import HealthCheck, settings

# How fast an example is says how busy the host is, and nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

LONGEST = (
    "test_crash",
    "test_full_stack",
    "test_point_in_time",
    "test_restores",
    "test_backups",
    "test_upgrades",
    "test_installation",
    "test_rotation",
    "test_host_recovery",
    "test_volume_restores",
    "test_broken_push",
    "test_zero_lost",
    "test_long_answers",
    "test_soak",
)


@pytest.hookimpl(trylast=True)  # after they have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, then the other system tests, then the rest; within these groups the order stays."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.path.stem in LONGEST:
        return LONGEST.index(item.path.stem)
    return len(LONGEST) + (item.path.parent.name != "system")
