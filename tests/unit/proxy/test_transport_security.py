"""What the proxy's own answers say of TLS."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from hostess_proxy.routes.pages import Answer
from hostess_proxy.routes.transport_security import secured
from hostess_proxy.tables.terms import Hsts

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange


def test_fields_of_an_answer_stay() -> None:
    """The field of the route comes after those that the answer has already."""
    terms = SimpleNamespace(hsts=Hsts(60))
    exchange = SimpleNamespace(
        live=SimpleNamespace(route=SimpleNamespace(terms=terms)), client=SimpleNamespace(secure=True)
    )

    found = secured(Answer(405, "not-allowed", lines=b"Allow: GET\r\n"), cast("Exchange", exchange))

    assert found.lines == b"Allow: GET\r\nStrict-Transport-Security: max-age=60\r\n"
