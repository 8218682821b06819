"""`hostess init` writes hostess.yml from the Compose file of the current folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hostess.cli.init import NAMES
from hostess.cli.main import cli
from hostess.domain.hostess_yml.file import parse

COMPOSE = """\
services:
  api: {build: ./api, env_file: .env, environment: {KEY: "${KEY}", HOST: "${HOST}"}}
  db: {image: "postgres:18"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, an empty one."""
    found = tmp_path / "Corner Shop"
    found.mkdir()
    monkeypatch.chdir(found)
    return found


def init(*arguments: str) -> Result:
    """Run `hostess init`."""
    return CliRunner().invoke(cli, ["init", *arguments])


def test_written(folder: Path) -> None:
    """It writes a valid file, says how many services there are, and tells notes, secrets and next steps on standard error."""
    (folder / "compose.yml").write_text(COMPOSE, encoding="utf-8")
    (folder / ".env").write_text("# comment\nexport HOST='shop.example'\nKEY=hidden\n", encoding="utf-8")
    (folder / "api").mkdir()
    (folder / "api" / "requirements.txt").write_text("fastapi\n", encoding="utf-8")

    result = init()

    assert result.exit_code == 0, result.output
    assert result.stdout == "hostess.yml is written: 2 services: api, db\n"
    assert "note: services.api: env_file .env is left out" in result.stderr
    assert "secrets: KEY" in result.stderr
    assert "hostess validate" in result.stderr
    stack = parse((folder / "hostess.yml").read_bytes())
    assert stack.name == "Corner Shop"
    assert stack.services["api"].env == {"KEY": "${secret:KEY}", "HOST": "shop.example"}
    assert CliRunner().invoke(cli, ["validate"]).exit_code == 0


def test_never_overwrites(folder: Path) -> None:
    """A hostess.yml that is there stays as it is: exit code 7."""
    (folder / "compose.yml").write_text(COMPOSE, encoding="utf-8")
    (folder / "hostess.yml").write_text("mine", encoding="utf-8")

    result = init()

    assert result.exit_code == 7
    assert (folder / "hostess.yml").read_text(encoding="utf-8") == "mine"


def test_nothing_to_convert() -> None:
    """Without a Compose file it says where it looked: exit code 3."""
    result = init()

    assert result.exit_code == 3
    assert all(name in result.stderr for name in NAMES)


def test_named_file(folder: Path) -> None:
    """--file names a Compose file in another folder; its paths are relative to that folder."""
    (folder / "deploy").mkdir()
    (folder / "deploy" / "stack.yml").write_text("services: {web: {build: ../web}}", encoding="utf-8")

    assert init("-f", "deploy/stack.yml").exit_code == 0
    assert "source: ./web" in (folder / "hostess.yml").read_text(encoding="utf-8")


def test_order_of_names(folder: Path) -> None:
    """docker-compose.yml is taken before compose.yaml."""
    (folder / "compose.yaml").write_text("services: {late: {image: a}}", encoding="utf-8")
    (folder / "docker-compose.yml").write_text("services: {first: {image: a}}", encoding="utf-8")

    assert "first" in init().stdout


@pytest.mark.parametrize(("text", "said"), [("services: [", "compose.yml:"), ("x: 1", "no service of compose.yml")])
def test_bad_file(folder: Path, text: str, said: str) -> None:
    """A file that cannot be converted is exit code 2 and leaves nothing behind."""
    (folder / "compose.yml").write_text(text, encoding="utf-8")

    result = init()

    assert result.exit_code == 2
    assert said in result.stderr
    assert not (folder / "hostess.yml").exists()


def test_missing_file() -> None:
    """A file named with --file that is not there is exit code 3."""
    assert init("--file", "gone.yml").exit_code == 3
