"""What the format can say and this version does otherwise or not at all: told or refused, in a sentence."""

import pytest

from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.unsupported import notices, refuse_unsupported
from hostess.domain.problem import Problem


def of_service(more: str) -> str:
    """Return a file with a service, a database and a cache."""
    return (
        f'version: "1.0"\nservices:\n  api: {{type: fastapi, image: a, {more}}}\n  db: {{type: postgres}}\n  kv: {{type: redis}}\n'
        "environments: {preview: {services: {api: {replicas: {min: 0, max: 2}}}}}\n"
    )


@pytest.mark.parametrize("replicas", ["{min: 0, max: 3}", "{min: 1, max: 3}", "{min: 2, max: 2}", "2"])
def test_a_range_of_replicas(replicas: str) -> None:
    """Every range is served as it is written, and nothing is told."""
    stack = parse(of_service(f"replicas: {replicas}"))

    refuse_unsupported(stack)
    assert notices(stack) == []


def test_a_database_that_waits() -> None:
    """A database waits for nothing, which is told."""
    stack = parse(of_service("depends_on: [db]").replace("redis}", "redis, depends_on: [db]}"))

    assert [notice for notice in stack.notices if "no effect" in notice] == [
        "services.kv.depends_on has no effect: databases start before everything else"
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("insights: enabled", ["insights is noted: this version measures nothing yet"]),
        ("insights: {server: disabled, browser: enabled}", ["insights is noted: this version measures nothing yet"]),
        ("logs: structured", ["logs is noted: this version keeps lines as the text that they are"]),
        ("insights: disabled, logs: plain", []),
        ("insights: {server: disabled}", []),
    ],
)
def test_what_changes_nothing_yet(more: str, said: list[str]) -> None:
    """Whoever asks for measurements or for lines read as JSON is told that there are none yet; to ask for less is fine."""
    assert [notice for notice in parse(of_service(more)).notices if "this version" in notice] == [
        f"services.api.{sentence}" for sentence in said
    ]


def test_recovery_to_a_point_in_time_is_served() -> None:
    """Point-in-time recovery that the file asks for is served, so no push says anything of it."""
    stack = parse(of_service("replicas: 1").replace("postgres}", "postgres, backups: {schedule: daily, pitr: true}}"))

    refuse_unsupported(stack)
    assert notices(stack) == []


@pytest.mark.parametrize(("database", "said"), [("postgres", "read replicas"), ("redis", "failover")])
def test_copies_of_databases_are_refused(database: str, said: str) -> None:
    """One host offers neither read replicas nor failover, and each is said by its name."""
    stack = parse(of_service("replicas: 1").replace(f"{database}}}", f"{database}, replicas: 3}}"))

    with pytest.raises(Problem) as refused:
        refuse_unsupported(stack)
    assert said in str(refused.value)
    assert "one host" in str(refused.value)


def test_who_reads_apart_is_told() -> None:
    """A URL for reads alone leads to the one server there is, and the person who pushes is told."""
    stack = parse(of_service("replicas: 1, env: {READS: '${db.read_url}'}"))

    refuse_unsupported(stack)
    assert notices(stack) == ["${db.read_url} is ${db.url}: on one host there are no read replicas"]
