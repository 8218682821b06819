"""The key `proxy`: what a service that is reached by HTTP asks of the proxy. Its shape, and the value that is made of it."""

import re
from datetime import timedelta
from ipaddress import ip_interface, ip_network
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from hostess.domain import names, quantities
from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.forms import FULL, SHORT, Part, about, forms
from hostess.domain.hostess_yml.mistakes import WrongValue, quoted
from hostess.domain.hostess_yml.stack import Buffer, Protocol, Proxy, RateLimit, Remembered
from hostess.domain.hostess_yml.values import RelativePath, choice, kind_of, text_of

_PREFIX = re.compile(r"(?:/[!$-.0-;=@-Z_a-z~%]{0,255}){1,16}", re.ASCII)
_USER = re.compile(r"[!-9;-~]{1,64}", re.ASCII)
_PASSWORD = re.compile(rf"\$\{{secret:({names.SECRET.pattern})\}}", re.ASCII)
_RATE = re.compile(r"([1-9]\d{0,6})/([smh])", re.ASCII)
_NETWORK = r"[0-9A-Fa-f:.]{2,45}(?:/\d{1,3})?"
_MOST_REQUESTS = 1_000_000


def _prefix(value: object) -> str:
    text = text_of(value)
    if not _PREFIX.fullmatch(text):
        hint = "write it like /api, without a pattern" if text.startswith("/") else f"write it like /{text.strip('/')}"
        raise WrongValue(f"{quoted(text)} is not a path prefix", hint if len(text) < names.LONGEST_HOST else "")
    return text.rstrip("/") or "/"


def _user(value: object) -> str:
    text = stack_values.scalar_text(value)
    if not _USER.fullmatch(text):
        raise WrongValue(f"{quoted(text)} is not a user's name", "use printable characters, without spaces and colons")
    return text


def _password(value: object) -> str:
    """Return the name of the secret. What else stands there may be a password, so it is never repeated."""
    found = _PASSWORD.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        hint = 'keep it out of the file: `hostess secrets add NAME`, and here "${secret:NAME}"'
        raise WrongValue("needs a reference to a secret, not the password itself", hint)
    return found[1]


def _network(value: object) -> str:
    text = text_of(value)
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        near = str(ip_interface(text).network)
    except ValueError:
        hint = 'write it like "10.0.0.0/8" or "2001:db8::/32"'
        raise WrongValue(f"{quoted(text)} is not a network", hint) from None
    raise WrongValue(f"{quoted(text)} is an address within a network", f'did you mean "{near}"?')


def _rate(value: object) -> RateLimit:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise WrongValue(f"needs a rate or a mapping, not {shown}", 'write it like "100/m": so many per s, m or h')
    per = quantities.parse_duration(f"1{found[2]}")
    return RateLimit(int(found[1]), per, int(found[1]))


ProxyPath = Annotated[
    str,
    BeforeValidator(_prefix),
    WithJsonSchema({"type": "string", "title": "path prefix", "pattern": f"^(?:{_PREFIX.pattern})$"}),
]
User = Annotated[str, BeforeValidator(_user), WithJsonSchema({"type": "string", "pattern": f"^(?:{_USER.pattern})$"})]
Password = Annotated[
    str,
    BeforeValidator(_password),
    WithJsonSchema({"type": "string", "title": "a secret", "pattern": f"^(?:{_PASSWORD.pattern})$"}),
]
Network = Annotated[
    str,
    BeforeValidator(_network),
    WithJsonSchema({"type": "string", "title": "network", "pattern": f"^(?:{_NETWORK})$"}),
]
Rate = Annotated[
    RateLimit,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "title": "rate", "pattern": f"^(?:{_RATE.pattern})$"}),
]
_Some = Annotated[list[stack_values.Domain], Field(min_length=1, max_length=1000)]
_Count = Annotated[int, Field(ge=1, le=_MOST_REQUESTS), stack_values.WHOLE]


def _listing(value: object) -> str:
    return FULL if isinstance(value, list) else "\x00mapping" if isinstance(value, dict) else SHORT


class RateLimitPart(Part):
    """A rate of requests in its long form."""

    instead: ClassVar[dict[str, str]] = {"limit": "requests", "window": "per", "seconds": "per", "interval": "per"}

    requests: Annotated[_Count, about("So many requests of one client address.", example=100)]
    per: Annotated[stack_values.Moment, about("In so much time.", example="1m")]
    burst: Annotated[
        _Count | None, about("So many of them at once.", otherwise="as many as `requests`", example=20)
    ] = None


class BufferPart(Part):
    """Room for the bodies of requests."""

    memory: Annotated[
        stack_values.Held | None, about("Bodies up to this wait in memory.", default="1Mi", example="2Mi")
    ] = None
    disk: Annotated[
        stack_values.Size | None,
        about("Longer ones wait on disk, up to this; what is longer still gets 413.", default="1Gi", example="4Gi"),
    ] = None


class HstsPart(Part):
    """How browsers remember that a host is reached by HTTPS alone."""

    instead: ClassVar[dict[str, str]] = {
        "maxAge": "max_age",
        "seconds": "max_age",
        "include_subdomains": "subdomains",
        "includeSubDomains": "subdomains",
    }

    max_age: Annotated[
        stack_values.Life | None, about("For so long after each visit.", default="365d", example="30d")
    ] = None
    subdomains: Annotated[
        stack_values.Flag | None, about("All names below the host, too.", default=False, example=True)
    ] = None
    preload: Annotated[
        stack_values.Flag | None,
        about("Browsers may have the host in the list that they come with.", default=False, example=True),
    ] = None


class ProxyPart(Part):
    """What the proxy does for a service: at all of its hosts and public ports alike."""

    instead: ClassVar[dict[str, str]] = {
        "path_prefix": "path",
        "prefix": "path",
        "strip_path_prefix": "strip_prefix",
        "timeout": "response_timeout",
        "max_request_body": "max_body",
        "body_limit": "max_body",
        "buffering": "buffer_requests",
        "compression": "compress",
        "gzip": "compress",
        "auth": "basic_auth",
        "allow_list": "allow",
        "error_pages_path": "error_pages",
        "redirect": "canonical_host",
        "https_redirect": "redirect_https",
        "ssl_redirect": "redirect_https",
        "force_ssl": "redirect_https",
        "force_https": "redirect_https",
        "strict_transport_security": "hsts",
        "grpc": "protocol: h2c",
        "host": "domains of the service",
        "hosts": "domains of the service",
        "app_port": "ports of the service",
        "healthcheck": "health of the service",
    }

    path: Annotated[
        ProxyPath | None,
        about(
            "Only requests below this path are for the service; of services that share a host the longest path wins.",
            default="/",
            example="/api",
        ),
    ] = None
    strip_prefix: Annotated[
        stack_values.Flag | None,
        about("The service sees paths without `path` before them.", default=False, example=True),
    ] = None
    response_timeout: Annotated[
        stack_values.Span | None,
        about("How long the first byte of an answer may take, else 504.", default="60s", example="5m"),
    ] = None
    max_body: Annotated[
        stack_values.Size | None,
        about("The largest body of a request, else 413.", otherwise="no limit", example="10Mi"),
    ] = None
    buffer_requests: Annotated[
        Annotated[
            Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[BufferPart, Tag(FULL)],
            forms("needs true, false or a mapping"),
        ]
        | None,
        about(
            "The service gets a request when its body is whole, so that slow senders do not hold it.",
            default=False,
            example={"memory": "1Mi", "disk": "1Gi"},
        ),
    ] = None
    compress: Annotated[
        stack_values.Flag | None,
        about(
            "Compress answers that are text for clients that take it. Static sites always are.",
            default=False,
            example=True,
        ),
    ] = None
    basic_auth: Annotated[
        Annotated[dict[User, Password], Field(min_length=1, max_length=100)] | None,
        about(
            "Ask for a name and a password, which is a secret. A password that changes counts from the next deployment.",
            otherwise="asks nobody",
            example={"ann": "${secret:ANN_PASSWORD}"},
        ),
    ] = None
    allow: Annotated[
        Annotated[list[Network], Field(min_length=1, max_length=1000)] | None,
        about(
            "Only clients of these networks may come, others get 403.",
            otherwise="all may",
            example=["10.0.0.0/8", "2001:db8::/32"],
        ),
    ] = None
    rate_limit: Annotated[
        Annotated[Annotated[Rate, Tag(SHORT)] | Annotated[RateLimitPart, Tag(FULL)], forms("needs a rate or a mapping")]
        | None,
        about(
            "How many requests a client address may send, else 429: `100/m`, or a mapping.",
            otherwise="no limit",
            example="100/m",
        ),
    ] = None
    canonical_host: Annotated[
        stack_values.Domain | None,
        about(
            "One of the domains of the service: all its other domains lead there, with path and query.",
            otherwise="each serves",
            example="www.example.com",
        ),
    ] = None
    error_pages: Annotated[
        RelativePath | None,
        about(
            "A folder with pages in place of the proxy's own: `404.html`, `502.html`, `503.html`, `504.html`, those of other "
            "codes, `4xx.html`, `5xx.html`; each at most 64 KB, all together 128 KB.",
            otherwise="the proxy's own",
            example="./errors",
        ),
    ] = None
    expose_release: Annotated[
        stack_values.Flag | None,
        about("Answers name their release in `X-Hostess-Release`.", default=False, example=True),
    ] = None
    slow_start: Annotated[
        stack_values.Moment | None,
        about("For so long a new replica gets fewer requests than the others.", otherwise="not at all", example="30s"),
    ] = None
    protocol: Annotated[
        Annotated[Protocol, choice(Protocol)] | None,
        about(
            "What the service speaks: HTTP/1.1, or `h2c`, which is HTTP/2 without TLS, as for gRPC.",
            default="http1",
            example="h2c",
        ),
    ] = None
    redirect_https: Annotated[
        Annotated[
            Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[_Some, Tag(FULL)],
            Discriminator(
                _listing, custom_error_type="form", custom_error_message="needs true, false or a list of domains"
            ),
        ]
        | None,
        about(
            "Plain HTTP leads to HTTPS (308), where the certificate is one that everybody trusts, or an imported one; false for "
            "nowhere, or the domains where it does.",
            default=True,
            example=False,
        ),
    ] = None
    hsts: Annotated[
        Annotated[
            Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[HstsPart, Tag(FULL)],
            forms("needs true, false or a mapping"),
        ]
        | None,
        about(
            "Browsers that came by HTTPS never come by plain HTTP again; only where plain HTTP leads to HTTPS.",
            default=False,
            example={"max_age": "30d"},
        ),
    ] = None


def proxy_of(part: ProxyPart | None) -> Proxy | None:
    """Return what is asked; None where nothing is."""
    if part is None:
        return None
    found = Proxy(
        path=part.path or "/",
        strip_prefix=bool(part.strip_prefix),
        response_timeout=part.response_timeout,
        max_body=part.max_body,
        buffer_requests=_buffer(part.buffer_requests),
        compress=bool(part.compress),
        basic_auth=part.basic_auth or {},
        allow=tuple(dict.fromkeys(part.allow or ())),
        rate_limit=_limit(part.rate_limit),
        canonical_host=part.canonical_host or "",
        error_pages=part.error_pages or "",
        expose_release=bool(part.expose_release),
        slow_start=part.slow_start or timedelta(0),
        protocol=part.protocol or Protocol.HTTP1,
        redirect_https=_redirected(part.redirect_https),
        hsts=_remembered(part.hsts),
    )
    return None if found == Proxy() else found


def _buffer(form: "bool | BufferPart | None") -> Buffer | None:
    if isinstance(form, BufferPart):
        plain = Buffer()
        return Buffer(form.memory or plain.memory, form.disk or plain.disk)
    return Buffer() if form else None


def _redirected(form: "bool | list[str] | None") -> tuple[str, ...] | None:
    if isinstance(form, list):
        return tuple(dict.fromkeys(form))
    return () if form is False else None


def _remembered(form: "bool | HstsPart | None") -> Remembered | None:
    if isinstance(form, HstsPart):
        return Remembered(form.max_age or Remembered().max_age, bool(form.subdomains), bool(form.preload))
    return Remembered() if form else None


def _limit(form: "RateLimit | RateLimitPart | None") -> RateLimit | None:
    if isinstance(form, RateLimitPart):
        return RateLimit(form.requests, form.per, form.burst or form.requests)
    return form
