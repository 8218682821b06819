"""Whether certificates can be issued for hosts."""

from pydantic import Field

from hostess.doors.api.operation import Call, Given, View, op


class PreflightQuery(Given):
    """A host, or a wildcard."""

    domain: str = Field(min_length=1, max_length=253)


class PreflightFinding(View):
    """One sentence; what *hinders* has to change before a certificate can be issued."""

    code: str
    sentence: str
    hinders: bool


class RecordToMake(View):
    """A DNS record to make, or to *remove*."""

    type: str
    name: str
    value: str
    remove: bool


class PreflightView(View):
    """What keeps authorities from issuing a certificate for a domain, and what to change in DNS."""

    domain: str
    ready: bool
    verdict: str
    findings: tuple[PreflightFinding, ...]
    records: tuple[RecordToMake, ...]


@op("GET /v1/tls/check", "read", given=PreflightQuery, returns=PreflightView)
async def check_domain(call: Call, query: PreflightQuery) -> PreflightView:
    """Ask DNS, and the addresses that it gives, whether a certificate could be issued for a domain now."""
    found = await call.services.preflights.check_one(query.domain)
    return PreflightView(
        domain=found.domain,
        ready=found.ready,
        verdict=found.verdict,
        findings=tuple(
            PreflightFinding(code=each.code, sentence=each.sentence, hinders=each.hinders) for each in found.findings
        ),
        records=tuple(
            RecordToMake(type=each.kind, name=each.name, value=each.value, remove=each.remove) for each in found.records
        ),
    )


OPERATIONS = (check_domain,)
