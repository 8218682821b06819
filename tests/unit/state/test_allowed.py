"""What a role may do where, as one table."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from hostess.domain.records import Token
from hostess.services.tokens import MAY, Action, Role, allowed

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def a_token(role: str, *projects: str) -> Token:
    """Return a token's row."""
    return Token("t1", "laptop", "d" * 64, role, projects, NOW)


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("owner", {"read", "logs", "deploy", "secrets", "create-project", "admin"}),
        ("developer", {"read", "logs", "deploy", "secrets", "create-project"}),
        ("viewer", {"read", "logs"}),
        ("stranger", set()),
    ],
)
def test_roles_may_what_the_table_says(role: str, actions: set[str]) -> None:
    """Each role may exactly its actions, on every project and on the host; an unknown role may nothing."""
    token = a_token(role)

    assert {action for action in get_args(Action) if allowed(token, action, "shop")} == actions
    assert {action for action in get_args(Action) if allowed(token, action)} == actions


@pytest.mark.parametrize("role", Role)
def test_a_token_of_projects_ends_at_them(role: Role) -> None:
    """A token of certain projects may its role's actions there, nothing elsewhere, and nothing to the host as a whole."""
    token = a_token(role, "shop", "blog")

    for action in get_args(Action):
        assert allowed(token, action, "shop") == (action in MAY[role])
        assert not allowed(token, action, "bank")
        assert not allowed(token, action)
        assert not allowed(token, action, "")
