"""What Hostess itself is in: installation and version, journal, daemon, certificates, alerts."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hostess import __version__
from hostess.cli.checks.finding import Finding
from hostess.cli.checks.proxy import taken
from hostess.cli.client import Client, Json
from hostess.cli.failure import Failure
from hostess.cli.server import Server

if TYPE_CHECKING:
    from hostess.domain.settings import Settings


def installation(settings: "Settings") -> Iterator[Finding]:
    """Look whether what `hostess setup` makes is whole; nothing where it was never used."""
    from hostess.adapters.installation import looking
    from hostess.domain.installation.parts import DAEMON, UNITS_IN, installation
    from hostess.domain.installation.plan import Act, steps_to_install

    wanted = installation(
        looking.texts(), str(looking.programs()), looking.place_of(settings.data_dir), version=__version__
    )
    found = looking.look(wanted)
    if f"{UNITS_IN}/{DAEMON}" not in found.files:
        return
    steps = [step for step in steps_to_install(wanted, found) if step.act != Act.START]  # that is told of each program
    if steps:
        what = f"{len(steps)} steps are missing: {steps[0]}" + (", ..." if steps[1:] else "")
        yield Finding("warn", "installation", what, "hostess setup")
    else:
        yield Finding("ok", "installation", f"version {__version__} is whole")


def journal(settings: "Settings") -> Iterator[Finding]:
    """Look whether the journal is whole, and of a version that can be read here. Only who may read it can tell."""
    from hostess.adapters.installation import looking
    from hostess.adapters.journal.database import newer_migrations

    faults = looking.journal_faults(settings.data_dir)
    if faults is None:
        return
    if faults:
        copied = f"cp -a {settings.data_dir} {settings.data_dir}.damaged"
        remedy = f"systemctl stop hostess && {copied}; docs/recovery.md tells what a backup of the host brings back"
        yield Finding("fail", "journal", f"is damaged: {faults[0]}", remedy)
    elif newer := newer_migrations(settings.data_dir / "hostess.db"):
        what = f"was written by a newer version ({', '.join(newer)})"
        yield Finding("fail", "journal", what, "set up that version, or a newer one")
    else:
        yield Finding("ok", "journal", "is whole")


def daemon(settings: "Settings") -> Iterator[Finding]:
    """Look whether the daemon answers, and is the version that is installed."""
    socket = settings.data_dir / "run" / "api.sock"
    try:
        found = _ask(settings, "/healthz")
    except Failure as failure:
        remedy = failure.remedy if "group" in failure.remedy else "systemctl start hostess; journalctl -n 30 -u hostess"
        yield Finding("fail", "daemon", failure.message, remedy)
        yield from taken((settings.api.listen,), but=("hostess",))
        return
    yield Finding("ok", "daemon", f"version {found['version']} answers at {socket}")
    if found["version"] != __version__:
        what = f"version {found['version']} runs, and {__version__} is installed"
        yield Finding("warn", "versions", what, "hostess setup")


def certificates(settings: "Settings") -> Iterator[Finding]:
    """Look how the certificates are; what is wrong with one is told by name."""
    try:
        found = _ask(settings, "/v1/tls")["items"]
    except Failure:  # it does not answer, which is told already
        return
    for each in found:
        if each["error"]:
            name = each["names"][0]
            yield Finding("warn", "certificates", f"{name}: {each['error']}", f"hostess tls check {name}")
    counts = Counter(str(each["state"]) for each in found)
    text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    yield Finding("ok", "certificates", text or "there are none yet")


def alerts(settings: "Settings") -> Iterator[Finding]:
    """Repeat what the daemon alerts of."""
    try:
        found = _ask(settings, "/v1/alerts")
    except Failure:
        return
    for alert in found["items"]:
        about = f"{alert['project']}: " if alert["project"] else ""
        yield Finding("fail" if alert["level"] == "error" else "warn", "alert", about + alert["what"], alert["remedy"])
    if not found["items"]:
        yield Finding("ok", "alerts", "there are none")


def _ask(settings: "Settings", path: str) -> Json:
    return Client(Server(socket=settings.data_dir / "run" / "api.sock")).send("GET", path, timeout=30)
