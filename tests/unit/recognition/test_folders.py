"""Which kind of project a folder is, and what is refused."""

import pytest

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.recognisers.recognition import likely_type
from tests.unit.recognition.folders import APP, folder, found, refused

START = '{"scripts": {"start": "node a.js"}}'


@pytest.mark.parametrize(
    ("files", "summary"),
    [
        ({"package.json": START, "requirements.txt": "x"}, "Node 22 with package.json"),
        ({"package.json": START, "requirements.txt": "x", "main.py": ""}, "Python 3.12 with requirements.txt"),
        ({"package.json": START, "main.py": ""}, "Node 22 with package.json"),
        ({"package.json": START, "requirements.txt": "", "Procfile": "web: npm run x"}, "Node 22 with package.json"),
        ({"package.json": START, "requirements.txt": "x", "Procfile": "web: a"}, "Python 3.12 with requirements.txt"),
        ({"package.json": START, "index.html": ""}, "Node 22 with package.json"),
    ],
)
def test_folders_of_two_languages(files: dict[str, str], summary: str) -> None:
    """Python with dependencies and a start command goes before Node, unless the Procfile starts Node."""
    assert found("custom", files).summary == summary


@pytest.mark.parametrize("files", [{"index.html": ""}, {"public/index.html": "", "style.css": ""}])
def test_static_files(files: dict[str, str]) -> None:
    """Plain static files are told to be of the type static."""
    problem = refused("custom", files)

    assert problem.code == "source-is-static"
    assert "type: static" in problem.remedy


@pytest.mark.parametrize(("name", "language"), [("go.mod", "Go"), ("Gemfile", "Ruby"), ("Cargo.toml", "Rust")])
def test_other_languages(name: str, language: str) -> None:
    """A project of another language is recognised as that, and a Dockerfile asked for."""
    problem = refused("custom", {name: ""})

    assert f"{name} ({language})" in problem.what
    assert "Dockerfile" in problem.remedy


@pytest.mark.parametrize("files", [{}, {"README.md": ""}, {"Dockerfile": "FROM x"}, {"deep/down/main.py": APP}])
def test_nothing_known(files: dict[str, str]) -> None:
    """Where nothing is recognised, everything that was looked for is listed."""
    problem = refused("custom", files)

    assert problem.code == "source-not-recognised"
    for name in ("requirements.txt", "pyproject.toml", "package.json", "main.py"):
        assert name in problem.what


def test_nextjs_without_next() -> None:
    """Type nextjs needs the dependency, and a package.json for it."""
    assert "`next`" in refused("nextjs", {"package.json": START}).what
    assert "package.json" in refused("nextjs", {"requirements.txt": ""}).what


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"package.json": '{"dependencies": {"next": "15"}}'}, ServiceType.NEXTJS),
        ({"requirements.txt": "fastapi", "x/api.py": APP}, ServiceType.FASTAPI),
        ({"requirements.txt": "flask", "app.py": ""}, ServiceType.CUSTOM),
        ({"package.json": "{}"}, ServiceType.CUSTOM),
    ],
)
def test_the_likely_type(files: dict[str, str], kind: ServiceType) -> None:
    """`hostess detect` guesses the service type by what the folder holds."""
    assert likely_type(folder(files)) is kind
