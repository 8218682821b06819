"""The commands as such: all load, all have an example, none drags the daemon in."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hostess import __version__
from hostess.cli.main import ALIASES, PLACES, cli

HEAVY = (
    "aiohttp",
    "pydantic",
    "docker",
    "sqlite_utils",
    "dulwich",
    "ruamel",
    "cryptography",
    "asyncio",
    "hostess.main",
)


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below *group* with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield " ".join([*path, name]), command


EVERY = dict(commands(cli))


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """The help of each command shows an example that begins with `hostess`, or ends in it."""
    shown = CliRunner().invoke(cli, [*name.split(), "--help"]).output if name != "proxy" else EVERY[name].epilog or ""

    assert "Example:" in shown
    assert "hostess" in shown.split("Example:")[1]


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_leads_somewhere(alias: str) -> None:
    """Each alias is the command that the help says."""
    context = click.Context(cli)
    group, command = cli, cli.get_command(context, alias)
    target: click.Command | None = group
    for part in ALIASES[alias].split():
        assert isinstance(target, click.Group)
        target = target.get_command(context, part)

    assert command is target is not None


@pytest.mark.parametrize("name", PLACES)
def test_the_list_says_what_a_command_says_of_itself(name: str) -> None:
    """The summaries of the list are what the commands' own help begins with, as long as the widest terminal has room for."""
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert PLACES[name][1] == command.get_short_help_str(88)


def test_the_list_loads_no_command() -> None:
    """To list the commands, or complete their names, none of their files is read: it starts as fast as one of them."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom hostess.cli.main import cli\n"
        "from click.shell_completion import BashComplete\n"
        "shown = CliRunner().invoke(cli, ['--help']).output\n"
        "completed = [item.value for item in BashComplete(cli, {}, 'hostess', '_H').get_completions([], 'sta')]\n"
        "print('status' in shown, completed, *[name for name in sys.modules if name.startswith('hostess.cli.')])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    listed, completed, *loaded = said.split()
    assert (listed, completed) == ("True", "['status']")
    assert sorted(loaded) == ["hostess.cli.failure", "hostess.cli.groups", "hostess.cli.main"]


def test_every_place_is_a_command() -> None:
    """No name of the table leads nowhere."""
    assert PLACES.keys() == {name.split()[0] for name in EVERY}


def test_the_version() -> None:
    """`hostess --version` prints name and version."""
    assert CliRunner().invoke(cli, ["--version"]).output == f"hostess version {__version__}\n"


def test_client_commands_load_nothing_heavy() -> None:
    """Every client command's file can be loaded without the daemon's libraries."""
    files = {place.split(":")[0] for place, _ in PLACES.values()}
    code = f"import sys, importlib\nfor name in {sorted(files)!r}: importlib.import_module(name)\nprint(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert [module for module in HEAVY if module in loaded] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """A completion script is printed for each shell."""
    result = CliRunner().invoke(cli, ["completion", shell])

    assert result.exit_code == 0
    assert "_HOSTESS_COMPLETE" in result.output


def test_unknown_commands_and_options_are_usage_errors() -> None:
    """What is misspelt ends with exit code 2."""
    assert CliRunner().invoke(cli, ["deploymnets"]).exit_code == 2
    assert CliRunner().invoke(cli, ["services", "list", "--nope"]).exit_code == 2


def test_a_valid_file(tmp_path: Path) -> None:
    """`validate` prints one line with number and names of the services, and notices on standard error."""
    file = tmp_path / "hostess.yml"
    file.write_text(
        "services:\n  web: {type: custom, image: 'nginx:1', ports: [80], replicas: {min: 0, max: 2}}\n  cache: {type: redis}\n"
    )

    result = CliRunner().invoke(cli, ["validate", str(file)])

    assert (result.exit_code, result.stdout) == (0, f"{file} is valid: 2 services: web, cache\n")
    assert "notice: version is missing" in result.stderr


def test_a_file_with_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`validate` prints every mistake on a line of its own, with its place, and ends with exit code 2."""
    monkeypatch.chdir(tmp_path)
    Path("hostess.yml").write_text(
        'version: "1.0"\nservices:\n  web:\n    type: custom\n    imagge: nginx\n    ports: [0]\n'
    )

    result = CliRunner().invoke(cli, ["validate"])
    as_json = CliRunner().invoke(cli, ["validate", "-o", "json"])

    lines = result.stdout.splitlines()
    assert (result.exit_code, as_json.exit_code) == (2, 2)
    assert len(lines) >= 2
    assert all(line.startswith("hostess.yml:") for line in lines)
    assert any(line.startswith("hostess.yml:5:5: services.web.imagge: ") for line in lines)
    assert '"valid": false' in as_json.stdout


def test_no_file_to_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there is a mistake of usage."""
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(cli, ["validate"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "hostess.yml cannot be read: No such file" in result.stderr


def test_settings_without_a_daemon(tmp_path: Path) -> None:
    """`config show --config` reads a file, and refuses one with mistakes."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('base_domain = "apps.example.com"\n')
    bad.write_text("colour = 1\n")

    shown = CliRunner().invoke(cli, ["config", "show", "--config", str(good)])
    refused = CliRunner().invoke(cli, ["config", "show", "--config", str(bad)])

    assert re.search(rf"^base_domain +apps.example.com +{re.escape(str(good))}:1$", shown.stdout, re.MULTILINE)
    assert (refused.exit_code, "colour" in refused.stderr) == (2, True)
