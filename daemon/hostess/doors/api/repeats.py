"""`Idempotency-Key` and `ETag`: requests that are made again, and answers that are still the same."""

import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web

from hostess.domain.keyed_requests import Answer
from hostess.domain.problem import Problem
from hostess.doors.api.caller import Caller, key_of
from hostess.doors.api.operation import JSON, Operation
from hostess.doors.api.wiring import ApiServices

KEY = "Idempotency-Key"
LONGEST = 255
_KEY = re.compile(rf"[!-~]{{1,{LONGEST}}}", re.ASCII)
_REPLAYED = "Idempotent-Replayed"


def takes_key(operation: Operation) -> bool:
    """Whether an operation can be asked with a key: it changes something, it is known who asks, and its answer is no stream."""
    return operation.method != "GET" and operation.action is not None and operation.media == (JSON,)


async def once(
    services: ApiServices,
    request: web.Request,
    caller: Caller,
    operation: Operation,
    carry_out: Callable[[], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Answer with *carry_out*; a request whose key the caller has used before for the same is answered as it was then."""
    key = request.headers.get(KEY)
    if key is None or operation.method == "GET" or operation.action is None:
        return await carry_out()
    if not takes_key(operation):
        raise Problem("bad-request", f"what {operation.name} answers is not kept, so it takes no {KEY}")
    if not _KEY.fullmatch(key):
        raise Problem("bad-request", f"{KEY} has 1 to {LONGEST} printable characters of ASCII, without spaces")

    async def answered() -> Answer:
        response = await carry_out()
        if not isinstance(response, web.Response):
            raise TypeError(f"{operation.name} has no answer that could be kept")
        return Answer(response.status, response.text or "")

    answer, replayed = await services.keyed.once(key_of(caller), key, await _digest(operation, request), answered)
    headers = {_REPLAYED: "true"} if replayed else {}
    if not answer.body:
        return web.Response(status=answer.status, headers=headers)
    return web.Response(text=answer.body, status=answer.status, content_type=JSON, headers=headers)


def tagged(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return the answer with its ETag; 304 to a client that has it (`If-None-Match`)."""
    if request.method != "GET" or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if response.status != HTTPStatus.OK or response.content_type != JSON:
        return response
    tag = sha256(response.body).hexdigest()[:32]
    if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED)
    response.etag = tag
    return response


async def _digest(operation: Operation, request: web.Request) -> str:
    """Return what says whether two requests are the same; of a body that is a stream its length counts."""
    body = str(request.content_length).encode() if operation.takes else await request.read()
    asked = f"{request.method} {request.raw_path} {request.content_type}\n".encode()
    return sha256(asked + body).hexdigest()
