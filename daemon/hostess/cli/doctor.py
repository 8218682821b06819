"""hostess doctor: what is wrong with this host, and what repairs it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hostess.cli import options
from hostess.cli.checks import engine, host, proxy, state, ways_in
from hostess.cli.checks.finding import Finding
from hostess.cli.failure import FAILED
from hostess.cli.groups import example
from hostess.cli.host_settings import host_settings
from hostess.cli.output import show_json, show_table

if TYPE_CHECKING:
    from hostess.domain.settings import Settings

LOOKS: "tuple[Callable[[Settings], Iterator[Finding]], ...]" = (
    host.git,
    engine.engine,
    host.memory,
    host.disks,
    host.clock,
    host.connections,
    state.installation,
    state.journal,
    state.daemon,
    proxy.proxy,
    ways_in.dns,
    ways_in.firewall,
    ways_in.sshd,
    state.certificates,
    state.alerts,
)


@example("sudo hostess doctor")
@click.command()
@options.form
def doctor(form: str) -> None:
    """Look at this host and at everything that Hostess needs of it; for each problem the command that repairs it.

    That is git, the engine, kernel and control groups, memory, disks, the clock, ports, DNS, the firewall, sshd, the installation, its
    journal, daemon, proxy, certificates and alerts. Root sees most. Exit code 1 when something is wrong; a warning is none.
    """
    found = findings()
    if form == "json":
        show_json([asdict(finding) for finding in found])
    else:
        show_table(("", "WHAT", "FOUND", "WHAT TO DO"), [(f.state, f.topic, f.what, f.remedy) for f in found])
    if any(finding.state == "fail" for finding in found):
        raise click.exceptions.Exit(FAILED)


def findings() -> list[Finding]:
    """Look at everything; return what was found, in the order of looking."""
    settings = host_settings()
    return [finding for look in LOOKS for finding in look(settings)]
