"""The proxy's own answers: short pages in HTML or JSON, each with a stable code in X-Hostess-Error."""

import json
from functools import lru_cache
from typing import Final, NamedTuple

REASONS: Final = {
    303: "See Other",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_SENTENCES: Final = {
    400: "The request could not be understood.",
    401: "This is not open to everyone. Sign in with any name, and with a Hostess token as the password.",
    404: "Nothing is served here.",
    405: "This method is not served here.",
    408: "The request did not arrive in time.",
    413: "The request is larger than this service accepts.",
    414: "The address is too long.",
    417: "The expectation of the request cannot be met.",
    421: "The certificate of this connection is not for this host. Please connect anew.",
    431: "The header fields of the request are too large.",
    501: "The request needs something that is not implemented.",
    502: "The service did not answer properly. Please try again in a moment.",
    503: "The service is not available right now. Please try again in a moment.",
    504: "The service did not answer in time. Please try again in a moment.",
}
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{status} {reason}</title><style>
body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto 0;padding:0 1rem;color:#222}}
@media(prefers-color-scheme:dark){{body{{background:#181818;color:#ddd}}}}
h1{{font-size:1.4rem}}code{{opacity:.6}}</style></head>
<body><h1>{status} {reason}</h1><p>{sentence}</p><p><code>{code}</code></p></body></html>
"""


class Answer(NamedTuple):
    """An answer of our own: what went wrong, and (for redirects) where to go; *cookie* is one to set, with its attributes."""

    status: int
    code: str
    location: bytes = b""
    cookie: bytes = b""


def render(answer: Answer, accept: bytes) -> tuple[bytes, bytes]:
    """Return head (status line and field lines, without the empty line) and body of an answer."""
    head, body = _page(answer.status, answer.code, wants_json(accept))
    if answer.location:
        head += b"Location: %b\r\n" % answer.location
    if answer.cookie:
        head += b"Set-Cookie: %b\r\n" % answer.cookie
    return head, body


def wants_json(accept: bytes) -> bool:
    """Whether an Accept header names JSON and, before it, no HTML."""
    json_at = accept.find(b"json")
    html_at = accept.find(b"html")
    return json_at >= 0 and (html_at < 0 or json_at < html_at)


@lru_cache(maxsize=128)
def _page(status: int, code: str, as_json: bool) -> tuple[bytes, bytes]:  # noqa: FBT001 -- the key of a cache
    reason = REASONS[status]
    sentence = _SENTENCES.get(status, reason)
    if as_json:
        kind = "application/problem+json"
        text = json.dumps({"status": status, "title": reason, "detail": sentence, "code": code}) + "\n"
    else:
        kind = "text/html; charset=utf-8"
        text = _HTML.format(status=status, reason=reason, sentence=sentence, code=code)
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Hostess-Error: {code}\r\n"
    )
    if status == 401:  # noqa: PLR2004 -- RFC 9110 §15.5.2 demands it
        head += 'WWW-Authenticate: Basic realm="Hostess"\r\n'
    if status in {503, 504}:
        head += "Retry-After: 1\r\n"
    if status == 405:  # noqa: PLR2004 -- RFC 9110 §15.5.6 demands the list
        head += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    return head.encode(), body
