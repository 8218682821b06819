"""Logins: which passwords are taken and given out on the way of a rotation, and whose they are."""

import pytest

from hostess.domain.databases.logins import Logins, read, role_of, roles_of, second_of, written

MOVING = Logins((4, 5), 5)


def test_the_way_of_a_rotation() -> None:
    """A new password is taken first, then given out, and alone in the end; each of these can be written down and read."""
    before = Logins()
    opened = before.opened()
    moved = opened.moved()

    assert (before.settled, opened, moved) == (True, Logins((0, 1), 0), Logins((0, 1), 1))
    assert moved.after(live={1}, used=()) == Logins((1,), 1)
    assert [written(each) for each in (before, opened, moved)] == ["0*", "0* 1", "0 1*"]
    assert [read(written(each)) for each in (before, opened, moved)] == [before, opened, moved]


def test_a_rotation_that_is_not_over_goes_on() -> None:
    """There are never more than two passwords: asked again, the second one is given out."""
    assert MOVING.opened() == MOVING
    assert Logins((4, 5), 4).opened().moved() == MOVING


@pytest.mark.parametrize(
    ("live", "used", "wanted"),
    [
        ({5}, {4, 5}, MOVING),
        ({5}, {5}, Logins((5,), 5)),
        ({4}, {4}, Logins((4,), 4)),
        ({4}, {4, 5}, Logins((4, 5), 4)),
        (set(), set(), Logins((5,), 5)),
        (set(), {4}, MOVING),
    ],
)
def test_what_is_live_decides(live: set[int], used: set[int], wanted: Logins) -> None:
    """What the live release has is given out, so that a failed rotation is taken back; what anybody runs with stays taken."""
    assert MOVING.after(live, used) == wanted


def test_two_roles_take_turns() -> None:
    """Even numbers are the owner's, odd ones those of the role beside it; the one whose turn it is not has no password."""
    assert [role_of("db__api", number) for number in (0, 1, 2)] == ["db__api", "db__api_b", "db__api"]
    assert roles_of("db__api", {3: "three"}) == {"db__api": None, "db__api_b": "three"}
    assert roles_of("db__api", {3: "three", 4: "four"}) == {"db__api": "four", "db__api_b": "three"}


def test_the_second_role_has_a_name_that_postgres_keeps() -> None:
    """PostgreSQL cuts names of more than 63 characters without a word: two long ones stay apart."""
    long = ["x" * 61 + end for end in ("", "y", "z", "yz")]

    names = [second_of(owner) for owner in long]

    assert all(len(name) <= 63 for name in names)
    assert len(set(names)) == len(names)
