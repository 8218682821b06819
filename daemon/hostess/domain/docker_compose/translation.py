"""A Compose file in, a hostess.yml out, with notes on what it could not carry. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostess.domain import names
from hostess.domain.docker_compose.env import Peer
from hostess.domain.docker_compose.reading import items, mapping, read_compose, scalar
from hostess.domain.docker_compose.service import Entry, Given, entry, given
from hostess.domain.docker_compose.values import Surroundings, argv, pairs
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.mistakes import InvalidStack, Mistake, dotted
from hostess.domain.hostess_yml.reading import Tree
from hostess.domain.hostess_yml.references import needed_secrets
from hostess.domain.hostess_yml.yaml_text import block
from hostess.domain.problem import Problem

_ENDS = "service_completed_successfully"
_MISSING = "is required"
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Conversion:
    """A valid hostess.yml: its *text*, the services and jobs in it, what was lost or changed, and the secrets that it needs."""

    text: str
    services: tuple[str, ...]
    jobs: tuple[str, ...]
    notes: tuple[str, ...]
    secrets: tuple[str, ...]


def convert(source: bytes | str, file: str, folder: str, around: Surroundings) -> Conversion:
    """Return the hostess.yml for a Compose file.

    *file* is its name for messages, *folder* names the project unless the file does. Problems: "invalid-compose" when it cannot
    be read, "nothing-to-convert" when no service of it can be taken over.
    """
    data = read_compose(source, file)
    if "include" in data:
        around.note("include", "is not followed: convert what `docker compose config` prints")
    services = _given(data, around)
    if not services:
        raise _nothing(file, around)
    peers = _peers(services, data)
    shown = any(service.is_public for service in services)
    made = {
        service.name: entry(service, peers, _waits_for(service, services), around, shown=shown) for service in services
    }
    jobs = {service.name for service in services if service.is_job}
    order = list(_ordered(made))
    tree: dict[str, Any] = {"version": "1.0", "name": around.text(data.get("name")) or folder}
    tree["services"] = {name: made[name] for name in order if name not in jobs}
    tree |= {"jobs": {name: made[name] for name in order if name in jobs}} if jobs else {}
    return _settled(tree, file, around)


def _nothing(file: str, around: Surroundings) -> Problem:
    why = "; ".join(around.notes) or "it names no service"
    return Problem(
        "nothing-to-convert",
        f"no service of {file} can be taken over: {why}",
        remedy="write hostess.yml by hand; its smallest form is on the reference page",
    )


def _given(data: Mapping[str, Tree], around: Surroundings) -> list[Given]:
    """Return the services that can be taken over, under names that hostess.yml allows."""
    bodies = {old: mapping(body) for old, body in mapping(data.get("services")).items()}
    codes = {old: code for old, body in bodies.items() if (code := _code(old, body, around)) is not None}
    awaited = {
        target
        for old in codes
        for target, how in mapping(bodies[old].get("depends_on")).items()
        if scalar(mapping(how).get("condition")) == _ENDS
    }
    found: list[Given] = []
    for old, code in codes.items():
        body = bodies[old]
        if old in awaited and not (argv(body.get("command"), around) or argv(body.get("entrypoint"), around)):
            around.note(
                f"services.{old}", "is left out: others wait for its end, and a job needs its command written out"
            )
            continue
        name = _own_name(old, {service.name for service in found})
        if name != old:
            around.note(f"services.{old}", f"is called {name}: other names are not allowed, and no longer lead to it")
        found.append(given(old, name, data, code, is_job=old in awaited, around=around))
    return found


def _code(old: str, body: Mapping[str, Tree], around: Surroundings) -> Entry | None:
    """Return `build` or `image` of a service; None, with a note, for one that cannot be taken over."""
    place = f"services.{old}"
    if body.get("profiles"):
        around.note(place, "is left out: it only runs when its profile is asked for")
        return None
    if "extends" in body:
        around.note(place, "extends is not followed: convert what `docker compose config` prints")
    build, image = body.get("build"), around.text(body.get("image"))
    if build is not None:
        told = _build(mapping(build) or {"context": build}, around, place)
        if told:
            return {"build": told}
        around.note(place, "its build cannot be taken over: the context is not in this folder")
    if not image:
        around.note(place, "is left out: it has neither image nor build that can be taken over")
        return None
    return {"image": image}


def _build(build: Mapping[str, Tree], around: Surroundings, place: str) -> dict[str, Any] | None:
    context = around.located(around.text(build.get("context")) or ".")
    dockerfile = around.text(build.get("dockerfile"))
    if context is None or "dockerfile_inline" in build or "://" in around.text(build.get("context")):
        return None
    args = {}
    for name, value in pairs(build.get("args")).items():
        text = around.text(value if value is not None else f"${{{name}}}")
        if "${" in text:
            around.note(place, f"build argument {name} is left out: it has no value")
        else:
            args[name] = text
    told: dict[str, Any] = {"source": context}
    told |= {"dockerfile": dockerfile} if dockerfile and dockerfile != "Dockerfile" else {}
    return told | ({"args": args} if args else {})


def _own_name(old: str, taken: set[str]) -> str:
    near = names.slug(old) or names.slug(f"{old}-app") or names.slug(f"app-{old}") or "app"
    number, own = 2, near
    while own in taken:
        own, number = f"{near[:55].rstrip('-')}-{number}", number + 1
    return own


def _peers(services: list[Given], data: Mapping[str, Tree]) -> dict[str, Peer]:
    """Return the services that can be referred to, by every name that Compose knows them by."""
    found: dict[str, Peer] = {}
    for service in (service for service in services if not service.is_job):
        networks = mapping(service.body.get("networks")).values()
        aliases = [scalar(alias) for network in networks for alias in items(mapping(network).get("aliases"))]
        known = (
            service.old,
            scalar(service.body.get("container_name")),
            scalar(service.body.get("hostname")),
            *aliases,
        )
        for name in filter(None, known):
            found.setdefault(name, service.peer())
    for body in map(mapping, mapping(data.get("services")).values()):
        for link in items(body.get("links")):
            target, _, alias = (scalar(link) or "").partition(":")
            if alias and target in found:
                found.setdefault(alias, found[target])
    return found


def _waits_for(service: Given, services: list[Given]) -> dict[str, str]:
    """Return the services and jobs that one waits for: their names in the Compose file, and the new ones."""
    known = {other.old: other.name for other in services if other is not service}
    depends = service.body.get("depends_on")
    wanted = list(depends) if isinstance(depends, dict) else [scalar(item) or "" for item in items(depends)]
    wanted += [(scalar(link) or "").partition(":")[0] for link in items(service.body.get("links"))]
    return {old: known[old] for old in wanted if old in known}


def _ordered(made: Mapping[str, Entry]) -> Iterator[str]:
    """Yield names so that dependencies come first; else, and within a cycle, as they are in the file."""
    left = dict.fromkeys(made)
    while left:
        name = next((name for name in left if not any(target in left for target in _targets(made[name], name))), None)
        name = name or next(iter(left))
        del left[name]
        yield name


def _targets(made: Entry, name: str) -> list[str]:
    depends = made.get("depends_on")
    return [str(target) for target in depends if target != name] if isinstance(depends, list) else []


def _settled(tree: dict[str, Any], file: str, around: Surroundings) -> Conversion:
    """Return the file once the parser takes it; what it refuses is taken out, and told."""
    for _ in range(_ROUNDS):
        text = block(tree)
        try:
            stack = parse(text)
        except InvalidStack as invalid:
            for mistake in reversed(invalid.mistakes):
                _take_out(tree, mistake, around)
            if not tree.get("services"):
                break
        else:
            return Conversion(
                text, tuple(stack.services), tuple(stack.jobs), tuple(around.notes), needed_secrets(stack)
            )
    raise _nothing(file, around)


def _take_out(tree: dict[str, Any], mistake: Mistake, around: Surroundings) -> None:
    if not mistake.path:
        tree.clear()
        around.note("the result", mistake.message)
    elif _removed(tree, mistake.path) and mistake.message != _MISSING:
        # What is missing is so because it was taken out, which was told.
        around.note(mistake.path, f"is left out: {mistake.message}")


def _removed(node: Any, path: str) -> bool:  # noqa: ANN401 -- a part of a tree
    """Take out what is at *path*, or the last thing on the way to it; False when nothing on the way is there."""
    entries = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    for key, below in entries:
        shown = dotted((key,))
        if path != shown and not path.startswith(f"{shown}."):
            continue
        if path == shown or not _removed(below, path[len(shown) + 1 :]):
            del node[key]
        return True
    return False
