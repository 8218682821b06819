"""What the format can say and this version does not serve yet: refused in a sentence, never silently ignored."""

from hostess.domain.hostess_yml.references import references
from hostess.domain.hostess_yml.stack import Job, Service, ServiceType, Stack
from hostess.domain.problem import Problem

_NO_COPIES = {
    ServiceType.POSTGRES: "read replicas are copies on other hosts, and this is one host: read_url is the url",
    ServiceType.REDIS: "failover needs copies on other hosts, and this is one host: its data is on the disk, and backups are kept",
}


def refuse_unsupported(stack: Stack) -> None:
    """Raise Problem "not-served-yet" that lists everything in *stack* that this version would have to ignore."""
    found = [f"services.{service.name}.{what}" for service in stack.services.values() for what in _service(service)]
    if found:
        raise Problem(
            "not-served-yet",
            f"this version of Hostess cannot run: {'; '.join(found)}",
            remedy="take it out of hostess.yml for now; nothing was changed",
        )


def notices(stack: Stack) -> list[str]:
    """Return a sentence for each part of *stack* that is accepted and kept, and not acted upon yet."""
    found = [
        f"{service.name}: a connection that selects no index is in index 0, whichever group's that is; "
        f"${{{service.name}.url}} names each group's own"
        for service in stack.services.values()
        if service.type is ServiceType.REDIS and len(service.databases or {}) > 1
    ]
    found += [
        f"${{{name}.read_url}} is ${{{name}.url}}: on one host there are no read replicas"
        for name in _read_apart(stack)
    ]
    return found


def _read_apart(stack: Stack) -> list[str]:
    """Return the databases that somebody reads by a URL of its own."""
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    asked = {
        reference.target
        for part in parts
        for value in part.env.values()
        for reference in references(value)
        if reference.property == "read_url"
    }
    return [name for name, service in stack.services.items() if name in asked and service.is_database]


def _service(service: Service) -> list[str]:
    found = []
    if service.type is ServiceType.STATIC:
        found += [f"{key} (nothing runs in a static service)" for key in _runs(service)]
    if service.is_database and service.replicas.high > 1:
        found.append(f"replicas above 1 ({_NO_COPIES[service.type]})")
    return found


def _runs(service: Service) -> list[str]:
    """Return the keys of a service that are about its containers."""
    hooks = service.lifecycle
    said = {
        "command": service.command is not None,
        "entrypoint": service.entrypoint is not None,
        "files": bool(service.files),
        "lifecycle": any((hooks.init, hooks.migrate, hooks.post_deploy, hooks.shutdown)),
    }
    return [key for key, is_said in said.items() if is_said]
