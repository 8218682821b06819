"""The JSON Schema of hostess.yml, for editors: made from the models, with those rules between keys that a schema can say.

What it cannot say (names that must exist, cycles, ranges of durations and sizes) only `hostess validate` finds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hostess.domain.hostess_yml import schema_rules as rules
from hostess.domain.hostess_yml.forms import Part
from hostess.domain.hostess_yml.models import StackPart
from hostess.domain.hostess_yml.special import SPECIAL

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RANGE, OTHERWISE = "x-range", "x-otherwise"
"""Marks of our own in what `described` returns: the range of a value, and the default in words."""

_AS_IS = frozenset({"default", "examples", "enum"})
_NAMED = frozenset({"properties", "patternProperties", "$defs"})


def schema() -> Schema:
    """Return the JSON Schema (2020-12) of hostess.yml."""
    root = _published(described(StackPart))
    parts = root.pop("$defs")
    for model in SPECIAL.values():
        special = _published(described(model))
        parts |= special.pop("$defs", {}) | {titled(model.__name__): special}
    for name, found in rules.RULES.items():
        parts[name]["allOf"] = found
    return {
        "$schema": DIALECT,
        **root,
        "title": "hostess.yml",
        "allOf": rules.FILE,
        "$defs": dict(sorted(parts.items())),
    }


def described(model: type[Part]) -> Schema:
    """Return the schema of one model with enumerations written out where they are used, and our own marks left in."""
    raw = model.model_json_schema(ref_template="{model}")
    parts = raw.pop("$defs", {})
    words = {name: body for name, body in parts.items() if "properties" not in body}
    tidy: Schema = _tidy(raw, words)
    tidy["$defs"] = {titled(name): _tidy(body, words) for name, body in parts.items() if name not in words}
    return tidy


def titled(name: str) -> str:
    """Return what a model is called in the schema: "ServicePart" is "Service"."""
    return name.removesuffix("Part")


def _tidy(node: Schema, words: Mapping[str, Schema]) -> Schema:
    name = node.get("$ref")
    if isinstance(name, str):
        reference = {"enum": _words_of(words[name])} if name in words else {"$ref": f"#/$defs/{titled(name)}"}
        return {key: value for key, value in node.items() if key != "$ref"} | reference
    found = _within(node, lambda below: _tidy(below, words))
    if "properties" in found:
        found["title"] = titled(found["title"])
        required = found.get("required", ())
        found["properties"] = {key: _property(key, body, key in required) for key, body in found["properties"].items()}
    if len(found.get("patternProperties", ())) == 1:
        # pydantic allows other keys beside those that match.
        ((pattern, value),) = found.pop("patternProperties").items()
        found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    return found


def _within(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return a schema with each schema that stands right inside it changed."""

    def changed(key: str, value: object) -> object:
        if key in _NAMED and isinstance(value, dict):
            return {name: change(below) for name, below in value.items()}
        if isinstance(value, list) and key not in _AS_IS:
            return [change(below) if isinstance(below, dict) else below for below in value]
        return change(value) if isinstance(value, dict) and key not in _AS_IS else value

    return {key: changed(key, value) for key, value in node.items()}


def _words_of(body: Schema) -> list[str]:
    return list(body.get("enum") or [body["const"]])


def _property(key: str, body: Schema, required: object) -> Schema:
    """Return a property without the title that pydantic makes of its name, and without a default that nothing needs."""
    made = key.replace("_", " ").title()
    dropped = {"default"} if required else set()
    return {name: value for name, value in body.items() if name not in dropped and (name != "title" or value != made)}


def _published(node: Schema) -> Schema:
    """Return the schema with our own marks told in descriptions."""
    found = _within(node, _published)
    span, otherwise = found.pop(RANGE, ""), found.pop(OTHERWISE, "")
    told = [found.get("description", ""), span and f"Range: {span}.", otherwise and f"Default: {otherwise}."]
    return found | ({"description": " ".join(filter(None, told))} if any(told) else {})
