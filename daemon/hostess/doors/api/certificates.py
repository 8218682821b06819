"""How all certificates stand: those of authorities, those that were brought, those of this installation's own authority."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.names import spelled
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.certificates.certificates import Standing


class CertificateView(View):
    """A certificate, or one that is wanted and not there yet.

    *source*: acme, imported, internal. *state*: serving, issuing, renewing, pending dns, waiting for a limit, failed; expired for one
    that was brought; kept for one whose hosts are gone. *renewal* is when its successor is ordered, *next_attempt* when something is
    done next, where something is the matter, and *error* is what.
    """

    names: tuple[str, ...]
    project: str
    source: str
    state: str
    id: str = ""
    issuer: str = ""
    serial: str = ""
    authority: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    renewal: datetime | None = None
    next_attempt: datetime | None = None
    error: str = ""


class CertificateList(View):
    """All that the caller may see."""

    items: tuple[CertificateView, ...]


class Retry(Given):
    """The host whose certificate is wanted."""

    host: str = Field(min_length=1, max_length=253)


class Retried(View):
    """What is ordered: the names of each certificate."""

    items: tuple[tuple[str, ...], ...]


@op("GET /v1/tls", "read", returns=CertificateList)
async def list_certificates(call: Call, _: Nothing) -> CertificateList:
    """List certificates, with what each waits for."""
    standings = await call.services.orders.standings()
    current = {each.current.id for each in standings if each.current is not None}
    used, now = call.services.served.used, call.services.clock.now()
    found = [_standing(each) for each in standings]
    for each in await call.services.certificates.all():
        match each.source:
            case Source.IMPORTED:
                found.append(_view(call, each, "expired" if each.not_after <= now else "serving"))
            case Source.INTERNAL if each.id in used:
                found.append(_view(call, each, "serving"))
            case Source.ACME if each.id not in current:
                found.append(_view(call, each, "serving" if each.id in used else "kept"))
    hide = call.services.redactor.hide
    seen = [
        each.model_copy(update={"error": hide(each.error), "names": names})
        for each in found
        if (names := _seen(call, each.names))
    ]
    return CertificateList(items=tuple(sorted(seen, key=lambda each: (each.source, each.names))))


@op("POST /v1/tls/retry", "deploy", given=Retry, returns=Retried, status=202)
async def retry_certificate(call: Call, given: Retry) -> Retried:
    """Order the certificate for a host now, whatever has failed before and whatever DNS says; one that is well is renewed."""
    host = spelled(given.host)
    call.require("deploy", call.services.orders.project_of([host]) or None)
    wanted = await call.services.orders.retry(host)
    await call.audit("certificate.retried", f"asked for the certificate for {host}", {"host": host})
    return Retried(items=tuple(each.names for each in wanted))


def _seen(call: Call, names: Iterable[str]) -> tuple[str, ...]:
    """Return those names that the caller may see: those of his projects; others are the whole host's."""
    if not call.caller.token.projects:
        return tuple(names)
    owned = ((name, call.services.orders.project_of([name])) for name in names)
    return tuple(name for name, project in owned if project and call.sees(project))


def _standing(standing: Standing) -> CertificateView:
    made, told = standing.current, bool(standing.error)
    return CertificateView(
        names=standing.wanted.names,
        project=standing.project,
        source=Source.ACME,
        state=standing.status,
        renewal=standing.renewal,
        next_attempt=standing.at if told else None,
        error=standing.error,
        **(_facts(made) if made is not None else {}),
    )


def _view(call: Call, certificate: Certificate, state: str) -> CertificateView:
    project = call.services.orders.project_of(certificate.names)
    return CertificateView(
        names=certificate.names, project=project, source=certificate.source, state=state, **_facts(certificate)
    )


def _facts(certificate: Certificate) -> dict[str, str | datetime]:
    return {
        "id": certificate.id,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "authority": certificate.authority,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
    }


OPERATIONS = (list_certificates, retry_certificate)
