"""What holds for an environment: settings above the file, the file above the defaults; and how long it lives."""

from datetime import timedelta

import pytest

from hostess.domain.environments import attributes, environment_for, with_settings
from hostess.domain.hostess_yml.stack import Environment, Stack
from hostess.domain.quantities import duration_text, parse_duration
from hostess.domain.records import EnvironmentSettings

DAY = timedelta(days=1)
DECLARED = Environment("preview", branches=("feature/*",), ephemeral=True, ttl=DAY)


def given(name: str = "preview", **fields: object) -> EnvironmentSettings:
    """Return settings."""
    return EnvironmentSettings("shop", name, **fields)  # type: ignore[arg-type]  # fields by name


def test_settings_stand_above_the_file() -> None:
    """What was set holds; what was not is as the file says."""
    found = attributes("preview", DECLARED, given(branches=("a",), ttl=2 * DAY))

    assert (found.branches, found.ttl, found.ephemeral, found.kind) == (("a",), 2 * DAY, True, "ephemeral")


def test_ephemeral_environments_are_removed_by_themselves() -> None:
    """An ephemeral environment lives as long as its ttl after a deployment, unless that is switched off, or it is protected."""
    assert attributes("preview", DECLARED, None).lifetime == DAY
    assert attributes("preview", DECLARED, given(auto_delete=False)).lifetime is None
    assert attributes("preview", DECLARED, given(protected=True)).lifetime is None
    assert attributes("staging", Environment("staging", ttl=DAY), None).lifetime is None
    assert attributes("staging", Environment("staging", ttl=DAY), given("staging", auto_delete=True)).lifetime == DAY


def test_production_never_ends() -> None:
    """Whatever file and settings say, production is protected and not ephemeral."""
    declared = Environment("production", ephemeral=True, ttl=DAY)

    found = attributes("production", declared, given("production", auto_delete=True, protected=False))

    assert (found.kind, found.protected, found.ephemeral, found.lifetime) == ("production", True, False, None)


def test_branches_that_were_set_choose_the_environment() -> None:
    """Settings add environments to the stack and replace the branches of those that the file knows."""
    stack = Stack(services={}, environments={"preview": DECLARED})

    merged = with_settings(stack, [given(branches=("topic/*",)), given("staging", branches=("develop",))])

    assert environment_for(merged, "develop") == "staging"
    assert environment_for(merged, "topic/x") == "preview"
    assert environment_for(merged, "feature/x") is None


@pytest.mark.parametrize("text", ["36h", "48h", "7d", "90s", "30m", "500ms", "5w", "1h"])
def test_durations_read_as_they_are_written(text: str) -> None:
    """A duration is told in the unit that people write it in."""
    assert duration_text(parse_duration(text)) == text


def test_durations_in_other_words() -> None:
    """A day is 24 hours, a fortnight 14 days, and what fits no larger unit is told in a smaller one."""
    assert [duration_text(parse_duration(text)) for text in ("1d", "2w", "1h30m", "72h")] == ["24h", "14d", "90m", "3d"]
