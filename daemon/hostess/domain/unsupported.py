"""What the format can say and this version does not serve yet: refused in a sentence, never silently ignored."""

from hostess.domain.problem import Problem
from hostess.domain.stack import Service, ServiceType, Stack, Visibility


def refuse_unsupported(stack: Stack) -> None:
    """Raise Problem "not-served-yet" that lists everything in *stack* that this version would have to ignore."""
    found = [f"services.{service.name}.{what}" for service in stack.services.values() for what in _service(service)]
    if stack.jobs:
        found.append(f"jobs ({', '.join(stack.jobs)})")
    if found:
        raise Problem(
            "not-served-yet",
            f"this version of Hostess cannot run: {'; '.join(found)}",
            remedy="take it out of hostess.yml for now; nothing was changed",
        )


def _service(service: Service) -> list[str]:
    found = []
    if service.type is ServiceType.STATIC:
        found.append("type static")
    elif service.source is not None:
        found.append("source (builds without a Dockerfile): write a Dockerfile and use `build:`")
    if service.visibility is Visibility.TEAM or any(p.visibility is Visibility.TEAM for p in service.ports):
        found.append("visibility team (sign-in at the proxy): use private or public")
    if service.env_file:
        found.append("env_file")
    if service.files:
        found.append("files")
    if service.databases is not None:
        found.append("databases (scoped databases)")
    if service.lifecycle.init is not None:
        found.append("lifecycle.init")
    hooks = (service.lifecycle.migrate, service.lifecycle.post_deploy, service.lifecycle.shutdown)
    if any(hook is not None and hook.job is not None for hook in hooks):
        found.append("lifecycle hooks that name a job")
    if service.is_database and set(service.special) - {"version"}:
        found.append(f"special.{', special.'.join(sorted(set(service.special) - {'version'}))}")
    if service.replicas.low == 0:
        found.append("replicas.min 0 (scale to zero)")
    return found
