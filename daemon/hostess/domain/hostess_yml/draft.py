"""A file in the middle of its check: its models, what is wrong so far, and answers that both rules and defaults need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.forms import ConditionPart, DependsForm, MountPart, PortPart
from hostess.domain.hostess_yml.mistakes import Path
from hostess.domain.hostess_yml.models import JobPart, ServicePart, StackPart
from hostess.domain.hostess_yml.reading import names_in
from hostess.domain.hostess_yml.stack import Condition, ServiceType, Visibility
from hostess.domain.hostess_yml.words import Retention

DATABASES = frozenset({ServiceType.POSTGRES, ServiceType.REDIS})
"""The types that Hostess manages itself."""

SHOWN = frozenset({ServiceType.NEXTJS, ServiceType.STATIC})
"""The types that are public unless the file says otherwise."""


@dataclass(frozen=True)
class Draft:
    """The models that could be made, and the names that the file gives, good or not."""

    file: StackPart
    findings: Findings

    @property
    def services(self) -> Mapping[str, ServicePart]:
        """The services whose shape is right."""
        return self.file.services

    @property
    def jobs(self) -> Mapping[str, JobPart]:
        """The jobs whose shape is right."""
        return self.file.jobs or {}

    @property
    def service_names(self) -> Mapping[str, object]:
        """All services that the file names."""
        return names_in(self.findings.document, "services")

    @property
    def job_names(self) -> Mapping[str, object]:
        """All jobs that the file names."""
        return names_in(self.findings.document, "jobs")

    def parts(self) -> Iterator[tuple[Path, ServicePart | JobPart]]:
        """Yield services and jobs with their paths, in the order of the file."""
        yield from ((("services", name), part) for name, part in self.services.items())
        yield from ((("jobs", name), part) for name, part in self.jobs.items())

    def known_type(self, name: str) -> ServiceType | None:
        """Return the type of a service; None when the file's word for it is wrong."""
        part = self.services.get(name)
        return None if part is None or self.findings.is_spoilt("services", name, "type") else type_of(part)

    def has_domains(self, name: str) -> bool:
        """Whether a service has domains of its own, in any environment."""
        return name in self._with_domains

    @cached_property
    def front_door(self) -> str | None:
        """The service that is public only because no other is: the first fastapi service, unless it hides itself."""
        if any(self._is_public(name) for name in self.services):
            return None
        name = next((name for name in self.services if self.known_type(name) is ServiceType.FASTAPI), None)
        if name is None:
            return None
        first = ports_of(self.services[name])[:1]
        hidden = asked_visibility(self.services[name]) or (first and asked_visibility(first[0]))
        return None if hidden else name

    @cached_property
    def _with_domains(self) -> frozenset[str]:
        own = {name for name, part in self.services.items() if part.domains}
        environments = (self.file.environments or {}).values()
        return frozenset(
            own | {name for found in environments for name, hosts in (found.domains or {}).items() if hosts}
        )

    def visibility(self, name: str) -> Visibility:
        """Return who can reach a service whose ports say nothing else."""
        part = self.services[name]
        asked = asked_visibility(part)
        if type_of(part) in DATABASES:
            return Visibility.PRIVATE
        if asked is not None:
            return asked
        shown = type_of(part) in SHOWN or self.has_domains(name) or self.front_door == name
        return Visibility.PUBLIC if shown else Visibility.PRIVATE

    def _is_public(self, name: str) -> bool:
        part = self.services[name]
        if type_of(part) in DATABASES:
            return False
        if any(asked_visibility(port) in {Visibility.PUBLIC, Visibility.TEAM} for port in ports_of(part)):
            return True
        asked = asked_visibility(part)
        return asked is not Visibility.PRIVATE if asked else type_of(part) in SHOWN or self.has_domains(name)


def type_of(part: ServicePart) -> ServiceType:
    """Return the type of a service."""
    return part.type or ServiceType.CUSTOM


def asked_visibility(part: ServicePart | PortPart) -> Visibility | None:
    """Return the visibility that a service or port asks for in so many words, the legacy `public` included."""
    if part.visibility is not None or part.public is None:
        return part.visibility
    return Visibility.PUBLIC if part.public else Visibility.PRIVATE


def ports_of(part: ServicePart) -> list[PortPart]:
    """Return the ports that a service lists, in their long form."""
    return [port if isinstance(port, PortPart) else PortPart.model_construct(port=port) for port in part.ports or []]


def is_worker(draft: Draft, name: str) -> bool:
    """Whether a service listens on nothing (a custom service that says nothing of ports, domains, visibility or HTTP)."""
    part = draft.services[name]
    health = part.health
    listens = (
        part.ports or asked_visibility(part) or draft.has_domains(name) or (health and (health.http or health.port))
    )
    return (
        type_of(part) is ServiceType.CUSTOM and not listens and not draft.findings.is_spoilt("services", name, "ports")
    )


def is_persistent(part: ServicePart) -> bool:
    """Whether a custom service keeps data on disk."""
    mounts = part.persistence is not None and part.persistence is not False
    return type_of(part) is ServiceType.CUSTOM and (mounts or part.retention is Retention.PERMANENT)


def mounts_of(part: ServicePart) -> list[MountPart]:
    """Return the mounts that a service writes out."""
    if isinstance(part.persistence, MountPart):
        return [part.persistence]
    return list(part.persistence) if isinstance(part.persistence, list) else []


def depends_of(form: DependsForm | None) -> Iterator[tuple[str, Condition | None, tuple[str | int, ...]]]:
    """Yield the name, the condition (None: the one that fits) and the place of each dependency."""
    if isinstance(form, dict):
        for name, condition in form.items():
            yield name, condition.condition if isinstance(condition, ConditionPart) else condition, (name,)
    for index, name in enumerate(form if isinstance(form, list) else []):
        yield name, None, (index,)
