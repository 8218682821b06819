"""What forges say, and how it is known that they say it."""

import hmac
import json
from hashlib import sha256

import pytest

from hostess.domain.forges import checked_url, is_signed, pushed
from hostess.domain.problem import Problem

SECRET = "s3cret" * 8
BODY = b'{"ref": "refs/heads/main"}'
MAC = hmac.new(SECRET.encode(), BODY, sha256).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": f"sha256={MAC}"},
        {"X-Gitea-Signature": MAC},
        {"X-Forgejo-Signature": MAC},
        {"X-Gitlab-Token": SECRET},
        {"X-Hub-Signature-256": "sha256=wrong", "X-Gitea-Signature": MAC},
    ],
)
def test_the_secret_is_behind_it(headers: dict[str, str]) -> None:
    """Each forge has its own header for it."""
    assert is_signed(headers, BODY, SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": f"sha1={MAC}"},
        {"X-Hub-Signature-256": f"sha256={MAC[:-1]}"},
        {"X-Hub-Signature": MAC},
        {"X-Gitea-Signature": SECRET},
        {"X-Gitlab-Token": MAC},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": "é"},
        {"X-Gitlab-Token": "\udcff"},
        {"X-Hub-Signature-256": "sha256=\udcff"},
        {"X-Gitlab-Token": SECRET[:-1]},
    ],
)
def test_the_secret_is_not_behind_it(headers: dict[str, str]) -> None:
    """Nothing, another algorithm, a part, or what is right in another place, does not pass."""
    assert not is_signed(headers, BODY, SECRET)


def test_another_body_has_another_signature() -> None:
    """A signature holds for the bytes that it was made for."""
    assert not is_signed({"X-Hub-Signature-256": f"sha256={MAC}"}, BODY + b" ", SECRET)


@pytest.mark.parametrize(
    ("headers", "who", "name"),
    [
        ({"X-GitHub-Event": "push"}, {"pusher": {"name": "octocat"}}, "octocat"),
        ({"X-Gitea-Event": "push"}, {"pusher": {"login": "tea", "username": "t"}}, "tea"),
        ({"X-Gitlab-Event": "Push Hook"}, {"user_username": "fox", "user_name": "A Fox"}, "fox"),
        ({"X-GitHub-Event": "push"}, {"pusher": {"name": "evil\nname"}}, "somebody"),
        ({"X-GitHub-Event": "push"}, {"pusher": "x"}, "somebody"),
    ],
)
def test_a_push_is_understood(headers: dict[str, str], who: dict[str, object], name: str) -> None:
    """Of a push of each forge, branch and pusher are known."""
    push = pushed(headers, json.dumps({"ref": "refs/heads/feature/a-1", **who}).encode())

    assert push is not None
    assert (push.branch, push.who) == ("feature/a-1", name)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"X-GitHub-Event": "ping"}, b"{}"),
        ({"X-Gitlab-Event": "Tag Push Hook"}, BODY),
        ({}, BODY),
        ({"X-GitHub-Event": "push"}, b'{"ref": "refs/tags/v1"}'),
    ],
)
def test_what_asks_for_nothing(headers: dict[str, str], body: bytes) -> None:
    """Other events, and tags, deploy nothing."""
    assert pushed(headers, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"ref=x",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"ref": 1}',
        *[
            json.dumps({"ref": f"refs/heads/{branch}"}).encode()
            for branch in (
                "",
                "-x",
                "a..b",
                "a b",
                "a:b",
                "a\nb",
                "/a",
                "a/",
                "a//b",
                "@{x",
                "x.lock",
                "a/.b",
                "a" * 201,
                "\ud800",
            )
        ],
    ],
)
def test_what_no_forge_sends(body: bytes) -> None:
    """What is no JSON, names no ref, or one that git would not have, is refused."""
    with pytest.raises(Problem) as refused:
        pushed({"X-GitHub-Event": "push"}, body)

    assert refused.value.code == "bad-request"


@pytest.mark.parametrize(
    "url", ["https://github.com/me/shop.git", "http://git.lan:3000/me/shop", "https://[::1]:8443/x.git"]
)
def test_urls_that_can_be_fetched_from(url: str) -> None:
    """HTTPS and HTTP, with a host."""
    assert checked_url(f" {url}\n") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "git@github.com:me/shop.git",
        "ssh://git@github.com/me/shop.git",
        "file:///etc",
        "ext::sh -c id",
        "--upload-pack=x",
        "https://",
        "https://a b/c",
        "https://x:99999/",
        "https://me:pw@github.com/x.git",
        "https://github.com/\x00",
        "https://github.com/" + "x" * 2000,
    ],
)
def test_urls_that_cannot(url: str) -> None:
    """Other ways out, options, and passwords in the clear are refused."""
    with pytest.raises(Problem) as refused:
        checked_url(url)

    assert refused.value.code == "webhook-invalid"
