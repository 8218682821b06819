"""Volumes, configs and secrets of Compose services: what becomes a file, what becomes a persistent folder, what is told."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hostess.domain.docker_compose.reading import items, mapping, scalar
from hostess.domain.docker_compose.values import Surroundings
from hostess.domain.hostess_yml.reading import Tree
from hostess.domain.hostess_yml.yaml_text import Data

_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_SECRET_NAME = re.compile(r"[^A-Za-z0-9]+")
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_LONGEST_NAME = 63


@dataclass(slots=True)
class Mounts:
    """What a service gets: entries for `files` and for `persistence`."""

    files: list[Data] = field(default_factory=list)
    folders: list[dict[str, Data]] = field(default_factory=list)

    def file(self, name: str, mount: str, origin: Mapping[str, Data]) -> None:
        """Add a file under a name of its own."""
        taken = {str(entry["name"]) for entry in self.files if isinstance(entry, dict)}
        self.files.append({"name": _own(_named(name), taken), "mount": mount, **origin})

    def folder(self, name: str, mount: str) -> None:
        """Add a persistent folder under a name of its own."""
        taken = {str(entry["name"]) for entry in self.folders}
        self.folders.append({"name": _own(_named(name), taken), "mount": mount})

    def persistence(self) -> Data:
        """Return the value of `persistence`, None for none."""
        return self.folders[0] if len(self.folders) == 1 else list(self.folders) or None


def mounts(body: Mapping[str, Tree], data: Mapping[str, Tree], around: Surroundings, place: str) -> Mounts:
    """Return files and persistent folders of a service; *data* is the whole Compose file, which defines configs and secrets."""
    found = Mounts()
    built = body.get("build") is not None
    for item in items(body.get("volumes")):
        _volume(item, found, around, place, built=built)
    for item in items(body.get("configs")):
        _config(item, mapping(data.get("configs")), found, around, place)
    for item in items(body.get("secrets")):
        _secret(item, found, around)
    return found


def _volume(item: Tree, found: Mounts, around: Surroundings, place: str, *, built: bool) -> None:
    source, target, kind, fixed = _parsed(item, around)
    if not target.startswith("/"):
        around.note(place, f"volume {target or source} is left out: it has no absolute path")
    elif kind == "tmpfs" or not source:
        around.note(place, f"volume {target} is left out: it is empty in every new container anyway")
    elif kind == "volume":
        found.folder(source, target)
    elif source in _SOCKETS:
        around.note(place, "the Docker socket is left out: apps do not get it")
    else:
        _bind(source, target, found, around, place, keeps=not (built or fixed))


def _parsed(item: Tree, around: Surroundings) -> tuple[str, str, str, bool]:
    """Return source, target, kind and whether it is read-only."""
    if isinstance(item, dict):
        kind = around.text(item.get("type")) or "volume"
        return (
            around.text(item.get("source")),
            around.text(item.get("target")),
            kind,
            scalar(item.get("read_only")) == "true",
        )
    first, _, rest = around.text(item).partition(":")
    target, _, options = rest.partition(":")
    if not rest:
        return "", first, "volume", False
    return first, target, "bind" if first[:1] in {".", "/", "~", "$"} else "volume", "ro" in options.split(",")


def _bind(source: str, target: str, found: Mounts, around: Surroundings, place: str, *, keeps: bool) -> None:
    path = around.located(source)
    if path is None:
        around.note(place, f"{source} is left out: it lies outside of this folder")
    elif around.checkout.is_file(path):
        found.file(posixpath.basename(path), target, {"source": path})
    elif around.checkout.is_folder(path) or not keeps:
        around.note(place, f"folder {source} is left out: build it into the image, or list single files under `files`")
    else:
        found.folder(posixpath.basename(path), target)
        around.note(place, f"folder {source} becomes a persistent folder, empty at first")


def _config(item: Tree, known: Mapping[str, Tree], found: Mounts, around: Surroundings, place: str) -> None:
    name = around.text(item.get("source")) if isinstance(item, dict) else around.text(item)
    target = around.text(item.get("target")) if isinstance(item, dict) else ""
    defined = mapping(known.get(name))
    path = around.located(around.text(defined.get("file"))) if defined.get("file") else None
    if defined.get("content") is not None:
        found.file(name, _absolute(target or name, "/"), {"content": around.text(defined.get("content"))})
    elif path is not None:
        found.file(name, _absolute(target or name, "/"), {"source": path})
    else:
        around.note(place, f"config {name} is left out: its file is not in this folder")


def _secret(item: Tree, found: Mounts, around: Surroundings) -> None:
    name = around.text(item.get("source")) if isinstance(item, dict) else around.text(item)
    target = around.text(item.get("target")) if isinstance(item, dict) else ""
    secret = _SECRET_NAME.sub("_", name).strip("_").upper()
    secret = f"S_{secret}" if secret[:1].isdigit() else secret
    found.file(name, _absolute(target or name, "/run/secrets/"), {"secret": secret})


def _absolute(path: str, folder: str) -> str:
    return path if path.startswith("/") else folder + path


def _named(text: str) -> str:
    return _NAME.sub("-", text).strip("._-")[:_LONGEST_NAME] or "data"


def _own(name: str, taken: set[str]) -> str:
    number = 2
    own = name
    while own in taken:
        own, number = f"{name[: _LONGEST_NAME - 4]}-{number}", number + 1
    return own
