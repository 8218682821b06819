"""The word by which a backend knows that a request came through this proxy: it stands in each request once, and is never a client's."""

from typing import Final

from hostess_proxy.http1.heads import Request

NAME: Final = b"X-Hostess-Voucher"
_LABEL: Final = NAME.lower() + b":"


def vouched(request: Request, voucher: str) -> Request:
    """Return a request that carries the voucher, and no other that a client may have put there."""
    lines = [line for line in request.fields.forward.split(b"\r\n") if line[: len(_LABEL)].lower() != _LABEL]
    forward = b"\r\n".join([b"%b: %b" % (NAME, voucher.encode()), *lines])
    return request._replace(fields=request.fields._replace(forward=forward))
