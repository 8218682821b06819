"""From what there is to what there should be: steps in their order. An installation that is whole needs none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from hostess.domain.installation.parts import (
    DAEMON,
    DATA_DIR,
    ENABLED,
    PROXY,
    SETTINGS,
    SSHD,
    STARTED,
    SYSUSERS,
    TMPFILES,
    Found,
    Installation,
)


class Act(StrEnum):
    """What a step does; each adapter of hosts has one way for each."""

    WRITE = "write"
    LINK = "link"
    ACCOUNTS = "accounts"
    FOLDERS = "folders"
    READ_UNITS = "read-units"
    ENABLE = "enable"
    START = "start"
    RELOAD = "reload"
    RELOAD_OLDER = "reload-older"
    RESTART = "restart"
    RELOAD_SSHD = "reload-sshd"
    DISABLE = "disable"
    DELETE = "delete"
    CLEAR_FIREWALL = "clear-firewall"
    REMOVE_OBJECTS = "remove-objects"
    REMOVE_USER = "remove-user"
    REMOVE_GROUP = "remove-group"
    REMOVE_FOLDER = "remove-folder"


_SENTENCES = {
    Act.WRITE: "write {}",
    Act.LINK: "let {} lead to {}",
    Act.ACCOUNTS: "make users and groups: {}",
    Act.FOLDERS: "make folders: {}",
    Act.READ_UNITS: "have systemd read its units anew",
    Act.ENABLE: "enable {}",
    Act.START: "start {}",
    Act.RELOAD: "reload {}: the program that is installed takes over, without a lost request",
    Act.RELOAD_OLDER: "reload {} when it knows the routes of the older daemon: the older program takes over, without a lost request",
    Act.RESTART: "restart {}: apps and proxy go on serving",
    Act.RELOAD_SSHD: "check sshd's configuration and have sshd read it",
    Act.DISABLE: "stop and disable {}",
    Act.DELETE: "delete {}",
    Act.CLEAR_FIREWALL: "remove the firewall's rules of installation {}",
    Act.REMOVE_OBJECTS: "remove containers, networks, volumes and images of installation {}",
    Act.REMOVE_USER: "remove the user {}",
    Act.REMOVE_GROUP: "remove the group {}",
    Act.REMOVE_FOLDER: "remove {} and all that is in it",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what is done (*act*) to what (*subject*); *content* is a file's text or a link's target, *mode* a file's bits."""

    act: Act
    subject: str = ""
    content: str = ""
    mode: int = 0o644

    def __str__(self) -> str:
        return _SENTENCES[self.act].format(self.subject, self.content)


def steps_to_install(wanted: Installation, found: Found, *, start: bool = True) -> list[Step]:
    """Return what makes an installation whole, in order; nothing when it is whole and runs the program that is installed.

    Unless *start*, what does not run is not started: a host that is recovered must have had no daemon yet.
    """
    files = list(_changed_files(wanted, found))
    links = [Step(Act.LINK, path, target) for path, target in wanted.links.items() if found.links.get(path) != target]
    written = {step.subject for step in files}
    accounts = list(_accounts(wanted, found))
    steps = [*files, *links, *accounts]
    if missing := [each.path for each in wanted.folders if found.folders.get(each.path) != each]:
        steps.append(Step(Act.FOLDERS, ", ".join(missing), TMPFILES))
    if not found.settings:
        steps.append(Step(Act.WRITE, SETTINGS, wanted.settings))
    if written.intersection(wanted.units):
        steps.append(Step(Act.READ_UNITS))
    steps += [Step(Act.ENABLE, unit) for unit in ENABLED if unit not in found.enabled]
    is_new = bool(links or written.intersection(wanted.units))
    running = list(_running(found, is_new=is_new, has_accounts=bool(accounts)))
    steps += _older_first(running) if _order(wanted.version) < _order(found.version) else running
    if SSHD in written:
        steps.append(Step(Act.RELOAD_SSHD))
    return [step for step in steps if start or step.act != Act.START]


def steps_to_remove(wanted: Installation, found: Found, *, data: bool) -> list[Step]:
    """Return what undoes an installation.

    Without *data* the data folder, the settings, the containers that run, and the accounts that own files there are left; a later
    installation goes on with them. With it nothing stays but the program.
    """
    units = [unit for unit in (DAEMON, PROXY, *ENABLED[:3]) if unit in found.enabled or unit in found.started]
    steps = [Step(Act.DISABLE, unit) for unit in units]
    if found.instance:
        steps.append(Step(Act.CLEAR_FIREWALL, found.instance))
        if data:
            steps.append(Step(Act.REMOVE_OBJECTS, found.instance))
    kept = set() if data else {SYSUSERS, TMPFILES}
    gone = [path for path in (*wanted.files, *wanted.links) if path in found.files or path in found.links]
    steps += [Step(Act.DELETE, path) for path in gone if path not in kept]
    if SSHD in gone:
        steps.append(Step(Act.RELOAD_SSHD))
    if set(gone).intersection(wanted.units):
        steps.append(Step(Act.READ_UNITS))
    return [*steps, *_all_data(wanted, found)] if data else steps


def _changed_files(wanted: Installation, found: Found) -> Iterator[Step]:
    for path, text in wanted.files.items():
        if found.files.get(path) != text and (path != SSHD or found.reads_snippets):
            yield Step(Act.WRITE, path, text)


def _accounts(wanted: Installation, found: Found) -> Iterator[Step]:
    missing = [name for name in wanted.groups if name not in found.groups]
    missing += [name for name in wanted.users if name not in found.users and name not in missing]
    if missing:
        yield Step(Act.ACCOUNTS, ", ".join(missing), SYSUSERS)


def _running(found: Found, *, is_new: bool, has_accounts: bool) -> Iterator[Step]:
    for unit in STARTED:
        if unit not in found.started:
            yield Step(Act.START, unit)
        elif unit in {DAEMON, PROXY} and (is_new or found.started[unit] < found.changed):
            yield Step(Act.RESTART if unit == DAEMON else Act.RELOAD, unit)
        elif unit == DAEMON and has_accounts:  # it gives its sockets to users and groups when it starts
            yield Step(Act.RESTART, unit)


def _older_first(steps: list[Step]) -> list[Step]:
    """Return the steps of going back. An older proxy may not know what a newer daemon has told, so an older daemon tells it first."""
    reloads = [Step(Act.RELOAD_OLDER, step.subject) for step in steps if step.act == Act.RELOAD]
    return [*(step for step in steps if step.act != Act.RELOAD), *reloads]


def _order(version: str) -> tuple[int, ...]:
    """Return what versions are compared by: their numbers ("0.10.1" is above "0.9")."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _all_data(wanted: Installation, found: Found) -> Iterator[Step]:
    for user in wanted.users:
        if user in found.users:
            yield Step(Act.REMOVE_USER, user)
    for group in wanted.groups:
        if group in found.groups and group not in wanted.users:  # a user's own goes with it
            yield Step(Act.REMOVE_GROUP, group)
    # A folder that a mistaken setting names, and in which no daemon ever was, is somebody else's.
    ours = [wanted.data_dir] if found.instance or wanted.data_dir == DATA_DIR else []
    for folder in (*ours, SETTINGS.rpartition("/")[0]):
        if folder in found.folders:
            yield Step(Act.REMOVE_FOLDER, folder)
