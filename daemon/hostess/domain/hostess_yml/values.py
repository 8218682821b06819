"""The kinds of values in hostess.yml, as types that pydantic checks. Each refuses what does not fit with a sentence for people."""

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from math import isfinite
from pathlib import PurePosixPath
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from hostess.domain import names, quantities
from hostess.domain.hostess_yml import references
from hostess.domain.hostess_yml.mistakes import WrongValue, did_you_mean, listed, quoted
from hostess.domain.hostess_yml.reading import Token

_OPERATOR = re.compile(r"""&&?|\|[|&]?|\d?&?>>?(?:&\d)?|<{1,3}|[^"'\\]*;""")
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,128})?",
    re.ASCII,
)
_LONGEST_IMAGE = 300
_ENV_NAME = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]{0,254}", re.ASCII)
_ITEM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)
_WEB_URL = re.compile(r"https?://[a-zA-Z0-9][a-zA-Z0-9.-]{0,252}(?::[0-9]{1,5})?(?:[/?][!#%-~]{0,1023})?", re.ASCII)
_URL_PATH = re.compile(r"/[!-~]{0,1023}", re.ASCII)
_POSTGRES = re.compile(r"(?:16|17|18)(?:\.\d{1,2})?", re.ASCII)
_REDIS = re.compile(r"[1-9]\d?(?:\.\d{1,2}){0,2}", re.ASCII)
_EXTENSION = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_SIZE = re.compile(r"\d{1,7}(?:\.\d{1,3})?(?:Mi|Gi|Ti)", re.ASCII)
_FOREIGN_SIZE = re.compile(r"(\d{1,7}(?:\.\d{1,3})?) ?([mgt])i?b?", re.IGNORECASE | re.ASCII)
_BRANCH = re.compile(r"[^\s~^:\\]{1,255}")
_LONGEST_TEXT = 1024

Choice = TypeVar("Choice", bound=StrEnum)


def kind_of(value: object) -> str:
    """Return what a value of the file is, in the words of its author."""
    if isinstance(value, Token):
        return "a truth value" if isinstance(value.value, bool) else "a number"
    kinds = {str: "text", list: "a list", dict: "a mapping", type(None): "empty"}
    return kinds.get(type(value), "something else")


def text_of(value: object) -> str:
    """Return a value that is text; WrongValue otherwise."""
    if isinstance(value, str):
        return value
    hint = f'put it in quotes: "{value.text}"' if isinstance(value, Token) else ""
    raise WrongValue(f"needs text, not {kind_of(value)}", hint)


def scalar_text(value: object) -> str:
    """Return the source text of a scalar; WrongValue for anything else."""
    if value is None:
        raise WrongValue("has no value", 'write "" for an empty text')
    return value.text if isinstance(value, Token) else text_of(value)


def _line(value: object) -> str:
    text = text_of(value)
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_TEXT:
        raise WrongValue("needs one line of text")
    return text


def _flag(value: object) -> bool:
    if isinstance(value, Token) and isinstance(value.value, bool):
        return value.value
    words = {"yes": "true", "on": "true", "no": "false", "off": "false", "true": "true", "false": "false"}
    near = words.get(value.lower()) if isinstance(value, str) else None
    raise WrongValue(f"needs true or false, not {kind_of(value)}", f"write {near} without quotes" if near else "")


def _whole(value: object) -> int:
    if isinstance(value, Token) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return value.value
    bare = isinstance(value, str) and value.isascii() and value.isdigit()
    shown = value.text if isinstance(value, Token) else kind_of(value)
    raise WrongValue(f"needs a whole number, not {shown}", f"write {value} without quotes" if bare else "")


def _port(value: object) -> int:
    mapped = re.fullmatch(r"(?:[\d.]+:)+(\d{1,5})", value, re.ASCII) if isinstance(value, str) else None
    if mapped:
        raise WrongValue(
            f"{quoted(str(value))} maps a port of the host", f"write the container's port alone: {mapped[1]}"
        )
    return _whole(value)


def _number(value: object) -> float:
    if isinstance(value, Token) and not isinstance(value.value, bool) and isfinite(value.value):
        return float(value.value)
    shown = value.text if isinstance(value, Token) else kind_of(value)
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(m?)", value, re.ASCII) if isinstance(value, str) else None
    number = float(found[1]) / (1000 if found[2] else 1) if found else 0.0
    raise WrongValue(f"needs a number, not {shown}", f"write {number:g} without quotes" if found else "")


def _matching(
    pattern: re.Pattern[str], what: str, hint: str = "", read: Callable[[object], str] = text_of
) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = read(value)
        if not pattern.fullmatch(text):
            raise WrongValue(f"{quoted(text)} is not {what}", hint)
        return text

    return check


def choice(kind: type[Choice]) -> BeforeValidator:
    """Return the check that a value is one of an enumeration's words."""

    def check(value: object) -> Choice:
        words = [member.value for member in kind]
        text = value.text if isinstance(value, Token) else value
        if isinstance(text, str) and text in words:
            return kind(text)
        hint = did_you_mean(text, words) if isinstance(text, str) else ""
        shown = quoted(text) if isinstance(text, str) else kind_of(value)
        raise WrongValue(f"needs {listed(words)}, not {shown}", hint)

    return BeforeValidator(check)


def _duration(low: str, high: str) -> Callable[[object], timedelta]:
    def check(value: object) -> timedelta:
        if isinstance(value, Token):
            raise WrongValue("needs a duration with its unit", f'did you mean "{value.text}s"?')
        try:
            length = quantities.parse_duration(text_of(value))
        except WrongValue:
            raise
        except ValueError:
            hint = 'write it like "30s", "5m" or "24h"'
            raise WrongValue(f"{quoted(text_of(value))} is not a duration", hint) from None
        if not quantities.parse_duration(low) <= length <= quantities.parse_duration(high):
            raise WrongValue(f"must be between {low} and {high}")
        return length

    return check


def _size(low: str, high: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, Token):
            raise WrongValue("needs a size with its unit", f'did you mean "{value.text}Mi"?')
        text = text_of(value)
        if not _SIZE.fullmatch(text):
            near = _FOREIGN_SIZE.fullmatch(text)
            hint = f'did you mean "{near[1]}{near[2].upper()}i"?' if near else 'write it like "512Mi" or "2Gi"'
            raise WrongValue(f"{quoted(text)} is not a size", hint)
        size = quantities.parse_memory(text)
        if not quantities.parse_memory(low) <= size <= quantities.parse_memory(high):
            raise WrongValue(f"must be between {low} and {high}")
        return size

    return check


def _argv(value: object) -> tuple[str, ...]:
    """Return a command as argv. A string is split by shell quoting rules; no shell runs, so nothing in it is expanded."""
    if isinstance(value, list):
        words = []
        for index, item in enumerate(value):
            if not isinstance(item, str | Token):
                raise WrongValue(f"needs text, not {kind_of(item)}", below=(index,))
            words.append(scalar_text(item))
    else:
        words = _split(text_of(value))
    if not words or not words[0]:
        raise WrongValue("needs at least one word", "leave it out to use the image's own")
    return tuple(words)


def _split(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError:
        raise WrongValue("has a quote that is not closed", "the list form needs no quoting") from None
    operator = _operator(text)
    if operator:
        raise WrongValue(f"has {operator}, and no shell runs to act on it", 'write it as ["sh", "-c", "..."]')
    return words


def _operator(text: str) -> str:
    """Return the first word of a command line that only a shell would act on, "" for none; quoted ones are words like others."""
    lexer = shlex.shlex(text, posix=False)  # which keeps the quotes
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        found = next((word for word in lexer if _OPERATOR.fullmatch(word)), "")
    except ValueError:  # an apostrophe behind a backslash
        return ""
    return ";" if found.endswith(";") else found


def _relative(value: object) -> str:
    text = _line(value)
    if text.startswith(("/", "~")) or "\\" in text:
        raise WrongValue(f"{quoted(text)} is not a path below hostess.yml", "write it relative, like ./backend")
    path = PurePosixPath(text)
    if ".." in path.parts:
        raise WrongValue(f"{quoted(text)} leads out of its folder", 'paths go down only, without ".."')
    return str(path)


def _absolute(value: object) -> str:
    text = _line(value)
    if not text.startswith("/") or ".." in PurePosixPath(text).parts or ":" in text:
        raise WrongValue(f"{quoted(text)} is not an absolute path", "write it like /app/settings.toml")
    return "/" + str(PurePosixPath(text)).lstrip("/")


def _image(value: object) -> str:
    text = text_of(value)
    if len(text) > _LONGEST_IMAGE or not _IMAGE.fullmatch(text):
        hint = "magic variables are resolved in env only" if "${" in text else "write it like ghcr.io/acme/app:1.2"
        raise WrongValue(f"{quoted(text)} is not an image", hint)
    return text


def _mode(value: object) -> int:
    text = value.text if isinstance(value, Token) else text_of(value)
    if not _MODE.fullmatch(text):
        raise WrongValue(f"{quoted(text)} is not a file mode", 'write it octal and quoted, like "0444"')
    return int(text, 8)


def _domain(value: object) -> str:
    return names.domain(text_of(value))


def _branch(value: object) -> str:
    text = scalar_text(value)
    if not _BRANCH.fullmatch(text) or not text.isprintable():
        raise WrongValue(f"{quoted(text)} is not a branch name or pattern")
    return text.removeprefix("refs/heads/")


def _shape(pattern: str = "", *, title: str = "text", span: str = "", **more: object) -> WithJsonSchema:
    """Return what JSON Schema can say of a value: its type, *pattern* and, for people, its title and the range it must be in."""
    shape: dict[str, object] = {"type": "string", "title": title}
    if pattern:
        shape["pattern"] = f"^(?:{pattern})$"
    if span:
        shape["x-range"] = span
    return WithJsonSchema(shape | more)


def _span(low: str, high: str) -> WithJsonSchema:
    return _shape(quantities.DURATION_PATTERN, title="duration", span=f"{low} to {high}")


def _amount(low: str, high: str) -> WithJsonSchema:
    return _shape(_SIZE.pattern, title="size", span=f"{low} to {high}")


_BARE = ["string", "number", "boolean"]
_ONE_LINE = r"(?=[^\n]*\S)[^\x00-\x1f\x7f]{1,1024}"
_NO_WAY_UP = r"(?!(?:[^\n]*/)?\.\.(?:/|$))"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME_TITLE = "name"

Text = Annotated[str, BeforeValidator(text_of)]
Scalar = Annotated[str, BeforeValidator(scalar_text), WithJsonSchema({"type": _BARE, "title": "text"})]
"""Text, or a number or truth value of which the source text counts: 3.10 stays "3.10"."""

EnvValue = Annotated[Scalar, _shape(references.VALUE_PATTERN, type=_BARE)]
"""A value of `env`; its references are checked where all services are known."""

BuildArg = Annotated[
    Scalar, WithJsonSchema({"type": _BARE, "title": "text", "not": {"type": "string", "pattern": r"\$\{secret:"}})
]
"""A build argument, which is literal."""

Line = Annotated[str, BeforeValidator(_line), _shape(_ONE_LINE, title="one line of text")]
Flag = Annotated[bool, BeforeValidator(_flag)]
WHOLE = BeforeValidator(_whole)
"""The check of whole numbers. It stands behind the range: in front of it pydantic would leave the range out of the schema."""

PortNumber = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_port)]
Cores = Annotated[float, Field(ge=0.1, le=16), BeforeValidator(_number)]
Memory = Annotated[int, BeforeValidator(_size("128Mi", "64Gi")), _amount("128Mi", "64Gi")]
Storage = Annotated[int, BeforeValidator(_size("1Gi", "1Ti")), _amount("1Gi", "1Ti")]
Size = Annotated[int, BeforeValidator(_size("1Mi", "1Ti")), _amount("1Mi", "1Ti")]
Held = Annotated[int, BeforeValidator(_size("1Mi", "64Mi")), _amount("1Mi", "64Mi")]
"""Memory that one request may take."""

Moment = Annotated[timedelta, BeforeValidator(_duration("1s", "1h")), _span("1s", "1h")]
"""A duration of health checks: 1 s to an hour."""

Span = Annotated[timedelta, BeforeValidator(_duration("1s", "24h")), _span("1s", "24h")]
"""A duration that something may take: 1 s to a day."""

Life = Annotated[timedelta, BeforeValidator(_duration("1m", "366d")), _span("1m", "366d")]
"""How long something stays: a minute to a year."""

Argv = Annotated[
    tuple[str, ...],
    BeforeValidator(_argv),
    WithJsonSchema(
        {
            "title": "text or list of text",
            "oneOf": [
                {"type": "string", "pattern": r"\S"},
                {"type": "array", "minItems": 1, "items": {"type": _BARE}},
            ],
        }
    ),
]
RelativePath = Annotated[
    str,
    BeforeValidator(_relative),
    _shape(rf"(?![/~]){_NO_WAY_UP}(?![^\n]*\\){_ONE_LINE}", title="path below the file's folder"),
]
AbsolutePath = Annotated[
    str, BeforeValidator(_absolute), _shape(rf"(?![^\n]*:){_NO_WAY_UP}/{_ONE_LINE}|/", title="absolute path")
]
Image = Annotated[str, BeforeValidator(_image), _shape(_IMAGE.pattern, title="image", maxLength=_LONGEST_IMAGE)]
Mode = Annotated[int, BeforeValidator(_mode), _shape(_MODE.pattern, title="octal mode", type=["string", "integer"])]
Domain = Annotated[
    str,
    BeforeValidator(_domain),
    _shape(rf"(?:{_LABEL}\.)+(?![0-9]+$){_LABEL}", title="host name", maxLength=names.LONGEST_HOST),
]
Branch = Annotated[
    str, BeforeValidator(_branch), _shape(_BRANCH.pattern, title="branch or pattern", type=["string", "number"])
]
EnvName = Annotated[
    str,
    BeforeValidator(_matching(_ENV_NAME, "a name for an environment variable")),
    _shape(_ENV_NAME.pattern, title="NAME"),
]
ItemName = Annotated[
    str,
    BeforeValidator(_matching(_ITEM_NAME, "a valid name", "use letters, digits, dots, - and _")),
    _shape(_ITEM_NAME.pattern, title=_NAME_TITLE),
]
Owner = Annotated[
    str,
    BeforeValidator(_matching(_OWNER, "an owner", 'write it like "1000:1000"')),
    _shape(_OWNER.pattern, title="user:group"),
]
WebUrl = Annotated[
    str,
    BeforeValidator(_matching(_WEB_URL, "an http or https URL", "write it like https://hc.example.com/ping/5f0c8a77")),
    _shape(_WEB_URL.pattern, title="URL"),
]
UrlPath = Annotated[
    str,
    BeforeValidator(_matching(_URL_PATH, "a path", "write it like /health")),
    _shape(_URL_PATH.pattern, title="URL path"),
]
SecretName = Annotated[
    str,
    BeforeValidator(_matching(names.SECRET, "a secret's name", "write it like TLS_KEY")),
    _shape(names.SECRET.pattern, title="secret's name"),
]
PostgresVersion = Annotated[
    str,
    BeforeValidator(
        _matching(_POSTGRES, "a version of postgres", "16, 17 or 18, or a minor such as 16.4", scalar_text)
    ),
    _shape(_POSTGRES.pattern, title="version", span="16, 17, 18, or a minor of them", type=["string", "number"]),
]
RedisVersion = Annotated[
    str,
    BeforeValidator(_matching(_REDIS, "a version of redis", "write it like 8 or 8.2", scalar_text)),
    _shape(_REDIS.pattern, title="version", type=["string", "number"]),
]
Extension = Annotated[
    str,
    BeforeValidator(_matching(_EXTENSION, "an extension", "write it like pg_trgm")),
    _shape(_EXTENSION.pattern, title="extension"),
]
PartName = Annotated[
    str, _shape(rf"(?!(?:{'|'.join(sorted(names.RESERVED))})$){names.NAME.pattern}", title=_NAME_TITLE)
]
"""The name of a service or job. Its rules are checked where all names are known, so that a wrong one hides no other mistake."""

PlainName = Annotated[str, _shape(names.NAME.pattern, title=_NAME_TITLE)]
"""The name of an environment or a group, checked like that of a service."""
