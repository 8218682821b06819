"""hostess setup, as far as it can be tried without changing a host; tests/system/test_installation.py goes on from here."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess.cli.failure import Failure
from hostess.cli.host_settings import host_settings, variables
from hostess.cli.main import cli
from hostess.cli.setup import check_program


def test_a_dry_run_shows_steps() -> None:
    """`--dry-run` tells every step, as a table or as JSON, and changes nothing."""
    shown = CliRunner().invoke(cli, ["setup", "--dry-run"])
    as_json = CliRunner().invoke(cli, ["setup", "--dry-run", "-o", "json"])

    steps = json.loads(as_json.stdout)
    assert (shown.exit_code, as_json.exit_code) == (0, 0)
    assert {"act": "start", "subject": "hostess.service", "what": "start hostess.service"} in steps
    assert all(step["what"] in shown.stdout for step in steps)
    assert not Path("/etc/systemd/system/hostess.service").exists()


def test_data_is_removed_only_with_the_rest() -> None:
    """`--data` without `--remove` is a mistake of usage."""
    result = CliRunner().invoke(cli, ["setup", "--data"])

    assert (result.exit_code, "--remove --data" in result.stderr) == (2, True)


def test_a_domain_that_is_none() -> None:
    """A base domain is checked before anything is done."""
    result = CliRunner().invoke(cli, ["setup", "--dry-run", "--base-domain", "not a domain"])

    assert (result.exit_code, "base_domain" in result.stderr) == (2, True)


@pytest.mark.skipif(Path("/run/systemd/system").exists() and os.geteuid() == 0, reason="would change this host")
def test_a_host_that_cannot_be_set_up() -> None:
    """Without root, or without systemd, nothing is done and it is said what is missing."""
    result = CliRunner().invoke(cli, ["setup"])

    assert result.exit_code in {1, 4}
    assert "systemd" in result.stderr or "root" in result.stderr


def test_a_program_that_units_do_not_see() -> None:
    """A Python in somebody's home (pyenv's, uv's) is refused before anything is done: units see nothing of it."""
    check_program(["/opt/hostess/1.0/bin/hostess", "/usr"])

    with pytest.raises(Failure, match=r"/root/\.pyenv/versions/3\.12 cannot be of a service's program"):
        check_program(["/opt/hostess/1.0/bin/hostess", "/root/.pyenv/versions/3.12"])


def test_a_version_that_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that lacks a part of itself is refused, with that part's name."""
    monkeypatch.setattr("hostess.cli.setup.PARTS", ("hostess.main", "hostess.no_such_part"))

    with pytest.raises(Failure, match=r"this version cannot start: .*hostess\.no_such_part"):
        check_program(["/usr"])


def test_the_daemons_variables(tmp_path: Path) -> None:
    """Variables of systemd's file count as for the daemon, below those of the command's own environment."""
    file = tmp_path / "daemon.env"
    file.write_text('# a comment\nHOSTESS_DATA_DIR="/srv/with space"\nHOSTESS_BASE_DOMAIN=a.example.com\n', "utf-8")

    settings = host_settings({"HOSTESS_BASE_DOMAIN": "b.example.com"}, file)

    assert (str(settings.data_dir), settings.base_domain) == ("/srv/with space", "b.example.com")
    assert variables(tmp_path / "none") == {}
