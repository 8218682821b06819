"""Source folders for tests, and what is recognised in them."""

from collections.abc import Mapping

import pytest

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.recognisers.dockerfiles import dockerfile
from hostess.domain.recognisers.recognition import recognise, wanted
from hostess.domain.recognisers.values import Folder, NodeRecipe, Purpose, PythonRecipe, Recipe

PORTS = {ServiceType.FASTAPI: 8000, ServiceType.NEXTJS: 3000, ServiceType.CUSTOM: 8080}
APP = "from fastapi import FastAPI\n\napp = FastAPI()\n"


def folder(files: Mapping[str, str]) -> Folder:
    """Return a folder of these files as a caller sees it: only what is wanted has been read."""
    read = wanted(files)
    return Folder(frozenset(files), {name: text for name, text in files.items() if name in read})


def found(kind: str, files: Mapping[str, str], *, commanded: bool = False) -> Recipe:
    """Return what is recognised."""
    service = ServiceType(kind)
    return recognise(folder(files), Purpose(service, PORTS[service], commanded))


def python(files: Mapping[str, str], kind: str = "fastapi", *, commanded: bool = False) -> PythonRecipe:
    """Return the recipe of a Python project."""
    recipe = found(kind, files, commanded=commanded)
    assert isinstance(recipe, PythonRecipe)
    return recipe


def node(files: Mapping[str, str], kind: str = "custom", *, commanded: bool = False) -> NodeRecipe:
    """Return the recipe of a Node project."""
    recipe = found(kind, files, commanded=commanded)
    assert isinstance(recipe, NodeRecipe)
    return recipe


def refused(kind: str, files: Mapping[str, str]) -> Problem:
    """Return why a folder is refused."""
    with pytest.raises(Problem) as caught:
        found(kind, files)
    return caught.value


def written(recipe: Recipe) -> str:
    """Return the Dockerfile of the project "shop"."""
    return dockerfile(recipe, "shop")


def command(recipe: Recipe) -> list[str]:
    """Return the start command."""
    assert recipe.start is not None
    return list(recipe.start.argv)
