"""The OpenAPI document as a page for people, in Markdown and in HTML that needs no script."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hostess.doors.api.openapi import ROLES, Json

_REF = re.compile(r"#/components/schemas/(\w+)")
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*(?P<name>\w+)\*|\[(?P<text>[^\]]+)\]\((?P<to>#[\w-]+)\)")
_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " of them"),
)
_KINDS = {
    "integer": "whole number",
    "boolean": "true or false",
    "string": "text",
    "date-time": "time",
    "password": "text",
}
_NO_CONTENT = {"101": "a WebSocket", "204": "nothing"}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }
h3 code { font-size: 1em; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #8886; }
h2 { border-top: 2px solid #8886; padding-top: 1rem; }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; *level* 1 is the page's."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text; `code`, *names* and [links](#to-headings) are marked as in Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its cells marked as paragraphs are."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Table


def blocks(document: Json) -> Iterator[Block]:
    """Yield the parts of the page: operations by group, then the objects that they take and return."""
    yield Heading(1, document["info"]["title"])
    yield Paragraph(
        "Every operation, as `/v1/openapi.json` describes it. What holds for all of them (tokens, roles, limits, problems, streams) is "
        "told in the guide to the API. Lists have `items`; members and parameters that are not named here are refused; times are ISO 8601. "
        "What changes something takes an `Idempotency-Key`, but for commands; JSON that is read has an `ETag`."
    )
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    yield Paragraph(" · ".join(f"[{name}](#{_anchor(name)})" for name in sorted(groups)) + " · [objects](#objects)")
    for name in sorted(groups):
        yield Heading(2, name)
        for method, path, operation in groups[name]:
            yield from _operation(method, path, operation)
    yield Heading(2, "problems")
    errors = document["components"]["responses"].items()
    yield Table(("status", "meaning"), tuple((f"`{status}`", said["description"]) for status, said in errors))
    yield Heading(2, "objects")
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _object(name, schema)


def markdown(page: Iterable[Block]) -> str:
    """Return the page as Markdown."""

    def lines() -> Iterator[str]:
        for block in page:
            match block:
                case Heading(level, text):
                    yield f"{'#' * level} {text}"
                case Paragraph(text):
                    yield text
                case Table(heads, rows):
                    shown = [_row(heads), f"|{'---|' * len(heads)}", *map(_row, rows)]
                    yield "\n".join(shown)

    return "\n\n".join(lines()) + "\n"


def as_html(page: Iterable[Block]) -> str:
    """Return the page as HTML: one file, no script, nothing from elsewhere."""

    def parts() -> Iterator[str]:
        for block in page:
            match block:
                case Heading(level, text):
                    yield f'<h{level} id="{_anchor(text)}">{_inline(text)}</h{level}>'
                case Paragraph(text):
                    yield f"<p>{_inline(text)}</p>"
                case Table(heads, rows):
                    yield f"<table><tr>{''.join(f'<th>{_inline(each)}</th>' for each in heads)}</tr>"
                    for row in rows:
                        yield f"<tr>{''.join(f'<td>{_inline(each)}</td>' for each in row)}</tr>"
                    yield "</table>"

    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    body = "\n".join(parts())
    return f'<!doctype html>\n<html lang="en"><head>{head}<title>Hostess admin API</title></head>\n<body>\n{body}\n</body></html>\n'


def _operation(method: str, path: str, operation: Json) -> Iterator[Block]:
    yield Heading(3, f"`{method} {path}`")
    roles = operation.get(ROLES)
    who = f"For {_listed(roles)}." if roles else "For everybody, without a token."
    yield Paragraph(f"{operation['summary']}. {who}")
    for text in operation.get("description", "").split("\n\n"):
        if text:
            yield Paragraph(" ".join(text.split()))
    given = [each for each in operation["parameters"] if each["in"] == "query"]
    if given:
        rows = tuple((f"`{each['name']}`", *_typed(each["schema"], each)) for each in given)
        yield Table(("parameter", "type", "default"), rows)
    if "requestBody" in operation:
        yield Paragraph(f"Takes {_content(operation['requestBody']['content'])}.")
    for status, said in operation["responses"].items():
        if status.startswith(("1", "2")):
            content = _content(said["content"]) if "content" in said else _NO_CONTENT[status]
            yield Paragraph(f"Answers {status}: {content}.")


def _content(content: Json) -> str:
    return " or ".join(
        kind_of(each["schema"]) if "$ref" in each["schema"] else f"`{media}`" for media, each in content.items()
    )


def _object(name: str, schema: Json) -> Iterator[Block]:
    yield Heading(3, name)
    if "description" in schema:
        for text in schema["description"].split("\n\n"):
            yield Paragraph(" ".join(text.split()))
    if "enum" in schema:
        yield Paragraph(f"One of {kind_of(schema)}.")
    required = schema.get("required", ())
    rows = [
        (f"`{key}`", *_typed(each, {"required": key in required})) for key, each in schema.get("properties", {}).items()
    ]
    if rows:
        yield Table(("member", "type", "default"), tuple(rows))


def _typed(schema: Json, about: Json) -> tuple[str, str]:
    bounds = [
        " ".join(
            [
                *(["from", str(schema[low])] if low in schema else []),
                *(["to", str(schema[high])] if high in schema else []),
            ]
        )
        + what
        for low, high, what in _BOUNDS
        if low in schema or high in schema
    ]
    default = schema.get("default")
    shown = "required" if about.get("required") else "" if default in (None, "", [], {}) else f"`{_plain(default)}`"
    return ", ".join([kind_of(schema), *bounds]), shown


def kind_of(schema: Json) -> str:
    """Return what kind of value a schema describes, with links to objects."""
    if found := _REF.fullmatch(schema.get("$ref", "")):
        return f"[{found[1]}](#{_anchor(found[1])})"
    if options := schema.get("anyOf"):
        return " or ".join(kind_of(option) for option in options)
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    match schema.get("type"), schema.get("format"):
        case "array", _:
            return f"list of {kind_of(schema.get('items', {}))}"
        case "object", _:
            below = schema.get("additionalProperties")
            return f"mapping to {kind_of(below)}" if isinstance(below, dict) else "mapping"
        case kind, form:
            return _KINDS.get(str(form or kind), str(kind or "anything"))


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _plain(value: Any) -> str:  # noqa: ANN401 -- JSON has no better type
    return str(value).lower() if isinstance(value, bool) else str(value)


def _anchor(text: str) -> str:
    """Return the anchor that Markdown's readers make of a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _inline(text: str) -> str:
    def marked(found: re.Match[str]) -> str:
        if found["code"]:
            return f"<code>{found['code']}</code>"
        return f"<em>{found['name']}</em>" if found["name"] else f'<a href="{found["to"]}">{found["text"]}</a>'

    return _INLINE.sub(marked, html.escape(text))
