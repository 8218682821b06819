"""What the format can say and this version does not serve yet: refused in a sentence, never silently ignored."""

from hostess.domain.problem import Problem
from hostess.domain.stack import Service, ServiceType, Stack, Visibility


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
    found = []
    for service in stack.services.values():
        if service.backups is not None:
            found.append(f"backups of {service.name} are noted, but this version does not take them yet")
        if not service.replicas.fixed and service.type is not ServiceType.STATIC:
            found.append(
                f"{service.name} runs {service.replicas.low} replicas: this version does not scale by itself yet"
            )
        if service.type is ServiceType.REDIS and len(service.databases or {}) > 1:
            found.append(
                f"{service.name}: a connection that selects no index is in index 0, whichever group's that is; "
                f"${{{service.name}.url}} names each group's own"
            )
    return found


def _service(service: Service) -> list[str]:
    found = []
    if service.type is ServiceType.STATIC:
        found += [f"{key} (nothing runs in a static service)" for key in _runs(service)]
    if service.visibility is Visibility.TEAM or any(p.visibility is Visibility.TEAM for p in service.ports):
        found.append("visibility team (sign-in at the proxy): use private or public")
    if service.is_database and service.replicas.high > 1:
        found.append("replicas above 1 (one host keeps one copy of a database: read_url is the url)")
    if service.backups is not None and service.backups.pitr:
        found.append("backups.pitr")
    if service.replicas.low == 0 and service.type is not ServiceType.STATIC:
        found.append("replicas.min 0 (scale to zero)")
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
