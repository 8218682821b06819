"""hostess init."""

import os
from pathlib import Path

import click

from hostess.cli.failure import CONFLICT, NOT_FOUND, USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import tell

NAMES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
"""Where a Compose file is looked for, in this order."""

_WRITTEN = Path("hostess.yml")
_MOST = 1024 * 1024


class Folder:
    """The current folder, as the conversion looks at it."""

    def text(self, path: str) -> str | None:
        """Return the text of a file; None where there is none, or none that can be read."""
        try:
            with Path(path).open(encoding="utf-8") as file:
                return file.read(_MOST)
        except (OSError, ValueError):
            return None

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""
        return os.path.isfile(path)  # noqa: PTH113 -- Path.is_file raises for names that no file can have

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        return os.path.isdir(path)  # noqa: PTH112 -- Path.is_dir raises for names that no folder can have


@example("hostess init", "hostess init --file deploy/compose.yaml")
@click.command()
@click.option("--file", "-f", "given", help=f"Compose file; by default the first there is of {', '.join(NAMES)}.")
def init(given: str | None) -> None:
    """Write hostess.yml from a Compose file. What cannot be carried over is told on standard error; nothing else is changed."""
    # Conversion and parser take half a second to load, so they are only loaded where they are used.
    from hostess.domain.docker_compose.translation import convert
    from hostess.domain.docker_compose.values import Surroundings
    from hostess.domain.problem import Problem

    if _WRITTEN.exists():
        raise Failure(
            "hostess.yml is there already",
            exit_code=CONFLICT,
            remedy="move it away, or check it with `hostess validate`",
        )
    file = _compose_file(given)
    base = os.path.relpath(file.parent)
    around = Surroundings(Folder(), Path(base).as_posix(), _variables(file.parent / ".env"))
    try:
        found = convert(_bytes(file), str(file), Path.cwd().name, around)
    except Problem as problem:
        raise Failure(str(problem), exit_code=USAGE, remedy=problem.remedy) from problem
    _write(found.text)
    for note in found.notes:
        tell(f"note: {note}")
    click.echo(f"hostess.yml is written: {_counted(found.services, 'service')}{_and_jobs(found.jobs)}")
    if found.secrets:
        tell(f"it needs secrets: {', '.join(found.secrets)} (`hostess secrets add NAME`, once the project is there)")
    tell("next: read it through, check it with `hostess validate`, commit it, and `git push hostess main`")


def _compose_file(given: str | None) -> Path:
    if given:
        return Path(given)
    found = next((Path(name) for name in NAMES if Path(name).is_file()), None)
    if found is None:
        raise Failure(
            f"there is no Compose file here ({', '.join(NAMES)})",
            exit_code=NOT_FOUND,
            remedy="name one with --file, or write hostess.yml by hand",
        )
    return found


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", exit_code=NOT_FOUND) from error


def _variables(file: Path) -> dict[str, str]:
    """Return what the file `.env` gives to variables of the Compose file."""
    lines = (Folder().text(str(file)) or "").splitlines()
    split = (line.strip().removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, sign, value in split if sign}


def _write(text: str) -> None:
    try:
        with _WRITTEN.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"hostess.yml cannot be written: {error.strerror}") from error


def _counted(names: tuple[str, ...], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}: {', '.join(names)}"


def _and_jobs(jobs: tuple[str, ...]) -> str:
    return f"; {_counted(jobs, 'job')}" if jobs else ""
