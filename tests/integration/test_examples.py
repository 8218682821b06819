"""The examples are what they say: valid, complete, and a second version that is one step further."""

import re
from pathlib import Path

import pytest

from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import Job, Service, ServiceType

EXAMPLES = Path(__file__).parents[2] / "examples"
STACKS = sorted(EXAMPLES.glob("*/hostess.yml"))
FIRST, SECOND = EXAMPLES / "fastapi-postgres" / "backend", EXAMPLES / "fastapi-postgres-v2" / "backend"


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.parent.name)
def test_every_example_is_valid_and_has_what_it_builds_from(file: Path) -> None:
    """Each example's hostess.yml has no mistake, and each folder that it builds from has a Dockerfile and a .dockerignore."""
    stack = parse(file.read_bytes(), "hostess.yml")
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    sources = {part.build.source for part in parts if part.build is not None}
    assert sources
    for source in sources:
        assert (file.parent / source / "Dockerfile").is_file()
        assert (file.parent / source / ".dockerignore").is_file()


def test_every_example_is_in_the_readme() -> None:
    """The list in examples/README.md has a line for each example."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [folder.name for folder in EXAMPLES.iterdir() if folder.is_dir() and f"`{folder.name}`" not in readme] == []


def test_the_full_stack_has_every_kind_of_service_of_its_page() -> None:
    """The full-stack example has an API, workers, a beat, a frontend, PostgreSQL and Redis."""
    stack = parse((EXAMPLES / "full-stack" / "hostess.yml").read_bytes(), "hostess.yml")
    assert {name: service.type for name, service in stack.services.items()} == {
        "api": ServiceType.FASTAPI,
        "worker": ServiceType.CUSTOM,
        "beat": ServiceType.CUSTOM,
        "frontend": ServiceType.NEXTJS,
        "database": ServiceType.POSTGRES,
        "cache": ServiceType.REDIS,
    }
    assert stack.services["beat"].is_singleton
    assert not stack.services["worker"].is_singleton


def test_the_second_version_is_the_first_with_another_number_and_one_more_revision() -> None:
    """Version 2 replaces files of version 1 and adds one Alembic revision that follows version 1's only one."""
    added = [path for path in SECOND.rglob("*.py") if not (FIRST / path.relative_to(SECOND)).exists()]
    assert [path.name for path in added] == ["0002_note.py"]
    assert 'down_revision = "0001"' in added[0].read_text(encoding="utf-8")
    assert [_number(side / "app" / "version.py") for side in (FIRST, SECOND)] == ["1", "2"]


def test_no_lock_file_names_a_package_index() -> None:
    """A lock file in the examples holds versions and hashes, and no address that only its author can reach."""
    for lock in EXAMPLES.rglob("*.lock"):
        assert not re.search(r"\w+://", lock.read_text(encoding="utf-8")), lock


def _number(file: Path) -> str:
    found = re.search(r'VERSION = "(\d+)"', file.read_text(encoding="utf-8"))
    assert found
    return found[1]
