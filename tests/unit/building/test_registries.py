"""Registries: whose an image is, what is a host, and which images a Dockerfile begins with."""

from pathlib import Path

import pytest

import hostess.services as services_package
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin, base_images, checked_host, checked_login, registry_of


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("nginx", "docker.io"),
        ("nginx:1", "docker.io"),
        ("library/nginx", "docker.io"),
        ("index.docker.io/me/app", "docker.io"),
        ("ghcr.io/me/app:1@sha256:00", "ghcr.io"),
        ("GHCR.io/me/app", "ghcr.io"),
        ("localhost/app", "localhost"),
        ("127.0.0.1:5000/app:1", "127.0.0.1:5000"),
        ("registry:5000/app", "registry:5000"),
    ],
)
def test_whose_an_image_is(reference: str, host: str) -> None:
    """The first step of a name is a registry when it looks like a host; else it is Docker's own."""
    assert registry_of(reference) == host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://Registry.Example.com:5000/", "registry.example.com:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_hosts_are_named_as_images_name_them(text: str, host: str) -> None:
    """What people copy from elsewhere becomes what images are named by."""
    assert checked_host(text) == host


@pytest.mark.parametrize("text", ["", "a b", "ghcr.io/me", "http://x", "-x", "x" * 300, "ghcr.io:port", "é.io"])
def test_no_hosts(text: str) -> None:
    """What no image can begin with is no registry."""
    with pytest.raises(Problem) as refused:
        checked_host(text)

    assert refused.value.code == "registry-invalid"


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("x", ""), ("a\nb", "x"), ("x", "y" * 5000)])
def test_no_logins(user: str, password: str) -> None:
    """Nobody, nothing, and what would not fit into a header are no logins."""
    with pytest.raises(Problem, match="user and a password"):
        checked_login("ghcr.io", user, password)


def test_a_login_shows_no_password() -> None:
    """A login that is printed by mistake gives nothing away; Docker's own registry has its name of old."""
    login = RegistryLogin("docker.io", "me", "open sesame")

    assert "sesame" not in repr(login)
    assert login.address == "https://index.docker.io/v1/"
    assert RegistryLogin("ghcr.io", "me", "x").address == "ghcr.io"


def test_what_a_dockerfile_begins_with() -> None:
    """Images of all stages, what is copied or mounted from, and the front end are found, with arguments' values; stages are none."""
    text = """# syntax=docker/dockerfile:1
ARG VERSION=3.12
ARG BASE=ghcr.io/me/base:${VERSION}
from --platform=linux/amd64 ${BASE} AS Build
FROM build AS again
FROM \\
  # a remark in between
  registry.test:5000/run:${TAG:-1}
ARG LATER=x
COPY --from=again /a /a
COPY --chown=1:1 --from=ghcr.io/me/tools:2 /b /b
COPY --from=0 /c /c
COPY --from=$LATER /d /d
FROM scratch
FROM $UNKNOWN
RUN echo "it's fine
RUN --network=none --mount=type=cache,target=/c --mount=type=bind,from=ghcr.io/me/wheels:1,target=/w pip --from=nobody:1
RUN --mount=from=build,target=/b true
"""

    assert base_images(text, {}) == (
        "docker/dockerfile:1",
        "ghcr.io/me/base:3.12",
        "registry.test:5000/run:1",
        "ghcr.io/me/tools:2",
        "ghcr.io/me/wheels:1",
    )
    assert base_images(text, {"VERSION": "4", "TAG": "unused"})[1] == "ghcr.io/me/base:4"


@pytest.mark.parametrize(
    ("top", "found"),
    [
        ("# escape=`\n#Syntax = registry.test/front:1\n", ("registry.test/front:1",)),
        ("# a remark\n# syntax=registry.test/front:1\n", ()),
        ("FROM scratch\n# syntax=registry.test/front:1\n", ()),
    ],
)
def test_a_front_end_is_named_at_the_top(top: str, found: tuple[str, ...]) -> None:
    """Only what comes first, other directives aside, says what reads a Dockerfile."""
    assert base_images(top, {}) == found


def test_images_are_fetched_in_one_place() -> None:
    """No use case has the engine fetch an image by itself: it would do so without the login."""
    services = Path(services_package.__path__[0])
    fetching = {path.name for path in services.rglob("*.py") if "engine.pull(" in path.read_text(encoding="utf-8")}

    assert fetching == {"registries.py"}


@pytest.mark.parametrize("text", ["", "FROM", "FROM --platform=x", "\0\n'", "COPY --from=\n"])
def test_odd_dockerfiles(text: str) -> None:
    """What is no Dockerfile begins with nothing; the builder says what is wrong with it."""
    assert base_images(text, {}) == ()
