"""`hostess host recover`: lays a bundle down on an empty host, and brings everything back in this process, without a daemon."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from hostess.adapters import host_laydown
from hostess.adapters.backups.artefacts_both import artefacts_of
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.host_laydown import Staged
from hostess.adapters.log_output import set_up_logging
from hostess.adapters.recovery_file import RecoveryFile
from hostess.composition import Outside, outside_of
from hostess.domain import labels
from hostess.domain.host_bundle import FOLDER, JOURNAL, Recovery
from hostess.domain.problem import Problem
from hostess.domain.settings import Settings, load
from hostess.main import alone, make_folders, opened_world

PIECE = 1024 * 1024
UMASK = 0o027
"""As the daemon's unit has it; a shell's may keep the proxy's user from sites, or let others read what is secret."""
DAEMON_ENV = Path("/etc/hostess/daemon.env")

Say = Callable[[str], None]


def main(bundle: str, identity: Path | None, config: Path | None, data_dir: Path | None) -> int:
    """Run the command; return the exit code: 0 when all serve, 1 when not, 2 for settings, 7 where there is a host already."""
    began = time.monotonic()
    try:
        units = config is None and data_dir is None and "HOSTESS_DATA_DIR" not in os.environ and has_units()
        environ = {**(unit_environment(DAEMON_ENV) if units else {}), **os.environ}
        settings = with_identity(load(config, data_dir, environ), identity)
        set_up_logging(settings.log.model_copy(update={"level": "warning"}))
        os.umask(UMASK)
        with daemon_stopped(settings.data_dir) if units else nullcontext():
            lay_down(settings, bundle, identity, _say)
        if units:
            systemctl("start", "hostess-proxy.service")
        done = asyncio.run(bring_back(settings, _say))
        failed = done.failed if done else {}
        if units and not failed:
            systemctl("start", "hostess.service")
    except Problem as problem:
        return _refused(problem)
    except OSError as error:
        return _refused(_broken_off(error))
    seconds = time.monotonic() - began
    for name, why in failed.items():
        _say(f"{name} was not brought back: {why}")
    count = len(done.done) if done else 0
    environments = f"{count} environment{'' if count == 1 else 's'}"
    sys.stdout.write(f"recovered in {seconds:.1f} s: {environments} serve{'s' if count == 1 else ''} again\n")
    _tell_next(settings, failed=bool(failed), daemon=units)
    return 1 if failed else 0


@contextmanager
def daemon_stopped(folder: Path) -> Iterator[None]:
    """Stop the daemon of systemd's that has nothing yet, or that goes on with a recovery; it runs again where this cannot go on.

    One that has a state of its own is left alone: `lay_down` refuses then.
    """
    pending = RecoveryFile(folder).read() is not None
    if not (pending or host_laydown.is_unused(folder) or host_laydown.is_broken_off(folder)):
        yield
        return
    ran = unit_state("ActiveState") == "active"
    systemctl("stop", "hostess.service")
    try:
        yield
    except BaseException:
        if ran and not host_laydown.is_broken_off(folder):
            systemctl("start", "hostess.service")
        raise


def with_identity(settings: Settings, identity: Path | None) -> Settings:
    """Return settings in which the key that reads the bundle reads artefacts, too, where none is set for them."""
    if identity is None or settings.backups.identity_file is not None:
        return settings
    backups = settings.backups.model_copy(update={"identity_file": identity.absolute()})
    return settings.model_copy(update={"backups": backups})


def lay_down(settings: Settings, bundle: str, identity: Path | None, say: Say) -> None:
    """Lay the bundle down, unless that is done already.

    Problem "host-not-empty" where there is another state, or where the engine runs something of that installation.
    """
    folder = settings.data_dir
    make_folders(folder)
    with alone(folder / "run" / "daemon.lock"):
        begun = RecoveryFile(folder).read()
        if begun is not None and (folder / JOURNAL).exists():
            with closing(pieces_of(settings, bundle)) as pieces:
                if host_laydown.checksum_of(pieces) != begun.checksum:
                    raise _not_empty(f"{folder} is being recovered from another bundle, {begun.bundle}")
            say(f"bundle {begun.bundle} is laid down already; going on")
            return
        host_laydown.check_empty(folder)
        say(f"unpacking {bundle} and checking all of it")
        with closing(pieces_of(settings, bundle)) as pieces:
            staged = host_laydown.stage(bundle, pieces, identity or settings.backups.identity_file, folder)
        try:
            asyncio.run(check_engine(outside_of(settings), staged))
        except Problem:
            shutil.rmtree(staged.folder, ignore_errors=True)
            raise
        host_laydown.put_in_place(staged, folder, settings.backups.dir, SystemClock().now())
        made = staged.manifest
        count = f"{len(made.projects)} project{'' if len(made.projects) == 1 else 's'}"
        say(f"laid down: {count} as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC (Hostess {made.hostess})")


async def check_engine(outside: Outside, staged: Staged) -> None:
    """Problem "host-not-empty" when containers or volumes of that installation are there: their data may be newer than the bundle."""
    owned = labels.of_instance(staged.manifest.instance)
    containers, volumes = await outside.engine.containers(owned), await outside.engine.volumes(owned)
    if containers or volumes:
        raise _not_empty(
            f"the engine has {len(containers)} containers and {len(volumes)} volumes of this very installation"
        )


def has_units() -> bool:
    """Whether systemd runs this host, and knows the daemon: it and the proxy have settings, rights and users of their own then."""
    if shutil.which("systemctl") is None:
        return False
    return unit_state("LoadState") == "loaded"


def unit_state(name: str) -> str:
    """Return what systemd says of the daemon's unit; "" where it says nothing."""
    words = ("systemctl", "show", "--value", f"--property={name}", "hostess.service")
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def unit_environment(file: Path) -> dict[str, str]:
    """Return what the daemon's unit gives it: the proxy has a unit of its own, and *file* has settings that only the daemon reads."""
    found = {"HOSTESS_PROXY__MANAGED": "false"}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            found[name.strip()] = "".join(shlex.split(value))
    return found


def systemctl(*words: str) -> None:
    """Start or stop a unit. Problem "unit-failed"."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(
            "unit-failed",
            f"systemctl {' '.join(words)} ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}",
            serving="what was laid down and brought back already",
            remedy="`journalctl -u hostess -u hostess-proxy` tells why; then give the same command again",
        )


async def bring_back(settings: Settings, say: Say) -> Recovery | None:
    """Build, restore and start everything that was live; the proxy serves on when this returns."""
    async with opened_world(settings, outside_of(settings)) as (_, world, _):
        return await world.host.recovery.run(say)


def pieces_of(settings: Settings, bundle: str) -> Generator[bytes]:
    """Yield a bundle: a file, or else the one of that name in the folder or bucket of backups. Problem "bundle-not-found"."""
    path = Path(bundle)
    if path.is_file():
        return _pieces(path)
    if "/" in bundle:
        raise Problem("bundle-not-found", f"there is no file {bundle}", remedy="give the path of a bundle")
    return artefacts_of(settings.backups).pieces(f"{FOLDER}/{bundle}")


def _pieces(path: Path) -> Generator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _not_empty(what: str) -> Problem:
    return Problem(
        "host-not-empty",
        what,
        serving="what is there; nothing was changed",
        remedy="recover on an empty host, or remove what is there first; nothing is ever overwritten",
    )


def _broken_off(error: OSError) -> Problem:
    return Problem(
        "recovery-broken-off",
        f"the recovery broke off: {error}",
        serving="what was laid down and brought back already",
        remedy="mend that (is the disk full?), then give the same command again: it goes on from there",
    )


def _refused(problem: Problem) -> int:
    serving = f"still there: {problem.serving}" if problem.serving else ""
    for line in filter(None, (str(problem), serving, problem.remedy)):
        _say(line)
    if problem.code in {"host-not-empty", "already-running"}:
        return 7
    return 2 if problem.code.startswith("settings-") else 1


def _tell_next(settings: Settings, *, failed: bool, daemon: bool) -> None:
    for name in ("settings.toml", "settings.env"):
        kept = settings.data_dir / f"recovered-{name}"
        if kept.exists():
            _say(f"the settings of the host that is gone are in {kept}: compare them with those of this one")
    start = "`systemctl start hostess`" if daemon else "`hostess daemon`"
    if failed:
        _say(f"mend what it says and give the same command again; or {start}: what failed has nothing live then")
    elif not daemon:
        _say(f"now start the daemon, {start}: until then nobody can push")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
