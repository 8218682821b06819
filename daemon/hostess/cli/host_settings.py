"""The settings of this host's daemon, as one that systemd starts now would have them. For commands that work on the host itself."""

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hostess.cli.failure import USAGE, Failure

if TYPE_CHECKING:
    from hostess.domain.settings import Settings

DAEMON_ENVIRONMENT = Path("/etc/hostess/daemon.env")


def host_settings(environ: Mapping[str, str] | None = None, file: Path = DAEMON_ENVIRONMENT) -> "Settings":
    """Return the settings; Failure when they cannot be used. *environ* (by default this process's) goes above *file*."""
    # The parser of settings is only loaded where it is used.
    from hostess.domain.problem import Problem
    from hostess.domain.settings import load

    above = os.environ if environ is None else environ
    try:
        return load(None, None, {**variables(file), **above})
    except Problem as problem:
        raise Failure(str(problem), exit_code=USAGE, remedy=problem.remedy) from None


def variables(file: Path) -> dict[str, str]:
    """Return what a file of variables for systemd holds (EnvironmentFile=); {} when it cannot be read: it is root's alone."""
    found = {}
    with suppress(OSError, UnicodeDecodeError):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                with suppress(ValueError):  # a quote that is not closed: systemd passes over it, too
                    found[name.strip()] = "".join(shlex.split(value)) if value[:1] in {'"', "'"} else value.strip()
    return found
