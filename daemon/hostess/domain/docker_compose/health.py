"""Health checks of Compose services in the words of hostess.yml."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain import quantities
from hostess.domain.docker_compose.reading import items, mapping, scalar
from hostess.domain.docker_compose.values import Surroundings, duration
from hostess.domain.hostess_yml.reading import Tree
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.hostess_yml.yaml_text import Data

_ASKS = re.compile(r"\b(?:curl|wget|httpie?)\b")
_OWN_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d{1,5}))?(/[^\s'\"|;&)]*)?")
_PIPED = re.compile(r"(?<!\|)\|(?!\|)|&&|;|\$\(")
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(hours=1)
_INTERVAL = timedelta(seconds=30)
_RETRIES, _MOST_RETRIES = 3, 100


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked: a path at a port (None: the one that URLs have by themselves), or a command."""

    path: str = ""
    port: int | None = None
    command: tuple[str, ...] = ()


def probe(body: Mapping[str, Tree], around: Surroundings) -> Probe | None:
    """Return what the health check of a service asks; None when it has none, or leaves it to its image."""
    check = mapping(body.get("healthcheck"))
    test = check.get("test")
    words = [around.text(item) for item in items(test)]
    if not words or words[0] == "NONE" or scalar(check.get("disable")) == "true":
        return None
    if not isinstance(test, list):
        words = ["CMD-SHELL", *words]
    shell = words[0] == "CMD-SHELL"
    text = " ".join(words[1:])
    urls = _OWN_URL.findall(text)
    if len(urls) == 1 and _ASKS.search(text) and not _PIPED.search(text):
        port, path = urls[0]
        return Probe(path=path or "/", port=int(port or 80))
    command = ("sh", "-c", text) if shell else tuple(words[1:])
    return Probe(command=command) if text.strip() else None


def health(
    body: Mapping[str, Tree], found: Probe | None, kind: ServiceType, port: int | None, around: Surroundings
) -> dict[str, Data]:
    """Return the value of `health`; empty for none. *port* is the one that `http` is asked on when nothing else is said."""
    check = mapping(body.get("healthcheck"))
    if found is None and (kind is ServiceType.CUSTOM or not check or "test" in check or "disable" in check):
        return {}
    told: dict[str, Data] = {}
    if found is not None and found.path:
        told["http"] = found.path
        if found.port != port:
            told["port"] = found.port
    elif found is not None:
        told["command"] = list(found.command)
    for key in ("interval", "timeout"):
        length = duration(check.get(key), _SHORTEST, _LONGEST)
        if length:
            told[key] = length
    retries = _retries(check, around)
    return told | ({"retries": retries} if retries else {})


def _retries(check: Mapping[str, Tree], around: Surroundings) -> int | None:
    """Return how often a check may fail; a start period becomes further attempts, as there is no such key."""
    text = around.text(check.get("retries"))
    written = int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else None
    grace = _length(check.get("start_period"))
    interval = _length(check.get("interval")) or _INTERVAL
    more = math.ceil(grace / max(interval, _SHORTEST)) if grace else 0
    if written is None and not more:
        return None
    return min(max((written or _RETRIES) + more, 1), _MOST_RETRIES)


def _length(value: Tree) -> timedelta | None:
    try:
        return quantities.parse_duration(scalar(value) or "")
    except ValueError:
        return None
