"""What an installation consists of: files, links, accounts, folders and units; and what of it was found on a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

UNITS_IN = "/etc/systemd/system"
SYSUSERS = "/etc/sysusers.d/hostess.conf"
TMPFILES = "/etc/tmpfiles.d/hostess.conf"
SSHD = "/etc/ssh/sshd_config.d/hostess.conf"
SETTINGS = "/etc/hostess/config.toml"
LINKS_IN = "/usr/local/bin"
PROGRAMS = ("hostess", "hostess-ssh")
DATA_DIR = "/var/lib/hostess"

DAEMON = "hostess.service"
PROXY = "hostess-proxy.service"
ENABLED = (
    "hostess-proxy.socket",
    "hostess-proxy-https.socket",
    "hostess-proxy-inside.socket",
    PROXY,
    DAEMON,
)
# The socket for HTTPS is started with the proxy: where another program has port 443, HTTP alone is served.
STARTED = ("hostess-proxy.socket", "hostess-proxy-inside.socket", PROXY, DAEMON)

_PLACES = {"hostess.sysusers": SYSUSERS, "hostess.tmpfiles": TMPFILES, "hostess.sshd.conf": SSHD}
_UNIT_KINDS = (".service", ".socket", ".slice")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: its path, the bits of its mode, and to whom it belongs."""

    path: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What there should be. *files* are texts by path, *links* targets by path, *users* and *groups* names.

    *settings* is the text of a settings file to begin with; one that is there is never changed. *version* is that of the program.
    """

    files: Mapping[str, str]
    links: Mapping[str, str]
    users: tuple[str, ...]
    groups: tuple[str, ...]
    folders: tuple[Folder, ...]
    settings: str
    version: str
    data_dir: str = DATA_DIR

    @property
    def units(self) -> tuple[str, ...]:
        """Return the paths of unit files."""
        return tuple(path for path in self.files if path.startswith(UNITS_IN))


@dataclass(frozen=True, slots=True)
class Found:
    """What there is. A path that is not among *files*, *links* or *folders* does not exist as such.

    *started* has the units that are active, with the time (Unix, seconds) at which each one's main process started; *changed* is when
    the program that is installed, or a unit file, was changed last. *reads_snippets*: sshd is here, and reads its folder of snippets.
    *version* is that of the daemon that runs.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    folders: Mapping[str, Folder] = field(default_factory=dict)
    enabled: frozenset[str] = frozenset()
    started: Mapping[str, float] = field(default_factory=dict)
    changed: float = 0.0
    settings: bool = False
    reads_snippets: bool = False
    instance: str = ""
    version: str = ""


def installation(
    texts: Mapping[str, str], programs: str, data_dir: str, *, version: str, base_domain: str = ""
) -> Installation:
    """Return the installation that the files of systemd/ (*texts* by name) describe.

    *programs* is the folder of the commands that were installed. Another data folder than the usual is put in its place in all files.
    """
    known = {_PLACES.get(name, f"{UNITS_IN}/{name}"): text for name, text in texts.items() if _is_ours(name)}
    files = {path: text.replace(DATA_DIR, data_dir) for path, text in sorted(known.items())}
    users, groups = _accounts(files[SYSUSERS])
    return Installation(
        files=files,
        links={f"{LINKS_IN}/{name}": str(PurePosixPath(programs) / name) for name in PROGRAMS},
        users=users,
        groups=groups,
        folders=_folders(files[TMPFILES]),
        settings=_first_settings(base_domain),
        version=version,
        data_dir=data_dir,
    )


def _is_ours(name: str) -> bool:
    return name in _PLACES or name.endswith(_UNIT_KINDS)


def _accounts(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return users and groups of a file for systemd-sysusers (sysusers.d(5)); each user has a group of its name."""
    words = [line.split() for line in text.splitlines() if line[:1] in {"u", "g"}]
    users = tuple(name for kind, name, *_ in words if kind == "u")
    return users, (*users, *(name for kind, name, *_ in words if kind == "g"))


def _folders(text: str) -> tuple[Folder, ...]:
    """Return the folders of a file for systemd-tmpfiles (tmpfiles.d(5))."""
    words = [line.split() for line in text.splitlines() if line.startswith("d ")]
    return tuple(Folder(path, int(mode, 8), owner, group) for _, path, mode, owner, group in words)


def _first_settings(base_domain: str) -> str:
    line = f'base_domain = "{base_domain}"' if base_domain else '# base_domain = "apps.example.com"'
    return (
        "# Settings of Hostess; `hostess config show` lists all of them, `systemctl restart hostess` makes them hold.\n"
        f"# Hosts of apps are made below this domain: *.apps.example.com should lead here.\n{line}\n"
    )
