"""The folder where Docker's client, and others, look for logins at registries: DOCKER_CONFIG."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hostess.domain.registries import RegistryLogin

NAME = "config.json"


def folder_of(environment: Mapping[str, str]) -> Path:
    """Return the folder that a program with these variables looks into."""
    given = environment.get("DOCKER_CONFIG")
    return Path(given) if given else Path(environment.get("HOME", "/root")) / ".docker"


def write_logins(folder: Path, before: Path, logins: Sequence[RegistryLogin]) -> None:
    """Make a new *folder* that says what the folder *before* does, contexts and plug-ins included, with these logins as well."""
    folder.mkdir(mode=0o700)
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        read = json.loads((before / NAME).read_bytes())
        known = read if isinstance(read, dict) else {}
    auths = {login.address: {"auth": _basic(login)} for login in logins}
    ours = {login.host for login in logins} | auths.keys()
    # A store of credentials, where there is one, is asked for every host, and what is written here is not looked at.
    known.pop("credsStore", None)
    helpers = {host: name for host, name in (known.get("credHelpers") or {}).items() if host not in ours}
    known |= {"auths": {**(known.get("auths") or {}), **auths}, "credHelpers": helpers}
    with os.fdopen(os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(known, file)
    with suppress(OSError):
        for path in before.iterdir():
            if path.name != NAME:
                (folder / path.name).symlink_to(path.absolute())


def _basic(login: RegistryLogin) -> str:
    return base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
