"""Who uses a database, by what hostess.yml says. Pure."""

from hostess.domain.hostess_yml.references import references
from hostess.domain.hostess_yml.stack import Stack


def consumers(stack: Stack, database: str) -> tuple[str, ...]:
    """Return the services whose environment names the database, in the order of the file."""
    return tuple(
        service.name
        for service in stack.services.values()
        if any(each.target == database for value in service.env.values() for each in references(value))
    )
