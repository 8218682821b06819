"""An authority in memory: it judges by what the proxy's newest table really answers, and signs what is proven."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from hostess.domain.certificates.order import Authorization, Challenge, Kind, Order, RenewalWindow, Trouble
from hostess.domain.ports import AuthorityError, Challenges, Clock
from tests.issuing import DAY, NOW, Issued, authorities

ABOVE = authorities()


@dataclass
class Asked:
    """One order. *proven* are the names that were proven, *denied* those that were not."""

    names: tuple[str, ...]
    at: datetime
    replaces: str
    profile: str = ""
    proven: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    chain: str = ""
    expired: bool = False


class FakeAuthority:
    """Implements `ports.Authority`. *answers* returns what the proxy answers at present.

    Names in *astray* lead elsewhere, those in *no_http* cannot be reached at port 80. *refuses* is raised by every call until it is
    None again. *windows* maps renewal ids to windows; None: it has none. *hold*, while it is there and not set, lets no order be
    judged, *hold_window* no question when to renew be answered.
    """

    def __init__(
        self, clock: Clock, answers: Callable[[], Challenges], directory: str = "https://ca.example.org/dir"
    ) -> None:
        self.directory = directory
        self.orders: list[Asked] = []
        self.astray: set[str] = set()
        self.no_http: set[str] = set()
        self.refuses: AuthorityError | None = None
        self.windows: dict[str, RenewalWindow] | None = None
        self.replaced: set[str] = set()
        self.life = 90 * DAY
        self.hold: asyncio.Event | None = None
        self.hold_window: asyncio.Event | None = None
        self.most_at_once = 0
        self.asked_windows = 0
        self.kinds: list[Kind] = []
        self._open = 0
        self._clock = clock
        self._answers = answers

    async def begin(self, names: Sequence[str], *, replaces: str = "", profile: str = "") -> Order:
        """Take an order down."""
        self._speak()
        if replaces and replaces in self.replaced:
            raise AuthorityError(Trouble.REPLACED, f"{replaces} has been replaced")
        self.orders.append(Asked(tuple(names), self._clock.now(), replaces, profile))
        return self._order(len(self.orders) - 1)

    async def order(self, url: str) -> Order:
        """Return an order."""
        self._speak()
        return self._order(int(url.rpartition("/")[2]))

    async def ready(self, challenge: Challenge) -> None:
        """Judge at once."""
        self._speak()
        number, kind, name = challenge.url.split("/")[-3:]
        asked = self.orders[int(number)]
        self.kinds.append(Kind(kind))
        given = self._answers()
        found = {
            Kind.HTTP: given.http.get(challenge.token) == challenge.answer and name not in self.no_http,
            Kind.ALPN: any(each.name == name for each in given.alpn),
            Kind.DNS: True,
        }[Kind(kind)]
        (asked.proven if found and name not in self.astray else asked.denied).add(name)

    async def settled(self, order: Order) -> Order:
        """Return it as it is, once it may be judged."""
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            if self.hold is not None:
                await self.hold.wait()
            await asyncio.sleep(0)
        finally:
            self._open -= 1
        return await self.order(order.url)

    async def finish(self, order: Order, request: bytes) -> str:
        """Sign."""
        self._speak()
        asked = self.orders[int(order.url.rpartition("/")[2])]
        if not asked.chain:
            asked.chain = self._signed(request)
            if asked.replaces:
                self.replaced.add(asked.replaces)
        return asked.chain

    async def window(self, renewal_id: str) -> RenewalWindow | None:
        """Return what the test has said."""
        self._speak()
        self.asked_windows += 1
        if self.hold_window is not None:
            await self.hold_window.wait()
        return None if self.windows is None else self.windows.get(renewal_id)

    async def close(self) -> None:
        """Do nothing."""

    @property
    def issued(self) -> list[Asked]:
        """Return the orders that came to a certificate."""
        return [each for each in self.orders if each.chain]

    def _speak(self) -> None:
        if self.refuses is not None:
            raise self.refuses

    def _order(self, number: int) -> Order:
        asked = self.orders[number]
        states = [self._state(asked, name) for name in asked.names]
        if asked.expired or "invalid" in states:
            status = "invalid"
        else:
            status = "valid" if asked.chain else "ready" if set(states) == {"valid"} else "pending"
        order = Order(
            f"{self.directory}/order/{number}",
            status,
            asked.names,
            tuple(self._authorization(number, name) for name in asked.names),
        )
        denied = ", ".join(sorted(asked.denied))
        return replace(order, error=f"{denied} did not answer", trouble=Trouble.NOT_OURS_YET) if denied else order

    def _authorization(self, number: int, name: str) -> Authorization:
        bare, wild = name.removeprefix("*."), name.startswith("*.")
        kinds = [Kind.DNS] if wild else [Kind.HTTP, Kind.ALPN, Kind.DNS]
        challenges = []
        for kind in kinds:
            token = hashlib.sha256(f"{number} {name} {kind}".encode()).hexdigest()
            url = f"{self.directory}/{number}/{kind}/{name}"
            challenges.append(Challenge(kind, url, token, "pending", f"{token}.thumb"))
        return Authorization(bare, wild, self._state(self.orders[number], name), tuple(challenges))

    def _state(self, asked: Asked, name: str) -> str:
        return "valid" if name in asked.proven else "invalid" if name in asked.denied else "pending"

    def _signed(self, given: bytes) -> str:
        request, above, now = x509.load_der_x509_csr(given), ABOVE[1], self._clock.now()
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(above.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - timedelta(hours=1), NOW - DAY))
            .not_valid_after(now + self.life)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.private.public_key()), critical=False
            )
        )
        for extension in request.extensions:
            leaf = leaf.add_extension(extension.value, critical=extension.critical)
        return Issued(leaf.sign(above.private, SHA256()), above.private, above).chain
