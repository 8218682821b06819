"""The Dockerfiles that are written."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.adapters.engine.dockerignore import DockerIgnore
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.recognisers.dockerfiles import IGNORED, dockerfile
from hostess.domain.recognisers.recognition import recognise
from hostess.domain.recognisers.values import Purpose
from tests.unit.recognition.folders import APP, PORTS, folder, found, written

PIP = {"requirements.txt": "fastapi\nuvicorn\n", "app/main.py": APP}
EVERY = [
    ("fastapi", PIP),
    ("fastapi", {"pyproject.toml": '[project]\ndependencies = ["fastapi"]\n[build-system]\n', "main.py": APP}),
    ("fastapi", {"pyproject.toml": "", "uv.lock": "", "main.py": APP}),
    ("fastapi", {"pyproject.toml": "", "poetry.lock": "", "main.py": APP}),
    ("fastapi", {"Pipfile": "", "main.py": APP}),
    ("custom", {"package.json": '{"scripts": {"start": "node a.js"}}'}),
    ("custom", {"package.json": '{"scripts": {"start": "pnpm a", "build": "b"}}', "pnpm-lock.yaml": ""}),
    (
        "custom",
        {"package.json": '{"scripts": {"start": "node a.js", "build": "b"}}', "yarn.lock": "# yarn lockfile v1"},
    ),
    ("nextjs", {"package.json": '{"dependencies": {"next": "1"}}', "next.config.js": "output: 'standalone'"}),
]
INSTRUCTIONS = {"FROM", "WORKDIR", "ENV", "RUN", "COPY", "USER", "EXPOSE", "CMD"}


@pytest.mark.parametrize(("kind", "files"), EVERY)
def test_every_dockerfile(kind: str, files: dict[str, str]) -> None:
    """It has two stages, ends as another user with the port and a command in exec form, and needs no newer BuildKit than 20.10's."""
    text = written(found(kind, files))

    lines = text.splitlines()
    assert {line.split()[0] for line in lines[1:] if line} <= INSTRUCTIONS
    assert sum(line.startswith("FROM ") for line in lines) == 2
    assert any(line in {"USER app", "USER node"} for line in lines)
    assert lines[-2] == f"EXPOSE {PORTS[ServiceType(kind)]}"
    assert f"PORT={PORTS[ServiceType(kind)]}" in text
    assert isinstance(json.loads(lines[-1].removeprefix("CMD ")), list)
    assert "syntax=" not in text
    assert "<<" not in text
    assert "--link" not in text


@pytest.mark.parametrize(("kind", "files"), EVERY)
def test_caches_belong_to_one_project(kind: str, files: dict[str, str]) -> None:
    """No two projects share a cache mount, and each mount has an id."""
    recipe = found(kind, files)

    one, other = dockerfile(recipe, "one"), dockerfile(recipe, "other")

    assert one.count("--mount=type=cache,") == one.count("--mount=type=cache,id=hostess-one-") > 0
    assert "one" not in {part.split("-")[0] for part in other.split("hostess-")[1:]}


def test_the_dependencies_come_before_the_source() -> None:
    """The layer of the dependencies does not depend on the source."""
    build, run = written(found("fastapi", PIP)).split("\n\n")

    assert "COPY . ." not in build
    assert "COPY --chown=app:app . ." in run


def test_an_application_below_src() -> None:
    """What is imported from src is found there."""
    text = written(found("fastapi", {"requirements.txt": "fastapi", "src/shop/main.py": APP}))

    assert "PYTHONPATH=/app/src" in text


def test_volumes_can_be_written_to() -> None:
    """The folders that volumes are mounted at belong to the user that runs."""
    purpose = Purpose(ServiceType.CUSTOM, None, writable=("/data", "/var/lib/my files"))

    text = dockerfile(recognise(folder({"main.py": ""}), purpose), "shop")

    assert "mkdir -p /app /data '/var/lib/my files' && chown app:app /app /data '/var/lib/my files'\n" in text
    assert "EXPOSE" not in text
    assert "PORT" not in text


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (".git/config", False),
        ("node_modules/a/b.js", False),
        ("web/node_modules/a.js", False),
        ("app/__pycache__/x.pyc", False),
        (".venv/bin/python", False),
        (".env", False),
        ("config/.env.production", False),
        (".env.example", True),
        ("app/main.py", True),
        ("environment.py", True),
        (".npmrc", True),
    ],
)
def test_what_stays_out_of_the_context(path: str, sent: bool) -> None:
    """Where the folder has no .dockerignore, what is never part of an image stays out."""
    assert DockerIgnore(IGNORED).excludes(path) is not sent


NAMES = st.sampled_from(
    [
        *("requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock", "package.json"),
        *("pnpm-lock.yaml", "yarn.lock", ".nvmrc", ".python-version", "runtime.txt", "Procfile", "main.py", "app.py"),
        *("next.config.js", "setup.py", "app/main.py", "src/main.py", "requirements/base.txt"),
    ]
)
PIECES = st.sampled_from(
    [
        *(
            '{"scripts": {"start": "',
            '"}}',
            "node a.js",
            "app = FastAPI()\n",
            "web: ",
            "-r requirements/base.txt\n",
            "\n",
        ),
        *(
            "[project]\n",
            'dependencies = ["',
            '"]\n',
            "[tool.poetry]\n",
            "$(x)",
            "`y`",
            "\x1b[31m",
            "RUN evil",
            "\\",
            "'",
        ),
        *('"packageManager": "pnpm@', "lockfileVersion: '9'", "\x00", "é", "[", "{", '{"default": {"a": 1}}'),
    ]
)


@given(
    st.dictionaries(NAMES, st.lists(PIECES, max_size=6).map("".join)), st.sampled_from(["fastapi", "nextjs", "custom"])
)
def test_whatever_files_say(files: dict[str, str], kind: str) -> None:
    """Any content is recognised or refused, and what is written has no instruction that a file smuggled in."""
    with suppress(Problem):
        text = written(found(kind, files))

        assert {line.split()[0] for line in text.splitlines()[1:] if line} <= INSTRUCTIONS
        assert "\nRUN evil" not in text
