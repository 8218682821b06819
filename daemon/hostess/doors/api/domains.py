"""Domains of a project: those of hostess.yml, and those given to services by command, which lead there at once."""

from pydantic import Field

from hostess.domain.names import LONGEST_HOST, PRODUCTION
from hostess.domain.records import LiveDomain
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.routing.live_domains import Standing

BASE = "/v1/projects/{project}/domains"


class DomainView(View):
    """A domain. *sources*: "file" (hostess.yml), "command". *state*: "live", "pending DNS: ..." with the records to make, "waits: ..."."""

    host: str
    project: str
    environment: str
    service: str
    sources: tuple[str, ...]
    state: str


class DomainList(View):
    """Domains, by name."""

    items: tuple[DomainView, ...]


class DomainQuery(Given):
    """Which domains to list: all, or the one of a host."""

    host: str = Field(default="", max_length=LONGEST_HOST)


class NewDomain(Given):
    """A host, and the service that it leads to."""

    host: str = Field(max_length=LONGEST_HOST)
    service: str = Field(max_length=63)
    environment: str = Field(default=PRODUCTION, max_length=63)


class OtherTarget(Given):
    """Where a host leads from now on; what is left out stays."""

    service: str = Field(default="", max_length=63)
    environment: str = Field(default="", max_length=63)


@op(f"GET {BASE}", "read", given=DomainQuery, returns=DomainList)
async def list_domains(call: Call, query: DomainQuery) -> DomainList:
    """List the domains of a project, and where each stands."""
    found = await call.services.domains.of(call.project, host=query.host.lower())
    return DomainList(items=tuple(_view(call, each) for each in found))


@op(f"POST {BASE}", "deploy", given=NewDomain, returns=DomainView, status=201)
async def add_domain(call: Call, given: NewDomain) -> DomainView:
    """Let a host lead to a service, at once."""
    made = await call.services.domains.add(_domain(call, given.host, given.service, given.environment))
    return await _changed(call, made, "added")


@op(f"PATCH {BASE}/{{host}}", "deploy", given=OtherTarget, returns=DomainView)
async def update_domain(call: Call, given: OtherTarget) -> DomainView:
    """Let a host that was added lead to another service or environment, at once."""
    asked = _domain(call, call.path["host"], given.service, given.environment)
    return await _changed(call, await call.services.domains.update(asked), "moved")


@op(f"DELETE {BASE}/{{host}}", "deploy", status=204)
async def remove_domain(call: Call, _: Nothing) -> None:
    """Take a host away that was added."""
    gone = await call.services.domains.remove(call.project, call.path["host"])
    said = f"removed domain {gone.host}"
    await call.audit("domain.removed", said, {"host": gone.host, "service": gone.service}, environment=gone.environment)


def _domain(call: Call, host: str, service: str, environment: str) -> LiveDomain:
    return LiveDomain(host, call.project, environment, service, call.services.clock.now(), call.caller.name)


async def _changed(call: Call, made: Standing, what: str) -> DomainView:
    said = f"{what} domain {made.host}"
    await call.audit(f"domain.{what}", said, {"host": made.host, "service": made.service}, environment=made.environment)
    return _view(call, made)


def _view(call: Call, each: Standing) -> DomainView:
    return DomainView(
        host=each.host,
        project=call.project,
        environment=each.environment,
        service=each.service,
        sources=each.sources,
        state=each.state,
    )


OPERATIONS = (list_domains, add_domain, update_domain, remove_domain)
