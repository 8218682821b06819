"""The rules between keys of hostess.yml that JSON Schema can say, in its words. The parser's own are in `checks`."""

from collections.abc import Iterable
from typing import Any

from hostess.domain.hostess_yml.checks import ONLY
from hostess.domain.hostess_yml.draft import DATABASES
from hostess.domain.hostess_yml.links import REDIS_GROUPS
from hostess.domain.hostess_yml.proxy_checks import NOT_STATIC
from hostess.domain.hostess_yml.special import SPECIAL
from hostess.domain.hostess_yml.stack import Protocol, Run, ServiceType
from hostess.domain.hostess_yml.words import Retention
from hostess.domain.names import PRODUCTION

Rule = dict[str, Any]

_NULL: Rule = {"type": "null"}
_SOURCES = ("build", "image", "source")
_CUSTOM = frozenset({ServiceType.CUSTOM})


def _given(key: str, value: Rule | None = None) -> Rule:
    """Return what holds when a key is there with a value, of the shape *value*; nothing at all counts as left out."""
    return {"required": [key], "properties": {key: value or {"not": _NULL}}}


def _without(*keys: str) -> Rule:
    return {"properties": dict.fromkeys(keys, _NULL)}


def _not_both(one: Rule, other: Rule) -> Rule:
    return {"not": {"allOf": [one, other]}}


def _exactly_one(keys: Iterable[str]) -> Rule:
    return {"oneOf": [_given(key) for key in keys]}


def _when(kinds: Iterable[ServiceType], then: Rule) -> Rule:
    """Return a rule for services of some types; without a type a service is custom."""
    words = sorted(kind.value for kind in kinds)
    if ServiceType.CUSTOM.value in words:
        return {"if": {"properties": {"type": {"enum": [*words, None]}}}, "then": then}
    return {"if": _given("type", {"enum": words}), "then": then}


def _of_type(kind: ServiceType) -> Rule:
    """Return what applies to one type: which keys not, and what is special about it."""
    properties: dict[str, Rule] = {key: _NULL for key, kinds in ONLY.items() if kind not in kinds}
    if kind in SPECIAL:
        properties["special"] = {"anyOf": [{"$ref": f"#/$defs/{SPECIAL[kind].__name__}"}, _NULL]}
    return _when({kind}, {"properties": properties})


_DATABASE: Rule = {
    "properties": {
        "health": _without("http", "command", "port"),
        "backups": _without("command", "restore_command"),
        "visibility": {"enum": ["public", "private", None]},
    }
}
_REDIS: Rule = {
    "properties": {
        "backups": {"properties": {"pitr": {"enum": [False, None]}, "drill": {"enum": [None]}}},
        "databases": {"maxProperties": REDIS_GROUPS, "properties": {"default": False}},
    }
}
_APP: Rule = {"properties": {"resources": _without("storage")}}
_ON_STATIC: Rule = {"properties": {"proxy": _without(*NOT_STATIC)}}
_NOT_H2C: Rule = {"properties": {"proxy": {"properties": {"protocol": {"enum": [Protocol.HTTP1.value, None]}}}}}
_ON_CUSTOM: Rule = {
    "properties": {
        "health": {"if": {"type": "object"}, "then": {"anyOf": [_given("http"), _given("command")]}},
        "backups": {
            "anyOf": [{"type": "object", **_given("command"), "properties": {"drill": {"enum": [None]}}}, _NULL]
        },
    }
}
_SERVICE: list[Rule] = [
    *map(_of_type, ServiceType),
    _when(frozenset(ServiceType) - DATABASES - {ServiceType.STATIC}, _exactly_one(_SOURCES)),
    _when({ServiceType.STATIC}, {**_given("source"), "allOf": [_without("build", "image")]}),
    _when(DATABASES, _DATABASE),
    _when({ServiceType.REDIS}, _REDIS),
    _when(frozenset(ServiceType) - DATABASES, _APP),
    _when(_CUSTOM, _ON_CUSTOM),
    _when({ServiceType.STATIC}, _ON_STATIC),
    _when(frozenset(ServiceType) - DATABASES - _CUSTOM, _NOT_H2C),
    _not_both(_given("backups"), _given("replicas", {"type": "object", **_given("min", {"const": 0})})),
    _not_both(_given("public", {"const": True}), _given("visibility", {"enum": ["private", "team"]})),
    _not_both(_given("public", {"const": False}), _given("visibility", {"enum": ["public", "team"]})),
    _not_both(
        _given("persistence", {"not": {"enum": [False, None]}}),
        _given("retention", {"const": Retention.EPHEMERAL.value}),
    ),
    {"properties": {"persistence": {"items": _given("name")}}},
]
_HOOK: Rule = {"anyOf": [_NULL, {"oneOf": [_given("command"), _given("job")]}]}
_GRACE: Rule = {"anyOf": [_NULL, _HOOK, {**_given("timeout"), "allOf": [_without("command", "job")]}]}
_JOB: list[Rule] = [
    _exactly_one(("image", "build")),
    {
        "if": _given("run", {"const": Run.CRON.value}),
        "then": _given("schedule"),
        "else": _without("schedule"),
    },
    {"properties": {"resources": _without("storage")}},
]

RULES: dict[str, list[Rule]] = {
    "Service": _SERVICE,
    "Job": _JOB,
    "Port": _SERVICE[-4:-2],
    "Health": [_not_both(_given("http"), _given("command"))],
    "Resources": [
        _not_both(_given("preset"), {"anyOf": [_given("cpu"), _given("memory")]}),
        {"if": _given("cpu"), "then": _given("memory")},
        {"if": _given("memory"), "then": _given("cpu")},
    ],
    "Replicas": [
        {"if": _given("min", {"not": {"const": 0}}), "then": _without("target_requests", "sleep_after")},
    ],
    "File": [_exactly_one(("source", "content", "secret"))],
    "Lifecycle": [
        {"properties": dict.fromkeys(("init", "migrate", "post_deploy"), _HOOK)},
        {"properties": {"shutdown": _GRACE}},
    ],
    "Environment": [_not_both(_given("branch"), _given("branches"))],
    "Proxy": [
        {
            "if": _given("strip_prefix", {"const": True}),
            "then": _given("path", {"type": "string", "not": {"const": "/"}}),
        }
    ],
    "RedisSpecial": [_not_both(_given("maxmemory"), _given("maxmemory_percent"))],
}
"""The rules of each object, by its name in the schema."""

FILE: list[Rule] = [
    {
        "properties": {
            "environments": {"properties": {PRODUCTION: {"properties": {"ephemeral": {"enum": [False, None]}}}}}
        }
    }
]
"""The rules of the whole file."""
