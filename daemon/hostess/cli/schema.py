"""hostess schema."""

import click

from hostess.cli.groups import example
from hostess.cli.output import show_json


@example("hostess schema > hostess.schema.json", "echo '# yaml-language-server: $schema=hostess.schema.json'")
@click.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of hostess.yml, with which editors complete and check the file as it is written.

    It knows every key, value and default. What depends on the rest of the file, such as names that must exist, only
    `hostess validate` finds.
    """
    # The models take half a second to load, so they are only loaded where they are used.
    from hostess.domain.hostess_yml import schema as stack_schema

    show_json(stack_schema.schema())
