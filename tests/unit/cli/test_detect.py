"""`hostess detect`, offline."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess.cli.main import cli

APP = "from fastapi import FastAPI\n\napp = FastAPI()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a FastAPI project with things beside it that do not count."""
    (tmp_path / "requirements.txt").write_text("fastapi\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(APP)
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / ".venv" / "main.py").write_text(APP)
    return tmp_path


def test_the_dockerfile_on_standard_output(folder: Path) -> None:
    """The Dockerfile alone goes to standard output; what was recognised, and the notices, to standard error."""
    result = CliRunner().invoke(cli, ["detect", str(folder), "--project", "shop"])

    assert result.exit_code == 0
    assert result.stdout.startswith("# Python 3.12 with requirements.txt;")
    assert result.stdout.endswith('CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]\n')
    assert "id=hostess-shop-pip" in result.stdout
    assert "recognised Python 3.12 with requirements.txt, type fastapi" in result.stderr
    assert "notice: uvicorn is not among the dependencies" in result.stderr


def test_for_programs(folder: Path) -> None:
    """As JSON it has type, summary, command, and both files."""
    result = CliRunner().invoke(cli, ["detect", str(folder), "--type", "custom", "--port", "9000", "-o", "json"])

    shown = json.loads(result.stdout)
    assert (shown["type"], shown["built_with"]) == ("custom", "dockerfile")
    assert shown["recognised"] == "Python 3.12 with requirements.txt"
    assert shown["start"][-1] == "9000"
    assert shown["dockerfile"].startswith("# Python")
    assert "node_modules" in shown["dockerignore"]


def test_which_of_the_two_builds_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where railpack is on PATH it builds, also what is not recognised; else the Dockerfile that is printed does."""
    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "railpack").write_text("#!/bin/sh\n")
    (packs / "railpack").chmod(0o755)
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "go.mod").write_text("module app\n")

    without = CliRunner().invoke(cli, ["detect", str(folder)])
    monkeypatch.setenv("PATH", str(packs))
    packed = CliRunner().invoke(cli, ["detect", str(folder)])
    unknown = CliRunner().invoke(cli, ["detect", str(tmp_path / "go"), "-o", "json"])

    assert "built with: a generated Dockerfile" in without.stderr
    assert f"built with: Railpack ({packs}/railpack)" in packed.stderr
    assert packed.stdout == without.stdout
    assert (unknown.exit_code, json.loads(unknown.stdout)) == (0, {"built_with": "railpack"})
    assert "Go" in unknown.stderr


def test_nothing_to_recognise(tmp_path: Path) -> None:
    """An empty folder ends with exit code 2, and what was looked for."""
    result = CliRunner().invoke(cli, ["detect", str(tmp_path)])

    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "looked for uv.lock" in result.stderr


def test_what_is_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is a usage error."""
    assert CliRunner().invoke(cli, ["detect", str(tmp_path / "nope")]).exit_code == 2
