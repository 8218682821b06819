"""What is served for a path: files, folders, rules, SPA, 404; and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess_proxy.static.rules import header_rules, redirects, with_rules
from hostess_proxy.static.site import BadPathError, Found, Moved, Rules, cache_control, choose, media_type, segments

FILES = {"index.html", "about.html", "docs/index.html", "docs/a b.html", "assets/x.js", "404.html", "_redirects",
         ".env", ".well-known/acme", ".git/config", "docs/.secret", "empty/x.txt"}  # fmt: skip
RULES = redirects(
    """# rules
/about.html /elsewhere 301
/old /new 302
/blog/* /docs/:splat 200
/far/* https://far.example/x/:splat 301
/w* /:splat 302
/gone/* /nothing/:splat 200
/api/* https://evil.example/:splat 200
/plain /docs/
/x/* https://:splat/y 301
//bad /x
/short
"""
)


def kind(name: str) -> str:
    """Say what FILES has at a path."""
    if name in FILES:
        return "file"
    return "folder" if not name or any(file.startswith(f"{name}/") for file in FILES) else ""


def served(path: str, *, spa: bool = False, rules: bool = True, query: str = "") -> Found | Moved | None:
    """Return what is chosen."""
    return choose(segments(path.encode()), query, Rules(spa, RULES if rules else ()), kind)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", "index.html"),
        ("/about.html", "about.html"),
        ("/docs/", "docs/index.html"),
        ("//docs//a%20b.html", "docs/a b.html"),
        ("/.well-known/acme", ".well-known/acme"),
        ("/blog/a%20b.html", "docs/a b.html"),
        ("/blog/", "docs/index.html"),
        ("/blog", "docs/index.html"),
    ],
)
def test_files_before_rules(path: str, file: str) -> None:
    """A real file or a folder's index.html wins over every rule; a rewrite serves another file of the site with 200."""
    assert served(path) == Found(file)


@pytest.mark.parametrize(
    ("path", "location", "status"),
    [
        ("/docs", "/docs/", 308),
        ("//docs", "/docs/", 308),
        ("/old", "/new", 302),
        ("/old/", "/new", 302),
        ("/plain", "/docs/", 301),
        ("/far/a%3Fb/%C3%A9", "https://far.example/x/a%3Fb/%C3%A9", 301),
        ("/w/evil.example", "/evil.example", 302),
        ("/w///evil.example", "/evil.example", 302),
    ],
)
def test_redirects(path: str, location: str, status: int) -> None:
    """Redirects carry the splat encoded, and never lead to a host that the rule does not name."""
    assert served(path) == Moved(location, status)


def test_the_query_goes_along() -> None:
    """A redirect keeps the query of the request, unless its rule has one of its own."""
    assert served("/old", query="a=1") == Moved("/new?a=1", 302)
    assert served("/docs", query="a=1") == Moved("/docs/?a=1", 308)
    [own] = redirects("/q /z?b=2#c 302")
    assert own.location("/q", "a=1") == "/z?b=2#c"


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/.env",
        "/.git/config",
        "/docs/.secret",
        "/_redirects",
        "/empty/",
        "/empty",
        "/gone/x",
        "/api/x",
        "/x/evil",
    ],
)
def test_what_is_not_served(path: str) -> None:
    """Dot files, rule files, folders without index.html, rewrites to what is not there or to other hosts: the page 404.html."""
    assert served(path) == Found("404.html", 404)


def test_spa_comes_before_404() -> None:
    """With `spa` a path that leads nowhere is answered with index.html and 200, after files and rules; without either, nothing."""
    assert served("/some/page", spa=True) == Found("index.html")
    assert served("/old", spa=True) == Moved("/new", 302)
    assert choose(segments(b"/none"), "", Rules(), lambda _: "") is None


@pytest.mark.parametrize(
    "path",
    [
        b"/../etc/passwd", b"/%2e%2e/etc/passwd", b"/a/..%2fb", b"/..%5cb", b"/a\\..\\b", b"/a%00.html", b"/%", b"/%zz",
        b"/%ff", b"/.", b"/a/./b", b"/%2E/x", b"/a%2Fb", b"/a%0ab", b"*", b"", b"/docs/..", b"/%c0%ae%c0%ae/x", b"/a%7f",
    ],
)  # fmt: skip
def test_paths_that_are_refused(path: bytes) -> None:
    """A path that leads out, hides a separator or has no single reading is refused."""
    with pytest.raises(BadPathError):
        segments(path)


def test_decoding_happens_once() -> None:
    """What is encoded twice stays a name with a percent sign in it."""
    assert segments(b"/%252e%252e/x") == ("%2e%2e", "x")


@given(st.binary(max_size=60))
def test_no_path_leads_out(path: bytes) -> None:
    """Whatever is asked for, the segments that come out are plain names."""
    try:
        found = segments(b"/" + path)
    except BadPathError:
        return
    assert all(segment not in {".", ".."} and "/" not in segment and "\0" not in segment for segment in found)


def test_header_rules() -> None:
    """Blocks of `_headers` add fields and override ours, whatever their case; framing cannot be touched; `*` matches anywhere."""
    rules = header_rules(
        """# c
/*
  X-Frame-Options: DENY
  cache-control: max-age=5
  Content-Length: 5
  Bad Name: x
/assets/*.js
\tX-Kind: script
not-a-path
  X: y
"""
    )
    own = {"Cache-Control": "no-cache"}

    assert with_rules(own, rules, "/") == {"Cache-Control": "max-age=5", "X-Frame-Options": "DENY"}
    assert with_rules(own, rules, "/assets/a.js")["X-Kind"] == "script"
    assert "X-Kind" not in with_rules(own, rules, "/assets/a.css")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("index.html", "no-cache"),
        ("assets/index-DiwrgT9a.js", "immutable"),
        ("main.3f2a9c1b.css", "immutable"),
        ("jquery-validation.js", "must-revalidate"),
        ("report-20240101.pdf", "must-revalidate"),
        ("app-Version2.js", "must-revalidate"),
        ("app.js", "must-revalidate"),
        ("deadbeef.js", "must-revalidate"),
    ],
)
def test_cache_control(name: str, word: str) -> None:
    """Only names that hold a digest may be kept for ever; all else is asked about again."""
    assert word in cache_control(name)


def test_media_types() -> None:
    """Texts say that they are UTF-8; what is not known is bytes."""
    assert media_type("a/B.HTML") == "text/html; charset=utf-8"
    assert media_type("x.woff2") == "font/woff2"
    assert media_type("x.unknown") == media_type("x") == "application/octet-stream"
