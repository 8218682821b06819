"""Whether a response is compressed on its way, how, and what its fields then say (RFC 9110 §8.4, §8.8.3, §12.5.3). Pure.

Only texts are, and only whole representations: no parts of one, nothing that is encoded already or must not be changed, nothing
that is sent event by event, and nothing so small that it would not be worth it.
"""

import re
from functools import lru_cache
from typing import Final

from hostess_proxy.http1.heads import Response
from hostess_proxy.static.answers import weights

LEAST: Final = 1024
_STATUSES = frozenset({200, 201, 202, 203})
_TEXT = re.compile(
    rb"text/(?!event-stream)[^;]+|image/svg\+xml|font/(?:ttf|otf)|application/(?:[^;]+\+)?(?:json|xml)"
    rb"|application/(?:javascript|ecmascript|wasm|manifest\+json|x-ndjson|graphql|yaml|toml|sql|rtf|vnd\.ms-fontobject)",
    re.IGNORECASE,
)
_FIELD = re.compile(
    rb"^(content-type|content-encoding|content-range|cache-control|vary|(?:content-|repr-)?digest|content-md5):(.*)\r$",
    re.IGNORECASE | re.MULTILINE,
)
_ACCEPTS = re.compile(rb"^accept-encoding:(.*)\r$", re.IGNORECASE | re.MULTILINE)
_OF_THE_PLAIN_FORM = re.compile(rb"^(?:content-length|accept-ranges):.*\r\n", re.IGNORECASE | re.MULTILINE)
_STRONG_TAG = re.compile(rb"^(etag:[ \t]*)(?=\")", re.IGNORECASE | re.MULTILINE)


def varying(response: Response) -> Response | None:
    """Return the response as it goes to all clients where some get it compressed; None where nobody does."""
    if response.status not in _STATUSES or -1 < response.length < LEAST:
        return None
    kind, varies, tokens = b"", b"", b""
    for name, value in _FIELD.findall(response.forward):
        lower = name.lower()
        if lower == b"content-type":
            kind = value.strip(b" \t")
        elif lower == b"vary":
            varies += value.lower() + b","
        elif lower == b"cache-control":
            tokens += value.lower()
        else:
            return None
    if b"no-transform" in tokens or _TEXT.fullmatch(kind.partition(b";")[0].rstrip()) is None:
        return None
    if b"accept-encoding" in varies or b"*" in varies:
        return response
    return response._replace(forward=response.forward + b"Vary: Accept-Encoding\r\n")


def coding_for(request_lines: bytes, offered: tuple[str, ...]) -> str:
    """Return which of the *offered* codings (ours, best first) a client wants most; "" for none of them."""
    values = _ACCEPTS.findall(request_lines)
    return _preferred(b",".join(values), offered) if values else ""


def coded(response: Response, coding: str, length: int) -> Response:
    """Return the head of a response whose body is in a coding; *length* as in `Response`."""
    forward = _STRONG_TAG.sub(rb"\1W/", _OF_THE_PLAIN_FORM.sub(b"", response.forward))
    sized = b"Content-Length: %d\r\n" % length if length >= 0 else b""
    return response._replace(forward=b"%bContent-Encoding: %b\r\n%b" % (forward, coding.encode(), sized), length=length)


@lru_cache(maxsize=256)
def _preferred(value: bytes, offered: tuple[str, ...]) -> str:
    asked = weights(value.decode("latin-1"))
    others = asked.get("*", 0.0)
    best = max(offered, key=lambda coding: asked.get(coding, others), default="")
    weight = asked.get(best, others)
    return best if weight > 0 and weight >= asked.get("identity", 0.0) else ""
