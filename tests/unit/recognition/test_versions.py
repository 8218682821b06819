"""Ranges of versions, as three ecosystems write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.recognisers.requirements import python_version, toml
from hostess.domain.recognisers.versions import allows
from tests.unit.recognition.folders import folder, node

PYTHON = [
    (">=3.10", "3.12"),
    (">=3.10,<3.12", "3.11"),
    (">= 3.13", "3.13"),
    ("==3.11.*", "3.11"),
    ("~=3.11", "3.12"),
    ("~=3.11.4", "3.11"),
    ("<3.12", "3.11"),
    ("<=3.11", "3.11"),
    (">3.12", "3.13"),
    (">=3.9,!=3.9.1", "3.12"),
    ("^3.13", "3.13"),
    ("~3.10", "3.10"),
    ("3.9.*", "3.9"),
    ("<3", "3.12"),
    ("", "3.12"),
    ("no version", "3.12"),
]
NODE = [
    (">=18", "22"),
    (">=18 <21", "20"),
    ("^20.1.0", "20"),
    ("~18.17", "18"),
    ("20.x", "20"),
    ("20", "20"),
    ("v20.1.0", "20"),
    ("18 - 20", "20"),
    ("^18 || ^20", "20"),
    (">22", "24"),
    (">=22.5.0", "22"),
    ("<=20", "20"),
    ("*", "22"),
    ("lts", "22"),
]


@pytest.mark.parametrize(("asked", "series"), PYTHON)
def test_python_that_a_project_requires(asked: str, series: str) -> None:
    """The newest usual Python that requires-python allows is taken, 3.12 before others."""
    pyproject = {"project": {"requires-python": asked}}

    assert python_version(folder({"pyproject.toml": ""}), pyproject) == series


@pytest.mark.parametrize(
    ("files", "series"),
    [
        ({".python-version": "3.11\n"}, "3.11"),
        ({".python-version": "3.13.1\n"}, "3.13"),
        ({".python-version": "cpython-3.10.2\n"}, "3.10"),
        ({".python-version": "my-environment\n"}, "3.12"),
        ({"runtime.txt": "python-3.11.9\n"}, "3.11"),
        ({"Pipfile": '[requires]\npython_version = "3.10"\n'}, "3.10"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.13"\n'}, "3.13"),
        ({".python-version": "3.11", "pyproject.toml": '[project]\nrequires-python = ">=3.12"\n'}, "3.11"),
        ({}, "3.12"),
    ],
)
def test_files_that_name_a_python(files: dict[str, str], series: str) -> None:
    """The version is told by .python-version, runtime.txt, the Pipfile, pyproject.toml, in this order."""
    made = folder({"requirements.txt": "", **files})

    assert python_version(made, toml(files.get("pyproject.toml", ""))) == series


@pytest.mark.parametrize(("asked", "series"), NODE)
def test_node_that_a_project_asks_for(asked: str, series: str) -> None:
    """The newest usual Node that engines allows is taken, 22 before others."""
    text = f'{{"engines": {{"node": "{asked}"}}, "scripts": {{"start": "node a.js"}}}}'

    assert node({"package.json": text}).version == series


@pytest.mark.parametrize(
    ("name", "text", "series"),
    [
        (".nvmrc", "v20.11.1\n", "20"),
        (".nvmrc", "lts/iron", "20"),
        (".nvmrc", "lts/*", "22"),
        (".nvmrc", "node", "22"),
        (".node-version", "18.2", "18"),
    ],
)
def test_files_that_name_a_node(name: str, text: str, series: str) -> None:
    """.nvmrc and .node-version tell the version."""
    assert node({"package.json": "{}", "server.js": "", name: text}).version == series


@given(st.text(alphabet="0123456789.<>=~^!*|, -xv", max_size=40), st.integers(0, 30))
def test_no_range_is_an_error(text: str, major: int) -> None:
    """Whatever stands for a range, it is either allowed or not."""
    assert allows(text, (major,)) in {True, False}
