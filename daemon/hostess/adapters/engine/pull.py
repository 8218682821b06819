"""Fetching an image from its registry, told in few lines; the registry's refusals as Problems."""

from collections.abc import Callable, Iterable
from typing import Any

import requests
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from hostess.adapters.engine.build import messages
from hostess.adapters.engine.build_failure import NOT_THERE, cause, familiar
from hostess.adapters.engine.calls import Api, Line, checked, reason, url_of
from hostess.domain.problem import Problem

SILENCE = 60.0
"""Seconds without a word from the engine after which the registry counts as unreachable."""
QUARTERS = 4


def fetch(reference: str, tell: Callable[[str], None], api: Api, line: Line) -> None:
    """Fetch an image; blocking. Problem "image-not-found" or "registry-unreachable"."""
    repository, tag = parse_repository_tag(reference)
    params = {"fromImage": repository, "tag": tag or "latest"}
    tell(f"pulling {reference}")
    try:
        response = api.post(url_of(api, "/images/create"), params=params, stream=True, timeout=(10, SILENCE))
        with line.hold(checked(response)):
            progress(reference, messages(response), tell)
    except NotFound as error:
        raise refused(reference, reason(error)) from error
    except APIError as error:
        raise refused(reference, reason(error)) from error
    except requests.Timeout as error:
        raise refused(reference, f"no word from it for {SILENCE:.0f} s") from error


def progress(reference: str, heard: Iterable[dict[str, Any]], tell: Callable[[str], None]) -> None:
    """Tell of each quarter of the layers; a Problem when the registry refuses in mid answer."""
    layers: dict[str, bool] = {}
    told = 0
    for message in heard:
        if "error" in message:
            raise refused(reference, str(message["error"]))
        status, layer = message.get("status", ""), message.get("id", "")
        if status in {"Pulling fs layer", "Already exists"}:
            layers[layer] = status == "Already exists"
        elif status == "Pull complete":
            layers[layer] = True
        quarter = sum(layers.values()) * QUARTERS // len(layers) if layers else 0
        if quarter > told:
            told = quarter
            tell(f"  {sum(layers.values())} of {len(layers)} layers")


def refused(reference: str, words: str) -> Problem:
    """Return the Problem that the engine's words mean."""
    if NOT_THERE.search(words) or "not found" in words or "invalid reference" in words:
        return Problem(
            "image-not-found",
            f"the image {familiar(reference)} was not found: {words}",
            remedy="see whether name and tag are right, and whether the image is private (then: hostess registry login)",
        )
    return Problem(
        "registry-unreachable",
        f"the image {familiar(reference)} is not on this host, and its registry cannot be reached: {cause(words)}",
        remedy="see whether this host reaches the registry (DNS, firewall, proxy)",
    )
