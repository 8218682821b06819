"""Which major a database is of, and what an upgrade needs."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hostess.domain.databases.versions import Data, as_kept, check_room, data_of, with_data_of
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload

OLD = Workload(
    name="db",
    type=ServiceType.POSTGRES,
    image="sha256:1",
    spec="1",
    sealed_env="",
    replicas=1,
    cpu=1.0,
    memory=2**30,
    singleton=True,
    volumes={"old": "/data"},
    version="16",
)
NEW = replace(OLD, image="sha256:2", spec="2", volumes={"new": "/data"}, version="17")


def release(number: int, workload: Workload) -> Release:
    """Return a release with that database."""
    return Release("shop", "production", number, "c" * 40, datetime(2026, 1, 1, tzinfo=UTC), {"db": workload})


@pytest.mark.parametrize(
    ("written", "kept", "used", "told"),
    [
        ("16", "17", "17", True),
        ("17.2", "17", "17.2", False),
        ("18", "17", "17", True),
        ("", "17", "17", True),
        ("16", "", "16", False),
    ],
)
def test_data_stays_with_its_major(written: str, kept: str, used: str, *, told: bool) -> None:
    """Another major, written or by default, changes nothing and is told; a minor of the same one is taken."""
    special = f", special: {{version: {written!r}}}" if written else ""
    stack = parse(f"version: '1.0'\nservices:\n  db: {{type: postgres{special}}}\n")

    found, notes = as_kept(stack, {"db": Data(kept, "volume")} if kept else {})

    assert str(found.services["db"].special["version"]) == used
    assert bool(notes) is told
    assert not told or "hostess services upgrade db" in notes[0]


def test_a_rollback_stays_with_the_data() -> None:
    """A release from before an upgrade is gone back to in all but the database, whose data is in another volume since."""
    assert with_data_of(release(1, OLD), release(2, NEW)).workloads == {"db": NEW}
    assert with_data_of(release(1, OLD), release(2, replace(OLD, spec="3"))).workloads == {"db": OLD}
    assert with_data_of(release(1, OLD), None).workloads == {"db": OLD}


def test_where_data_is_follows_from_what_is_live() -> None:
    """A release that did not write the version down tells nothing."""
    assert data_of(NEW) == Data("17", "new")
    assert data_of(replace(NEW, version="")) is None


def test_an_upgrade_that_would_fill_the_disk_is_refused() -> None:
    """The numbers are said, before anything is changed."""
    check_room("db", 100, 250)
    with pytest.raises(Problem) as refused:
        check_room("db", 100, 249)
    assert "takes up to 250 B beside its 100 B, and 249 B are free" in str(refused.value)
