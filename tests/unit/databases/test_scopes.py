"""Scoped databases: names, indexes, and who reaches what."""

from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.databases.scopes import group_of, indexes, scoped_name
from hostess.domain.hostess_yml.file import parse

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True)


def test_a_scoped_database_is_named_after_service_and_group() -> None:
    """The name joins the two with two underscores."""
    assert scoped_name("main-db", "api") == "main-db__api"


@given(NAMES, NAMES, NAMES)
def test_names_are_never_cut_by_the_server(service: str, one: str, other: str) -> None:
    """However long the two are, the name is kept whole, and two groups never share one."""
    assert len(scoped_name(service, one)) <= 63
    assert (scoped_name(service, one) == scoped_name(service, other)) is (one == other)


def test_groups_count_from_zero_in_their_order() -> None:
    """Groups that come at once take 0, 1, 2."""
    assert indexes(["b", "a", "c"], {}) == {"b": 0, "a": 1, "c": 2}


def test_a_group_keeps_its_index() -> None:
    """Whoever comes before it or goes, a group's data stays where it is, and a new group never gets what was another's."""
    assert indexes(["new", "a", "c"], {"a": 0, "gone": 1, "c": 2}) == {"new": 3, "a": 0, "c": 2}
    assert indexes(["back", "gone"], {"gone": 1}) == {"back": 0, "gone": 1}


def test_who_belongs_to_a_group() -> None:
    """Services and jobs belong to the group that lists them; a shared database has none."""
    stack = parse("""version: "1.0"
services:
  api: {type: custom, image: a, env: {A: "${db.url}", B: "${kv.url}"}}
  db: {type: postgres, databases: {main: [api, seed]}}
  kv: {type: redis}
jobs:
  seed: {image: a, command: [x], env: {A: "${db.url}"}}
""")
    database = stack.services["db"]
    assert [group_of(database, name) for name in ("api", "seed", "other")] == ["main", "main", ""]
    assert group_of(stack.services["kv"], "api") == ""
