"""One request on its way: from a parsed head to a line in the access log.

An exchange stands between a client's connection and a backend's. It finds the route, takes a target, repeats what is safe to
repeat (`retries` says what), and ends exactly once:

    begin ─► (dial ⇄ retry) ─► request sent ─► response begun ─► ended
                  │                 │               │
                  └── 502/503       └── 502/504     └── truncated, cut, client gone

It knows nothing of the wire format on the client's side, so another HTTP version needs another `Client` only.
"""

from time import monotonic
from typing import TYPE_CHECKING, Final

from hostess_proxy.http1 import composing
from hostess_proxy.http1.heads import NO_BODY, Request, Response
from hostess_proxy.http1.statuses import CONTINUE
from hostess_proxy.http1.websocket import FrameBoundary
from hostess_proxy.retries import Way, elsewhere, is_repeatable, once_more
from hostess_proxy.routes.buffering import Spool, gather
from hostess_proxy.routes.error_pages import dressed
from hostess_proxy.routes.holding import HELD, Waiting
from hostess_proxy.routes.pages import Answer
from hostess_proxy.static.files import answer

if TYPE_CHECKING:
    from hostess_proxy.ports import Backend, Client, Ending, Sink
    from hostess_proxy.static.files import FileBody
    from hostess_proxy.targets import LiveRoute, Target
    from hostess_proxy.telemetry.counting import Counts
    from hostess_proxy.traffic import Traffic

BODY_SECONDS: Final = 30.0
CONTINUE_SECONDS: Final = 1.0
HALF_CLOSED_SECONDS: Final = 300.0
NEVER: Final = float("inf")


class Exchange:
    """One request and its response. *signed_by* (where its route has a gate) is the digest of the token that it passed with.

    *asked* is what the client sent, *request* what the backend is to see, *waited* for how many seconds it was held. *spool* holds the
    body where it was buffered, *cookie* is one to set (with its attributes, for shapes of its route), *ends_with* is closed when it
    ends, before the client goes on.
    """

    __slots__ = (
        "asked", "at", "body_done", "client", "connect", "continued", "cookie", "ended", "ends_with", "error", "first_byte", "frames",
        "half_closed", "id", "is_head", "live", "pending", "received", "repeat", "request", "retries", "sent", "signed_by", "sink", "spool",
        "started", "status", "target", "traffic", "tried", "upgraded", "upstream", "waited",
    )  # fmt: skip
    signed_by: bytes

    def __init__(self, traffic: "Traffic", client: "Client", request: Request) -> None:
        fields = request.fields
        self.traffic = traffic
        self.client = client
        self.asked = self.request = request
        self.id = fields.request_id or traffic.new_id()
        self.is_head = request.method == b"HEAD"
        self.body_done = fields.length == NO_BODY
        self.live: LiveRoute | None = None
        self.target: Target | None = None
        self.upstream: Backend | FileBody | Spool | Waiting | None = None
        self.spool: Spool | None = None
        self.tried: tuple[Target, ...] = ()
        self.pending: list[bytes] = []
        self.started = started = monotonic()
        self.at = started + traffic.wall
        self.connect = 0.0
        self.first_byte = 0.0
        self.waited = 0.0
        self.status = 0
        self.received = 0
        self.sent = 0
        self.retries = 0
        self.repeat = 0
        self.cookie = b""
        self.sink: Sink = client
        self.ends_with: tuple[Ending, ...] = ()
        self.continued = False
        self.upgraded = False
        self.half_closed = False
        self.frames: FrameBoundary | None = None
        self.error = ""
        self.ended = False

    @property
    def may_upgrade(self) -> bool:
        """Whether the client asked for another protocol."""
        return bool(self.request.fields.upgrade)

    @property
    def counts(self) -> "Counts | None":
        """What is counted of the release that answers; None when there is none."""
        return self.live.counts if self.live is not None else None

    # ---- the way there

    def begin(self) -> None:
        """Find the route and send the request on its way, or answer it here. Begins anew while nothing was sent to anybody."""
        request = self.request = self.asked
        live = self.client.find(request)
        if live is None:
            known = self.traffic.targets.table.knows(request.fields.name)
            self._answer(404, "unknown-path" if known else "unknown-host", end="no_route")
            return
        self.live = live
        for check in live.checks:
            verdict = check(live, self)
            if verdict is not None:
                self._say(verdict, end=verdict.end)
                return
        live = self.live  # a check may have put another one there
        route = live.route
        if self.body_done:
            self.client.deadline = self.traffic.now + route.first_byte_timeout if route.first_byte_timeout else NEVER
        else:
            expects = request.fields.expects_continue
            self.client.deadline = self.traffic.now + (CONTINUE_SECONDS if expects else live.body_seconds)
        if live.site is not None:
            answer(self, live.site)
        elif route.buffer is not None and not self.body_done:
            gather(self, route.buffer)
        else:
            self.go(live)

    def go(self, live: "LiveRoute") -> None:
        """Send the request to a target of this route."""
        self.live = live
        target = live.pick(self.traffic.now)
        if target is None:
            self._answer(503, "no-backend", end="no_target")
        else:
            self._send_to(target, reuse=True)

    def _send_to(self, target: "Target", *, reuse: bool) -> None:
        self.target = target
        target.exchanges.add(self)
        target.begun += 1
        if reuse:
            upstream = target.take_idle(self.traffic.now, fresh=not is_repeatable(self))
            if upstream is not None:
                self._send_on(upstream)
                return
        self.traffic.dialer.dial(target, self)

    def connected(self, upstream: "Backend") -> None:
        """Send the request on a connection that was opened for it."""
        if self.ended:
            upstream.spare()
        else:
            self._send_on(upstream)

    def connect_failed(self, target: "Target") -> None:
        """No connection could be opened: nothing was sent, so any method may go elsewhere."""
        self.traffic.blame(target, self.live, connecting=True)
        if self.ended:
            return
        self.tried += (target,)
        self._go_on(elsewhere(self), "backend-unreachable", end="connect_failed")

    def _go_on(self, way: Way | None, code: str, *, end: str) -> None:
        """Send the request (again) where it may go, or answer 502."""
        if way is None:
            self._answer(502, code, end=end)
            return
        if self.target is not None:
            self.target.leave(self)
        self.live = way.live
        self.retries += 1
        self.repeat = max(self.repeat, way.repeat)
        if way.target is None:
            self.begin()
        else:
            self._send_to(way.target, reuse=not way.repeat)

    def _send_on(self, upstream: "Backend") -> None:
        self.upstream = upstream
        upstream.send(self, composing.request_head(self, upstream.target.address))
        if self.spool is not None:
            self.spool.pour(upstream)
        if self.pending:
            pending, self.pending = self.pending, []
            self.client.hold_body(held=False)  # before writing, which may hold it again
            for data in pending:
                if data:
                    upstream.send_body(data)
            if self.body_done:
                upstream.end_body()

    def body(self, data: bytes, *, last: bool) -> None:
        """Take more of the request's body from the client."""
        self.received += len(data)
        live = self.live
        if live is not None and live.route.body_limit is not None and self.received > live.route.body_limit:
            self._fail(413, "body-too-large", end="refused")
            return
        self.body_done = last
        if not self.status and live is not None:
            timeout = live.route.first_byte_timeout or NEVER
            self.client.deadline = self.traffic.now + (timeout if last else live.body_seconds)
        upstream = self.upstream
        if upstream is None:
            self.pending.append(data)
            self.client.hold_body(held=True)
            return
        if data:
            upstream.send_body(data)
        if last:
            upstream.end_body()

    # ---- the way back

    def interim(self, response: Response) -> None:
        """Pass a 1xx on: 100 only where the client waits for it, others as they are."""
        if response.status != CONTINUE:
            self.client.send_interim(response)
        elif self.request.fields.expects_continue and not self.continued:
            self.invite_body()

    def invite_body(self) -> None:
        """Tell the client to send its body."""
        self.continued = True
        self.client.send_continue()
        self.client.deadline = self.traffic.now + BODY_SECONDS

    def response(self, response: Response, data: bytes, *, ended: bool) -> None:
        """Pass on the head of the final response and its first bytes; with *ended* they are all."""
        target = self.target
        if target is not None and target.health is not None:
            self.traffic.absolve(target, self.live, self.started)
        self.first_byte = monotonic()
        self.status = response.status
        for shape in self.live.shapes if self.live is not None else ():
            response, data = shape(self, response, data, ended=ended)
        self.sent = len(data)
        self.client.deadline = NEVER
        self.client.start_response(self, response, data, ended=ended)
        if ended:
            self._end("ok")

    def response_body(self, data: bytes) -> None:
        """More of the response, or of a tunnel."""
        self.sent += len(data)
        if self.upgraded:
            self.client.send_raw(data if self.frames is None else self.frames.feed(data))
        else:
            self.sink.send_body(data)

    def response_end(self, trailers: bytes = b"") -> None:
        """End: the response is complete."""
        self.sink.end_body(trailers)
        self._end("ok")

    def upgrade(self, response: Response, data: bytes) -> None:
        """Become a tunnel: from here on bytes are relayed, not read."""
        self.traffic.absolve(self.target, self.live, self.started)
        self.first_byte = monotonic()
        self.status = response.status
        self.upgraded = True
        if response.upgrade.lower() == b"websocket":
            self.frames = FrameBoundary()
        self.client.deadline = NEVER
        self.client.start_tunnel(self, response, b"")
        if data:
            self.response_body(data)
        if self.traffic.draining:
            self.go_away()

    def go_away(self) -> None:
        """Ask a WebSocket's client to leave (Close 1001) as soon as a frame has ended; other tunnels end when they end."""
        if self.frames is not None:
            self.client.send_raw(self.frames.go_away())

    def tunnel_data(self, data: bytes) -> None:
        """Bytes from the client for the other end of the tunnel."""
        self.received += len(data)
        if self.upstream is not None:
            self.upstream.send_body(data)

    def upstream_ended_writing(self) -> bool:
        """Pass on that the backend sends no more through the tunnel; return whether the other direction stays open."""
        return self._half_close(self.client)

    def client_ended_writing(self) -> bool:
        """Pass on that the client sends no more through the tunnel; return whether the other direction stays open."""
        return self._half_close(self.upstream)

    def _half_close(self, other: "Client | Backend | FileBody | Spool | Waiting | None") -> bool:
        if self.half_closed or other is None:
            self._end("ok")
            return False
        self.half_closed = True
        self.client.deadline = self.traffic.now + HALF_CLOSED_SECONDS
        other.end_writing()
        return True

    # ---- what can go wrong

    def upstream_lost(self, upstream: "Backend") -> None:
        """Repeat, answer or break off: the backend closed before its response was complete."""
        self.upstream = None
        if self.upgraded:
            self._end("ok")
        elif self.status:
            self._fail(0, "", end="truncated")
        else:
            if not upstream.reused or upstream.got_bytes:
                self.traffic.blame(self.target, self.live, "closed")
            self._go_on(once_more(self, upstream), "backend-closed", end="backend_closed")

    def truncated(self) -> None:
        """Break off: the file that is being sent came to its end before its time."""
        self._fail(503, "file-changed", end="truncated")

    def refuse(self, status: int, code: str, end: str = "refused") -> None:
        """Answer that nothing comes for the request, and why."""
        self._answer(status, code, end=end)

    def backend_invalid(self, code: str) -> None:
        """Refuse what the backend sent: it is no HTTP, or has no single reading."""
        self.error = code
        if not self.status:
            self.traffic.blame(self.target, self.live, "invalid")
        self._fail(502, "backend-invalid-response", end="backend_invalid")

    def client_invalid(self, status: int, code: str) -> None:
        """Refuse the client's body."""
        self._fail(status, code, end="refused")

    def client_gone(self) -> None:
        """End: the client left, and nobody needs the backend's work any more."""
        if not self.ended:
            self.status = self.status or 499
            self._end("ok" if self.upgraded else "client_gone")

    def expired(self, now: float) -> None:
        """Act on the client's deadline, which has passed."""
        if not self.body_done:
            if self.request.fields.expects_continue and not self.continued and not self.received:
                self.invite_body()
            else:
                stalls = self.upstream is not None and self.upstream.is_full
                self._fail(*((504, "backend-timeout") if stalls else (408, "body-timeout")), end="timeout")
        elif self.upgraded:
            self._end("ok")
        elif self.status:
            self.client.deadline = now + BODY_SECONDS
        else:
            self._fail(504, "backend-timeout", end="timeout")

    def cut(self, status: int = 504, code: str = "cut-off") -> None:
        """End it now: its target goes away, or who began it may pass no more."""
        self.go_away()
        if self.upgraded:
            self._end("cut")
        else:
            self._fail(status, code, end="cut")

    def recheck(self) -> None:
        """End it now where today's table does not let pass what it was begun with."""
        digest = self.signed_by if self.live is not None and self.live.gate is not None else b""
        if self.traffic.targets.table.shuts_out(self.client.find(self.asked), digest):
            self.cut(401, "sign-in-needed")

    def _fail(self, status: int, code: str, *, end: str) -> None:
        """Answer, or break off where the response has begun."""
        if not self.status:
            self._answer(status, code, end=end)
        elif not self.ended:
            self.client.break_off()
            self._end(end)

    def _answer(self, status: int, code: str, *, end: str) -> None:
        self._say(Answer(status, code), end=end)

    def _say(self, answer: Answer, *, end: str) -> None:
        if self.ended or answer is HELD:
            return
        self.status = answer.status
        self.error = self.error or answer.code
        self.sent = self.client.send_answer(self, dressed(answer, self))
        self._end(end)

    def _end(self, end: str) -> None:
        if self.ended:
            return
        self.ended = True
        if self.target is not None:
            self.target.leave(self)
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.close(flush=self.upgraded)
        for each in self.ends_with:
            each.close()
        self.traffic.log_exchange(self, end)
        self.client.finished(self)
