"""Certificates that people bring, and the root of the internal authority."""

from datetime import datetime

from pydantic import Field

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.pem import facts_of
from hostess.domain.problem import Problem
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.doors.api.proxied import came_in_clear


class NewCertificate(Given):
    """A certificate with what signed it, and its key (PEM, both); *host*: refuse it unless it is for that one."""

    chain: str = Field(max_length=200_000)
    key: str = Field(max_length=50_000, repr=False)
    host: str = Field(default="", max_length=253)


class ImportedCertificate(View):
    """An imported certificate; its key is never shown."""

    id: str
    names: tuple[str, ...]
    source: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime


class Imported(ImportedCertificate):
    """A certificate that was just imported, and the ids of those in whose place it is served."""

    replaced: tuple[str, ...]


class RemovedCertificates(View):
    """What was removed."""

    items: tuple[ImportedCertificate, ...]


class Root(View):
    """The root of the internal authority, for clients to trust; *fingerprint* is SHA-256 in hex."""

    certificate: str
    name: str
    fingerprint: str
    not_after: datetime


@op("POST /v1/tls/certificates", "admin", given=NewCertificate, returns=Imported, status=201)
async def import_certificate(call: Call, given: NewCertificate) -> Imported:
    """Check a certificate of somebody's own and serve it from now on."""
    if came_in_clear(call.services.voucher, call.request):
        raise Problem(
            "insecure-key",
            "a private key over plain HTTP can be read by everybody on the way, so it is refused here",
            remedy="take another key and certificate; send them on the host itself, or over HTTPS (the setting api.host)",
        )
    made, former = await call.services.imports.bring(given.chain, given.key, given.host)
    data = {"certificate": made.id, "names": list(made.names), "replaced": [each.id for each in former]}
    await call.audit("certificate.imported", f"imported the certificate for {', '.join(made.names)}", data)
    return Imported(**_view(made).model_dump(), replaced=tuple(each.id for each in former))


@op("DELETE /v1/tls/certificates/{certificate}", "admin", returns=RemovedCertificates)
async def remove_certificate(call: Call, _: Nothing) -> RemovedCertificates:
    """Serve an imported certificate no longer, by its id or one of its names."""
    found = await call.services.imports.remove(call.path["certificate"])
    for each in found:
        data = {"certificate": each.id, "names": list(each.names)}
        await call.audit("certificate.removed", f"removed the certificate for {', '.join(each.names)}", data)
    return RemovedCertificates(items=tuple(map(_view, found)))


@op("GET /v1/tls/root", "read", returns=Root)
async def show_root(call: Call, _: Nothing) -> Root:
    """Show the root certificate of the internal authority."""
    text = await call.services.internal.root()
    facts = facts_of(text)
    return Root(certificate=text, name=facts.name, fingerprint=facts.fingerprint, not_after=facts.not_after)


def _view(certificate: Certificate) -> ImportedCertificate:
    return ImportedCertificate(
        id=certificate.id,
        names=certificate.names,
        source=certificate.source,
        issuer=certificate.issuer,
        serial=certificate.serial,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )


OPERATIONS = (import_certificate, remove_certificate, show_root)
