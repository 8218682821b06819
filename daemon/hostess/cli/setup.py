"""hostess setup: make this host one that Hostess runs on, or undo that."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hostess import __version__
from hostess.cli import options
from hostess.cli.failure import FAILED, NOT_ALLOWED, USAGE, Failure
from hostess.cli.groups import example
from hostess.cli.output import show_json, show_table, tell

if TYPE_CHECKING:
    from hostess.domain.installation.parts import Found, Installation
    from hostess.domain.installation.plan import Step
    from hostess.domain.settings import Settings

PARTS = ("hostess.main", "hostess_hooks.proc_receive", "hostess_hooks.ssh", "hostess_proxy.main")
"""What daemon, hooks and proxy begin with."""
# Units see nothing of these (ProtectHome, PrivateTmp), or they are gone after a reboot.
UNSEEN = ("/home/", "/root/", "/tmp/", "/var/tmp/", "/run/")  # noqa: S108 -- where nothing may be


@example("sudo hostess setup --base-domain apps.example.com", "sudo hostess setup --remove")
@click.command()
@click.option(
    "--base-domain", default="", help="Hosts of apps are made below this domain; for the first settings file."
)
@click.option("--dry-run", is_flag=True, help="Show the steps, and do nothing.")
@click.option("--no-start", is_flag=True, help="Start nothing; before `hostess host recover`.")
@click.option("--remove", is_flag=True, help="Undo what setup did; data, settings and running apps stay.")
@click.option(
    "--data", is_flag=True, help="With --remove: data, backups in the data folder, settings and apps go, too."
)
@options.force
@options.form
def setup(
    base_domain: str,
    dry_run: bool,  # noqa: FBT001 -- click's
    no_start: bool,  # noqa: FBT001 -- click's
    remove: bool,  # noqa: FBT001 -- click's
    data: bool,  # noqa: FBT001 -- click's
    force: bool,  # noqa: FBT001 -- click's
    form: str,
) -> None:
    """Make users, folders, units and the way in for sshd, start daemon and proxy, and look whether all is well.

    Shows its steps first, and asks on a terminal. Done again it does what is missing; after an upgrade it lets the program that is
    installed now take over.
    """
    if data and not remove:
        raise Failure("--data belongs to --remove", exit_code=USAGE, remedy="hostess setup --remove --data")
    from hostess.domain.installation.plan import steps_to_install, steps_to_remove

    with nullcontext() if dry_run or os.geteuid() != 0 else _alone():
        settings = _settings(base_domain)
        wanted, found = _looked(settings, base_domain)
        removal = steps_to_remove(wanted, found, data=data) if remove else None
        steps = steps_to_install(wanted, found, start=not no_start) if removal is None else removal
        _show(steps, form)
        if dry_run:
            return
        _check(wanted, remove=remove)
        if steps:
            _ask(wanted, remove=remove, data=data, force=force)
            _do(steps, settings, _way_back(wanted, found))
        if remove:
            _told_removed(wanted, data=data)
        elif no_start:
            tell("nothing was started: `hostess host recover`, or `hostess setup` again")
        else:
            _told_installed(wanted, found)


def _alone() -> AbstractContextManager[None]:
    from hostess.adapters.installation.changing import alone

    return alone(lambda: tell("another `hostess setup` changes this host; this one goes on when that has ended"))


def _way_back(wanted: "Installation", found: "Found") -> str:
    """Return the command that sets up the version of before; "" where there was none, or it was this one."""
    before = [path for name, path in found.links.items() if name.endswith("/hostess")]
    return "".join(f"{path} setup" for path in before if path not in wanted.links.values() and Path(path).exists())


def _settings(base_domain: str) -> "Settings":
    """Return the settings that a daemon started by systemd would have; Failure when they contradict *base_domain*."""
    from hostess.cli.host_settings import host_settings
    from hostess.domain.settings import DEFAULT_FILE

    settings = host_settings({})
    if base_domain:
        host_settings({"HOSTESS_BASE_DOMAIN": base_domain})  # is it one?
        if DEFAULT_FILE.exists() and settings.base_domain != base_domain:
            raise Failure(
                f"{DEFAULT_FILE} is there already, and base_domain is {settings.base_domain}",
                exit_code=USAGE,
                remedy=f"change it there, then `systemctl restart hostess`; or leave out --base-domain {base_domain}",
            )
    return settings


def _looked(settings: "Settings", base_domain: str) -> "tuple[Installation, Found]":
    from hostess.adapters.installation import looking
    from hostess.domain.installation.parts import installation

    wanted = installation(
        looking.texts(),
        str(looking.programs()),
        looking.place_of(settings.data_dir),
        version=__version__,
        base_domain=base_domain,
    )
    return wanted, looking.look(wanted)


def _show(steps: "Sequence[Step]", form: str) -> None:
    if form == "json":
        show_json([{"act": str(step.act), "subject": step.subject, "what": str(step)} for step in steps])
    else:
        show_table(("", "WHAT WILL BE DONE"), [(number, step) for number, step in enumerate(steps, 1)])
    if not steps:
        tell("nothing to do")


def _check(wanted: "Installation", *, remove: bool) -> None:
    """Failure where this cannot lead anywhere."""
    from hostess.adapters.installation.looking import foreign_users, has_systemd
    from hostess.adapters.journal.database import newer_migrations

    if os.geteuid() != 0:
        raise Failure("only root may change this host", exit_code=NOT_ALLOWED, remedy="sudo hostess setup")
    if not has_systemd():
        raise Failure(
            "this host was not booted by systemd, which starts daemon and proxy",
            remedy="`hostess daemon` runs both in the foreground",
        )
    if remove:
        return
    if newer := newer_migrations(Path(wanted.data_dir) / "hostess.db"):
        raise Failure(
            f"{wanted.data_dir}/hostess.db was written by a newer version of Hostess ({', '.join(newer)})",
            serving="the version that runs, untouched",
            remedy="set up that version or a newer one; this one could not read what it wrote",
        )
    if foreign := foreign_users(wanted.users):
        raise Failure(
            f"{' and '.join(foreign)} is somebody's account on this host, and Hostess needs that name for its own",
            serving="everything as before; nothing was changed",
            remedy=f"give that account another name (`usermod --login NEW {foreign[0]}`), then `hostess setup` again",
        )
    for target in wanted.links.values():
        if not Path(target).exists():
            raise Failure(f"{target} is not there", remedy="install Hostess with pip into a virtual environment")
    check_program([*wanted.links.values(), sys.base_prefix])


def check_program(places: list[str]) -> None:
    """Failure where units would not see the program, or it could not even begin: what runs is better than that."""
    for place in places:
        if str(Path(place).absolute()).startswith(UNSEEN):
            raise Failure(
                f"{place} cannot be of a service's program: units see nothing of that folder",
                exit_code=USAGE,
                remedy="install into a folder such as /opt/hostess, with a Python that is in no home: "
                "/usr/bin/python3 -m venv /opt/hostess && /opt/hostess/bin/pip install hostess && /opt/hostess/bin/hostess setup",
            )
    words = [sys.executable, "-P", "-c", f"import {', '.join(PARTS)}"]
    begun = subprocess.run(words, capture_output=True, text=True, check=False)
    if begun.returncode != 0:
        cause = (begun.stderr.strip().splitlines() or [f"it ended with {begun.returncode}"])[-1]
        raise Failure(
            f"this version cannot start: {cause}",
            serving="what runs, untouched: nothing was changed",
            remedy=f"install it again, whole (it is in {sys.prefix}), or another version",
        )


def _ask(wanted: "Installation", *, remove: bool, data: bool, force: bool) -> None:
    if data:
        what = (
            f"Every app with its volumes, and all of {wanted.data_dir} with the backups in it, will be gone for good."
        )
        options.confirm(what, force=force)
    elif not force and sys.stdin.isatty():
        options.confirm("This is undone now." if remove else "This is done now.", force=False)


def _do(steps: "Sequence[Step]", settings: "Settings", way_back: str) -> None:
    from hostess.adapters.installation.changing import AGAIN, Host
    from hostess.cli.checks.proxy import taken
    from hostess.domain.installation.plan import Act
    from hostess.domain.problem import Problem

    host = Host(settings.engine.url)
    for number, step in enumerate(steps, 1):
        tell(f"[{number}/{len(steps)}] {step}")
        try:
            host.do(step)
        except Problem as problem:
            is_port = step.act == Act.START and step.subject.endswith(".socket")
            for found in taken((settings.proxy.http, settings.proxy.https)) if is_port else ():
                what = f"{found.what}, which the proxy needs"
                raise Failure(what, serving=problem.serving, remedy=f"{found.remedy}; then {AGAIN}") from None
            is_new = way_back and step.act in {Act.RELOAD, Act.RESTART, Act.START}
            remedy = problem.remedy + (f"; or go back to the version of before: {way_back}" if is_new else "")
            raise Failure(str(problem), serving=problem.serving, remedy=remedy, tail=problem.tail) from None


def _told_removed(wanted: "Installation", *, data: bool) -> None:
    if not data:
        tell(f"left as they are: {wanted.data_dir}, /etc/hostess, their users, and the apps, which run on unreached")
        tell("`hostess setup` takes them up again; `hostess setup --remove --data` removes them, too")
    tell("what is left of the program: rm -rf /opt/hostess")


def _told_installed(wanted: "Installation", found: "Found") -> None:
    """Look whether the result is well, and tell what comes next; exit code 1 when it is not."""
    from hostess.cli.checks.ways_in import SSHD_TOPIC
    from hostess.cli.doctor import findings

    found_all = findings()
    wrong = [each for each in found_all if each.state == "fail"]
    for each in [*wrong, *(each for each in found_all if (each.state, each.topic) == ("warn", SSHD_TOPIC))]:
        tell(f"{each.topic}: {each.what}\n  what to do: {each.remedy}")
    if wrong:
        raise click.exceptions.Exit(FAILED)
    tell("daemon and proxy run, and `hostess doctor` finds nothing that fails")
    if not found.instance:
        tell(f"the owner's token is in {wanted.data_dir}/owner-token; the first push: docs/getting-started.md")
