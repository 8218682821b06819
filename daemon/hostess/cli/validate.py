"""hostess validate."""

from pathlib import Path

import click

from hostess.cli import options
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, tell


@example("hostess validate", "hostess validate deploy/hostess.yml -o json")
@click.command()
@click.argument("file", required=False, default="hostess.yml")
@options.form
def validate(file: str, form: str) -> None:
    """Check hostess.yml without a daemon: exit code 0 when it is valid, else 2 and one line per mistake, all of them."""
    # The parser takes half a second to load, so it is only loaded where it is used.
    from hostess.domain.hostess_yml.file import InvalidStack, parse, stack_for
    from hostess.domain.hostess_yml.openings import refuse_closed
    from hostess.domain.hostess_yml.unsupported import notices as of_this_version
    from hostess.domain.hostess_yml.unsupported import refuse_unsupported
    from hostess.domain.names import PRODUCTION
    from hostess.domain.problem import Problem

    text = _text(file)
    try:
        stack = parse(text, file)
    except InvalidStack as invalid:
        if form == "json":
            mistakes = [
                {"line": m.line, "column": m.column, "path": m.path, "message": m.message, "hint": m.hint}
                for m in invalid.mistakes
            ]
            show_json({"valid": False, "mistakes": mistakes, "services": [], "notices": []})
        else:
            click.echo("\n".join(map(str, invalid.mistakes)))
        raise click.exceptions.Exit(USAGE) from None
    environments = [stack_for(stack, name) for name in (PRODUCTION, *stack.environments)]
    told = dict.fromkeys(notice for found in environments for notice in of_this_version(found))
    notices = [*stack.notices, *told]
    try:
        refuse_unsupported(stack)
        refuse_closed(stack, text, file)
    except InvalidStack as invalid:
        notices += [f"cannot be deployed: {mistake}" for mistake in invalid.mistakes]
    except Problem as problem:
        notices.append(f"cannot be deployed yet: {problem.what}")
    if form == "json":
        show_json({"valid": True, "mistakes": [], "services": list(stack.services), "notices": notices})
        return
    for notice in notices:
        tell(f"notice: {notice}")
    count = len(stack.services)
    click.echo(f"{file} is valid: {count} service{'' if count == 1 else 's'}: {', '.join(stack.services)}")


def _text(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Failure(
            f"{file} cannot be read: {error.strerror}", exit_code=USAGE, remedy="give the path of a hostess.yml"
        ) from error
