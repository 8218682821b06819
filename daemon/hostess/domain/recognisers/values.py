"""What builds without a Dockerfile are decided from, and what is decided: a folder, its purpose, a recipe."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hostess.domain.hostess_yml.stack import ServiceType


@dataclass(frozen=True, slots=True)
class Folder:
    """A source folder: the paths of its files (some levels deep) and the text of those that recognition asked for."""

    files: frozenset[str]
    texts: Mapping[str, str] = field(default_factory=dict)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.files

    def first(self, *paths: str) -> str | None:
        """Return the first of *paths* that is there."""
        return next((path for path in paths if path in self.files), None)

    def text(self, path: str) -> str:
        """Return a file's text; "" when it is absent or was too large to be read."""
        return self.texts.get(path, "")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a folder is to become.

    *port* is the one that it is to listen on, None for a worker. *commanded*: hostess.yml has a command, so none is looked for.
    *writable* are the folders that volumes are mounted at.
    """

    type: ServiceType
    port: int | None
    commanded: bool = False
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """The command that serves, and the file that told it.

    *needs* are the packages that it is made of; *path* is the folder that they import the project from, relative to it.
    """

    argv: tuple[str, ...]
    told_by: str
    needs: tuple[str, ...] = ()
    path: str = ""

    @property
    def shown(self) -> str:
        """The command as people write it."""
        words = self.argv[2:] if self.argv[:2] == ("sh", "-c") else (shlex.join(self.argv),)
        return printable(" ".join(words).removeprefix("exec "))


@dataclass(frozen=True, slots=True)
class System:
    """Packages of the distribution: those that dependencies are built with, and those that they run with."""

    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


class Installer(StrEnum):
    """What installs the dependencies of a Python project."""

    NONE = "no dependencies"
    PIP = "pip"
    PROJECT = "pip install ."
    UV = "uv"
    POETRY = "poetry"
    PIPENV = "pipenv"


class Manager(StrEnum):
    """What installs the dependencies of a Node project."""

    NPM = "npm"
    PNPM = "pnpm"
    YARN = "yarn"
    BERRY = "yarn 2+"


@dataclass(frozen=True, slots=True)
class PythonRecipe:
    """How a Python project becomes an image.

    *early* are the files that the installation needs: they are copied before all others, so that its layer is kept while they do
    not change; without any, everything is. *requirements* are installed as written, *additions* after all others. *installed*:
    the project itself is a package that has to be installed.
    """

    version: str
    installer: Installer
    manifest: str
    early: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    additions: tuple[str, ...] = ()
    installed: bool = False
    locked: bool = True
    start: Start | None = None
    port: int | None = None
    writable: tuple[str, ...] = ()
    system: System = System()
    notices: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was recognised, in one line."""
        return f"Python {self.version} with {self.manifest}"


@dataclass(frozen=True, slots=True)
class NodeRecipe:
    """How a Node project becomes an image.

    *early* as in PythonRecipe. *program* is the npm package of another package manager. *lean*: only
    what is needed to run is installed; *pruned*: what was needed to build is taken away again. *standalone*: Next.js gathers what
    it needs to run by itself.
    """

    version: str
    manager: Manager
    manifest: str
    early: tuple[str, ...] = ()
    locked: bool = True
    program: str = ""
    lean: bool = False
    build: tuple[str, ...] = ()
    pruned: bool = False
    next: bool = False
    standalone: bool = False
    public: bool = False
    start: Start | None = None
    port: int | None = None
    writable: tuple[str, ...] = ()
    system: System = System()
    notices: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was recognised, in one line."""
        what = " (standalone)" if self.standalone else ""
        return f"{'Next.js' + what + ' on ' if self.next else ''}Node {self.version} with {self.manifest}"


Recipe = PythonRecipe | NodeRecipe


def printable(text: str) -> str:
    """Return *text* as one line that moves no cursor, whatever a file said."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
