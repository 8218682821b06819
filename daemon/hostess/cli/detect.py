"""hostess detect."""

import os
import shutil
from pathlib import Path

import click

from hostess.cli import options
from hostess.cli.failure import USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, tell

_PASSED = frozenset({".git", ".hg", "node_modules", "__pycache__", ".venv", "venv", ".next", ".tox", ".mypy_cache"})
_MOST = 50_000


@example("hostess detect", "hostess detect backend --type fastapi > backend/Dockerfile", "hostess detect web -o json")
@click.command()
@click.argument("folder", required=False, default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--type",
    "kind",
    type=click.Choice(["fastapi", "nextjs", "custom"]),
    help="Service type; told by the files unless given.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; by default the type's.")
@options.project
@options.form
def detect(folder: Path, kind: str | None, port: int | None, project: str | None, form: str) -> None:
    """Show what `source: FOLDER` would be built with: the Dockerfile on standard output, what was recognised on standard error.

    Where the program railpack is on PATH, as on the daemon's, Railpack builds instead, and this says so. It needs no daemon and changes
    nothing. Commit its output as FOLDER/Dockerfile, and write `build: {source: FOLDER}`, to go on from it.
    """
    # Recognition knows the types of services, and is only loaded where it is used.
    from hostess.domain.hostess_yml.build import PORTS
    from hostess.domain.hostess_yml.stack import ServiceType
    from hostess.domain.names import slug
    from hostess.domain.problem import Problem
    from hostess.domain.recognisers import recognition
    from hostess.domain.recognisers.dockerfiles import IGNORED, dockerfile
    from hostess.domain.recognisers.values import Folder, Purpose

    files = _files(folder, recognition.DEPTH)
    texts = {name: _text(folder / name, limit) for name, limit in recognition.wanted(files).items()}
    found = Folder(files, {name: text for name, text in texts.items() if text is not None})
    railpack = shutil.which("railpack")
    if railpack and form == "table":
        tell(f"built with: Railpack ({railpack}); without it on the daemon's PATH, with the Dockerfile below")
    elif form == "table":
        tell("built with: a generated Dockerfile (the daemon uses Railpack where railpack is on its own PATH)")
    try:
        service = ServiceType(kind) if kind else recognition.likely_type(found)
        recipe = recognition.recognise(found, Purpose(service, port or PORTS[service]))
    except Problem as problem:
        if railpack:
            tell(f"Hostess itself does not know how: {problem.what}")
            if form == "json":
                show_json({"built_with": "railpack"})
            return
        raise Failure(problem.what, exit_code=USAGE, remedy=problem.remedy) from problem
    name = options.known_project(project) or slug(folder.resolve().name) or "app"
    written = dockerfile(recipe, name)
    if form == "json":
        show_json(
            {
                "type": service,
                "built_with": "railpack" if railpack else "dockerfile",
                "recognised": recipe.summary,
                "start": list(recipe.start.argv) if recipe.start else None,
                "notices": list(recipe.notices),
                "dockerfile": written,
                "dockerignore": None if (folder / ".dockerignore").exists() else IGNORED,
            }
        )
        return
    tell(f"recognised {recipe.summary}, type {service}")
    if recipe.start:
        tell(f"start: {recipe.start.shown}  (told by {recipe.start.told_by})")
    for notice in recipe.notices:
        tell(f"notice: {notice}")
    click.echo(written, nl=False)


def _files(folder: Path, depth: int) -> frozenset[str]:
    """Return the relative paths of the files in at most *depth* folders; Failure when they are too many."""
    found: set[str] = set()
    for place, folders, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        folders[:] = sorted(set(folders) - _PASSED) if len(inside.parts) < depth else []
        found |= {(inside / name).as_posix() for name in names}
        if len(found) > _MOST:
            raise Failure(f"{folder} has more than {_MOST} files", exit_code=USAGE, remedy="give a project's folder")
    return frozenset(found)


def _text(path: Path, limit: int) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError:
        return None
    return content.decode("utf-8-sig", errors="replace") if len(content) <= limit else None
