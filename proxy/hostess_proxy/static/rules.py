"""`_redirects` and `_headers` of a static site: text to rules, and a path to what the rules say. Pure.

A line that is no rule is passed over: a site is served by the rules that can be read. All matching takes time in proportion to the
length of the path, whatever the patterns are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

MAX_BYTES: Final = 256 * 1024
MAX_RULES: Final = 2000
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REWRITE: Final = 200
_SPLAT = ":splat"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({
    "connection", "content-encoding", "content-length", "content-range", "date", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "vary", "x-hostess-error", "x-hostess-release", "x-request-id",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `_redirects`. *origin* is a path, without its `*` where *splat* is set; *status* 200 is a rewrite."""

    origin: str
    splat: bool
    to: str
    status: int

    def matches(self, path: str) -> bool:
        """Whether the rule is for *path* (decoded, tidied); `/a/*` is for `/a`, too."""
        if not self.splat:
            return path.rstrip("/") == self.origin.rstrip("/")
        return path.startswith(self.origin) or f"{path}/" == self.origin

    def target(self, path: str) -> str:
        """Return where *path* goes, with `:splat` filled in as it was matched (not encoded)."""
        return self.to.replace(_SPLAT, path[len(self.origin) :] if self.splat else "")

    def location(self, path: str, query: str) -> str:
        """Return where *path* is redirected to, for a Location field; the query goes along where the rule has none."""
        rest = quote(path[len(self.origin) :], safe="/~!$&'()*+,;=:@") if self.splat else ""
        found = quote(self.to, safe="/~!$&'()*+,;=:@?#%[]").replace(_SPLAT, rest)
        if found.startswith("//"):  # browsers would take what follows for a host
            found = f"/{found.lstrip('/')}"
        if not query or "?" in found:
            return found
        before, mark, fragment = found.partition("#")
        return f"{before}?{query}{mark}{fragment}"


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """One block of `_headers`: what is around the `*`s of its pattern, and the fields, in order."""

    pieces: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]

    def matches(self, path: str) -> bool:
        """Whether the pattern fits the whole path; `*` stands for anything, slashes too."""
        first, *rest = self.pieces
        if not rest:
            return path == first
        if not path.startswith(first):
            return False
        at = len(first)
        for piece in rest[:-1]:
            found = path.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return len(path) - len(rest[-1]) >= at and path.endswith(rest[-1])


def redirects(text: str) -> tuple[Rule, ...]:
    """Return the rules of a `_redirects` file, in order."""
    found = (_rule(line.partition(" #")[0].split()) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(rule for rule in found if rule is not None)[:MAX_RULES]


def header_rules(text: str) -> tuple[HeaderRule, ...]:
    """Return the blocks of a `_headers` file, in order; one without fields says nothing."""
    blocks: list[tuple[str, list[tuple[str, str]]]] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            blocks.append((line.strip(), []))
        elif blocks and (field := _field(line)) is not None:
            blocks[-1][1].append(field)
    known = [(pattern, fields) for pattern, fields in blocks if fields and pattern.startswith("/")]
    return tuple(HeaderRule(tuple(pattern.split("*")), tuple(fields)) for pattern, fields in known)[:MAX_RULES]


def with_rules(own: dict[str, str], rules: tuple[HeaderRule, ...], path: str) -> dict[str, str]:
    """Return the fields of an answer to *path*: *own* (name -> value), added to and overridden by what the rules say."""
    result = dict(own)
    for name, value in _said(rules, path):
        known = next((key for key in result if key.lower() == name.lower()), name)
        result[known] = value
    return result


def _said(rules: tuple[HeaderRule, ...], path: str) -> Iterator[tuple[str, str]]:
    for rule in rules:
        if rule.matches(path):
            yield from rule.fields


def _rule(words: list[str]) -> Rule | None:
    if len(words) not in {2, 3}:
        return None
    origin, to, code = (*words, "301")[:3]
    status = code.removesuffix("!")
    if not origin.startswith("/") or "*" in origin[:-1] or status not in {"200", *map(str, REDIRECTS)}:
        return None
    if not _is_target(to, rewrite=status == "200"):
        return None
    splat = origin.endswith("*")
    return Rule(origin.removesuffix("*"), splat, to, int(status))


def _is_target(to: str, *, rewrite: bool) -> bool:
    """Whether a target is a path, or (of redirects) a URL whose host no request has a say in."""
    if not to.isprintable() or "\\" in to:
        return False
    if to.startswith("/"):
        return not to.startswith("//")
    if rewrite or not to.startswith(("http://", "https://")):
        return False
    try:
        host = urlsplit(to).netloc
    except ValueError:
        return False
    return bool(host) and _SPLAT not in host


def _field(line: str) -> tuple[str, str] | None:
    name, colon, value = line.strip().partition(":")
    value = value.strip()
    printable = value.isprintable() and value.isascii()
    if not colon or not _NAME.fullmatch(name) or not printable or name.lower() in _OURS:
        return None
    return name, value
