"""Forges (GitHub, GitLab, Gitea, Forgejo): what their webhooks say, and how it is known that they say it."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

from hostess.domain.problem import Problem

HEADS = "refs/heads/"
_SIGNATURES = ("X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Gogs-Signature")
_EVENTS = ("X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event", "X-Gitlab-Event")
_PUSHES = frozenset({"push", "Push Hook"})
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.))[^\x00-\x20~^:?*\[\\\x7f/.-][^\x00-\x20~^:?*\[\\\x7f]*(?<![/.])"
)
_LONGEST_BRANCH = 200
_LONGEST_URL = 2000
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Webhook:
    """A project's row: the repository that is fetched from when its forge says that somebody pushed.

    *sealed* holds the secret that the forge signs with, and the password of *user* ("" for a repository that everybody may read).
    """

    project: str
    url: str
    user: str
    sealed: str = field(repr=False)
    added_at: datetime


@dataclass(frozen=True, slots=True)
class ForgePush:
    """What a forge says was pushed: a branch, and by whom (a name for people to read)."""

    branch: str
    who: str


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the secret is behind a request: HMAC-SHA-256 of its body, or the token that GitLab sends. In constant time."""
    mac = hmac.new(secret.encode(), body, sha256).hexdigest().encode()
    shown = [_shown(headers, name).removeprefix(b"sha256=") for name in _SIGNATURES]
    token = _shown(headers, "X-Gitlab-Token")
    return any([*[hmac.compare_digest(each, mac) for each in shown], hmac.compare_digest(token, secret.encode())])


def _shown(headers: Mapping[str, str], name: str) -> bytes:
    """Return a header, whatever bytes somebody has sent in it."""
    return headers.get(name, "").encode(errors="surrogateescape")


def pushed(headers: Mapping[str, str], body: bytes) -> ForgePush | None:
    """Return what was pushed; None for any other event, and for tags. Problem "bad-request" for what no forge sends."""
    if not any(headers.get(name) in _PUSHES for name in _EVENTS):
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem("bad-request", "the body is not JSON: choose application/json in the forge") from None
    ref = told.get("ref") if isinstance(told, dict) else None
    if not isinstance(ref, str):
        raise Problem("bad-request", "the body does not say which ref was pushed")
    branch = ref.removeprefix(HEADS)
    if branch == ref:
        return None
    if len(branch) > _LONGEST_BRANCH or not _BRANCH.fullmatch(branch) or not _is_text(branch):
        raise Problem("bad-request", "the body names a branch that git would not have")
    return ForgePush(branch, _who(told))


def checked_url(text: str) -> str:
    """Return the URL of a repository; Problem "webhook-invalid" for one that cannot be fetched from, or has a password in it."""
    try:
        parts = urlsplit(text.strip())
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if (
        not good
        or len(text) > _LONGEST_URL
        or not text.strip().isascii()
        or not text.strip().isprintable()
        or " " in text.strip()
    ):
        raise Problem(
            "webhook-invalid",
            "a repository is fetched by HTTPS (or HTTP): this is no such URL",
            remedy="give the URL that `git clone` takes: https://github.com/me/shop.git",
        )
    if "@" in parts.netloc:
        raise Problem(
            "webhook-invalid", "there is a user in the URL", remedy="use --user, which keeps the password sealed"
        )
    return text.strip()


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8, which half a character of JSON's cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _who(told: Mapping[str, object]) -> str:
    """Return who pushed, as the forge calls them: each has its own place for it."""
    pusher = told.get("pusher")
    names = [pusher.get("login"), pusher.get("name"), pusher.get("username")] if isinstance(pusher, dict) else []
    for name in [told.get("user_username"), *names, told.get("user_name")]:
        if isinstance(name, str) and name.strip() and name.isprintable():
            return name.strip()[:_LONGEST_NAME]
    return "somebody"
