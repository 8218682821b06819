"""The proxy's own answers: short pages in HTML or JSON, each with a stable code in X-Hostess-Error."""

import html
import json
from functools import lru_cache
from typing import Final, NamedTuple

from hostess_proxy.http1.statuses import METHOD_NOT_ALLOWED, OK, UNAUTHORIZED

REASONS: Final = {
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_SENTENCES: Final = {
    400: "The request could not be understood.",
    401: "This is not open to everyone. Sign in with any name, and with a Hostess token as the password.",
    403: "This is not open to everyone.",
    404: "Nothing is served here.",
    405: "This method is not served here.",
    408: "The request did not arrive in time.",
    413: "The request is larger than this service accepts.",
    414: "The address is too long.",
    417: "The expectation of the request cannot be met.",
    421: "The certificate of this connection is not for this host. Please connect anew.",
    429: "There were too many requests. Please try again later.",
    431: "The header fields of the request are too large.",
    501: "The request needs something that is not implemented.",
    502: "The service did not answer properly. Please try again in a moment.",
    503: "The service is not available right now. Please try again in a moment.",
    504: "The service did not answer in time. Please try again in a moment.",
}
_SENTENCES_OF_CODES: Final = {
    "password-needed": "This is not open to everyone. A name and a password are needed.",
    "maintenance": "The service is being worked on. Please try again later.",
    "in-maintenance": "The service is being worked on.",
    "paused": "The service pauses, and did not go on in time. Please try again in a moment.",
    "asleep": "The service was asleep, and did not start in time. Please try again in a moment.",
    "too-many-held": "Too many requests wait for the service already. Please try again in a moment.",
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
    """An answer of our own: what went wrong, and (for redirects) where to go; *cookie* is one to set, with its attributes.

    *retry_after* is in seconds, 0 for what goes without saying. *realm* is what a password is asked for. *sentence* stands instead
    of the usual one for the status or code, *page* (HTML) instead of the whole page; who wants JSON gets it all the same. *lines* are more
    fields, each with its CRLF. *text* is plain and stands instead of all else, whatever was asked for.
    """

    status: int
    code: str
    location: bytes = b""
    cookie: bytes = b""
    retry_after: int = 0
    realm: bytes = b"Hostess"
    sentence: str = ""
    page: bytes = b""
    lines: bytes = b""
    text: bytes = b""

    @property
    def end(self) -> str:
        """How the request ended, for the log."""
        return "redirect" if self.location else "ok" if self.status == OK else "refused"


def render(answer: Answer, accept: bytes) -> tuple[bytes, bytes]:
    """Return head (status line and field lines, without the empty line) and body of an answer."""
    status, as_json = answer.status, wants_json(accept)
    if answer.text:
        body = answer.text
        head = _head(status, answer.code, "text/plain", len(body))
    elif answer.page and not as_json:
        body = answer.page
        head = _head(status, answer.code, "text/html; charset=utf-8", len(body))
    else:
        head, body = _page(status, answer.code, answer.sentence, as_json)
    head += answer.lines
    if answer.location:
        head += b"Location: %b\r\n" % answer.location
    if answer.cookie:
        head += b"Set-Cookie: %b\r\n" % answer.cookie
    if answer.retry_after or status in {503, 504}:
        head += b"Retry-After: %d\r\n" % (answer.retry_after or 1)
    if status == UNAUTHORIZED:  # RFC 9110 §15.5.2 demands it
        head += b'WWW-Authenticate: Basic realm="%b"\r\n' % answer.realm
    return head, body


def wants_json(accept: bytes) -> bool:
    """Whether an Accept header names JSON and, before it, no HTML."""
    json_at = accept.find(b"json")
    html_at = accept.find(b"html")
    return json_at >= 0 and (html_at < 0 or json_at < html_at)


@lru_cache(maxsize=128)
def _page(status: int, code: str, sentence: str, as_json: bool) -> tuple[bytes, bytes]:  # noqa: FBT001 -- the key of a cache
    reason = REASONS[status]
    sentence = sentence or _SENTENCES_OF_CODES.get(code) or _SENTENCES.get(status, reason)
    if as_json:
        kind = "application/problem+json"
        text = json.dumps({"status": status, "title": reason, "detail": sentence, "code": code}) + "\n"
    else:
        kind = "text/html; charset=utf-8"
        escaped = html.escape(sentence, quote=False)
        text = _HTML.format(status=status, reason=reason, sentence=escaped, code=code)
    body = text.encode()
    return _head(status, code, kind, len(body)), body


def _head(status: int, code: str, kind: str, length: int) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        "Cache-Control: no-store\r\n"
    )
    if status != OK:
        head += f"X-Hostess-Error: {code}\r\n"
    if status == METHOD_NOT_ALLOWED:  # RFC 9110 §15.5.6 demands the list
        head += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    return head.encode()
