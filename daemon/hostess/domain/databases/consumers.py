"""Who uses a database, by what hostess.yml says. Pure."""

from collections.abc import Collection

from hostess.domain.databases.scopes import group_of
from hostess.domain.hostess_yml.references import references
from hostess.domain.hostess_yml.stack import Job, Service, Stack
from hostess.domain.problem import Problem


def consumers(stack: Stack, database: str) -> tuple[str, ...]:
    """Return the services whose environment names the database, in the order of the file."""
    return tuple(
        service.name
        for service in stack.services.values()
        if any(each.target == database for value in service.env.values() for each in references(value))
    )


def check_user_is_asked_for(stack: Stack, database: str, groups: Collection[str]) -> None:
    """Raise Problem "user-written-out" for a consumer in *groups* that takes the password of a postgres and has its user written out.

    Another role comes with each new password: such a consumer would log in as the wrong one.
    """
    service = stack.services[database]
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    for part in parts:
        asked = {each.property for value in part.env.values() for each in references(value) if each.target == database}
        if "password" in asked and "user" not in asked and group_of(service, part.name) in groups:
            raise Problem(
                "user-written-out",
                f"{part.name} takes ${{{database}.password}} and not ${{{database}.user}}, and the user changes with the password",
                serving="everything as it is; nothing was changed",
                remedy=f"give it ${{{database}.user}}, or ${{{database}.url}}, and push; then rotate again",
            )
