"""Databases that are opened to the outside: whether the host can do that, and whether all who ask for their address there are served."""

from collections.abc import Collection, Mapping

from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.mistakes import InvalidStack, Path
from hostess.domain.hostess_yml.reading import read
from hostess.domain.hostess_yml.references import Reference, references
from hostess.domain.hostess_yml.stack import Service, ServiceType, Stack

OUTSIDE = frozenset({"external_url", "external_host"})
"""The properties that only a database has which is opened."""

PORTS = {ServiceType.POSTGRES: 5432, ServiceType.REDIS: 6379}


def refuse_closed(
    stack: Stack, text: bytes | str, name: str = "hostess.yml", openable: Collection[ServiceType] | None = None
) -> None:
    """Raise InvalidStack for each reference to the outside of a database that is not opened, and for each that cannot be opened.

    *text* is what the stack was read from, in the file *name*; *openable* are the types that this host listens for, None: not known.
    """
    findings = Findings(read(text, name))
    for service in stack.services.values():
        if service.opening is not None and openable is not None and service.type not in openable:
            findings.add(
                ("services", service.name, "special", "external"),
                f"this host does not listen for {service.type} from outside",
                f'its operator can: proxy.{service.type} = ":{PORTS[service.type]}" in the settings, then restart daemon and proxy',
            )
    for part, service in stack.services.items():
        _check(findings, stack, ("services", part, "env"), service.env)
    for part, job in stack.jobs.items():
        _check(findings, stack, ("jobs", part, "env"), job.env)
    if findings.mistakes:
        raise InvalidStack(findings.mistakes, name)


def _check(findings: Findings, stack: Stack, path: Path, env: Mapping[str, str]) -> None:
    for variable, value in env.items():
        for reference in references(value):
            target = stack.services.get(reference.target)
            if target is not None and _is_closed(target, reference):
                inside = reference.property.removeprefix("external_")
                findings.add(
                    (*path, variable),
                    f"{reference} has no value: {target.name} is not reached from outside",
                    f"open it with `special: {{external: true}}` in services.{target.name}, "
                    f"or use ${{{target.name}.{inside}}} inside the stack",
                )


def _is_closed(target: Service, reference: Reference) -> bool:
    return target.is_database and target.opening is None and reference.property in OUTSIDE
