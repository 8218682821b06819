"""Which steps make an installation whole, and which undo it."""

from dataclasses import replace

import pytest

from hostess.adapters.installation.looking import texts
from hostess.domain.installation.parts import (
    DAEMON,
    ENABLED,
    PROXY,
    SSHD,
    STARTED,
    SYSUSERS,
    TMPFILES,
    Folder,
    Found,
    Installation,
    installation,
)
from hostess.domain.installation.plan import Act, Step, steps_to_install, steps_to_remove

CHANGED, STARTED_AT = 1000.0, 2000.0


@pytest.fixture
def wanted() -> Installation:
    """Give the installation that the files of systemd/ describe."""
    return installation(
        texts(), "/opt/hostess/1.0.0/bin", "/var/lib/hostess", version="1.0.0", base_domain="apps.example.com"
    )


def whole(wanted: Installation) -> Found:
    """Return a host on which nothing is missing."""
    return Found(
        files=wanted.files,
        links=wanted.links,
        users=frozenset(wanted.users),
        groups=frozenset(wanted.groups),
        folders={each.path: each for each in wanted.folders},
        enabled=frozenset(ENABLED),
        started=dict.fromkeys(STARTED, STARTED_AT),
        changed=CHANGED,
        settings=True,
        reads_snippets=True,
        instance="0123456789ab",
        version="1.0.0",
    )


def told(steps: list[Step]) -> list[tuple[Act, str]]:
    """Return what steps do to what."""
    return [(step.act, step.subject) for step in steps]


def test_a_whole_installation_needs_nothing(wanted: Installation) -> None:
    """Where nothing is missing nothing is done."""
    assert steps_to_install(wanted, whole(wanted)) == []


def test_a_bare_host(wanted: Installation) -> None:
    """Everything is made before it is needed: files, accounts, their folders, then units, and sshd's way in when the daemon runs."""
    acts = list(dict.fromkeys(step.act for step in steps_to_install(wanted, Found(reads_snippets=True))))

    assert acts == [
        Act.WRITE, Act.LINK, Act.ACCOUNTS, Act.FOLDERS, Act.READ_UNITS, Act.ENABLE, Act.START, Act.RELOAD_SSHD,
    ]  # fmt: skip


def test_a_host_that_is_to_be_recovered(wanted: Installation) -> None:
    """Without starting anything all else is made, and units are enabled: they start with the host, or when somebody starts them."""
    everything = steps_to_install(wanted, Found(reads_snippets=True))

    steps = steps_to_install(wanted, Found(reads_snippets=True), start=False)

    assert steps == [step for step in everything if step.act != Act.START]
    assert (Act.ENABLE, DAEMON) in told(steps)


def test_without_sshd_there_is_no_way_in_for_it(wanted: Installation) -> None:
    """Where sshd is not, or reads no snippets, none is written and nothing reloaded."""
    steps = told(steps_to_install(wanted, Found()))

    assert (Act.WRITE, SSHD) not in steps
    assert (Act.RELOAD_SSHD, "") not in steps


def test_a_newer_program_takes_over(wanted: Installation) -> None:
    """When the links lead elsewhere than before, the proxy is reloaded first, then the daemon restarted; sockets stay as they are."""
    old = {path: target.replace("1.0.0", "0.9.0") for path, target in wanted.links.items()}

    steps = told(steps_to_install(wanted, replace(whole(wanted), links=old)))

    assert steps == [*((Act.LINK, path) for path in old), (Act.RELOAD, PROXY), (Act.RESTART, DAEMON)]


@pytest.mark.parametrize(
    ("running", "goes_back"), [("0.9.0", False), ("1.0.0", False), ("1.0.1", True), ("1.10", True), ("", False)]
)
def test_going_back(wanted: Installation, running: str, goes_back: bool) -> None:
    """Where a newer version runs the daemon goes first: its older routes are what an older proxy understands."""
    steps = steps_to_install(wanted, replace(whole(wanted), changed=STARTED_AT + 1, version=running))

    expected = (
        [(Act.RESTART, DAEMON), (Act.RELOAD_OLDER, PROXY)]
        if goes_back
        else [(Act.RELOAD, PROXY), (Act.RESTART, DAEMON)]
    )
    assert told(steps) == expected


def test_what_was_interrupted_goes_on(wanted: Installation) -> None:
    """A program that was installed after daemon and proxy had started takes over, although all files are as they should be."""
    steps = told(steps_to_install(wanted, replace(whole(wanted), changed=STARTED_AT + 1)))

    assert steps == [(Act.RELOAD, PROXY), (Act.RESTART, DAEMON)]


def test_a_user_that_was_missing(wanted: Installation) -> None:
    """A daemon that started without the user of git over SSH is started again: it gives that user a socket then."""
    users = frozenset(wanted.users) - {"hostess"}

    steps = told(steps_to_install(wanted, replace(whole(wanted), users=users)))

    assert steps == [(Act.ACCOUNTS, "hostess"), (Act.RESTART, DAEMON)]


def test_a_folder_with_other_rights(wanted: Installation) -> None:
    """A folder whose mode is not what it should be is made so again."""
    folders = {**whole(wanted).folders, "/var/lib/hostess": Folder("/var/lib/hostess", 0o777, "root", "root")}

    assert told(steps_to_install(wanted, replace(whole(wanted), folders=folders))) == [
        (Act.FOLDERS, "/var/lib/hostess")
    ]


def test_another_data_folder(wanted: Installation) -> None:
    """Every file names the data folder of the settings."""
    elsewhere = installation(texts(), "/opt/bin", "/srv/hostess", version="1.0.0")

    assert any("/var/lib/hostess" in text for text in wanted.files.values())
    assert not any("/var/lib/hostess" in text for text in elsewhere.files.values())
    assert elsewhere.folders[0].path == "/srv/hostess"


def test_removing_keeps_what_is_dear(wanted: Installation) -> None:
    """Without --data nothing is touched that holds data, is owned by our users, or runs in the engine."""
    steps = told(steps_to_remove(wanted, whole(wanted), data=False))

    assert {act for act, _ in steps} == {
        Act.DISABLE, Act.CLEAR_FIREWALL, Act.DELETE, Act.RELOAD_SSHD, Act.READ_UNITS,
    }  # fmt: skip
    deleted = {subject for act, subject in steps if act == Act.DELETE}
    assert deleted == {*wanted.files, *wanted.links} - {SYSUSERS, TMPFILES}


def test_removing_everything(wanted: Installation) -> None:
    """With --data apps go while the engine is asked for them by our label, then accounts and folders."""
    steps = told(steps_to_remove(wanted, whole(wanted), data=True))

    assert steps[0] == (Act.DISABLE, DAEMON)
    assert (Act.REMOVE_OBJECTS, "0123456789ab") in steps
    assert steps[-5:] == [
        (Act.REMOVE_USER, "hostess-proxy"),
        (Act.REMOVE_USER, "hostess"),
        (Act.REMOVE_GROUP, "hostess-admin"),
        (Act.REMOVE_FOLDER, "/var/lib/hostess"),
        (Act.REMOVE_FOLDER, "/etc/hostess"),
    ]


def test_nothing_to_remove(wanted: Installation) -> None:
    """Where nothing is installed nothing is undone."""
    assert steps_to_remove(wanted, Found(), data=True) == []


def test_a_folder_that_was_never_ours_stays() -> None:
    """A data folder that the settings name, and in which no daemon ever was, is not removed."""
    elsewhere = installation(texts(), "/opt/bin", "/srv", version="1.0.0")
    found = replace(whole(elsewhere), instance="")

    assert (Act.REMOVE_FOLDER, "/srv") not in told(steps_to_remove(elsewhere, found, data=True))
