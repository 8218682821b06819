"""Which files of a folder are uploaded (hostess.yml specification, source upload rules)."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostess.cli import source_archive
from hostess.cli.failure import USAGE, Failure
from hostess.cli.source_tree import Source, Tree, needed, never_sent, tree
from hostess.domain.hostess_yml.file import parse


def made(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files; "-> x" makes a symlink."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
    return folder


def sent(folder: Path, required: Mapping[str, str] | None = None) -> set[str]:
    """Return the paths that are uploaded, but for the ignore files themselves."""
    found = {source.path for source in tree(folder, required or {}).sources}
    return {path for path in found if not path.endswith("ignore")}


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".git", ".git"),
        ("vendor/lib/.git/config", ".git"),
        (".gitignore", ""),
        (".github/workflows/ci.yml", ""),
        (".env", ".env"),
        ("api/.env", ".env"),
        (".env.local", ".env.*"),
        (".env.production", ".env.*"),
        (".env.example", ""),
        (".env.sample", ""),
        ("api/.env.template", ""),
        (".env.production.example", ""),
        (".environment", ""),
        ("web.env", ""),
        (".env/bin/python", ".env"),
    ],
)
def test_what_is_never_sent(path: str, rule: str) -> None:
    """.git, .env and .env.* are not, wherever they are; examples are."""
    assert never_sent(path) == rule


TABLE = {
    "gitignore at the root and below": (
        {".gitignore": "*.log", "a.log": "", "x/.gitignore": "b", "x/b": "", "x/c": "", "b": ""},
        {},
        {"x/c", "b"},
    ),
    "hostessignore": (
        {".hostessignore": "# no\n*.md\n!keep.md\n", "a.md": "", "keep.md": "", "b": ""},
        {},
        {"keep.md", "b"},
    ),
    "dockerignore without it": ({".dockerignore": "docs\n", "docs/a": "", "b": ""}, {}, {"b"}),
    "dockerignore not beside it": (
        {".hostessignore": "other", ".dockerignore": "docs\n", "docs/a": "", "other": ""},
        {},
        {"docs/a"},
    ),
    "source that git leaves out": (
        {".gitignore": "dist/\n*.map\n", "dist/a.js": "", "dist/a.map": "", "other/dist/b": ""},
        {"dist": "services.web.source"},
        {"dist/a.js"},
    ),
    "source below what git leaves out": (
        {".gitignore": "out/\n", "out/web/a": "", "out/other": ""},
        {"out/web": "services.web.source"},
        {"out/web/a"},
    ),
    "source that Docker leaves out": (
        {".dockerignore": "*\n!api\n", "web/a": "", "web/b/c": "", "api/x": "", "y": ""},
        {"web": "services.web.build.source"},
        {"web/a", "web/b/c", "api/x"},
    ),
    "Dockerfile that Docker leaves out": (
        {".dockerignore": "Dockerfile\n.dockerignore\nx\n", "Dockerfile": "", "x": ""},
        {".": "services.web.build.source", "Dockerfile": "services.web.build.dockerfile"},
        {"Dockerfile"},
    ),
    "file that git leaves out": (
        {".gitignore": "conf/\n", "conf/a.ini": "", "conf/b.ini": ""},
        {"conf/a.ini": "services.web.files.a"},
        {"conf/a.ini"},
    ),
    "hostess.yml stays": (
        {".gitignore": "*.yml", ".hostessignore": "*.yml", "hostess.yml": "", "a.yml": ""},
        {},
        {"hostess.yml"},
    ),
    "a part of a source, by hostessignore": (
        {".hostessignore": "api/node_modules", "api/node_modules/a": "", "api/b": ""},
        {"api": "services.api.source"},
        {"api/b"},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_rules(tmp_path: Path, name: str) -> None:
    """Each rule of the specification, by example."""
    files, required, expected = TABLE[name]

    assert sent(made(tmp_path, files), required) == expected


@pytest.mark.parametrize(
    ("files", "required", "said"),
    [
        (
            {".hostessignore": "a\napi/\n", "api/x": ""},
            {"api": "services.api.source"},
            "services.api.source: api is left out by .hostessignore (rule: api/)",
        ),
        (
            {".hostessignore": "*file", "Dockerfile": ""},
            {"Dockerfile": "services.api.build.dockerfile"},
            "services.api.build.dockerfile: Dockerfile is left out by .hostessignore (rule: *file)",
        ),
        (
            {".env.prod": ""},
            {".env.prod": "services.api.env_file"},
            "services.api.env_file: .env.prod is never uploaded (rule: .env.*); secrets belong into `hostess secrets`",
        ),
        ({}, {"api": "services.api.source"}, "services.api.source: there is no api"),
        ({".dockerignore": "[", "a": ""}, {}, ".dockerignore: line 1"),
    ],
)
def test_what_is_needed_and_left_out(
    tmp_path: Path, files: Mapping[str, str], required: Mapping[str, str], said: str
) -> None:
    """A path that is needed and cannot be uploaded is told with its rule, before anything is sent."""
    with pytest.raises(Failure) as told:
        tree(made(tmp_path, files), required)

    assert told.value.message.startswith(said)
    assert told.value.exit_code == USAGE


def test_what_the_file_names() -> None:
    """Sources, Dockerfiles, environment files, mounted files and error pages of services and jobs are needed."""
    stack = parse("""
version: "1.0"
services:
  api:
    type: custom
    build: {source: ./api, dockerfile: docker/Dockerfile}
    env_file: [conf/web.env]
    files: [{name: ini, mount: /etc/a.ini, source: conf/a.ini}]
  web: {type: fastapi, source: ., proxy: {error_pages: pages}}
jobs:
  seed: {image: "busybox:1", run: manual, command: ["true"], files: [{name: sql, mount: /seed.sql, source: seed.sql}]}
""")

    assert needed(stack) == {
        "api": "services.api.build.source",
        "api/docker/Dockerfile": "services.api.build.dockerfile",
        "conf/web.env": "services.api.env_file",
        "conf/a.ini": "services.api.files.ini",
        ".": "services.web.source",
        "pages": "services.web.proxy.error_pages",
        "seed.sql": "jobs.seed.files.sql",
    }


def test_symlinks(tmp_path: Path) -> None:
    """Symlinks inside stay symlinks, also to folders; those that lead out are left out and told; a pipe, too."""
    made(tmp_path, {"a/x": "1", "in": "-> a/x", "folder": "-> a", "out": "-> ../x", "abs": "-> /etc/passwd"})
    os.mkfifo(tmp_path / "pipe")

    found = tree(tmp_path, {})

    assert {source.path: source.target for source in found.sources} == {"a/x": None, "in": "a/x", "folder": "a"}
    assert [notice.split(" ->")[0] for notice in found.notices] == [
        "pipe is neither file, folder nor symlink, and left out",
        "the symlink abs",
        "the symlink out",
    ]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([Source(str(number)) for number in range(100_001)], "100001 files would be uploaded, 100000 are allowed"),
        ([Source("big", 1024**3 + 1)], "big has 1.0 GiB, 1.0 GiB are allowed for a file"),
        ([Source(str(number), 1024**3) for number in range(3)], "the files have 3.0 GiB together, 2.0 GiB are allowed"),
    ],
)
def test_limits(sources: list[Source], said: str) -> None:
    """Each limit is checked before anything is read."""
    with pytest.raises(Failure) as told:
        source_archive.check_limits(Tree(sources))

    assert told.value.message.startswith(said)


def test_the_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that is larger than allowed when it is packed is given up."""
    monkeypatch.setattr(source_archive, "PACKED", 1000)
    (tmp_path / "a").write_bytes(os.urandom(100_000))

    with pytest.raises(Failure) as told, source_archive.archive(tmp_path, tree(tmp_path, {}), b""):
        pass

    assert "larger than" in told.value.message
