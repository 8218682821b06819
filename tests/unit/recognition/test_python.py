"""Python projects: what installs them."""

import json

import pytest

from hostess.domain.recognisers.values import Installer
from tests.unit.recognition.folders import APP, command, python, refused, written

PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["fastapi>=0.100", "uvicorn"]\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
LOCK = '[[package]]\nname = "fastapi"\nversion = "1"\n\n[[package]]\nname = "uvicorn"\nversion = "1"\n'
PIPFILE = '[packages]\nfastapi = "*"\nuvicorn = "*"\n'

INSTALLERS = [
    ({"requirements.txt": "fastapi"}, Installer.PIP, "requirements.txt", ("requirements.txt",)),
    (
        {"requirements.txt": "fastapi", "pyproject.toml": "[tool.ruff]\n"},
        Installer.PIP,
        "requirements.txt",
        ("requirements.txt",),
    ),
    ({"pyproject.toml": PROJECT}, Installer.PROJECT, "pyproject.toml", ()),
    ({"pyproject.toml": PROJECT, "uv.lock": LOCK}, Installer.UV, "uv.lock", ("pyproject.toml", "uv.lock")),
    (
        {"pyproject.toml": PROJECT, "uv.lock": LOCK, "requirements.txt": "x"},
        Installer.UV,
        "uv.lock",
        ("pyproject.toml", "uv.lock"),
    ),
    (
        {"pyproject.toml": PROJECT, "poetry.lock": LOCK},
        Installer.POETRY,
        "poetry.lock",
        ("pyproject.toml", "poetry.lock"),
    ),
    (
        {"Pipfile": PIPFILE, "Pipfile.lock": '{"default": {"fastapi": {}}}'},
        Installer.PIPENV,
        "Pipfile.lock",
        ("Pipfile", "Pipfile.lock"),
    ),
    ({"Pipfile": PIPFILE}, Installer.PIPENV, "Pipfile", ("Pipfile",)),
    ({"setup.py": "setup()"}, Installer.PROJECT, "setup.py", ()),
    ({"uv.lock": LOCK, "requirements.txt": "fastapi"}, Installer.PIP, "requirements.txt", ("requirements.txt",)),
]


@pytest.mark.parametrize(("files", "installer", "manifest", "early"), INSTALLERS)
def test_what_installs_a_project(
    files: dict[str, str], installer: Installer, manifest: str, early: tuple[str, ...]
) -> None:
    """A lock file decides, then a list of requirements, then the project; what it reads is copied before the source."""
    recipe = python({**files, "main.py": APP})

    assert (recipe.installer, recipe.manifest, recipe.early) == (installer, manifest, early)
    assert recipe.summary == f"Python 3.12 with {manifest}"


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "fastapi\n"},
        {"requirements.txt": "fastapi[all-of-it]\n# uvicorn\n"},
        {"pyproject.toml": '[project]\ndependencies = ["fastapi"]\n'},
        {"pyproject.toml": PROJECT, "uv.lock": '[[package]]\nname = "fastapi"\n'},
        {"Pipfile": '[packages]\nfastapi = "*"\n', "Pipfile.lock": json.dumps({"default": {"fastapi": {}}})},
    ],
)
def test_uvicorn_is_added_where_it_is_missing(files: dict[str, str]) -> None:
    """A project that does not name uvicorn gets it, and is told so."""
    recipe = python({**files, "main.py": APP})

    assert recipe.additions == ("uvicorn",)
    assert recipe.notices == ("uvicorn is not among the dependencies: it is added, in its newest version",)
    assert "install uvicorn" in written(recipe) or "--python /venv uvicorn" in written(recipe)


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "fastapi\nuvicorn[standard]==0.30\n"},
        {"requirements.txt": "fastapi\nUvicorn >= 0.3 ; python_version > '3'\n"},
        {"requirements.txt": "fastapi[standard]\n"},
        {"requirements.txt": "-r base.txt\n", "base.txt": "fastapi\nuvicorn\n"},
        {"pyproject.toml": PROJECT},
        {"pyproject.toml": '[project]\ndependencies = ["fastapi[all] ~= 0.100"]\n'},
        {"pyproject.toml": PROJECT, "uv.lock": LOCK},
        {"pyproject.toml": PROJECT, "poetry.lock": LOCK},
        {"Pipfile": PIPFILE},
        {"Pipfile": "", "Pipfile.lock": json.dumps({"default": {"fastapi": {}, "uvicorn": {}}})},
        {"pyproject.toml": '[tool.poetry.dependencies]\nfastapi = "*"\nuvicorn = "*"\n' + BUILD},
    ],
)
def test_uvicorn_is_found_where_it_is(files: dict[str, str]) -> None:
    """Nothing is added to a project that brings uvicorn, in whichever file."""
    assert python({**files, "main.py": APP}).additions == ()


def test_included_requirements_are_copied_with_it() -> None:
    """What a requirements file includes is there when it is installed, constraints too."""
    files = {
        "requirements.txt": "-r requirements/base.txt\n-c constraints.txt\nfastapi\n",
        "requirements/base.txt": "-r more.txt\nuvicorn\n",
        "requirements/more.txt": "-r ../requirements.txt\nhttpx\n",
        "constraints.txt": "httpx<1\n",
        "main.py": APP,
    }

    recipe = python(files)

    assert set(recipe.early) == files.keys() - {"main.py"}
    assert "COPY constraints.txt requirements.txt ./\n" in written(recipe)
    assert "COPY requirements/base.txt requirements/more.txt ./requirements/\n" in written(recipe)


@pytest.mark.parametrize(
    "line", ["-e .", "./lib", ".", "--editable=./lib", "lib @ file:///app/lib", "-r gone.txt", "-r a b.txt"]
)
def test_requirements_that_need_the_source(line: str) -> None:
    """Where folders of the project are installed, all of it is copied first."""
    recipe = python({"requirements.txt": f"fastapi\n{line}\n", "main.py": APP, "lib/setup.py": ""})

    assert recipe.early == ()
    text = written(recipe)
    assert text.index("COPY . .") < text.index("pip install -r requirements.txt")


@pytest.mark.parametrize("line", ["-e git+https://host/x.git#egg=x", "x @ git+https://host/x.git"])
def test_requirements_from_git(line: str) -> None:
    """Where a requirement comes from a repository, git is there for the build, and not in the image that runs."""
    recipe = python({"requirements.txt": f"{line}\nfastapi\n", "main.py": APP})

    assert recipe.early == ("requirements.txt",)
    build, run = written(recipe).split("\n\n")
    assert "install --yes --no-install-recommends git" in build
    assert "apt-get" not in run


@pytest.mark.parametrize(
    ("requirement", "build", "run"),
    [
        ("psycopg2==2.9", ("build-essential", "libpq-dev"), ("libpq5",)),
        ("psycopg", (), ("libpq5",)),
        ("psycopg2-binary", (), ()),
        ("psycopg[binary]>=3", (), ()),
    ],
)
def test_packages_of_the_distribution(requirement: str, build: tuple[str, ...], run: tuple[str, ...]) -> None:
    """Well-known packages bring what they are compiled with to the build, and what they run with to the image."""
    recipe = python({"requirements.txt": f"fastapi\n{requirement}\n", "main.py": APP})

    assert (recipe.system.build, recipe.system.run) == (build, run)


def test_a_project_that_is_no_package() -> None:
    """Without a build system the dependencies are installed, and the project runs from its folder."""
    text = written(python({"pyproject.toml": PROJECT, "main.py": APP}))

    assert "pip install 'fastapi>=0.100' uvicorn\n" in text
    assert "pip install ." not in text
    assert text.count("COPY . .") == 0


def test_a_project_that_is_a_package() -> None:
    """With a build system the project is installed, after its dependencies."""
    text = written(python({"pyproject.toml": PROJECT + BUILD, "main.py": APP}))

    assert text.index("pip install 'fastapi>=0.100' uvicorn") < text.index("COPY . .") < text.index("pip install .\n")


@pytest.mark.parametrize(
    "project",
    [
        '[project]\nname = "x"\ndynamic = ["dependencies"]\n' + BUILD,
        '[project]\ndependencies = "fastapi"\n',
        '[project]\ndependencies = ["lib @ file:///app/lib"]\n',
        '[project]\ndependencies = ["a\\nRUN evil"]\n',
        "not toml at all",
        "",
    ],
)
def test_a_project_whose_dependencies_are_not_told(project: str) -> None:
    """Where the list cannot be read, pip does it, from the whole source."""
    text = written(python({"pyproject.toml": project, "main.py": APP}))

    assert text.index("COPY . .") < text.index("pip install .\n")
    assert "evil" not in text


@pytest.mark.parametrize(
    ("lock", "pyproject"),
    [
        ("uv.lock", '[tool.uv.workspace]\nmembers = ["lib"]\n'),
        ("uv.lock", '[tool.uv.sources]\nlib = {path = "lib"}\n'),
        ("poetry.lock", '[tool.poetry.dependencies]\nlib = {path = "lib"}\n'),
    ],
)
def test_locks_with_folders_of_the_project(lock: str, pyproject: str) -> None:
    """Where folders of the project are locked dependencies, all of it is copied first."""
    assert python({"pyproject.toml": pyproject, lock: LOCK, "main.py": APP}).early == ()


def test_uv_keeps_what_was_added() -> None:
    """The second step of uv, which installs the project, leaves what was added where it is."""
    text = written(python({"pyproject.toml": PROJECT + BUILD, "uv.lock": "", "main.py": APP}))

    assert text.index("uv pip install --python /venv uvicorn") < text.index("uv sync --frozen --no-dev --inexact")


def test_a_command_of_its_own() -> None:
    """A service with a command needs no start, no uvicorn and no application."""
    recipe = python({"requirements.txt": "celery\n", "tasks.py": ""}, "custom", commanded=True)

    assert recipe.start is None
    assert recipe.additions == ()
    assert "CMD" not in written(recipe)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main.py": "print(1)"}, ["python", "main.py"]),
        ({"requirements.txt": "flask", "app.py": "", "main.py": ""}, ["python", "main.py"]),
        ({"requirements.txt": "flask", "app.py": ""}, ["python", "app.py"]),
        (
            {"requirements.txt": "fastapi", "main.py": APP},
            ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8080"],
        ),
        ({"Procfile": "web: python bot.py", "bot.py": ""}, ["python", "bot.py"]),
    ],
)
def test_custom_services(files: dict[str, str], words: list[str]) -> None:
    """Under type custom a Procfile, an application, or a script at the root starts; it listens on the type's port."""
    assert command(python(files, "custom")) == words


def test_fastapi_without_a_list_of_dependencies() -> None:
    """The refusal names all files that were looked for."""
    problem = refused("fastapi", {"main.py": APP})

    assert problem.code == "source-not-recognised"
    for name in ("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "Pipfile"):
        assert name in problem.what
