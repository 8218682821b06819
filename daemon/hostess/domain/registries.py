"""Registries of images: whose an image is, who signs in there, and which images a Dockerfile begins with."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hostess.domain.problem import Problem

DOCKER_HUB = "docker.io"
_OTHER_NAMES = {
    "index.docker.io": DOCKER_HUB,
    "registry-1.docker.io": DOCKER_HUB,
    "registry.hub.docker.com": DOCKER_HUB,
}
_HOST = re.compile(
    r"(?=.{1,253}(?::\d|$))[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::(?P<port>\d{1,5}))?|\[[0-9a-f:]+\](?::\d{1,5})?"
)
_LONGEST = 4096
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S+).*")
"""The directive at the top that says what reads the rest; only other directives may stand before it."""
_IMAGES = 100
_NAMING = frozenset({"ARG", "FROM", "COPY", "RUN"})
_LONGEST_LINE = 10_000
_LONGEST_VALUE = 1000
"""Characters of an argument's value: one that names the one before twice, thirty times over, would fill any memory."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry's row: who signs in there, with a *sealed* password."""

    host: str
    user: str
    sealed: str = field(repr=False)
    added_at: datetime


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """What an engine shows a registry."""

    host: str
    user: str
    password: str = field(repr=False)

    @property
    def address(self) -> str:
        """Return what engines call the registry: Docker's own has a name of old."""
        return "https://index.docker.io/v1/" if self.host == DOCKER_HUB else self.host


def registry_of(reference: str) -> str:
    """Return the host of the registry that an image comes from: the first step of its name when it looks like a host."""
    first, slash, _ = reference.partition("/")
    if not slash or not (set(first) & {".", ":"} or first == "localhost"):
        return DOCKER_HUB
    return _OTHER_NAMES.get(first.lower(), first.lower())


def checked_host(text: str) -> str:
    """Return the host (and port) of a registry, as images name it; Problem "registry-invalid" for text that is none."""
    host = text.strip().lower().removeprefix("https://").rstrip("/")
    host = _OTHER_NAMES.get(host.partition("/")[0], host)
    if not _HOST.fullmatch(host):
        raise Problem(
            "registry-invalid",
            f"{text[:100]} is no host of a registry",
            remedy="name it as images do, without a path: ghcr.io, registry.example.com:5000",
        )
    return host


def checked_login(host: str, user: str, password: str) -> RegistryLogin:
    """Return a login; Problem "registry-invalid" for what no registry could have."""
    if not user or not password or len(user) + len(password) > _LONGEST or not user.isprintable():
        raise Problem("registry-invalid", "signing in takes a user and a password (or an access token in its place)")
    return RegistryLogin(checked_host(host), user, password)


def base_images(dockerfile: str, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the images that a Dockerfile begins with, copies or mounts from, and its front end, in their order; *args* are the build's.

    What depends on variables that only a build knows is left out, and so are stages.
    """
    known: dict[str, str] = {}
    stages: set[str] = set()
    front_end = _front_end(dockerfile)
    found: dict[str, None] = {front_end: None} if front_end else {}
    begun = False
    for words in instructions(dockerfile):
        match words[0].upper(), words[1:]:
            case "ARG", [text, *_] if not begun:
                name, given, default = text.partition("=")
                if name in args or given:
                    known[name] = args.get(name, _filled(default, known) or "")
            case "FROM", rest:
                begun = True
                plain = [word for word in rest if not word.startswith("--")]
                image = _filled(plain[0], known) if plain else None
                if image and image.lower() not in stages | {"scratch"}:
                    found[image] = None
                if len(plain) == 3 and plain[1].upper() == "AS":  # noqa: PLR2004 -- FROM image AS stage
                    stages.add(plain[2].lower())
            case "COPY" | "RUN", rest:
                for source in _sources(rest):
                    if source.lower() not in stages and not source.isdigit() and "$" not in source:
                        found[source] = None
    return tuple(found)[:_IMAGES]


def _front_end(dockerfile: str) -> str:
    """Return the image that the directive `# syntax=` names; "" for none. Directives come first: any other line ends them."""
    for line in dockerfile.splitlines():
        text = line.strip()
        found = _DIRECTIVE.fullmatch(text[:_LONGEST_LINE])
        if found is None and text:
            return ""
        if found is not None and found[1].lower() == "syntax":
            return found[2]
    return ""


def _sources(words: Iterable[str]) -> Iterator[str]:
    """Yield whom an instruction takes files from: `COPY --from=this`, `RUN --mount=type=bind,from=this`."""
    for word in words:
        if not word.startswith("--"):
            return  # flags come first; what follows is the command's own
        flag, _, value = word.partition("=")
        if flag == "--from" and value:
            yield value
        elif flag == "--mount":
            yield from (part.removeprefix("from=") for part in value.split(",") if re.match(r"from=.", part))


def instructions(dockerfile: str) -> Iterator[list[str]]:
    """Yield the words of each instruction that may name an image or a secret; lines that end in a backslash go on."""
    joined = re.sub(r"\\[ \t]*\r?\n(?:[ \t]*#[^\n]*\n)*", " ", dockerfile)
    for line in joined.splitlines():
        # Words take time that grows with their square; what names an image comes first.
        text = line.strip()[:_LONGEST_LINE]
        if not text or text.split(maxsplit=1)[0].upper() not in _NAMING:
            continue
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        if words:
            yield words


def _filled(text: str, known: Mapping[str, str]) -> str | None:
    """Return the text with its variables' values; None when one has none, and for what is too long to be an image's name."""
    missing = len(text) > _LONGEST_VALUE

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, default = found[1] or found[2], found[3]
        chosen = known.get(name) or default
        missing = missing or chosen is None
        return chosen or ""

    filled = "" if missing else _VARIABLE.sub(value, text)
    return None if missing or "$" in filled or len(filled) > _LONGEST_VALUE else filled
