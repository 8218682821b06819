"""The OpenAPI 3.1 document, made from the table of operations."""

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hostess.doors.api.operation import EVENTS, JSON, TEXT, Nothing, Operation
from hostess.doors.api.problems import MEDIA
from hostess.doors.api.repeats import KEY, LONGEST, takes_key
from hostess.services.tokens import MAY

Json = dict[str, Any]

ROLES = "x-roles"
"""Who may ask for an operation: a member of the document that is ours."""

_REF = "#/components/schemas/{model}"
_NAMED = re.compile(r'"#/components/schemas/(\w+)"')
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_TEXT: Json = {"type": "string"}
_EVENT: Json = {
    "type": "object",
    "description": "Each of the events.",
    "properties": {"id": _TEXT, "event": _TEXT, "data": _TEXT},
}
_BYTES: Json = {"schema": {"type": "string", "format": "binary"}}
_MEDIA: Json = {JSON: {"schema": {"type": "object"}}, TEXT: {"schema": _TEXT}, EVENTS: {"schema": _EVENT}}
_KEY_HEADER: Json = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": "Makes it safe to ask again: within a day, the same request with the same key is not carried out twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"},
}
_TEXTS = ("code", "detail", "serving", "remedy", "place", "type", "title", "request_id")
_LISTS = ("tail", "mistakes")
_ERRORS = {
    "400": "The request is malformed.",
    "401": "No known token.",
    "403": "Known, but not allowed; or a request that a browser makes for another origin's page.",
    "404": "There is no such thing, or the caller may not know of it.",
    "405": "The path leads nowhere with this method: a part of it is empty.",
    "409": "It is not possible in the present state.",
    "410": "It was there, and is no more.",
    "413": "The body is too large.",
    "415": "The body is of another type.",
    "421": "The name in Host is not the admin API's.",
    "422": "What was given does not fit; `mistakes` lists all of it.",
    "429": "More than one caller may ask for; `Retry-After` says when to come again.",
    "500": "A mistake of Hostess's own, or something that it keeps is damaged.",
    "502": "The engine refuses, or a registry cannot be reached.",
    "503": "Something that this needs does not answer: the engine, the journal, the proxy.",
    "504": "It took longer than it may; what was begun goes on.",
    "507": "Something is used up: disk, memory, addresses.",
}
"""Every status that a problem may have (`problems.STATUSES`), and what it means."""


_ERRORS_SHOWN: Json = {status: {"$ref": f"#/components/responses/{status}"} for status in _ERRORS}


def document(operations: Iterable[Operation], version: str) -> Json:
    """Return the document."""
    table = list(operations)
    schemas = _schemas(table)
    paths: Json = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    # Queries are told as parameters; what nothing else refers to is no object of its own.
    named = set(_NAMED.findall(json.dumps([paths, schemas])))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hostess admin API", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**{name: schemas[name] for name in schemas if name in named}, "Problem": _problem()},
            "responses": _errors(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _schemas(table: list[Operation]) -> Json:
    shown: list[tuple[type[BaseModel], Any]] = [(o.returns, "serialization") for o in table if o.returns]
    taken: list[tuple[type[BaseModel], Any]] = [(o.given, "validation") for o in table if o.given is not Nothing]
    _, found = models_json_schema(list(dict.fromkeys(shown + taken)), ref_template=_REF)
    schemas: Json = found["$defs"]
    return schemas


def _operation(operation: Operation, schemas: Json) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PATH_PARAMETER.findall(operation.path)
        ],
        "responses": {str(operation.status): _answer(operation), **_ERRORS_SHOWN},
    }
    if operation.description:
        described["description"] = operation.description
    if operation.action is not None:
        described[ROLES] = [role for role, may in MAY.items() if operation.action in may]
    if operation.method == "GET" and JSON in operation.media and operation.returns:
        described["responses"]["304"] = {"description": "It is still what the ETag in `If-None-Match` stands for."}
    if takes_key(operation):
        described["parameters"].append(_KEY_HEADER)
    if operation.action is None:
        described["security"] = []
    if operation.takes:
        content = {media: _MEDIA.get(media, _BYTES) for media in operation.takes}
        described["requestBody"] = {"required": True, "content": content}
    if operation.given is Nothing:
        return described
    if operation.in_query:
        query = schemas[operation.given.__name__]
        described["parameters"] += _query(query)
        described["description"] = "\n\n".join(filter(None, [operation.description, query.get("description", "")]))
    else:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=operation.given.__name__)}}},
        }
    return described


def _answer(operation: Operation) -> Json:
    if operation.returns is not None:
        schema = {"$ref": _REF.format(model=operation.returns.__name__)}
        content = {media: {"schema": schema} if media == JSON else _MEDIA[media] for media in operation.media}
        return {"description": operation.summary, "content": content}
    if operation.status in {101, 204}:  # a WebSocket; nothing
        return {"description": operation.summary}
    return {
        "description": operation.summary,
        "content": {media: _MEDIA.get(media, _BYTES) for media in operation.media},
    }


def _query(schema: Json) -> list[Json]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(described)}
        for name, described in schema.get("properties", {}).items()
    ]


def _without_null(schema: Json) -> Json:
    """Return what a query can say: a parameter that is none is left out."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if not options:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    return {**rest, **(options[0] if len(options) == 1 else {"anyOf": options})}


def _errors() -> Json:
    content = {MEDIA: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {status: {"description": meaning, "content": content} for status, meaning in _ERRORS.items()}


def _problem() -> Json:
    texts: Json = {name: {"type": "string"} for name in _TEXTS}
    lists: Json = {name: {"type": "array", "items": {"type": "string"}} for name in _LISTS}
    return {
        "type": "object",
        "description": "RFC 9457: what happened, what still serves, what to do.",
        "properties": {**texts, "status": {"type": "integer"}, **lists},
        "required": ["type", "title", "status", "detail", "code"],
    }
