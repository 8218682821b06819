"""The secret store: sealed on disk, versions that count up, credentials out of users' reach."""

import asyncio
from pathlib import Path

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.vault_files import FileVault
from hostess.domain.problem import Problem
from hostess.services.secret_store import SecretName, SecretStore
from tests.fakes.clock import FakeClock
from tests.integration.state.folder import holding

SENTINEL = "sentinel-5f2a-never-in-a-file"


@pytest.fixture
def store(journal: SqliteJournal, vault: FileVault, clock: FakeClock) -> SecretStore:
    """Return the service."""
    return SecretStore(journal, vault, clock)


async def test_secrets_are_added_and_edited(store: SecretStore, clock: FakeClock) -> None:
    """A secret has the value given last, and a version that counts up."""
    first = await store.add("shop", "production", "API_KEY", "one")
    clock.advance(60)
    second = await store.edit("shop", "production", "API_KEY", "two\nlines")

    assert (first, second) == (1, 2)
    assert await store.values("shop", "production") == {"API_KEY": "two\nlines"}
    assert await store.names("shop", "production") == [SecretName("API_KEY", 2, clock.now())]
    assert await store.values("shop", "staging") == {}


async def test_adding_twice_and_editing_nothing_are_problems(store: SecretStore) -> None:
    """Adding what is there, editing or deleting what is not there changes nothing and says what to do."""
    await store.add("shop", "production", "KEY", "one")
    with pytest.raises(Problem, match="has a secret KEY already") as exists:
        await store.add("shop", "production", "KEY", "two")
    with pytest.raises(Problem) as not_edited:
        await store.edit("shop", "production", "OTHER", "two")
    with pytest.raises(Problem) as not_deleted:
        await store.delete("shop", "production", "OTHER")
    with pytest.raises(Problem) as no_project:
        await store.add("none", "production", "KEY", "two")

    assert exists.value.code == "secret-exists"
    assert exists.value.remedy == "change it with `hostess secrets edit KEY`"
    assert {not_edited.value.code, not_deleted.value.code} == {"secret-not-found"}
    assert no_project.value.code == "project-not-found"
    assert await store.values("shop", "production") == {"KEY": "one"}


async def test_deleted_secrets_are_gone(store: SecretStore) -> None:
    """A deleted secret has no value, and one of the same name added later has a higher version."""
    await store.add("shop", "production", "KEY", "one")
    await store.delete("shop", "production", "KEY")
    gone = await store.values("shop", "production")

    assert gone == {}
    assert await store.add("shop", "production", "KEY", "two") == 2


@pytest.mark.parametrize("name", ["", "1A", "A-B", "a:b", "Ä", "A" * 129, "A\n", "A B"])
async def test_bad_names_are_refused(store: SecretStore, name: str) -> None:
    """What cannot be an environment variable cannot be a secret, and a credential cannot be touched by users."""
    for change in (store.add, store.edit):
        with pytest.raises(Problem) as caught:
            await change("shop", "production", name, "value")
        assert caught.value.code == "invalid-name"
    with pytest.raises(Problem):
        await store.delete("shop", "production", name)


@pytest.mark.parametrize("value", ["é" * 32769, "a\0b", "\ud800"], ids=["large", "zero", "surrogate"])
async def test_bad_values_are_refused(store: SecretStore, value: str) -> None:
    """A value of more than 64 KB, with a zero byte, or that is no text is refused without being repeated."""
    with pytest.raises(Problem) as caught:
        await store.add("shop", "production", "KEY", value)

    assert caught.value.code == "secret-invalid"
    assert value not in str(caught.value)


async def test_the_largest_value_fits(store: SecretStore) -> None:
    """A value of exactly 64 KB, and an empty one, come back as they were."""
    await store.add("shop", "production", "LARGE", "x" * 65536)
    await store.add("shop", "production", "_empty", "")

    assert await store.values("shop", "production") == {"LARGE": "x" * 65536, "_empty": ""}


async def test_credentials_are_made_once(store: SecretStore) -> None:
    """A credential is made at the first asking, also when many ask at once, and users do not see it."""
    made = iter(["first", "second"])
    asked = [store.credential("shop", "production", "db:password", lambda: next(made)) for _ in range(10)]
    answers = await asyncio.gather(*asked)

    assert set(answers) == {"first"}
    assert await store.names("shop", "production") == []
    assert await store.values("shop", "production") == {}
    assert await store.values("shop", "production", credentials=True) == {"db:password": "first"}
    with pytest.raises(ValueError, match="needs a colon"):
        await store.credential("shop", "production", "password", str)


async def test_two_who_add_at_once_do_not_both_win(store: SecretStore) -> None:
    """Of many who add the same secret at once exactly one succeeds."""
    added = [store.add("shop", "production", "KEY", str(number)) for number in range(10)]
    results = await asyncio.gather(*added, return_exceptions=True)

    assert [result for result in results if not isinstance(result, Problem)] == [1]


async def test_no_file_holds_a_value(store: SecretStore, tmp_path: Path) -> None:
    """Neither the journal nor its log hold a secret's value."""
    await store.add("shop", "production", "KEY", SENTINEL)

    assert await store.values("shop", "production") == {"KEY": SENTINEL}
    assert not holding(tmp_path, SENTINEL)


async def test_a_value_moved_to_another_row_does_not_open(store: SecretStore, journal: SqliteJournal) -> None:
    """A sealed value that was put under another name, environment, project or version is refused, naming that secret."""
    await journal.create_project("blog", FakeClock().now())
    await store.add("shop", "production", "KEY", "value")
    sealed = (await journal.secrets("shop", "production"))[0].sealed
    for project, environment, name in (
        ("shop", "staging", "KEY"),
        ("shop", "testing", "OTHER"),
        ("blog", "production", "KEY"),
        ("shop", "production", "KEY"),
    ):
        await journal.put_secret(project, environment, name, lambda _: sealed, FakeClock().now())
        with pytest.raises(Problem, match=rf"secret {name} of {project} \({environment}\)") as caught:
            await store.values(project, environment)
        assert caught.value.code == "secret-unreadable"


@pytest.mark.parametrize("part", ["project", "environment", "name", "version"])
async def test_each_part_of_the_row_is_bound(
    store: SecretStore, journal: SqliteJournal, vault: FileVault, part: str
) -> None:
    """What a value is sealed for differs as soon as one part of its row does."""
    await store.add("shop", "production", "KEY", "value")
    row = (await journal.secrets("shop", "production"))[0]
    parts = {"project": "shop", "environment": "production", "name": "KEY", "version": "1"}
    place = "secret|{project}|{environment}|{name}|{version}"

    assert vault.open(row.sealed, place.format(**parts)) == "value"
    with pytest.raises(Problem):
        vault.open(row.sealed, place.format(**{**parts, part: "x"}))
