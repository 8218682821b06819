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
    assert shown["type"] == "custom"
    assert shown["recognised"] == "Python 3.12 with requirements.txt"
    assert shown["start"][-1] == "9000"
    assert shown["dockerfile"].startswith("# Python")
    assert "node_modules" in shown["dockerignore"]


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
