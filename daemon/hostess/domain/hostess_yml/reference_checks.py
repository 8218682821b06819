"""The rules of magic variables: every reference in `env` points at something that is there and has what is asked for."""

from hostess.domain.hostess_yml import references
from hostess.domain.hostess_yml.draft import Draft
from hostess.domain.hostess_yml.mistakes import Path, WrongValue, did_you_mean, listed, quoted
from hostess.domain.hostess_yml.references import Reference, RefersTo
from hostess.domain.hostess_yml.stack import Service, ServiceType, Stack, Visibility


def check_references(draft: Draft, stack: Stack) -> None:
    """Note every reference that cannot be resolved; *stack* is what could be built of the draft."""
    for path, part in draft.parts():
        for name, value in (part.env or {}).items():
            at = (*path, "env", name)
            try:
                found = references.references(value)
            except WrongValue as wrong:
                draft.findings.add(at, wrong.message, wrong.hint)
                continue
            for reference in found:
                _check(draft, stack, at, reference)


def _check(draft: Draft, stack: Stack, path: Path, reference: Reference) -> None:
    if reference.kind is RefersTo.SERVICE:
        _check_service(draft, stack, path, reference)
    elif reference.kind is not RefersTo.SECRET:
        own = reference.kind is RefersTo.SELF
        allowed = references.SELF_PROPERTIES if own else references.DEPLOYMENT_PROPERTIES
        if reference.property not in allowed:
            hint = did_you_mean(reference.property, allowed) or f"there is {listed(allowed, 'and')}"
            draft.findings.add(path, f"{reference} does not exist", hint)


def _check_service(draft: Draft, stack: Stack, path: Path, reference: Reference) -> None:
    target = reference.target
    if target not in draft.service_names:
        _refuse_target(draft, path, reference)
        return
    service = stack.services.get(target)
    if service is None or draft.known_type(target) is None or draft.findings.is_spoilt("services", target, "ports"):
        return
    allowed = references.allowed_properties(service)
    if reference.property not in allowed:
        draft.findings.add(path, f"{reference} does not exist: {_why(service, reference)}", _hint(service, reference))
    elif reference.property.endswith(("external_url", "external_host")) and _is_hidden(service, reference):
        draft.findings.note(f"{reference} is used, but {target} is private: the address answers only when it is public")


def _refuse_target(draft: Draft, path: Path, reference: Reference) -> None:
    if reference.target in draft.job_names:
        draft.findings.add(path, f"{reference} does not exist: {reference.target} is a job", "jobs have no address")
        return
    hint = did_you_mean(reference.target, [*draft.service_names, "deployment", "service"])
    draft.findings.add(path, f"{quoted(reference.target)} is no service of this file", hint)


def _why(service: Service, reference: Reference) -> str:
    if service.is_worker:
        return f"{service.name} listens on no port"
    if reference.property.startswith("port_") and not service.is_database:
        head, _, what = reference.property.partition(".")
        if not what:
            return f"{head} is a port, and has several properties"
        if what not in references.PORT_PROPERTIES:
            return f"ports have no {quoted(what)}"
        return f"{service.name} has no {head}, it lists {len(service.ports)}"
    return f"{service.type} has no {quoted(reference.property)}"


def _hint(service: Service, reference: Reference) -> str:
    if service.is_worker:
        return f"add ports to services.{service.name}, or use ${{{service.name}.host}}"
    if reference.property == references.POOLED and service.type is ServiceType.POSTGRES:
        return "turn on special.pooler"
    allowed = references.allowed_properties(service)
    plain = [name for name in allowed if "." not in name]
    if reference.property.startswith("port_"):
        return f"ports count from port_1, and have {listed(references.PORT_PROPERTIES, 'and')}"
    return did_you_mean(reference.property, allowed) or f"there is {listed(plain, 'and')}"


def _is_hidden(service: Service, reference: Reference) -> bool:
    if service.is_database:
        return False
    head, _, _ = reference.property.partition(".")
    index = int(head.removeprefix("port_")) - 1 if head.startswith("port_") else 0
    return service.ports[index].visibility is Visibility.PRIVATE
