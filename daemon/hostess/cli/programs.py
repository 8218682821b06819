"""hostess daemon, hostess proxy: the programs themselves, loaded only when they are run."""

import importlib
from pathlib import Path

import click

from hostess.cli.groups import example


@example("hostess daemon --data-dir /srv/hostess")
@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; by default /etc/hostess/config.toml.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder; above the settings.")
def daemon(config: Path | None, data_dir: Path | None) -> None:
    """Run the control plane in the foreground, with the proxy as its child unless proxy.managed is false."""
    # By name: client commands, which share this package, must not be able to reach the daemon's code.
    code: int = importlib.import_module("hostess.main").main(config, data_dir)
    raise click.exceptions.Exit(code)


@example("hostess proxy --table routes.json")
@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def proxy(arguments: tuple[str, ...]) -> None:
    """Run the data plane alone; `hostess proxy --help` tells its options."""
    code: int = importlib.import_module("hostess_proxy.main").main(list(arguments))
    raise click.exceptions.Exit(code)
