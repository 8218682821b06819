"""Problems as answers: RFC 9457 `application/problem+json`, and the one table from codes to statuses."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from hostess.domain.hostess_yml.mistakes import InvalidStack
from hostess.domain.ports import Redactor
from hostess.domain.problem import Problem

MEDIA = "application/problem+json"

STATUSES: Mapping[str, int] = {
    "bad-request": 400,
    "unauthenticated": 401,
    "cross-origin": 403,
    "https-only": 403,
    "insecure-basic": 403,
    "insecure-key": 403,
    "not-allowed": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "backup-gone": 410,
    "backup-sealed": 409,
    "backup-in-use": 409,
    "backup-runs-already": 409,
    "cancelled": 409,
    "certificate-not-wanted": 409,
    "container-not-running": 409,
    "data-gone": 409,
    "deployment-ambiguous": 409,
    "domain-in-file": 409,
    "environment-exists": 409,
    "environment-protected": 409,
    "host-backup-runs-already": 409,
    "host-taken": 409,
    "image-gone": 409,
    "interrupted": 409,
    "job-runs-already": 409,
    "key-exists": 409,
    "key-in-use": 409,
    "locked": 409,
    "name-taken": 409,
    "not-cancellable": 409,
    "not-live": 409,
    "nothing-live": 409,
    "outcome-unknown": 409,
    "project-exists": 409,
    "secret-exists": 409,
    "service-live": 409,
    "singleton": 409,
    "superseded": 409,
    "archive-too-large": 413,
    "body-too-large": 413,
    "not-json": 415,
    "wrong-media": 415,
    "wrong-host": 421,
    "too-many-requests": 429,
    "authority-unreadable": 500,
    "backup-damaged": 500,
    "internal-error": 500,
    "record-unreadable": 500,
    "secret-unreadable": 500,
    "engine-refused": 502,
    "registry-unreachable": 502,
    "engine-unreachable": 503,
    "journal-failed": 503,
    "buildkit-unreachable": 503,
    "proxy-not-told": 503,
    "proxy-outdated": 503,
    "proxy-refused": 503,
    "proxy-unreachable": 503,
    "timed-out": 504,
    "addresses-exhausted": 507,
    "backup-target-failed": 507,
    "backup-bucket-failed": 507,
    "certificate-not-kept": 507,
    "disk-short": 507,
    "memory-short": 507,
    "subnets-exhausted": 507,
}
"""Codes that do not follow the rules of `status_of`."""

_UNPROCESSABLE = 422


def status_of(code: str) -> int:
    """Return the status of a problem: that of the table, else 404 for "...-not-found" and 422 for all others."""
    if code in STATUSES:
        return STATUSES[code]
    return HTTPStatus.NOT_FOUND if code.endswith("-not-found") else _UNPROCESSABLE


class InvalidRequest(Problem):
    """A query or body that does not fit; *mistakes* are all of them, each with its field."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__(
            "invalid-request", "; ".join(mistakes), remedy="see `/v1/openapi.json` for what this operation takes"
        )
        self.mistakes = mistakes


class TooManyRequests(Problem):
    """More than one caller may ask for; *retry_after* is in seconds."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(
            "too-many-requests",
            f"{what}, which is more than one caller may have",
            serving="all other callers, and what was begun",
            remedy="ask again after the seconds in Retry-After, or raise api.rate or api.at_once in the settings",
        )
        self.retry_after = retry_after


def answer(problem: Problem, redactor: Redactor, *, request_id: str = "") -> web.Response:
    """Return the answer that tells *problem*, with known secrets hidden."""
    status = status_of(problem.code)
    found = problem.mistakes if isinstance(problem, InvalidStack | InvalidRequest) else ()
    members: dict[str, object] = {
        "type": f"urn:hostess:problem:{problem.code}",
        "title": problem.code.replace("-", " ").capitalize(),
        "status": status,
        "detail": redactor.hide(problem.what),
        "code": problem.code,
        "serving": redactor.hide(problem.serving),
        "remedy": redactor.hide(problem.remedy),
        "place": problem.place,
        "tail": [redactor.hide(line) for line in problem.tail],
        "mistakes": [redactor.hide(str(mistake)) for mistake in found],
        "request_id": request_id,
    }
    headers = {"WWW-Authenticate": 'Bearer realm="Hostess"'} if status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(problem, TooManyRequests):
        headers["Retry-After"] = str(math.ceil(problem.retry_after))
    return web.json_response(members, status=status, headers=headers, content_type=MEDIA)
