"""What replicas wrote that are gone: kept when they are removed, sealed, for those who ask what happened before."""

import asyncio
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote, urlsplit

from hostess.domain import labels
from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.hostess_yml.references import RefersTo, references
from hostess.domain.ports import Clock, Container, Engine, Journal, LogLine, PastLogFiles, Redactor, Vault
from hostess.domain.problem import Problem
from hostess.domain.releases.fingerprint import seal_of

LINES = 2000
BYTES = 2 * 1024 * 1024
"""Of one replica, its last ones."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Past:
    """A replica that is gone ("v3.1": release and number), and its last lines."""

    replica: str
    lines: tuple[LogLine, ...]


class PastLogs:
    """Keeps and gives them. That it cannot be kept is no reason not to remove a container."""

    def __init__(
        self, engine: Engine, files: PastLogFiles, journal: Journal, vault: Vault, redactor: Redactor, clock: Clock
    ) -> None:
        self._engine = engine
        self._files = files
        self._journal = journal
        self._vault = vault
        self._redactor = redactor
        self._clock = clock

    async def keep(self, container: Container) -> None:
        """Keep the last lines of a replica that is about to be removed; of a one-off task nothing is kept."""
        if not labels.is_replica(container.labels):
            return
        try:
            lines = await self._engine.logs(container.id, LINES)
            if not lines:
                return
            place, now = _place(container), self._clock.now()
            await self.learn(container)
            name = f"{now:%Y%m%dT%H%M%S.%f}-{replica_of(container)}"
            await asyncio.to_thread(self._put, place, name, lines, now)
        except (Problem, OSError) as error:
            log.warning("the log of a container that goes is not kept: %s", error)

    def _put(self, place: tuple[str, str, str], name: str, lines: Sequence[LogLine], now: datetime) -> None:
        """Keep lines, without secrets and sealed. OSError."""
        hidden = [replace(line, text=self._redactor.hide(line.text)) for line in lines]
        self._files.put(place, name, self._vault.seal(written(hidden), _bound(place)), now)

    async def learn(self, container: Container) -> None:
        """Have the secrets that a replica runs with hidden wherever its lines are told."""
        self._redactor.learn(await self._secrets(container))

    async def _secrets(self, container: Container) -> set[str]:
        """Return the secrets that a replica ran with: later, when its lines are read, others may have taken their place."""
        project, environment, service = _place(container)
        release = await self._journal.release(project, environment, int(container.labels.get(labels.RELEASE, "0")))
        workload = release.workloads.get(service) if release else None
        if release is None or workload is None:  # it was never live, and what it ran with was opened a moment ago
            return set()
        env: dict[str, str] = json.loads(self._vault.open(workload.sealed_env, seal_of(project, environment, service)))
        stack = await asyncio.to_thread(parse, release.file, "hostess.yml")
        asked = stack_for(stack, environment).services
        templates = asked[service].env if service in asked else {}
        databases = {name for name, each in asked.items() if each.is_database}
        found = {value for name, value in env.items() if _is_secret(templates.get(name, ""), databases)}
        return found | {password for value in found if (password := _password(value))}

    async def of(self, project: str, environment: str, service: str) -> list[Past]:
        """Return what is kept of a service, the oldest first; what cannot be read is left out."""
        return await asyncio.to_thread(self._read, (project, environment, service))

    def _read(self, place: tuple[str, str, str]) -> list[Past]:
        found = []
        for name, sealed in self._files.texts(place).items():
            try:
                lines = read(self._vault.open(sealed, _bound(place)))
            except (Problem, ValueError) as error:
                log.warning("what is kept of %s cannot be read: %s", name, error)
                continue
            found.append(Past(name.partition("-")[2], lines))
        return found

    async def forget(self, project: str, environment: str = "") -> None:
        """Remove all that is kept of a project, or of one of its environments."""
        await asyncio.to_thread(self._files.forget, project, environment)


def written(lines: Sequence[LogLine]) -> str:
    """Return lines as they are kept, the last ones that fit."""
    kept: list[str] = []
    size = 0
    for line in reversed(lines):
        text = json.dumps([line.at.isoformat(), line.stream, line.text])
        size += len(text)
        if size > BYTES:
            break
        kept.append(text)
    return "\n".join(reversed(kept))


def read(text: str) -> tuple[LogLine, ...]:
    """Return the lines of what was `written`; ValueError."""
    found = (json.loads(line) for line in text.splitlines())
    return tuple(LogLine(datetime.fromisoformat(at), stream, said) for at, stream, said in found)


def replica_of(container: Container) -> str:
    """Return what a replica is called in logs: release and number."""
    return f"v{container.labels.get(labels.RELEASE, '?')}.{container.labels.get(labels.REPLICA, '?')}"


def _is_secret(template: str, databases: Collection[str]) -> bool:
    return any(each.kind is RefersTo.SECRET or each.target in databases for each in references(template))


def _password(value: str) -> str:
    """Return the password of a value that is a URL with one."""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:
        return ""


def _place(container: Container) -> tuple[str, str, str]:
    about = container.labels
    return about.get(labels.PROJECT, ""), about.get(labels.ENVIRONMENT, ""), about.get(labels.SERVICE, "")


def _bound(place: tuple[str, str, str]) -> str:
    return f"log of {'/'.join(place)}"
