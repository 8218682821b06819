"""Prints the reference page of hostess.yml: one table per object of the models, and what is easier said in words.

scripts/reference writes it to docs/reference/hostess-yml.md.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from hostess.domain.hostess_yml import references
from hostess.domain.hostess_yml.blocks import BackupsPart, HookPart, InsightsPart, LifecyclePart
from hostess.domain.hostess_yml.build import DATA, PATHS, PORTS, PRESETS
from hostess.domain.hostess_yml.draft import DATABASES, SHOWN
from hostess.domain.hostess_yml.environment import EnvironmentPart, OverridePart, RepoPart
from hostess.domain.hostess_yml.forms import (
    BuildPart,
    ConditionPart,
    FilePart,
    HealthPart,
    MountPart,
    Part,
    PortPart,
    ReplicasPart,
    ResourcesPart,
)
from hostess.domain.hostess_yml.models import JobPart, ServicePart, StackPart
from hostess.domain.hostess_yml.proxy import BufferPart, HstsPart, ProxyPart, RateLimitPart
from hostess.domain.hostess_yml.schema import OTHERWISE, RANGE, described, titled
from hostess.domain.hostess_yml.special import ExternalPart, PoolerPart, PostgresSpecial, RedisSpecial, StaticSpecial
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.hostess_yml.yaml_text import flow
from hostess.domain.quantities import memory_text

OBJECTS: tuple[tuple[str, type[Part], str], ...] = (
    ("The file", StackPart, ""),
    ("Service", ServicePart, "services.NAME"),
    ("Build", BuildPart, "services.NAME.build"),
    ("Port", PortPart, "services.NAME.ports[]"),
    ("Resources", ResourcesPart, "services.NAME.resources"),
    ("Replicas", ReplicasPart, "services.NAME.replicas"),
    ("Health", HealthPart, "services.NAME.health"),
    ("Condition", ConditionPart, "services.NAME.depends_on.NAME"),
    ("File", FilePart, "services.NAME.files[]"),
    ("Mount", MountPart, "services.NAME.persistence"),
    ("Proxy", ProxyPart, "services.NAME.proxy"),
    ("Buffer", BufferPart, "services.NAME.proxy.buffer_requests"),
    ("RateLimit", RateLimitPart, "services.NAME.proxy.rate_limit"),
    ("Hsts", HstsPart, "services.NAME.proxy.hsts"),
    ("Lifecycle", LifecyclePart, "services.NAME.lifecycle"),
    ("Hook", HookPart, "services.NAME.lifecycle.HOOK"),
    ("Backups", BackupsPart, "services.NAME.backups"),
    ("Insights", InsightsPart, "services.NAME.insights"),
    ("StaticSpecial", StaticSpecial, "services.NAME.special of static"),
    ("PostgresSpecial", PostgresSpecial, "services.NAME.special of postgres"),
    ("Pooler", PoolerPart, "services.NAME.special.pooler"),
    ("External", ExternalPart, "services.NAME.special.external"),
    ("RedisSpecial", RedisSpecial, "services.NAME.special of redis"),
    ("Job", JobPart, "jobs.NAME"),
    ("Environment", EnvironmentPart, "environments.NAME"),
    ("Override", OverridePart, "environments.NAME.services.NAME"),
    ("Repo", RepoPart, "repo"),
)
"""The objects in the order of the page: heading, model, where they stand in a file."""

INTRODUCTION = """\
# hostess.yml

<!-- Made by scripts/reference from the models of the parser. Change those, not this page. -->

One file beside the code says what runs. The smallest one:

```yaml
services:
  api:
    type: fastapi
    build: {source: .}
```

`hostess validate` checks a file offline and names all of its mistakes, each with line, column and path. `hostess init` makes one
from a Compose file. For editors:

    hostess schema > hostess.schema.json

and as the first line of the file `# yaml-language-server: $schema=hostess.schema.json`.

A file with most of what there is:

```yaml
version: "1.0"
name: Corner Shop
environments:
  production: {branches: [main], domains: {web: [shop.example.com]}}
  preview: {branches: ["feature/*"], ephemeral: true, ttl: 72h}
services:
  web:
    type: nextjs
    source: ./web
    env: {API: "${api.url}", PUBLIC_API: "${api.external_url}"}
    depends_on: [api]
  api:
    type: fastapi
    build: {source: ./api, dockerfile: Dockerfile}
    visibility: public
    env:
      DATABASE_URL: ${database.url}
      QUEUE: ${queue.url}
      PAY_KEY: ${secret:PAY_KEY}
    depends_on: {database: healthy, seed: completed}
    health: {http: /ready, interval: 15s}
    replicas: {min: 2, max: 10}
    resources: {cpu: 2, memory: 4Gi}
    lifecycle:
      migrate: {command: [alembic, upgrade, head], timeout: 10m}
  worker:
    type: custom
    build: {source: ./api}
    command: [celery, -A, app, worker]
    env: {QUEUE: "${queue.url}"}
    health: {command: [celery, -A, app, inspect, ping], retries: 5}
  database:
    type: postgres
    resources: {preset: small, storage: 30Gi}
    special: {version: "17", extensions: [pg_trgm]}
    backups: {schedule: daily, retention: 14}
  queue: {type: redis, resources: small}
jobs:
  seed:
    build: {source: ./api}
    command: [python, -m, app.seed]
    env: {DATABASE_URL: "${database.url}"}
    run: once
    depends_on: [database]
```

## What holds everywhere

- A file has at most 64 KB and is UTF-8. Anchors, aliases, tags, keys written twice and unknown keys are refused.
- A key without a value counts as left out.
- Paths are relative to the file and lead down only.
- Durations are numbers with `ms`, `s`, `m`, `h`, `d` or `w`: `30s`, `1h30m`, `7d`. Sizes are numbers with `Mi`, `Gi` or `Ti`.
- Names of services, jobs, environments and groups have 2 to 63 characters: lower-case letters, digits and hyphens, a letter
  first and no hyphen last. Services and jobs are not called `default`, `deployment`, `hostess`, `secret`, `service` or `system`.
- Values of `env` and of `build.args` keep their text: `3.10` stays `3.10`, `true` stays `true`.
- Commands are lists, passed on as they are, or text, which is split by shell quoting rules. No shell runs either way; who wants
  one writes `["sh", "-c", "..."]`.
- Each table shows for every key its type, the range of its value, what counts when it is left out, and one example.
"""

VARIABLES = """\
## Magic variables

In the values of `env` of services and jobs, alone or inside longer text. They need no `depends_on`, and two services may refer to
each other. `$${` is a literal `${`; anything else that begins with `${` is a mistake there. A worker has only `host`.
"""


def page() -> str:
    """Return the whole page."""
    sections = [INTRODUCTION, _types(), *(_section(*found) for found in OBJECTS), _presets(), _variables()]
    return "\n".join(sections)


def _section(heading: str, model: type[Part], place: str) -> str:
    shape = described(model)
    required = shape.get("required", ())
    rows = [
        (*_row(key, body, needed=key in required), f"`{key}: {flow(example(model, key))}`")
        for key, body in shape["properties"].items()
    ]
    where = f"`{place}`. " if place else ""
    table = _table(("key", "type", "range", "default", "meaning", "example"), rows)
    return f"## {heading}\n\n{where}{shape['description']}\n\n{table}"


def _row(key: str, body: dict[str, Any], *, needed: bool) -> tuple[str, ...]:
    default = body.get("default")
    shown = [f"`{flow(default)}`"] if default is not None else []
    told = "required" if needed else "; ".join([*shown, *filter(None, [body.get(OTHERWISE, "")])])
    return f"`{key}`", _kind(body), _span(body), told, body["description"]


def example(model: type[Part], key: str) -> Any:  # noqa: ANN401 -- a value of any key
    """Return the example of a key, in the order in which it was written."""
    return (model.model_fields[key].examples or [None])[0]


def _kind(body: dict[str, Any]) -> str:  # noqa: PLR0911 -- one answer per kind of schema
    """Return what kind of value a schema describes."""
    if "$ref" in body:
        name = titled(body["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower()})"
    if "title" in body:
        return str(body["title"])
    if choices := [option for key in ("anyOf", "oneOf") for option in body.get(key, ())]:
        return " or ".join(dict.fromkeys(_kind(option) for option in choices if option.get("type") != "null"))
    if "enum" in body:
        return "word"
    if body["type"] == "array":
        return f"list of {_kind(body['items'])}"
    if body["type"] == "object":
        below = body.get("additionalProperties")
        return f"mapping to {_kind(below)}" if isinstance(below, dict) else "mapping"
    if isinstance(body["type"], list):
        return "text"
    return {"integer": "whole number", "number": "number", "boolean": "true or false"}.get(body["type"], "text")


def _span(body: dict[str, Any]) -> str:
    """Return the range of a value, "" for none."""
    if RANGE in body:
        return str(body[RANGE])
    if "minimum" in body:
        return f"{body['minimum']} to {body['maximum']}"
    if "enum" in body:
        return ", ".join(f"`{word}`" for word in body["enum"] if isinstance(word, str))
    inner = [*body.get("anyOf", ()), *body.get("oneOf", ()), body.get("items"), body.get("additionalProperties")]
    return "; ".join(dict.fromkeys(filter(None, (_span(option) for option in inner if isinstance(option, dict)))))


def _types() -> str:
    rows = [
        (
            f"`{kind}`",
            str(PORTS[kind]),
            "asked by Hostess" if kind in DATABASES else f"`GET {PATHS[kind]}`" if kind in PATHS else "none",
            "`public`" if kind in SHOWN else "`private`",
            "Hostess runs it"
            if kind in DATABASES
            else "`source`"
            if kind is ServiceType.STATIC
            else "`build`, `image` or `source`",
        )
        for kind in ServiceType
    ]
    table = _table(("type", "port", "health", "visibility", "code"), rows)
    worker = (
        "A custom service that has none of `ports`, `domains`, `visibility`, `health.http` and `health.port` is a worker: nothing\n"
        "is routed to it. Where no service of a file is public, its first fastapi service is."
    )
    return f"## Types\n\n{table}\n{worker}\n"


def _presets() -> str:
    rows = [
        (f"`{preset}`", f"{limits.cpu:g}", memory_text(limits.memory), memory_text(limits.storage or 0))
        for preset, limits in PRESETS.items()
    ]
    table = _table(("preset", "cores", "memory", "storage"), rows)
    return f"## Presets\n\n{table}\nA custom service with `retention: permanent` keeps `{DATA}`.\n"


def _variables() -> str:
    http = [*references.HTTP_PROPERTIES, *(f"port_N.{name}" for name in references.PORT_PROPERTIES)]
    rows = [
        ("`${NAME.…}` of nextjs, fastapi, static, custom", _words(http)),
        ("`${NAME.…}` of postgres", f"{_words(references.POSTGRES_PROPERTIES)}; with a pooler `{references.POOLED}`"),
        ("`${NAME.…}` of redis", _words(references.REDIS_PROPERTIES)),
        ("`${deployment.…}`", _words(references.DEPLOYMENT_PROPERTIES)),
        ("`${service.…}`, the service itself", _words(references.SELF_PROPERTIES)),
        ("`${secret:NAME}`", "the secret of that name in the environment"),
    ]
    return f"{VARIABLES}\n{_table(('variable', 'properties'), rows)}"


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def lines() -> Iterator[str]:
        heads = list(headers)
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    return "".join(f"{line}\n" for line in lines())


if __name__ == "__main__":
    sys.stdout.write(page())
