"""For all tests: no example of hypothesis is timed, and what takes longest begins first, so that no process is left alone with it."""

import pytest
from hypothesis import HealthCheck, settings

# How fast an example is says how busy the host is, and nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

LONGEST = (
    "system/test_installation.py",
    "system/test_crash.py",
    "documentation/test_guide.py",
    "documentation/test_command_line.py",
    "system/test_rotation.py",
    "system/test_full_stack.py",
    "system/test_upgrades.py",
    "system/test_point_in_time.py",
    "system/test_restores.py",
    "system/test_acme.py",
    "system/test_backups.py",
    "system/test_host_recovery.py",
    "system/test_volume_restores.py",
    "system/test_broken_push.py",
    "system/test_canary_by_itself.py",
    "soak/test_soak.py",
    "system/test_killed_servers.py",
    "system/test_drills.py",
    "system/test_zero_lost.py",
    "system/test_long_answers.py",
)
LONGEST_WITHOUT_ENGINE = ("api/test_schema.py", "proxy/test_never_drop.py", "api/test_transcripts.py")


@pytest.hookimpl(trylast=True)  # after they have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, then the other system tests, then the rest; within these groups the order stays."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, str]:
    """Return what it is sorted by. Pages are followed on one host in their order, as who reads them does."""
    return _group(item), item.name if item.path.name == "test_guide.py" else ""


def _group(item: pytest.Item) -> int:
    file = "/".join(item.path.parts[-2:])
    if file in LONGEST:
        return LONGEST.index(file)
    if item.path.parent.name == "system":
        return len(LONGEST)
    return len(LONGEST) + (1 if file in LONGEST_WITHOUT_ENGINE else 2)
